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


def pairs_in_turns(
    first: Answers,
    ask: Callable[[Sequence[Query]], Answers],
    ask_above: float = 0.5,
    rethink: Rethink = "paper",
    gamma: float = 0.7,
) -> list[dict[str, Array]]:
    """Scores of all documents of a batch, whose questions of one kind are asked together.

    Args:
        first: answers to EE and CE of each document.
        ask: answers further questions.
        ask_above: follow-up questions are asked of clauses with a higher probability.
        rethink: `paper`: a pair (e, c) with P(c|e) above that is multiplied by gamma if CSEE(c) does not
            return e. `mm-r`: it is, once for each other clause i that CSEE(c) returns, and the pair (i, c) is
            added with the score P(i|c) P(c|e); MM-R's code takes P(c|e) of the last emotion asked, which is a
            slip, here it is that of the pair. `none`: CSEE is not asked.
        gamma: 0 to 1.

    Returns:
        For each document, in order: emotion (N,), cause (N,) and pair (N, N) = P(e) P(c|e) before gamma, 0
        where nothing was asked.
    """
    emotions = {query.document: p for query, p in first.items() if query.kind == EE}
    causes = {query.document: p for query, p in first.items() if query.kind == CE}
    pairs = {document: np.zeros((len(p), len(p)), dtype=np.float32) for document, p in emotions.items()}

    def returned(p: Array) -> list[int]:
        return [int(index) for index in np.flatnonzero(p > ask_above)]

    forward = ask([Query(d, ESCE, e) for d, p in emotions.items() for e in returned(p)])
    for query, p in forward.items():
        pairs[query.document][query.asked] = emotions[query.document][query.asked] * p
    if rethink != "none":
        doubted = {Query(query.document, CSEE, c) for query, p in forward.items() for c in returned(p)}
        backward = ask(sorted(doubted))
        for query, p in forward.items():
            scores, emotion = pairs[query.document], query.asked
            for cause in returned(p):
                again = backward[Query(query.document, CSEE, cause)]
                if rethink == "paper":
                    scores[emotion, cause] *= 1.0 if again[emotion] > ask_above else gamma
                    continue
                for other in returned(again):
                    if other != emotion:
                        scores[emotion, cause] *= gamma
                        scores[other, cause] = max(scores[other, cause], again[other] * p[cause])
    return [{"pair": pairs[d], "emotion": emotions[d], "cause": causes[d]} for d in sorted(emotions)]
