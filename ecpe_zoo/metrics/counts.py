"""Counts of correct, predicted and gold items, and the fractions from them: the only place that computes an F1.

Undefined fractions are 0. Everything works on integers, for one set of items, and on arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Average = Literal["micro", "weighted", "macro"]
"""How one F1 is computed from several classes: from their summed counts, or as a mean of their F1, weighted by gold
items or equally over the classes that occur in gold."""

THREE = ("precision", "recall", "f1")

NEUTRAL = ("neutral", "others", "neu")
"""Lower-case labels for the absence of an emotion: scores are also given without them."""


def divided(upper: npt.ArrayLike, lower: npt.ArrayLike) -> Any:
    """Element-wise quotient in double precision, 0 where the divisor is 0; a scalar for two scalars.

    >>> divided([1, 2], [4, 0]).tolist()
    [0.25, 0.0]
    """
    above, below = np.broadcast_arrays(np.asarray(upper, np.float64), np.asarray(lower, np.float64))
    return np.divide(above, below, out=np.zeros(above.shape), where=below != 0)[()]


class Counts(NamedTuple):
    """Correct (true positive), predicted and gold items; can be added over documents.

    Args:
        correct: True positives: an integer, or integers (..., C) for C classes.
        predicted: Number of predicted items, likewise.
        gold: Number of gold items, likewise, or integers (C,) for all.

    >>> Counts(1, 2, 3) + Counts(1, 1, 1)
    Counts(correct=2, predicted=3, gold=4)
    """

    correct: Any
    predicted: Any
    gold: Any

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def precision(self) -> Any:
        """(..., C) share of the predicted items that are gold."""
        return divided(self.correct, self.predicted)

    @property
    def recall(self) -> Any:
        """(..., C) share of the gold items that are predicted."""
        return divided(self.correct, self.gold)

    @property
    def f1(self) -> Any:
        """(..., C) harmonic mean of precision and recall."""
        return divided(2 * self.correct, self.predicted + self.gold)

    @property
    def total(self) -> Counts:
        """(...) sums over the classes."""
        return Counts(*(counts.sum(-1) for counts in tuple(self)))

    def among(self, columns: npt.NDArray[np.bool_]) -> Counts:
        """The counts of the classes selected by a mask (C,)."""
        return Counts(*(counts[..., columns] for counts in tuple(self)))

    def averaged(self, average: Average, score: str = "f1") -> Any:
        """(...) average of `precision`, `recall` or `f1` over the classes."""
        if average == "micro":
            return getattr(self.total, score)
        return self.mean(getattr(self, score), average)

    def mean(self, values: Values, average: Average) -> Any:
        """(...) mean of values (..., C) over the classes, weighted as `average` says."""
        weights = self.gold if average == "weighted" else self.gold > 0
        return divided((values * weights).sum(-1), weights.sum(-1))

    def named(self, item: str) -> dict[str, float]:
        """`{item}_{precision,recall,f1}` of single counts."""
        return {f"{item}_{score}": float(getattr(self, score)) for score in THREE}

    # --- of emotions (C,)

    def averages(self, suffix: str = "") -> dict[str, float]:
        """`{macro,weighted,micro}_{precision,recall,f1}`, with a suffix."""
        averages: tuple[Average, ...] = ("macro", "weighted", "micro")
        return {
            f"{average}_{score}{suffix}": float(self.averaged(average, score))
            for score in THREE
            for average in averages
        }

    def by_class(self, labels: Sequence[str]) -> dict[str, float]:
        """`class_{label}_{precision,recall,f1,support}`; support is the number of gold segments."""
        return {
            f"class_{label}_{name}": float(value)
            for name in (*THREE, "support")
            for label, value in zip(
                labels, self.gold if name == "support" else getattr(self, name), strict=True
            )
        }

    def without_neutral(self, labels: Sequence[str]) -> dict[str, float]:
        """The averages over all classes except one of `NEUTRAL`, as `{average}_{score}_without_{label}`."""
        values: dict[str, float] = {}
        for index, label in enumerate(labels):
            if label.lower() in NEUTRAL:
                values |= self.among(np.arange(len(labels)) != index).averages(f"_without_{label}")
        return values

    def table(self, labels: Sequence[str]) -> dict[str, Counts]:
        """Label -> the counts of its class."""
        return {label: Counts(*map(int, counts)) for label, *counts in zip(labels, *tuple(self), strict=True)}


def count_sets(predicted: Iterable[object], gold: Iterable[object]) -> Counts:
    """Compare two collections as sets.

    >>> count_sets([(1, 0), (1, 0), (2, 2)], [(1, 0), (3, 3)])
    Counts(correct=1, predicted=2, gold=2)
    """
    predicted, gold = set(predicted), set(gold)
    return Counts(len(predicted & gold), len(predicted), len(gold))


def count_above(scores: Any, hits: Any, thresholds: Sequence[float]) -> tuple[Integers, Integers]:
    """Count the scores above each of K thresholds, sorting only once; a NaN exceeds none.

    Args:
        scores: Scores (M,) of all items.
        hits: Scores of the gold items among them.
        thresholds: The K thresholds, in any order, in [0, 1].

    Returns:
        (K,) correct and (K,) predicted items.
    """
    cuts = np.asarray(thresholds, dtype=np.float32)
    ordered = (np.sort(np.nan_to_num(some, nan=-np.inf)) for some in (hits, scores))
    correct, predicted = (len(some) - np.searchsorted(some, cuts, side="right") for some in ordered)
    return correct, predicted


def nearest_first(grid: Iterable[float], default: float) -> list[float]:
    """Thresholds to try, nearest to the default first, so that the nearest wins a tie in `argmax`."""
    return sorted({*grid, default}, key=lambda threshold: (abs(threshold - default), threshold))


def best_of(thresholds: Sequence[float], f1: Values) -> tuple[float, float]:
    """The threshold with the highest F1 (K,), the first in a tie, and that F1."""
    best = int(np.argmax(f1))
    return thresholds[best], float(f1[best])
