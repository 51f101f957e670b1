"""A torchmetrics class over the pure functions, for use in code that is not the zoo's."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torchmetrics import Metric

from ecpe_zoo.corpora.document import Pair
from ecpe_zoo.metrics.pairs import Counts, count_sets


class PairScore(Metric):
    """Precision, recall and F1 of emotion-cause pairs, micro-averaged over documents and processes.

    `update` takes one collection of predicted and one of gold (emotion, cause) pairs for each document;
    duplicates within a document count once.

    >>> metric = PairScore()
    >>> metric.update([[(1, 0)], [(0, 0), (2, 1)]], [[(1, 0), (3, 3)], [(2, 1)]])
    >>> {name: round(float(value), 3) for name, value in metric.compute().items()}
    {'precision': 0.667, 'recall': 0.667, 'f1': 0.667}
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(3, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predicted: Iterable[Iterable[Pair]], gold: Iterable[Iterable[Pair]]) -> None:
        """Add documents.

        Args:
            predicted: pairs for each document.
            gold: pairs for each document, in the same order.

        Raises:
            ValueError: not as many documents in one as in the other.
        """
        for mine, true in zip(predicted, gold, strict=True):
            self.counts += torch.tensor(count_sets(mine, true), device=self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """The three fractions."""
        counts = Counts(*self.counts.tolist())
        return {name: torch.tensor(getattr(counts, name)) for name in ("precision", "recall", "f1")}
