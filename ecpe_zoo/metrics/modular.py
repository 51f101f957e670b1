"""Torchmetrics classes over the counts, for code outside the zoo; they accumulate over batches and processes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torchmetrics import Metric

from ecpe_zoo.corpora.document import Pair
from ecpe_zoo.metrics.counts import Counts, count_sets


class _CountingMetric(Metric):
    """Accumulates correct, predicted and gold items of C classes, (3, C)."""

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    counts: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"Expected argument `classes` to be at least 1, but got {classes}.")
        self.classes = classes
        self.add_state("counts", torch.zeros(3, classes, dtype=torch.long), dist_reduce_fx="sum")

    def compute(self) -> dict[str, Tensor]:
        """The fractions by name."""
        fractions = self.fractions(Counts(*self.counts.cpu().numpy()))
        return {name: torch.tensor(value) for name, value in fractions.items()}

    def fractions(self, counts: Counts) -> dict[str, float]:
        """`{macro,micro,weighted}_{precision,recall,f1}`."""
        return counts.averages()


class PairScore(_CountingMetric):
    """Precision, recall and F1 of emotion-cause pairs, micro-averaged over documents.

    `update` takes one collection of predicted and one of gold (emotion, cause) pairs for each document;
    duplicates within a document count once.

    >>> metric = PairScore()
    >>> metric.update([[(1, 0)], [(0, 0), (2, 1)]], [[(1, 0), (3, 3)], [(2, 1)]])
    >>> {name: round(float(value), 3) for name, value in metric.compute().items()}
    {'precision': 0.667, 'recall': 0.667, 'f1': 0.667}
    """

    def __init__(self) -> None:
        super().__init__(classes=1)

    def update(self, predicted: Iterable[Iterable[Pair]], gold: Iterable[Iterable[Pair]]) -> None:
        """Add documents.

        Args:
            predicted: Pairs of each document.
            gold: Pairs of each document, in the same order.

        Raises:
            ValueError: The numbers of documents differ.
        """
        for mine, true in zip(predicted, gold, strict=True):
            self.counts += torch.tensor(count_sets(mine, true), device=self.counts.device)[:, None]

    def fractions(self, counts: Counts) -> dict[str, float]:
        """Precision, recall and F1."""
        return {name.removeprefix("pair_"): value for name, value in counts.total.named("pair").items()}


class WeightedF1(_CountingMetric):
    """F1 of each class weighted by its gold segments, macro F1, and accuracy.

    `update` takes class indices; a gold index of -1 is not scored, a predicted index of -1 means no answer.

    Args:
        classes: Number of classes, C.

    Raises:
        ValueError: There is no class.

    >>> metric = WeightedF1(classes=2)
    >>> metric.update(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]))
    >>> {name: round(float(value), 3) for name, value in metric.compute().items()}
    {'weighted_f1': 0.667, 'macro_f1': 0.667, 'accuracy': 0.667}
    """

    def update(self, predicted: Tensor, gold: Tensor) -> None:
        """Add segments.

        predicted: Class indices (M,) from -1 to C - 1.
            gold: Class indices (M,) from -1 to C - 1.
            gold: (M,) integers from -1 to C - 1.

        Raises:
            ValueError: The shapes differ, or a class is out of range.
        """
        if predicted.shape != gold.shape:
            raise ValueError(
                f"Expected as many predicted as gold classes, but got shapes {tuple(predicted.shape)} and "
                f"{tuple(gold.shape)}."
            )
        scored = gold != -1
        predicted, gold = predicted[scored].long(), gold[scored].long()
        both = torch.cat([predicted, gold])
        if both.numel() and (both.max() >= self.classes or both.min() < -1):
            raise ValueError(
                f"Expected classes from -1 to {self.classes - 1}, but got {int(both.min())} to {int(both.max())}."
            )
        for row, found in zip(
            self.counts, (gold[predicted == gold], predicted[predicted >= 0], gold), strict=True
        ):
            row += torch.bincount(found, minlength=self.classes)

    def fractions(self, counts: Counts) -> dict[str, float]:
        """Weighted F1, macro F1 and accuracy."""
        averages = counts.averages()
        return {name: averages[name] for name in ("weighted_f1", "macro_f1")} | {
            "accuracy": averages["micro_recall"]
        }


class MultiLabelF1(_CountingMetric):
    """Precision, recall and F1 of multi-label segments: macro over the classes that occur in gold, micro, weighted.

    Args:
        classes: Number of classes, C.
        threshold: Score in [0, 1] that a predicted label exceeds strictly.

    >>> metric = MultiLabelF1(classes=2, threshold=0.3)
    >>> metric.update(torch.tensor([[0.9, 0.2], [0.4, 0.4]]), torch.tensor([[1, 0], [0, 1]]))
    >>> round(float(metric.compute()["macro_f1"]), 3)
    0.833
    """

    def __init__(self, classes: int, threshold: float = 0.5) -> None:
        super().__init__(classes)
        self.threshold = threshold

    def update(self, scores: Tensor, gold: Tensor) -> None:
        """Add segments.

        Args:
            scores: Scores (M, C) in [0, 1]; NaN means no answer.
            gold: Gold labels (M, C), 0 or 1.

        Raises:
            ValueError: The shapes are not (M, C).
        """
        if scores.shape != gold.shape or scores.dim() != 2 or scores.size(1) != self.classes:
            raise ValueError(
                f"Expected scores and gold of shape (M, {self.classes}), but got {tuple(scores.shape)} and "
                f"{tuple(gold.shape)}."
            )
        predicted, true = scores > self.threshold, gold.bool()
        self.counts += torch.stack([(predicted & true).sum(0), predicted.sum(0), true.sum(0)])
