"""Vectors of clauses from the vectors of their tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def mean_by_group(values: Tensor, group_of: Tensor, groups: int) -> Tensor:
    """Mean of the values of each group, accumulated in fp32 even under autocast.

    Uses a product with the one-hot assignment instead of a scatter: this is deterministic on a GPU.

    Args:
        values: Vectors (R, T, H).
        group_of: Group (R, T) of each position, 0 .. groups - 1; any other number means no group.
        groups: Number of groups, G.

    Returns:
        (R, G, H) float32; zeros for a group without members.
    """
    numbers = torch.arange(groups, device=values.device)
    with torch.autocast(values.device.type, enabled=False):
        members = (group_of[:, None, :] == numbers[None, :, None]).float()  # (R, G, T)
        counts = members.sum(dim=-1, keepdim=True).clamp(min=1)
        means: Tensor = (members / counts) @ values.float()
        return means


def weighted_by_group(values: Tensor, scores: Tensor, group_of: Tensor, groups: int) -> Tensor:
    """Mean of the values of each group, weighted by a softmax of scores over its members.

    Args:
        values: Vectors (R, T, H).
        scores: Scores (R, T).
        group_of: Groups; see `mean_by_group`.
        groups: Number of groups, G.

    Returns:
        (R, G, H) float32; zeros for a group without members.
    """
    numbers = torch.arange(groups, device=values.device)
    with torch.autocast(values.device.type, enabled=False):
        members = group_of[:, None, :] == numbers[None, :, None]  # (R, G, T)
        scores = scores.float()
        # a finite lowest score: a group without members has equal weights, not NaN
        masked = scores[:, None, :].masked_fill(~members, torch.finfo(scores.dtype).min)
        weights = torch.softmax(masked, dim=-1) * members
        pooled: Tensor = weights @ values.float()
        return pooled


class AttentionPool(nn.Module):
    """Mean of the tokens of each clause, weighted by a softmax of learned scores: `w . tanh(W h + b)`.

    Args:
        size: Size of a token vector, H.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden, self.score = nn.Linear(size, size), nn.Linear(size, 1, bias=False)

    def forward(self, values: Tensor, group_of: Tensor, groups: int) -> Tensor:
        """See `mean_by_group`: (R, T, H) and (R, T) -> (R, G, H) float32; zeros for a group without members."""
        scores = self.score(torch.tanh(self.hidden(values)))[..., 0]  # (R, T)
        return weighted_by_group(values, scores, group_of, groups)


class LinearPool(nn.Module):
    """Mean of the tokens of each group, weighted by a softmax of linear scores: `w . h`; a bias would cancel out.

    Args:
        size: Size of a token vector, H.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.score = nn.Linear(size, 1, bias=False)

    def forward(self, values: Tensor, group_of: Tensor, groups: int) -> Tensor:
        """See `mean_by_group`: (R, T, H) and (R, T) -> (R, G, H) float32; zeros for a group without members."""
        return weighted_by_group(values, self.score(values)[..., 0], group_of, groups)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over all positions where the mask is True, in fp32; 0 if there are none.

    Args:
        values: Values of any shape.
        mask: Mask of the same shape.
    """
    kept = torch.where(mask, values.float(), 0.0)
    return kept.sum() / mask.sum().clamp(min=1)
