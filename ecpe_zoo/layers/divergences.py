"""Kullback-Leibler divergences between predictions, safe in half precision."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def safe_kl(first: Tensor, second: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(softmax(first / t) || softmax(second / t)) over the last axis, in fp32 even under autocast.

    Args:
        first: Logits (..., C).
        second: Logits (..., C).
        temperature: Temperature t > 0.

    Returns:
        (...) float32, at least 0 up to rounding.
    """
    p = F.log_softmax(first.float() / temperature, dim=-1)
    q = F.log_softmax(second.float() / temperature, dim=-1)
    return (p.exp() * (p - q)).sum(dim=-1)


def symmetric_kl(first: Tensor, second: Tensor, temperature: float = 1.0, stop: bool = False) -> Tensor:
    """Half the sum of both directions of `safe_kl`.

    Args:
        first: Logits (..., C).
        second: Logits (..., C).
        temperature: Temperature t > 0.
        stop: Whether to stop the gradient at the first argument of each direction, so that each learns from the other.

    Returns:
        (...) float32.
    """
    fixed, other = (first.detach(), second.detach()) if stop else (first, second)
    return 0.5 * (safe_kl(fixed, second, temperature) + safe_kl(other, first, temperature))
