"""Pairs from questions in turns: emotions, then their causes, then a second thought (MM-R, MGCL)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from ecpe_zoo.data.predictions import Array
from ecpe_zoo.text.prompts import KINDS
from ecpe_zoo.text.queries import Query

Rethink = Literal["paper", "mm-r", "none"]
Answers = Mapping[Query, Array]
"""Probability (N,) of each clause of the document to be an answer."""

EE, CE, ESCE, CSEE = (KINDS.index(kind) for kind in ("EE", "CE", "ESCE", "CSEE"))


ADOPTED = 0.5
"""An answer is adopted above this probability (MGCL section 3.5, MM-R's code)."""


def emotions_asked(p: Array, above: float, default: float, more: int) -> list[int]:
    """The clauses whose causes are asked for.

    Args:
        p: (N,) answers to EE.
        above: the probability from which on clauses are asked about.
        default: if `above` is lower than this, only the `more` most probable clauses between the two are asked
            about, so that a low value costs a bounded number of questions.
        more: see `default`, at least 0.

    Returns:
        Their indices, ascending.
    """
    sure = np.flatnonzero(p > max(above, default))
    between = np.flatnonzero((p > above) & (p <= default))
    between = between[np.argsort(-p[between], kind="stable")][:more]
    return sorted(int(index) for index in [*sure, *between])


def pairs_in_turns(
    first: Answers,
    ask: Callable[[Sequence[Query]], Answers],
    ask_above: float = 0.5,
    rethink: Rethink = "paper",
    gamma: float = 0.7,
    adopt_above: float = ADOPTED,
    default: float = 0.5,
    more: int = 2,
) -> list[dict[str, Array]]:
    """Scores of all documents of a batch, whose questions of one kind are asked together.

    Args:
        first: answers to EE and CE of each document.
        ask: answers further questions.
        ask_above: ESCE is asked of emotion clauses with a higher probability; see `emotions_asked`.
        rethink: what CSEE changes.

            `paper`: a pair (e, c) is confirmed if ESCE(e) adopts c and CSEE(c) adopts e; all others are multiplied by
            gamma. Pairs that ESCE does not adopt are lowered too, although the paper only speaks of the others: a pair
            with P(c|e) = .55 that CSEE doubts would otherwise score below one with .45. At a threshold of .5 this
            decides nothing.

            `mm-r`: the released rule. A pair that ESCE adopts is multiplied by gamma once for each other clause i
            that CSEE(c) adopts, and the pair (i, c) is added with the score P(i|c) P(c|e) unless ESCE(i) adopted c
            itself; an adopted pair is never raised. The released code takes P(c|e) of the last emotion that was asked
            about, which is a slip; here it is that of the pair.

            `none`: CSEE is not asked.
        gamma: 0 to 1.
        adopt_above: answers to ESCE and CSEE above this probability are adopted.
        default: see `emotions_asked`.
        more: see `emotions_asked`.

    Returns:
        For each document, in order: emotion (N,), cause (N,) and pair (N, N) = P(e) P(c|e) before gamma, 0
        where nothing was asked.
    """
    emotions = {query.document: p for query, p in first.items() if query.kind == EE}
    causes = {query.document: p for query, p in first.items() if query.kind == CE}
    pairs = {document: np.zeros((len(p), len(p)), dtype=np.float32) for document, p in emotions.items()}

    def adopted(p: Array) -> list[int]:
        return [int(index) for index in np.flatnonzero(p > adopt_above)]

    forward = ask(
        [Query(d, ESCE, e) for d, p in emotions.items() for e in emotions_asked(p, ask_above, default, more)]
    )
    for query, p in forward.items():
        pairs[query.document][query.asked] = emotions[query.document][query.asked] * p
    if rethink != "none":
        kept = {(query.document, query.asked, c) for query, p in forward.items() for c in adopted(p)}
        backward = ask(sorted({Query(document, CSEE, c) for document, _, c in kept}))
        for query, p in forward.items():
            scores, emotion = pairs[query.document], query.asked
            confirmed = np.zeros(len(p), dtype=bool)
            for cause in adopted(p):
                again = backward[Query(query.document, CSEE, cause)]
                confirmed[cause] = again[emotion] > adopt_above
                if rethink == "mm-r":
                    for other in adopted(again):
                        if other != emotion:
                            scores[emotion, cause] *= gamma
                            if (query.document, other, cause) not in kept:
                                scores[other, cause] = max(scores[other, cause], again[other] * p[cause])
            if rethink == "paper":
                scores[emotion, ~confirmed] *= gamma
    return [{"pair": pairs[d], "emotion": emotions[d], "cause": causes[d]} for d in sorted(emotions)]
