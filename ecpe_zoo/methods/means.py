"""Means of what training shows: losses, and weights and shares that a method adds to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor


class Means:
    """Weighted means over the batches of an epoch, summed on the device of the values.

    Lightning's `self.log` takes about a millisecond for each value of a step: a tenth of the time of a small network.
    Here a step costs two operations for all of them.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the batches so far."""
        self.sums: dict[tuple[str, ...], Tensor] = {}  # weighted, of values that came together
        self.weights: dict[tuple[str, ...], int] = {}

    def add(self, values: Mapping[str, Tensor], weight: int) -> None:
        """Count the values of a batch.

        Args:
            values: Scalars on one device, by name. Their gradient is not kept.
            weight: Weight of the batch, such as its number of documents.
        """
        names = tuple(values)
        row = torch.stack([value.detach() for value in values.values()]).float() * weight
        self.sums[names] = self.sums[names] + row if names in self.sums else row
        self.weights[names] = self.weights.get(names, 0) + weight

    def pop(self) -> Iterator[tuple[str, Tensor, int]]:
        """Each name with its mean and the weight of its batches, which are forgotten.

        A name that came together with others and without them is given more than once.
        """
        sums, weights = self.sums, self.weights
        self.clear()
        for names, row in sums.items():
            for name, value in zip(names, row / weights[names], strict=True):
                yield name, value, weights[names]
