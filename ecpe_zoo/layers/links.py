"""Directed links between clauses: E2EECPE's position weights and its loss in log space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def position_weights(clauses: Tensor, size: int, smoothing: float = 1.0) -> Tensor:
    """A_pq = (n - |p - q - 1| + eps) / (n + eps): 1 where the cause is the clause just before the emotion.

    Args:
        clauses: (B,) real number n of clauses of each document.
        size: N, to which the documents are padded.
        smoothing: Eps; 1 in the paper.

    Returns:
        (B, N, N) in (0, 1], and 0 on padding.
    """
    index = torch.arange(size, device=clauses.device)
    distance = (index[:, None] - index[None, :] - 1).abs()
    n = clauses[:, None, None]
    real = index[None, :] < clauses[:, None]
    weights = (n - distance + smoothing) / (n + smoothing)
    return weights * (real[:, :, None] & real[:, None, :])


def link_loss(links: Tensor, weights: Tensor, pairs: Tensor) -> Tensor:
    """Binary cross-entropy of `sigmoid(M) A` (eq. 15), entry by entry, in log space.

    The loss of a gold pair is -(log sigmoid(M) + log A), of any other pair -log(1 - A sigmoid(M)). The latter is
    written as the sum of two positive terms, (1 - A) sigmoid(M) + sigmoid(-M), so that nothing cancels. Values and
    gradients are exact for any finite M; cross-entropy of the rounded product has no gradient beyond about -17 and
    is capped at 100.

    Args:
        links: (B, N, N) logits M, fp32 or fp64.
        weights: (B, N, N) position weights A in [0, 1]; 0 (padding) must not meet a gold pair.
        pairs: (B, N, N), 1 for gold pairs, else 0.

    Returns:
        (B, N, N), at least 0.
    """
    linked, unlinked = F.logsigmoid(links), F.logsigmoid(-links)
    gold = linked + weights.log()
    other = torch.logaddexp(linked + torch.log1p(-weights), unlinked)
    return -torch.where(pairs > 0, gold, other)
