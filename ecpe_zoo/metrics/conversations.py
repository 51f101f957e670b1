"""Scores of emotion recognition in conversation as pure functions: one label for each judged segment.

A prediction's label is the one with the highest score, the first in a tie. Gold is the first emotion of a judged
segment; a segment without one is not scored. Gold without an answer counts as missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.metrics.classes import lay_out, with_gold
from ecpe_zoo.metrics.counts import Counts, Integers, divided

WORDS: dict[str, tuple[str, ...]] = {
    "happy": ("happy", "happiness", "joy", "joyful", "hap"),
    "excited": ("excited", "excitement", "exc"),
    "sad": ("sad", "sadness"),
    "frustrated": ("frustrated", "frustration", "fru"),
    "angry": ("angry", "anger", "mad", "ang"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "scared", "afraid"),
    "surprise": ("surprise", "surprised"),
    "peaceful": ("peaceful",),
}
"""Emotion -> the lower-case labels that corpora use for it."""

SIMILAR: tuple[tuple[str, str], ...] = (
    ("happy", "excited"),
    ("sad", "frustrated"),
    ("angry", "frustrated"),
    ("disgust", "angry"),
    ("fear", "surprise"),
    ("happy", "peaceful"),  # emorynlp has none of the others
)
"""Pairs of `WORDS` that are easily confused."""

TAKEN = "taken_"
"""Prefix of the names of confusions; `{gold}_for_{predicted}` follows."""


class Tally(NamedTuple):
    """How often each label was predicted for each gold label.

    Args:
        labels: The C labels of predictions and gold.
        matrix: Counts (C, C), gold in rows, predicted in columns.
        missed: Number (C,) of gold segments without an answer.
        documents: Number of scored documents.
    """

    labels: tuple[str, ...]
    matrix: Integers
    missed: Integers
    documents: int

    @property
    def counts(self) -> Counts:
        """Counts (C,) by label."""
        matrix = self.matrix
        return Counts(matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1) + self.missed)


def tally(predictions: Iterable[Prediction], documents: Mapping[str, Document]) -> Tally:
    """Count gold and predicted labels; see `classes.lay_out`."""
    judged = lay_out(predictions, documents, lambda segment: bool(segment.emotions))
    gold = [segment.emotions[0] for segment in judged.segments]
    labels = with_gold(judged.labels, gold)
    place = {label: index for index, label in enumerate(labels)}
    rows = np.array([place[label] for label in gold], dtype=np.int64)
    size, answered = len(labels), judged.answered
    matrix = np.zeros((size, size), dtype=np.int64)
    if answered.any():
        np.add.at(matrix, (rows[answered], judged.scores[answered].argmax(axis=1)), 1)
    return Tally(labels, matrix, np.bincount(rows[~answered], minlength=size), len(documents))


def confusion(
    predictions: Iterable[Prediction], documents: Mapping[str, Document]
) -> tuple[Integers, tuple[str, ...]]:
    """The confusion matrix of all judged segments with an answer.

    Returns:
        Counts (C, C) with gold labels in rows and predicted ones in columns, and the C labels.
    """
    counted = tally(predictions, documents)
    return counted.matrix, counted.labels


def similar(labels: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of labels that are easily confused, in both directions.

    >>> similar(["neutral", "joy", "Mad", "disgust"])
    [('disgust', 'Mad'), ('Mad', 'disgust')]
    """
    found = {name: [label for label in labels if label.lower() in words] for name, words in WORDS.items()}
    pairs = [(a, b) for one, other in SIMILAR for a in found[one] for b in found[other]]
    return [direction for a, b in pairs for direction in ((a, b), (b, a))]


def score_conversations(
    predictions: Iterable[Prediction], documents: Mapping[str, Document]
) -> dict[str, float]:
    """All metrics for one label per segment.

    Args:
        predictions: At most one per document; a document without one counts all its gold as missed.
        documents: Gold documents by id.

    Returns:
        `accuracy`; `{weighted,macro,micro}_{precision,recall,f1}`, of which papers report `weighted_f1`:
        weighted by gold segments, the neutral class included; the same with `_without_{label}` appended for each
        label of `counts.NEUTRAL` (`micro_f1_without_others` is EmoContext's official score);
        `class_{label}_{precision,recall,f1,support}`; `taken_{gold}_for_{predicted}`, the share of the gold
        segments of an emotion that were predicted as a similar one; the counts `utterances` and
        `documents`.

    Raises:
        ZooError: See `classes.lay_out`.
    """
    counted = tally(predictions, documents)
    labels, counts = counted.labels, counted.counts
    total = int(counts.gold.sum())
    shares = divided(counted.matrix, counts.gold[:, None])  # (C, C)
    return {
        "documents": float(counted.documents),
        "utterances": float(total),
        "accuracy": float(divided(counts.correct.sum(), total)),
        **counts.averages(),
        **counts.without_neutral(labels),
        **counts.by_class(labels),
        **{
            f"{TAKEN}{gold}_for_{predicted}": float(shares[labels.index(gold), labels.index(predicted)])
            for gold, predicted in similar(labels)
        },
    }


def count_utterances(
    predictions: Iterable[Prediction], documents: Mapping[str, Document]
) -> dict[str, Counts]:
    """Counts by label; their sum over documents gives the F1 of each class."""
    counted = tally(predictions, documents)
    return counted.counts.table(counted.labels)
