"""What the scores of emotion labels share: segments beside their scores, and averages over classes.

Fractions are 0 where they are not defined, as in `pairs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.pairs import matched

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

NEUTRAL = ("neutral", "others", "neu")
"""Labels, in lower case, for the absence of the asked emotions: scores are given without them too."""


class Judged(NamedTuple):
    """The judged segments of all documents, one below the other.

    Args:
        labels: the C labels of the predictions; none where there is no prediction.
        segments: the M segments that are scored, in the order of the documents.
        scores: (M, C) in [0, 1]; a row of NaN where there is no answer: the document has no prediction, the
            row has a NaN, or is all 0 because the segment was lost.
    """

    labels: tuple[str, ...]
    segments: tuple[Segment, ...]
    scores: npt.NDArray[np.float32]

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """(M,) where there is an answer."""
        without = np.isnan(self.scores).any(axis=1) | (not self.labels)
        return np.asarray(~without, dtype=np.bool_)


def lay_out(
    predictions: Iterable[Prediction],
    documents: Mapping[str, Document],
    annotated: Callable[[Segment], bool],
) -> Judged:
    """Lay the judged and annotated segments beside their scores.

    Args:
        predictions: at most one a document, with scores `emotions` (N, C) and the same C labels in all.
        documents: gold documents by id.
        annotated: says whether a judged segment has gold to be scored on.

    Raises:
        ZooError: see `matched`; or predictions without `emotions`, or with labels that differ or do not fit.
    """
    found = {prediction.id: prediction for prediction, _ in matched(predictions, documents)}
    labels: tuple[str, ...] = next((prediction.labels for prediction in found.values()), ())
    for prediction in found.values():
        if "emotions" not in prediction.scores:
            raise ZooError(
                f"Expected scores `emotions` of document {prediction.id!r}, but got: "
                f"{', '.join(sorted(prediction.scores)) or 'none'}."
            )
        if prediction.labels != labels:
            raise ZooError(
                f"Expected the same labels in all predictions, but document {prediction.id!r} has "
                f"{prediction.labels}, and others {labels}."
            )
        shape = prediction.scores["emotions"].shape
        if len(shape) != 2 or shape[1] != len(labels) or len(set(labels)) != len(labels) or not labels:
            raise ZooError(
                f"Expected scores `emotions` of document {prediction.id!r} to have a column for each of "
                f"{len(set(labels))} different labels, but got shape {shape} and labels {labels}."
            )
    segments: list[Segment] = []
    blocks = [np.zeros((0, len(labels)), dtype=np.float32)]
    for id, document in documents.items():
        chosen = [i for i, segment in enumerate(document.segments) if segment.judged and annotated(segment)]
        segments.extend(document.segments[index] for index in chosen)
        if id in found:
            blocks.append(found[id].scores["emotions"][chosen].astype(np.float32))
        else:
            blocks.append(np.full((len(chosen), len(labels)), np.nan, dtype=np.float32))
    scores = np.concatenate(blocks)
    if labels:
        scores[np.isnan(scores).any(axis=1) | (scores == 0).all(axis=1)] = np.nan
    return Judged(labels, tuple(segments), scores)


def with_gold(labels: Sequence[str], gold: Iterable[str]) -> tuple[str, ...]:
    """The labels of the predictions, and after them, sorted, gold labels that no prediction knows.

    >>> with_gold(("joy", "anger"), ["joy", "shame", "guilt", "shame"])
    ('joy', 'anger', 'guilt', 'shame')
    """
    return (*labels, *sorted(set(gold) - set(labels)))


def divided(upper: npt.ArrayLike, lower: npt.ArrayLike) -> Values:
    """Element by element, 0 where the lower is 0.

    >>> divided([1, 2], [4, 0]).tolist()
    [0.25, 0.0]
    """
    above, below = np.broadcast_arrays(np.asarray(upper, np.float64), np.asarray(lower, np.float64))
    quotients: Values = np.divide(above, below, out=np.zeros(above.shape), where=below != 0)
    return quotients


class ClassCounts(NamedTuple):
    """True positives, predicted and gold segments of each class.

    Args:
        correct: (..., C)
        predicted: (..., C)
        gold: (..., C), or (C,) for all
    """

    correct: Counts
    predicted: Counts
    gold: Counts

    @property
    def precision(self) -> Values:
        """(..., C) share of a class's predicted segments that are gold."""
        return divided(self.correct, self.predicted)

    @property
    def recall(self) -> Values:
        """(..., C) share of a class's gold segments that are predicted."""
        return divided(self.correct, self.gold)

    @property
    def f1(self) -> Values:
        """(..., C) harmonic mean of the two."""
        return divided(2 * self.correct, self.predicted + self.gold)

    def of(self, columns: npt.NDArray[np.bool_]) -> ClassCounts:
        """The counts of some classes, (C,) of which is true where they are wanted."""
        return ClassCounts(*(counts[..., columns] for counts in tuple(self)))

    def macro(self, values: Values) -> Values:
        """(...) mean of a value over the classes that occur in gold."""
        return divided((values * (self.gold > 0)).sum(-1), (self.gold > 0).sum(-1))

    def weighted(self, values: Values) -> Values:
        """(...) mean of a value over the classes, weighted by their gold segments."""
        return divided((values * self.gold).sum(-1), self.gold.sum(-1))

    def averages(self, suffix: str = "") -> dict[str, float]:
        """`{macro,weighted,micro}_{precision,recall,f1}` for counts of shape (C,).

        Macro means run over the classes that occur in gold, weighted ones count a class by its gold segments,
        micro ones add up all classes.
        """
        total = ClassCounts(*(counts.sum(-1, keepdims=True) for counts in tuple(self)))
        values: dict[str, float] = {}
        for score in ("precision", "recall", "f1"):
            of_classes: Values = getattr(self, score)
            values |= {
                f"macro_{score}{suffix}": float(self.macro(of_classes)),
                f"weighted_{score}{suffix}": float(self.weighted(of_classes)),
                f"micro_{score}{suffix}": float(getattr(total, score)[0]),
            }
        return values

    def by_class(self, labels: Sequence[str]) -> dict[str, float]:
        """`class_{label}_{precision,recall,f1,support}`, support being the gold segments."""
        return {
            f"class_{label}_{name}": float(value)
            for name, values in (
                ("precision", self.precision),
                ("recall", self.recall),
                ("f1", self.f1),
                ("support", self.gold),
            )
            for label, value in zip(labels, values, strict=True)
        }

    def without_neutral(self, labels: Sequence[str]) -> dict[str, float]:
        """The averages over all classes but one of `NEUTRAL`, as `{average}_{score}_without_{label}`."""
        values: dict[str, float] = {}
        for index, label in enumerate(labels):
            if label.lower() in NEUTRAL:
                values |= self.of(np.arange(len(labels)) != index).averages(f"_without_{label}")
        return values
