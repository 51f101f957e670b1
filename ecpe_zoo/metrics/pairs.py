"""Scores of emotion-cause pair extraction as pure functions.

Gold is the set of distinct pairs of every scored document. Counts are micro counts over documents; precision,
recall and F1 are fractions, and 0 where they are not defined. Pairs that a truncation lost are missed pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.corpora.document import Document, Pair
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError

CLAUSE_THRESHOLD = 0.5
"""Emotion and cause heads are two-class: a probability above 0.5 is their argmax."""

BUCKETS: dict[str, Callable[[int], bool]] = {
    "0": lambda offset: offset == 0,
    "-1": lambda offset: offset == -1,
    "other": lambda offset: offset not in (0, -1),
}
"""Cause index minus emotion index: the same clause, the clause before, anything else."""


class Counts(NamedTuple):
    """True positives, predicted and gold items; they add up over documents.

    >>> Counts(1, 2, 3) + Counts(1, 1, 1)
    Counts(correct=2, predicted=3, gold=4)
    """

    correct: int
    predicted: int
    gold: int

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def precision(self) -> float:
        """Share of predicted items that are gold, 0 where nothing is predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of gold items that are predicted, 0 where there is no gold."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; equal to 2 correct / (predicted + gold)."""
        return 2 * self.correct / (self.predicted + self.gold) if self.predicted + self.gold else 0.0


def count_sets(predicted: Iterable[object], gold: Iterable[object]) -> Counts:
    """Compare two collections as sets.

    >>> count_sets([(1, 0), (1, 0), (2, 2)], [(1, 0), (3, 3)])
    Counts(correct=1, predicted=2, gold=2)
    """
    predicted, gold = set(predicted), set(gold)
    return Counts(len(predicted & gold), len(predicted), len(gold))


def above(scores: npt.NDArray[np.float32], threshold: float) -> set[tuple[int, ...]]:
    """The indices of all scores strictly above a threshold."""
    return set(map(tuple, np.argwhere(scores > np.float32(threshold)).tolist()))


def predicted_pairs(prediction: Prediction, threshold: float) -> set[Pair]:
    """The (emotion, cause) pairs of a prediction, 0-based."""
    return {(emotion, cause) for emotion, cause in above(prediction.scores["pair"], threshold)}


def matched(
    predictions: Iterable[Prediction], documents: Mapping[str, Document]
) -> list[tuple[Prediction, Document]]:
    """Lay each prediction beside its document.

    Raises:
        ZooError: a document predicted twice, or one that is not to be scored, or scores of another size.
    """
    seen: set[str] = set()
    rows = []
    for prediction in predictions:
        if prediction.id in seen:
            raise ZooError(
                f"Expected each document to be scored once, but {prediction.id!r} was scored twice."
            )
        seen.add(prediction.id)
        if prediction.id not in documents:
            raise ZooError(f"Expected predictions of the scored documents only, but got {prediction.id!r}.")
        document = documents[prediction.id]
        for name, scores in prediction.scores.items():
            if scores.shape[:1] != (len(document),):
                raise ZooError(
                    f"Expected {name!r} of document {document.id!r} to have {len(document)} rows, one a "
                    f"segment, but got shape {scores.shape}."
                )
        rows.append((prediction, document))
    return rows


def score_pairs(
    predictions: Iterable[Prediction], documents: Mapping[str, Document], threshold: float
) -> dict[str, float]:
    """All ECPE metrics of a set of documents at one pair threshold.

    Args:
        predictions: at most one a document; a document without one counts all its gold as missed.
        documents: gold documents by id.
        threshold: pairs score strictly above it.

    Returns:
        `{item}_{precision,recall,f1}` for the items `pair`; `emotion`, `cause` (the heads where the method has
        them, else derived from the pairs), `emotion_from_pairs`, `cause_from_pairs`, and where there are heads
        `emotion_from_head`, `cause_from_head`; `pair_offset_{0,-1,other}`: gold and predicted pairs of that
        cause-minus-emotion offset only; `pair_single`, `pair_multiple`: documents with one gold pair, and
        all others.
        Beside them `documents` and the raw counts `pair_correct`, `pair_predicted`, `pair_gold`.

    Raises:
        ZooError: see `matched`.
    """
    rows = matched(predictions, documents)
    missing = [document for id, document in documents.items() if id not in {p.id for p, _ in rows}]
    counts: dict[str, Counts] = {}

    def add(name: str, predicted: Iterable[object], gold: Iterable[object]) -> None:
        counts[name] = counts.get(name, Counts(0, 0, 0)) + count_sets(predicted, gold)

    heads = {name: all(name in prediction.scores for prediction, _ in rows) for name in ("emotion", "cause")}
    empty: dict[str, npt.NDArray[np.float32]] = {}
    everything: list[tuple[Mapping[str, npt.NDArray[np.float32]], Document]] = [
        *((prediction.scores, document) for prediction, document in rows),
        *((empty, document) for document in missing),
    ]
    for scores, document in everything:
        gold = document.pairs or frozenset()
        pairs = above(scores["pair"], threshold) if "pair" in scores else set()
        add("pair", pairs, gold)
        add("pair_single" if len(gold) == 1 else "pair_multiple", pairs, gold)
        for bucket, inside in BUCKETS.items():
            add(
                f"pair_offset_{bucket}", *({p for p in some if inside(p[1] - p[0])} for some in (pairs, gold))
            )
        for place, name in enumerate(("emotion", "cause")):
            items = {pair[place] for pair in gold}
            add(f"{name}_from_pairs", {pair[place] for pair in pairs}, items)
            if heads[name]:
                found = above(scores[name], CLAUSE_THRESHOLD) if name in scores else set()
                add(f"{name}_from_head", {index for (index,) in found}, items)
    for name in ("emotion", "cause"):
        if everything:
            counts[name] = counts[f"{name}_from_head" if heads[name] else f"{name}_from_pairs"]
    values = {"documents": float(len(everything))}
    for name, count in counts.items():
        values |= {
            f"{name}_precision": count.precision,
            f"{name}_recall": count.recall,
            f"{name}_f1": count.f1,
        }
        if name == "pair":
            values |= {f"pair_{field}": float(value) for field, value in count._asdict().items()}
    return values


def sweep(
    predictions: Sequence[Prediction], documents: Mapping[str, Document], thresholds: Sequence[float]
) -> list[Counts]:
    """Pair counts at each of many thresholds, by sorting the scores once.

    Args:
        predictions: see `score_pairs`.
        documents: gold documents by id.
        thresholds: in any order, in [0, 1].

    Returns:
        One `Counts` a threshold, equal to those of `score_pairs`.
    """
    rows = matched(predictions, documents)
    total_gold = sum(len(document.pairs or ()) for document in documents.values())
    if not rows:
        return [Counts(0, 0, total_gold) for _ in thresholds]
    flat = np.concatenate([prediction.scores["pair"].ravel() for prediction, _ in rows])
    hits = np.concatenate(
        [
            np.array([p.scores["pair"][pair] for pair in document.pairs or ()], dtype=np.float32)
            for p, document in rows
        ]
    )
    flat, hits = (
        np.sort(np.nan_to_num(scores, nan=-np.inf)) for scores in (flat, hits)
    )  # nan exceeds nothing
    cuts = np.asarray(thresholds, dtype=np.float32)
    predicted = len(flat) - np.searchsorted(flat, cuts, side="right")
    correct = len(hits) - np.searchsorted(hits, cuts, side="right")
    return [Counts(int(hit), int(made), total_gold) for hit, made in zip(correct, predicted, strict=True)]


GRID = tuple(round(0.01 * step, 2) for step in range(1, 100))
"""Thresholds that tuning tries."""


def tune_threshold(
    predictions: Sequence[Prediction], documents: Mapping[str, Document], default: float
) -> tuple[float, float]:
    """The threshold with the best pair F1, and that F1.

    Among equally good thresholds the one nearest to the method's default wins, so that a flat or empty
    validation part changes nothing.
    """
    candidates = sorted({*GRID, default}, key=lambda threshold: (abs(threshold - default), threshold))
    f1 = [counts.f1 for counts in sweep(predictions, documents, candidates)]
    best = int(np.argmax(f1))  # the first of equals
    return candidates[best], f1[best]
