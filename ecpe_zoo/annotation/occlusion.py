"""What an answer rests on, by leaving out parts of the text: the change of its score.

It works with every method, since it needs nothing but scores. A part that the answer is about cannot be left out
(without its emotion clause there is no pair); its text becomes `BLANK` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction

BLANK = "…"
"""In place of a text that says nothing any more; a document needs some text in each segment."""

MOST_LEFT_OUT = 200
"""Parts that are left out of a document, those nearest to its answers: each costs one or two readings of it."""

Floats = npt.NDArray[np.float64]


class Piece(NamedTuple):
    """A part of a document that can be left out.

    Args:
        segment: Index of its segment.
        text: Its text as the model reads it; the pieces of a segment, in order, are its text.
    """

    segment: int
    text: str


class Target(NamedTuple):
    """A score to explain.

    Args:
        segment: Index of the emotion clause, or of the segment with the label.
        cause: Index of the cause clause; None for a label.
        label: Index of the label; None for a pair.
    """

    segment: int
    cause: int | None = None
    label: int | None = None

    @property
    def own(self) -> frozenset[int]:
        """Segments that the score is about."""
        return frozenset({self.segment} if self.cause is None else {self.segment, self.cause})

    def score(self, prediction: Prediction, places: Sequence[int | None] | None = None) -> float:
        """The score in a prediction.

        Args:
            prediction: Scores of a document.
            places: Index of each segment in that document, if it is another one.
        """
        row = self.segment if places is None else places[self.segment]
        if self.cause is None:
            return float(prediction.scores["emotions"][row, self.label])
        column = self.cause if places is None else places[self.cause]
        return float(prediction.scores["pair"][row, column])


class Variant(NamedTuple):
    """A document without a piece.

    Args:
        piece: Index of the piece.
        document: What is left.
        places: Index of each segment of the full document in it; None for one that is gone.
        blanked: Whether the piece became `BLANK`.
    """

    piece: int
    document: Document
    places: list[int | None]
    blanked: bool


def without(document: Document, pieces: Sequence[Piece], index: int, blank: bool) -> Variant:
    """A document without a piece, valid and with a new id.

    Args:
        document: The full document.
        pieces: All its pieces, in order.
        index: The piece to leave out.
        blank: Keep the segment of a piece that is all of it, with the text `BLANK`.
    """
    segment = pieces[index].segment
    rest = [p.text for number, p in enumerate(pieces) if p.segment == segment and number != index]
    text = (" " if " " in document.segments[segment].text else "").join(rest).strip()
    id = f"{document.id} without {index + 1}{' blank' if blank else ''}"
    places: list[int | None] = list(range(len(document)))
    segments = list(document.segments)
    if text or blank or len(segments) == 1:
        segments[segment] = replace(segments[segment], text=text or BLANK)
        return Variant(index, replace(document, id=id, segments=tuple(segments), pairs=None), places, True)
    del segments[segment]
    places = [None if i == segment else i - (i > segment) for i in range(len(document))]
    return Variant(index, replace(document, id=id, segments=tuple(segments), pairs=None), places, False)


def variants(document: Document, pieces: Sequence[Piece], targets: Sequence[Target]) -> list[Variant]:
    """The documents whose scores are needed, for the pieces nearest to the targets."""
    own = frozenset[int]().union(*(target.own for target in targets))

    def distance(index: int) -> int:
        return min(abs(pieces[index].segment - segment) for segment in own)

    nearest = sorted(range(len(pieces)), key=lambda index: (distance(index), index))[:MOST_LEFT_OUT]
    made = []
    for index in sorted(nearest):
        if any(pieces[index].segment in target.own for target in targets):
            made.append(without(document, pieces, index, blank=True))
        if any(pieces[index].segment not in target.own for target in targets):
            made.append(without(document, pieces, index, blank=False))
    return made


def changes(
    document: Document,
    pieces: Sequence[Piece],
    targets: Sequence[Target],
    full: Prediction,
    predict: Callable[[Sequence[Document]], Sequence[Prediction]],
) -> Floats:
    """The score of each target minus its score without each piece.

    Args:
        document: The document.
        pieces: Its pieces, in order.
        targets: Scores to explain.
        full: Prediction for the document.
        predict: Scores documents with distinct ids.

    Returns:
        (targets, pieces); NaN for pieces that were not left out.
    """
    found = np.full((len(targets), len(pieces)), np.nan)
    if not targets:
        return found
    made = variants(document, pieces, targets)
    for variant, prediction in zip(made, predict([v.document for v in made]), strict=True):
        for row, target in enumerate(targets):
            if (pieces[variant.piece].segment in target.own) == variant.blanked:
                found[row, variant.piece] = target.score(full) - target.score(prediction, variant.places)
    return found
