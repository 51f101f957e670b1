"""Tests over documents: how a difference of two scores would vary with the test documents.

Paired bootstrap and permutation test on the documents that both methods were scored on. They need counts that add up
over documents: for each class the items that are correct, predicted and gold, an array (D, C, 3). Pair F1 has one
class; a weighted or macro F1 over emotions has one for each label.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.metrics.counts import Average, Counts
from ecpe_zoo.results.statistics import LEVEL, Array

_CHUNK = 4_000_000  # cells of a chunk of resampling weights: 16 MB in single precision


def f1_of(counts: npt.NDArray[np.floating], average: Average) -> Array:
    """F1 of summed counts.

    Args:
        counts: (..., C, 3) of correct, predicted and gold items.
        average: See `Average`.

    Returns:
        (...) in [0, 1].

    >>> counts = np.array([[8, 10, 10], [0, 0, 2]])
    >>> [round(float(f1_of(counts, average)), 4) for average in ("micro", "weighted", "macro")]
    [0.7273, 0.6667, 0.4]
    """
    f1: Array = Counts(*np.moveaxis(counts.astype(np.float64), -1, 0)).averaged(average)
    return f1


class Bootstrap(NamedTuple):
    """A paired bootstrap over documents.

    Args:
        difference: First minus second, on the documents as they are.
        low: Lower end of the percentile interval.
        high: Upper end of the interval.
        error: Standard error: standard deviation of the resampled differences.
        first: The first method's score.
        second: The second method's score.
    """

    difference: float
    low: float
    high: float
    error: float
    first: float
    second: float


def _scores(sums: npt.NDArray[np.floating], average: Average) -> Array:
    """(..., S, C, 3) summed counts -> (...) the mean score over S runs."""
    mean: Array = f1_of(sums, average).mean(axis=-1)
    return mean


def _checked(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> None:
    for name, counts in (("first", first), ("second", second)):
        if counts.ndim != 4 or counts.shape[-1] != 3 or not counts.shape[0] or not counts.shape[1]:
            raise ValueError(
                f"Expected counts (S, D, C, 3) of the {name} method, but got shape {counts.shape}."
            )
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"Expected both methods on the same documents and classes, but got {first.shape[1:]} and "
            f"{second.shape[1:]}."
        )


def paired_bootstrap(
    first: npt.NDArray[np.floating],
    second: npt.NDArray[np.floating],
    average: Average = "micro",
    resamples: int = 10_000,
    seed: int = 0,
    level: float = LEVEL,
) -> Bootstrap:
    """Interval of the difference of two scores, by drawing documents with replacement.

    Both methods are scored on the same draw. Several runs of a method are scored separately and averaged within the
    draw, so that the interval is that of the mean over runs.

    Args:
        first: (S, D, C, 3) counts of S runs on D documents.
        second: (S', D, C, 3), the same documents in the same order.
        average: How F1 is averaged over classes; see `f1_of`.
        resamples: Draws.
        seed: Seed of the draws.
        level: Coverage of the interval, in (0, 1).

    Raises:
        ValueError: shapes that do not fit.
    """
    _checked(first, second)
    runs, documents, classes, _ = first.shape
    both = np.concatenate([first, second]).astype(np.float32)  # sums of counts stay exact below 2^24
    flat = np.ascontiguousarray(both.transpose(1, 0, 2, 3)).reshape(documents, -1)
    random = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    step = max(1, _CHUNK // documents)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        picks = random.integers(0, documents, (size, documents), dtype=np.int32)
        picks += np.arange(size, dtype=np.int32)[:, None] * np.int32(documents)
        weights = np.bincount(picks.ravel(), minlength=size * documents).reshape(size, documents)
        sums = (weights.astype(np.float32) @ flat).reshape(size, -1, classes, 3)
        drawn[start : start + size] = _scores(sums[:, :runs], average) - _scores(sums[:, runs:], average)
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    one = float(_scores(first.sum(axis=1), average))
    two = float(_scores(second.sum(axis=1), average))
    return Bootstrap(one - two, float(low), float(high), float(drawn.std(ddof=1)), one, two)


def bootstrap(
    counts: npt.NDArray[np.floating], average: Average = "micro", resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Interval of one run's score, by drawing documents with replacement.

    Args:
        counts: (D, C, 3) counts; see `paired_bootstrap`.
        average: how F1 is formed.
        resamples: draws.
        seed: seed of the draws.
    """
    nothing = np.zeros_like(counts)  # a method with a score of 0 on every draw
    found = paired_bootstrap(counts[None], nothing[None], average, resamples, seed)
    return found.low, found.high


def permutation_test(
    first: npt.NDArray[np.floating],
    second: npt.NDArray[np.floating],
    average: Average = "micro",
    resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """Two-sided p-value of the difference, by swapping the methods' outputs on random documents.

    Under the hypothesis that it does not matter which method labelled a document, every swap is as likely as what
    was seen. With different numbers of runs each method's runs are repeated to the least common multiple, which
    changes no mean. (1 + swaps at least as far apart) / (1 + swaps): never 0.

    Args:
        first: (S, D, C, 3) counts; see `paired_bootstrap`.
        second: (S', D, C, 3).
        average: How F1 is formed.
        resamples: Swaps that are drawn.
        seed: Seed of the draws.

    Raises:
        ValueError: shapes that do not fit.
    """
    _checked(first, second)
    runs = math.lcm(len(first), len(second))
    one = np.tile(first, (runs // len(first), 1, 1, 1)).astype(np.float64)
    two = np.tile(second, (runs // len(second), 1, 1, 1)).astype(np.float64)
    documents, classes = one.shape[1:3]
    change = (two - one).transpose(1, 0, 2, 3).reshape(documents, -1)
    changes = np.ascontiguousarray(change, dtype=np.float32)
    sums_one, sums_two = one.sum(axis=1), two.sum(axis=1)
    seen = abs(float(_scores(sums_one, average) - _scores(sums_two, average)))
    random = np.random.default_rng(seed)
    extreme = 0
    step = max(1, _CHUNK // documents)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        packed = random.integers(0, 256, (size, -(-documents // 8)), dtype=np.uint8)
        swaps = np.unpackbits(packed, axis=1, count=documents)  # one bit says whether a document is swapped
        moved = (swaps.astype(np.float32) @ changes).reshape(size, runs, classes, 3)
        gap = _scores(sums_one + moved, average) - _scores(sums_two - moved, average)
        extreme += int((np.abs(gap) >= seen - 1e-12).sum())
    return (1 + extreme) / (1 + resamples)


class Documents(NamedTuple):
    """On how many documents one method makes fewer mistakes (false and missed items) than the other.

    Args:
        better: Documents where the first method makes fewer, averaged over runs.
        worse: Documents on which it makes more.
        equal: The rest.
    """

    better: int
    worse: int
    equal: int

    @property
    def effect(self) -> float:
        """(better - worse) / all: Cliff's delta of paired documents, from -1 to 1."""
        return (self.better - self.worse) / sum(self)


def documents_won(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> Documents:
    """Count documents by which method errs less on them.

    Args:
        first: (S, D, C, 3) counts.
        second: (S', D, C, 3).

    Raises:
        ValueError: shapes that do not fit.
    """
    _checked(first, second)
    errors = [
        (counts[..., 1] + counts[..., 2] - 2 * counts[..., 0]).sum(axis=-1).mean(axis=0, dtype=np.float64)
        for counts in (first, second)
    ]
    gap = np.round(errors[0] - errors[1], 9)
    better, worse = int((gap < 0).sum()), int((gap > 0).sum())
    return Documents(better, worse, len(gap) - better - worse)
