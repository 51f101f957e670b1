"""Scores of emotion detection as pure functions: any number of labels for each judged segment, with strength.

A label is predicted if its score is strictly above a threshold. A judged segment is scored if it has
labels or intensities (intensities without a label mean: annotated, but no emotion applies). Gold labels count as
missed if there is no answer or the predictions lack the label. Strengths run from 0.0 to 10.0: scores times 10.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.metrics.classes import lay_out, with_gold
from ecpe_zoo.metrics.counts import Counts, Values, best_of, count_above, divided, nearest_first

FIXED = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Thresholds that every table reports, in addition to the tuned one; 0.3 is that of the GoEmotions baseline."""

TOP = (1, 2, 3)
"""Values of k for taking the k highest scores; never the number of gold labels, which would leak it."""

GRID = tuple(round(0.01 * step, 2) for step in range(5, 96))
"""Thresholds that tuning tries."""

STRONGEST = 10.0
"""Strength of an annotated label."""

SPEARMAN = "intensity_spearman_"
"""Prefix of the names of rank correlations; a label follows."""


class Laid(NamedTuple):
    """Gold and predicted labels of M segments.

    Args:
        labels: The C labels of predictions and gold.
        gold: Gold labels (M, C).
        scores: Scores (M, C) in [0, 1]; -1 if there is no answer, so that no threshold is exceeded.
        documents: Number of scored documents.
    """

    labels: tuple[str, ...]
    gold: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float32]
    documents: int


def lay_labels(predictions: Iterable[Prediction], documents: Mapping[str, Document]) -> Laid:
    """Match gold labels with scores; see `classes.lay_out`."""
    judged = lay_out(predictions, documents, lambda segment: segment.has_gold)
    labels = with_gold(judged.labels, (label for segment in judged.segments for label in segment.emotions))
    place = {label: index for index, label in enumerate(labels)}
    gold = np.zeros((len(judged.segments), len(labels)), dtype=bool)
    for row, segment in enumerate(judged.segments):
        gold[row, [place[label] for label in segment.emotions]] = True
    scores = np.full(gold.shape, -1, dtype=np.float32)
    scores[:, : len(judged.labels)] = np.nan_to_num(judged.scores, nan=-1)
    return Laid(labels, gold, scores, len(documents))


def count_labels(predicted: npt.NDArray[np.bool_], gold: npt.NDArray[np.bool_]) -> Counts:
    """Counts of each class from two masks (M, C)."""
    return Counts((predicted & gold).sum(0), predicted.sum(0), gold.sum(0))


def highest(scores: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.bool_]:
    """The k highest scores of each row, the first in a tie; only scores above 0.

    >>> highest(np.array([[0.1, 0.5, 0.5], [0.2, 0.0, 0.0]]), 2).astype(int).tolist()
    [[0, 1, 1], [1, 0, 0]]
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    chosen = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen & (scores > 0)


def ranking_average_precision(scores: npt.NDArray[np.float32], gold: npt.NDArray[np.bool_]) -> float:
    """Label ranking average precision: the share of gold among the labels ranked at least as high as a gold one.

    Args:
        scores: Scores (M, C); below 0 if there is no answer, in which case gold labels earn nothing.
        gold: Gold labels (M, C).

    Returns:
        The mean over the gold labels of a segment, then over the segments with a gold label, in [0, 1]. Equal
        scores share the worst of their ranks.

    >>> ranking_average_precision(np.array([[0.9, 0.5, 0.1, 0.0]]), np.array([[True, True, False, False]]))
    1.0
    """
    return float(divided(_precision_at_gold(scores, gold, axis=1).sum(), gold.any(axis=1).sum()))


def average_precision(scores: npt.NDArray[np.float32], gold: npt.NDArray[np.bool_]) -> Values:
    """Average precision of each class: the precision at the rank of each gold segment, averaged.

    Args:
        scores: Scores (M, C); below 0 if there is no answer, in which case gold segments earn nothing.
        gold: Gold labels (M, C).

    Returns:
        (C,) in [0, 1]; 0 for a class without gold. Equal scores share the worst of their ranks.
    """
    return _precision_at_gold(scores, gold, axis=0)


def _precision_at_gold(scores: npt.NDArray[np.float32], gold: npt.NDArray[np.bool_], axis: int) -> Values:
    """Share of gold among the items along an axis that score at least as high as a gold one, averaged over gold."""
    from scipy.stats import rankdata  # slow to import, and every command imports `tasks`

    if not scores.size:
        return np.zeros(scores.shape[1 - axis])
    ranks, gold_ranks = (
        rankdata(-some, method="max", axis=axis) for some in (scores, np.where(gold, scores, -np.inf))
    )
    earned = np.where(gold & (scores >= 0), gold_ranks / ranks, 0.0)
    values: Values = divided(earned.sum(axis), gold.sum(axis))
    return values


def score_emotions(
    predictions: Iterable[Prediction],
    documents: Mapping[str, Document],
    threshold: float,
) -> dict[str, float]:
    """All metrics for any number of labels per segment.

    Args:
        predictions: At most one per document; a document without one counts all its gold as missed.
        documents: Gold documents by id.
        threshold: Score that predicted labels exceed strictly.

    Returns:
        `{macro,micro,weighted}_{precision,recall,f1}` (macro over the classes that occur in gold), and with a
        suffix: `_without_{label}` for each label of `counts.NEUTRAL`, at the same threshold; `_at_{n}`, at the
        fixed threshold n / 100; `_top_{k}`, with the k highest scores of each segment;
        `class_{label}_{precision,recall,f1,support}`. Without a threshold: `ranking_average_precision`;
        `mean_average_precision` over the classes that occur in gold; `mean_squared_error` and `mean_absolute_error` of
        ten times the scores against 10 for gold labels and 0 for others, with 0 for no answer; and if gold has
        strengths of its own, `intensity_spearman_{label}` (see `intensity_spearman`) for labels whose strength
        differs between segments. In addition, `labels_per_segment` (mean number of predicted labels) and the
        counts `segments` and `documents`.

    Raises:
        ZooError: See `classes.lay_out`.
    """
    predictions = list(predictions)
    laid = lay_labels(predictions, documents)
    labels, gold, scores = laid.labels, laid.gold, laid.scores
    predicted = scores > np.float32(threshold)
    counts = count_labels(predicted, gold)
    values = {
        "documents": float(laid.documents),
        "segments": float(len(gold)),
        **counts.averages(),
        **counts.without_neutral(labels),
    }
    for fixed in FIXED:
        at = count_labels(scores > np.float32(fixed), gold)
        values |= at.averages(f"_at_{round(100 * fixed)}")
    for k in TOP:
        values |= count_labels(highest(scores, k), gold).averages(f"_top_{k}")
    strength = STRONGEST * np.clip(scores, 0, None).astype(np.float64)
    error = strength - STRONGEST * gold
    return values | {
        "ranking_average_precision": ranking_average_precision(scores, gold),
        "mean_average_precision": float(counts.mean(average_precision(scores, gold), "macro")),
        "mean_squared_error": float(divided(np.square(error).sum(), error.size)),
        "mean_absolute_error": float(divided(np.abs(error).sum(), error.size)),
        "labels_per_segment": float(divided(predicted.sum(), len(gold))),
        **{
            f"{SPEARMAN}{label}": agreement.rho
            for label, agreement in intensity_spearman(predictions, documents).items()
            if not math.isnan(agreement.rho)
        },
        **counts.by_class(labels),
    }


def count_emotions(
    predictions: Iterable[Prediction], documents: Mapping[str, Document], threshold: float
) -> dict[str, Counts]:
    """Counts by label; their sum over documents gives the F1 of each class."""
    laid = lay_labels(predictions, documents)
    return count_labels(laid.scores > np.float32(threshold), laid.gold).table(laid.labels)


def sweep(laid: Laid, thresholds: Sequence[float]) -> Counts:
    """Counts of each class at many thresholds, sorting the scores of a class once.

    Args:
        laid: Result of `lay_labels`.
        thresholds: The K thresholds, in any order, in [0, 1].

    Returns:
        Counts (K, C), with gold (C,).
    """
    columns = [
        count_above(scores, scores[gold], thresholds)
        for scores, gold in zip(laid.scores.T, laid.gold.T, strict=True)
    ]
    correct, predicted = np.array(columns, dtype=np.int64).reshape(-1, 2, len(thresholds)).transpose(1, 2, 0)
    return Counts(correct, predicted, laid.gold.sum(0))


def tune_threshold(
    predictions: Iterable[Prediction], documents: Mapping[str, Document], default: float
) -> tuple[float, float]:
    """The threshold with the best macro F1, and that F1; in a tie, the nearest to the default wins.

    Raises:
        ZooError: See `classes.lay_out`.
    """
    candidates = nearest_first(GRID, default)
    return best_of(candidates, sweep(lay_labels(predictions, documents), candidates).averaged("macro"))


# --- strengths


def label_correlations(
    predictions: Iterable[Prediction], documents: Mapping[str, Document]
) -> tuple[Values, Values, tuple[str, ...]]:
    """Pearson correlation between labels over the segments, for predicted scores and for gold labels.

    Segments without an answer are left out of both.

    Returns:
        Predicted (C, C) and annotated (C, C) in [-1, 1], NaN for a constant label, and the C labels.

    Raises:
        ZooError: See `classes.lay_out`.
    """
    laid = lay_labels(predictions, documents)
    answered = (laid.scores >= 0).any(axis=1)
    predicted, gold = laid.scores[answered].astype(np.float64), laid.gold[answered].astype(np.float64)
    return _pearson(predicted), _pearson(gold), laid.labels


def _pearson(values: Values) -> Values:
    """Correlation between columns: (M, C) -> (C, C)."""
    if not len(values):
        return np.full((values.shape[1],) * 2, np.nan)
    changing = np.ptp(values, axis=0) > 0
    centred = values - values.mean(0)
    lengths = np.where(changing, np.linalg.norm(centred, axis=0), np.nan)
    products: Values = (centred.T @ centred) / np.outer(lengths, lengths)
    return np.clip(products, -1.0, 1.0)


class Agreement(NamedTuple):
    """A rank correlation.

    Args:
        n: Number of segments.
        rho: Spearman's rank correlation, in [-1, 1]; NaN if one side is constant.
        low: Lower end of the 95 % interval; NaN for fewer than four segments.
        high: Upper end of the interval.
    """

    n: int
    rho: float
    low: float
    high: float


NORMAL_975 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


def spearman(one: npt.ArrayLike, other: npt.ArrayLike) -> Agreement:
    """Spearman's rank correlation with a 95 % interval.

    The interval is Fisher's z with the standard error of Bonett and Wright (2000),
    sqrt((1 + rho^2 / 2) / (n - 3)), which is more accurate for ranks than Fisher's own.

    >>> [round(value, 3) for value in spearman([1, 2, 3, 4, 5], [1, 2, 3, 5, 4])]
    [5, 0.9, -0.169, 0.996]
    """
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(one), rankdata(other)], axis=1)
    n = len(ranks)
    rho = float(_pearson(ranks)[0, 1])
    if n < 4 or math.isnan(rho):
        return Agreement(n, rho, math.nan, math.nan)
    if abs(rho) == 1.0:
        return Agreement(n, rho, rho, rho)
    half = NORMAL_975 * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return Agreement(n, rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half))


def intensity_spearman(
    predictions: Iterable[Prediction], documents: Mapping[str, Document]
) -> dict[str, Agreement]:
    """Rank correlation between predicted and reported strength, for each emotion.

    Args:
        predictions: At most one per document; a segment without an answer is left out.
        documents: Gold documents by id, with the reported strength of their emotions, or else intensities; 0 means
            not reported, and is left out.

    Returns:
        For each gold emotion among the predicted labels, in their order, the rank correlation of its score with
        its intensity over the segments that have it.

    Raises:
        ZooError: See `classes.lay_out`.
    """
    judged = lay_out(predictions, documents, lambda segment: bool(segment.reported or segment.intensities))
    strengths = [segment.reported or segment.intensities or {} for segment in judged.segments]
    answered = judged.answered
    found: dict[str, Agreement] = {}
    for column, label in enumerate(judged.labels):
        pairs = [
            (float(judged.scores[row, column]), strengths[row][label])
            for row, segment in enumerate(judged.segments)
            if answered[row] and label in segment.emotions and strengths[row].get(label, 0.0) > 0
        ]
        if pairs:
            found[label] = spearman(*zip(*pairs, strict=True))
    return found
