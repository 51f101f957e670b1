"""Truncation that uses gold labels, as in published code: a separate setting that is never ranked.

RANKCP, MM-R and CD-MRC truncate a long document so that its first gold pair stays, in evaluation too. The model's
input then depends on the labels it is scored on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Array, Prediction

Truncation = Literal["lengths", "gold"]

RECORDED: dict[Truncation, Literal["lengths", "gold (keeps the first gold pair in view)"]] = {
    "lengths": "lengths",
    "gold": "gold (keeps the first gold pair in view)",
}
"""What a record says for each setting."""


class GoldView:
    """Truncates documents around their first gold pair, and maps predictions back to the entire documents.

    Entire clauses are dropped from the end farther from the first pair (lowest emotion, then lowest cause) until that
    pair is reached, then from the other end, until the method need not truncate. If that is not enough, or the document
    has no pair, the method truncates it by length.

    Args:
        collate: Function that batches documents without gold; the batch's `cut` names the truncated or lost clauses of
            each document, and is absent if the method truncates nothing.
    """

    def __init__(self, collate: Callable[[list[Document]], Any]) -> None:
        self.collate = collate
        self.places: dict[
            str, tuple[int, int]
        ] = {}  # document -> its first visible clause, its number of clauses

    def __call__(self, document: Document) -> Document:
        """The document, or its visible part with the pairs inside it."""
        if not document.pairs or self._fits(document):
            return document
        size, pair = len(document), min(document.pairs)
        first, last = min(pair), max(pair) + 1
        ends = [(start, size) for start in range(1, first + 1)]
        tails = [(0, stop) for stop in range(size - 1, last - 1, -1)]
        if size - last >= first:  # the pair is in the first half: drop the tail first
            views = [*tails, *((start, last) for start in range(1, first + 1))]
        else:
            views = [*ends, *((first, stop) for stop in range(size - 1, last - 1, -1))]
        for start, stop in views:
            part = _part(document, start, stop)
            if self._fits(part):
                self.places[document.id] = start, size
                return part
        return document

    def _fits(self, document: Document) -> bool:
        cut: Sequence[int] = getattr(self.collate([document.without_gold()]), "cut", ())
        return not any(cut)

    def restored(self, prediction: Prediction) -> Prediction:
        """The prediction for the entire document, with score 0 for clauses out of view."""
        if prediction.id not in self.places:
            return prediction
        start, size = self.places[prediction.id]
        scores: dict[str, Array] = {}
        lost = 0
        for name, values in prediction.scores.items():
            lost = size - len(values)
            around = [(start, lost - start)] + [(0, 0)] * (values.ndim - 1)
            if name == "pair":
                around[1] = around[0]
            known = name in ("pair", "emotion", "cause")
            scores[name] = np.pad(values, around, constant_values=0.0 if known else np.nan)
        return prediction._replace(scores=scores, truncated=prediction.truncated + lost)


def _part(document: Document, start: int, stop: int) -> Document:
    pairs = frozenset(
        (emotion - start, cause - start)
        for emotion, cause in document.pairs or ()
        if start <= min(emotion, cause) and max(emotion, cause) < stop
    )
    return replace(document, segments=document.segments[start:stop], pairs=pairs)
