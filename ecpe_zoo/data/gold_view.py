"""Truncation that looks at gold, as published code does it: a named arm that is never ranked.

RANKCP, MM-R and CD-MRC cut a document that is too long so that its first gold pair stays, in evaluation too. What the
model then sees depends on the labels that it is scored on.
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
"""What a record says of each."""


class GoldView:
    """Shortens documents by the place of their first gold pair, and puts predictions back on whole documents.

    Whole clauses are left out from the end that is farther from the first pair (the lowest emotion, then cause), up to
    that pair, then from the other end, until the method shortens nothing. If it does even then, or the document has
    no pair, the method's own truncation by lengths is left to do it.

    Args:
        collate: Documents to a batch, without gold; a batch names the shortened or lost clauses of its documents as
            `cut`, or the method shortens none.
    """

    def __init__(self, collate: Callable[[list[Document]], Any]) -> None:
        self.collate = collate
        self.places: dict[
            str, tuple[int, int]
        ] = {}  # document -> its first clause in view, clauses of the whole

    def __call__(self, document: Document) -> Document:
        """The document, or the part of it that is in view; its pairs are those within."""
        if not document.pairs or self._fits(document):
            return document
        size, pair = len(document), min(document.pairs)
        first, last = min(pair), max(pair) + 1
        ends = [(start, size) for start in range(1, first + 1)]
        tails = [(0, stop) for stop in range(size - 1, last - 1, -1)]
        if size - last >= first:  # the pair is in the first half: the tail goes
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
        """The prediction on the whole document, with the score 0 for clauses out of view."""
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
