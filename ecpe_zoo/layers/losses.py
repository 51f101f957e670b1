"""Losses that two or more clause-pair methods share; means over real entries, in fp32."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ecpe_zoo.layers.pooling import masked_mean


def masked_bce(logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean binary cross-entropy.

    Args:
        logits: Logits of any shape.
        targets: Labels 0 or 1, of the same shape.
        mask: Mask of the same shape, True for real entries; None if all are.

    Returns:
        () float32, at least 0; 0 without real entries.
    """
    values = F.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")
    return values.sum() / max(values.numel(), 1) if mask is None else masked_mean(values, mask)
