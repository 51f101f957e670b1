"""Means over the tokens of each clause."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_by_group(values: Tensor, group_of: Tensor, groups: int) -> Tensor:
    """Mean of the values of each group, accumulated in fp32 also under autocast.

    A product with the one-hot assignment instead of a scatter: it is deterministic on a GPU.

    Args:
        values: (R, T, H).
        group_of: (R, T) group of each position, 0 .. groups - 1; another number belongs to none.
        groups: G.

    Returns:
        (R, G, H) float32; zeros for a group without members.
    """
    numbers = torch.arange(groups, device=values.device)
    with torch.autocast(values.device.type, enabled=False):
        members = (group_of[:, None, :] == numbers[None, :, None]).float()  # (R, G, T)
        counts = members.sum(dim=-1, keepdim=True).clamp(min=1)
        means: Tensor = (members / counts) @ values.float()
        return means


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over all positions where the mask holds, in fp32; 0 where it holds nowhere.

    Args:
        values: of any shape.
        mask: bool, of the same shape.
    """
    kept = torch.where(mask, values.float(), 0.0)
    return kept.sum() / mask.sum().clamp(min=1)
