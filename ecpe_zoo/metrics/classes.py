"""What the metrics for emotion labels share: the judged segments with their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.pairs import matched


class Judged(NamedTuple):
    """The judged segments of all documents, concatenated.

    Args:
        labels: The C labels of the predictions; empty if there are no predictions.
        segments: The M segments that are scored, in the order of the documents.
        scores: Scores (M, C) in [0, 1]; a row of NaN if there is no answer: the document has no prediction, or the
            row has a NaN or is all 0 because the segment was lost.
    """

    labels: tuple[str, ...]
    segments: tuple[Segment, ...]
    scores: npt.NDArray[np.float32]

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """(M,) whether a segment has an answer."""
        without = np.isnan(self.scores).any(axis=1) | (not self.labels)
        return np.asarray(~without, dtype=np.bool_)


def lay_out(
    predictions: Iterable[Prediction],
    documents: Mapping[str, Document],
    annotated: Callable[[Segment], bool],
) -> Judged:
    """Match the judged and annotated segments with their scores.

    Args:
        predictions: At most one per document, with scores `emotions` (N, C) and the same C labels in all.
        documents: Gold documents by id.
        annotated: Function that decides whether a judged segment has gold to be scored on.

    Raises:
        ZooError: See `matched`; or predictions lack `emotions`, or their labels differ or do not fit.
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
    """The labels of the predictions, followed by the sorted gold labels missing from them.

    >>> with_gold(("joy", "anger"), ["joy", "shame", "guilt", "shame"])
    ('joy', 'anger', 'guilt', 'shame')
    """
    return (*labels, *sorted(set(gold) - set(labels)))
