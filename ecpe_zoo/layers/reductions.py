"""Means over the answers to questions of several kinds."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ecpe_zoo.layers.pooling import masked_mean

Reduction = Literal["task", "mean", "sum"]


def mean_over_questions(
    values: Tensor, real: Tensor, kinds: Tensor, count: int, reduction: Reduction = "task"
) -> Tensor:
    """Reduce values of clauses to one number.

    Args:
        values: Values (R, N) of each clause of each question.
        real: Mask (R, N) of clauses that count.
        kinds: Kind (R,) of each question, 0 .. count - 1.
        count: Number of kinds.
        reduction: `task`: mean over the clauses of each kind, summed over kinds, where a kind without
            questions adds 0; `mean` or `sum` over all clauses.

    Returns:
        () float32.
    """
    match reduction:
        case "task":
            return torch.stack(
                [masked_mean(values, real & (kinds == kind)[:, None]) for kind in range(count)]
            ).sum()
        case "mean":
            return masked_mean(values, real)
        case "sum":
            return torch.where(real, values.float(), 0.0).sum()
