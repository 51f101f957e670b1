"""Directed links between clauses: E2EECPE's position weights and its loss in log space."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class LinkOutputs(NamedTuple):
    """Outputs of the network for a batch."""

    emotion: Tensor
    """(B, N, 2) logits."""
    cause: Tensor
    """(B, N, 2) logits."""
    links: Tensor
    """(B, N, N) logits M, fp32."""
    weights: Tensor
    """(B, N, N) position weights A in (0, 1], fp32, 0 for pairs that are not candidates."""

    @property
    def pair(self) -> Tensor:
        """(B, N, N) probabilities sigmoid(M) A in [0, 1], fp32, 0 for pairs that are not candidates."""
        return torch.sigmoid(self.links) * self.weights


def position_weights(clauses: Tensor, size: int, smoothing: float = 1.0) -> Tensor:
    """A_pq = (n - |p - q - 1| + eps) / (n + eps): 1 if the cause is the clause just before the emotion.

    Args:
        clauses: Number n of real clauses of each document, (B,).
        size: Number of clauses N to which documents are padded.
        smoothing: Epsilon; 1 in the paper.

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
    """Binary cross-entropy of `sigmoid(M) A` (eq. 15), element-wise, in log space.

    The loss of a gold pair is -(log sigmoid(M) + log A), of any other pair -log(1 - A sigmoid(M)). The latter is
    written as the sum of two positive terms, (1 - A) sigmoid(M) + sigmoid(-M), so that nothing cancels. Values and
    gradients are exact for any finite M; cross-entropy of the rounded product has no gradient beyond about -17 and
    is capped at 100.

    Args:
        links: Logits M (B, N, N), fp32 or fp64.
        weights: Position weights A (B, N, N) in [0, 1]; 0 (padding) is not allowed for gold pairs.
        pairs: Labels (B, N, N), 1 for gold pairs, else 0.

    Returns:
        (B, N, N), at least 0.
    """
    linked, unlinked = F.logsigmoid(links), F.logsigmoid(-links)
    gold = linked + weights.log()
    other = torch.logaddexp(linked + torch.log1p(-weights), unlinked)
    return -torch.where(pairs > 0, gold, other)
