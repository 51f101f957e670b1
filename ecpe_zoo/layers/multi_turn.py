"""Pairs from questions: emotions, then their causes, then rethinking (MM-R, MGCL), or both directions (CD-MRC)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from ecpe_zoo.errors import unknown_choice
from ecpe_zoo.text.prompts import KINDS
from ecpe_zoo.text.queries import Query

Rethink = Literal["paper", "mm-r", "none"]
Combine = Literal["set", "forward", "backward", "union", "intersection"]
Answers = Mapping[Query, Tensor]
"""Probability (N,) on the CPU that each clause of the document is an answer."""
Ask = Callable[[Sequence[Query]], Answers]

EE, CE, ESCE, CSEE = (KINDS.index(kind) for kind in ("EE", "CE", "ESCE", "CSEE"))


ADOPTED = 0.5
"""An answer is adopted above this probability (MGCL section 3.5, MM-R's code)."""

AGREED = 0.99
"""Lowest score of pairs that both directions agree on, so that no threshold tried in tuning excludes them."""


def emotions_asked(p: Tensor, above: float, default: float, more: int) -> list[int]:
    """The emotion clauses about which ESCE is asked.

    Args:
        p: Answers (N,) to EE.
        above: Probability above which clauses are asked about.
        default: If `above` is lower than this, only the `more` most probable clauses between the two are asked
            about, which bounds the number of questions.
        more: Number of clauses, at least 0; see `default`.

    Returns:
        Clause indices, ascending.
    """
    p = p.detach()
    sure = _indices(p > max(above, default))
    between = sorted(_indices((p > above) & (p <= default)), key=lambda index: -float(p[index]))
    return sorted([*sure, *between[:more]])


def _indices(chosen: Tensor) -> list[int]:
    """Where a mask (N,) is True."""
    found: list[int] = chosen.nonzero()[:, 0].tolist()
    return found


def pairs_in_turns(
    first: Answers,
    ask: Ask,
    ask_above: float = 0.5,
    rethink: Rethink = "paper",
    gamma: float = 0.7,
    adopt_above: float = ADOPTED,
    default: float = 0.5,
    more: int = 2,
    window: int | None = None,
    elsewhere: float = 1.0,
) -> list[dict[str, Tensor]]:
    """Scores of all documents of a batch, whose questions of one kind are run together.

    Args:
        first: Answers to EE of each document, and to CE if the method asks it.
        ask: Function that answers further questions.
        ask_above: Emotion probability above which ESCE is asked about a clause; see `emotions_asked`.
        rethink: What CSEE changes.

            `paper`: a pair (e, c) is confirmed if ESCE(e) adopts c and CSEE(c) adopts e; all others are multiplied by
            gamma. Pairs that ESCE does not adopt are lowered too, though the paper only mentions the others: otherwise
            a pair with P(c|e) = .55 that CSEE rejects would score below one with .45. At a threshold of .5 this changes
            nothing.

            `mm-r`: the released rule. Only pairs that ESCE adopts are kept; all others score 0. A kept pair is
            multiplied by gamma once for each other clause i that CSEE(c) adopts, and (i, c) is added, unless ESCE(i)
            adopted c itself or an earlier kept pair added it (in the order of e, then c: the first score stays). Its
            score is P(i|c) P(c|e), where e is the emotion of the doubted pair. The released code mistakenly takes
            P(c|e) of the last emotion that was asked about.

            `none`: CSEE is not asked.
        gamma: Factor of lowered pairs, 0 to 1.
        adopt_above: Answers to ESCE and CSEE above this probability are adopted.
        default: See `emotions_asked`.
        more: See `emotions_asked`.
        window: Largest distance in clauses between emotion and cause of a pair from ESCE; None for no limit. Pairs
            added by `mm-r` are exempt, as in the released code.
        elsewhere: Factor of the pairs from ESCE whose cause is neither the emotion clause nor one of the two after it.

    Returns:
        For each document, in order: emotion (N,), cause (N,) if CE was asked, and pair (N, N) = P(e) P(c|e) before
        gamma, 0 if nothing was asked. Gradients reach the answers.
    """
    emotions = {query.document: p for query, p in first.items() if query.kind == EE}
    pairs = {document: p.new_zeros(len(p), len(p)) for document, p in emotions.items()}

    def adopted(p: Tensor) -> list[int]:
        return _indices(p > adopt_above)

    asked = [
        Query(d, ESCE, e) for d, p in emotions.items() for e in emotions_asked(p, ask_above, default, more)
    ]
    found = ask(asked)
    forward: dict[Query, Tensor] = {}
    for query in asked:
        offset = torch.arange(len(found[query])) - query.asked  # offset of the cause from the emotion
        p = found[query] if window is None else torch.where(offset.abs() <= window, found[query], 0)
        forward[query] = p
        score = emotions[query.document][query.asked] * p
        if elsewhere != 1:
            score = torch.where((offset >= 0) & (offset <= 2), score, score * elsewhere)
        pairs[query.document][query.asked] = score
    if rethink != "none":
        kept = {(query.document, query.asked, c) for query, p in forward.items() for c in adopted(p)}
        backward = ask(sorted({Query(document, CSEE, c) for document, _, c in kept}))
        added: dict[tuple[int, int, int], Tensor] = {}
        for query, p in forward.items():
            document, emotion = query.document, query.asked
            candidate, confirmed = adopted(p), torch.zeros(len(p), dtype=torch.bool)
            scores = pairs[document][emotion]  # a view
            for cause in candidate:
                again = backward[Query(document, CSEE, cause)]
                confirmed[cause] = bool(again[emotion] > adopt_above)
                if rethink == "mm-r":
                    for other in adopted(again):
                        if other != emotion:
                            scores[cause] *= gamma
                            added.setdefault((document, other, cause), again[other] * p[cause])
            if rethink == "paper":
                scores[~confirmed] *= gamma
            else:
                scores[p <= adopt_above] = 0
        for (document, emotion, cause), score in added.items():
            if (document, emotion, cause) not in kept:
                pairs[document][emotion, cause] = score
    return _scores(first, pairs)


def pairs_both_ways(
    first: Answers, ask: Ask, ask_above: float = 0.5, combine: Combine = "set"
) -> list[dict[str, Tensor]]:
    """Scores of all documents of a batch, from the causes of each emotion and the emotions of each cause.

    Args:
        first: Answers to EE and CE of each document.
        ask: Function that answers further questions; ESCE and CSEE of all documents are run at once.
        ask_above: Threshold for asking ESCE about clauses with a higher emotion probability, CSEE about those with a
            higher cause probability.
        combine: Rule for combining both directions; see `combined`.

    Returns:
        For each document, in order: emotion (N,), cause (N,) and pair (N, N).
    """
    emotions = {query.document: p for query, p in first.items() if query.kind == EE}
    follow = {EE: ESCE, CE: CSEE}
    asked = [
        Query(query.document, follow[query.kind], clause)
        for query, p in first.items()
        for clause in _indices(p > ask_above)
    ]
    forward, backward = (
        {document: p.new_zeros(len(p), len(p)) for document, p in emotions.items()} for _ in range(2)
    )
    for query, p in ask(asked).items():
        if query.kind == ESCE:
            forward[query.document][query.asked] = p
        else:
            backward[query.document][:, query.asked] = p
    return _scores(first, {d: combined(forward[d], backward[d], combine) for d in emotions})


def combined(forward: Tensor, backward: Tensor, combine: Combine) -> Tensor:
    """Scores of pairs; pairs above a threshold t are predicted.

    Args:
        forward: Scores (N, N), F[e, c] = P(c|e), 0 if ESCE was not asked.
        backward: Scores (N, N), B[e, c] = P(e|c), 0 if CSEE was not asked.
        combine: Which pairs are predicted.

            `set`: those with F > .5 and B > .5, with F > t, or with B > t. A pair that both directions adopt scores
            .99 + min(F, B) / 100, which keeps their order and exceeds any t up to .99; others score max(F, B). Scores
            do not depend on t, and fewer pairs remain as t rises.

            `forward`, `backward`: only F > t or only B > t. `union`: either. `intersection`: both.

    Returns:
        (N, N), 0 to 1.

    Raises:
        ZooError: The rule is unknown.
    """
    either, both = torch.maximum(forward, backward), torch.minimum(forward, backward)
    match combine:
        case "forward":
            return forward
        case "backward":
            return backward
        case "union":
            return either
        case "intersection":
            return both
        case "set":
            agreed = AGREED + (1 - AGREED) * both
            return torch.maximum(either, torch.where(both > ADOPTED, agreed, 0))
        case _:
            raise unknown_choice("--model.combine", combine, get_args(Combine))


def _scores(first: Answers, pairs: Mapping[int, Tensor]) -> list[dict[str, Tensor]]:
    """Each document's pair scores, with its answers to EE and CE."""
    found: dict[int, dict[str, Tensor]] = {document: {"pair": pairs[document]} for document in sorted(pairs)}
    for kind, name in ((EE, "emotion"), (CE, "cause")):
        for query, p in first.items():
            if query.kind == kind:
                found[query.document][name] = p
    return list(found.values())
