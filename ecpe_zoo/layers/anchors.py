"""Similarity to anchors, and EACL's losses over representations and anchors."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """(n, m) similarities (1 + cos) / 2 + 1e-8 of rows (n, D) and (m, D), in [1e-8, 1 + 1e-8], at least in fp32."""
    with torch.autocast(x.device.type, enabled=False):
        return (1 + unit(x) @ unit(y).T) / 2 + 1e-8


def unit(x: Tensor) -> Tensor:
    """Scale rows (n, D) to length 1; a row of (nearly) zero length becomes 0, without a gradient."""
    x = x if x.dtype == torch.float64 else x.float()
    length = x.norm(dim=-1, keepdim=True)
    there = length > 1e-6
    return torch.where(there, x / torch.where(there, length, 1.0), 0.0)


def contrastive_loss(
    vectors: Tensor,
    labels: Tensor,
    temperature: float,
    form: Literal["log-of-sum", "supcon"] = "log-of-sum",
    count_absent: bool = False,
) -> Tensor:
    """Contrastive loss over representations and anchors together.

    With p_ij = exp(s_ij / T) / sum over k != i of exp(s_ik / T) and P(i) the other rows with the label of i:
    `log-of-sum` is -log(sum over P(i) of p_ij / |P(i)|), the released code's; `supcon` is the mean over P(i) of
    -log p_ij (Khosla et al. 2020).

    Args:
        vectors: Vectors (n, D) of representations and anchors.
        labels: Labels (n,) of the vectors.
        temperature: Temperature T.
        form: Form of the loss: one of the two.
        count_absent: Whether rows without a positive count with the constant -log(1e-8), as in the code.

    Returns:
        () mean over the rows that have a positive; 0 if there is none.
    """
    scores = similarity(vectors, vectors) / temperature  # (n, n)
    self = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = (labels[:, None] == labels[None]) & ~self
    count = positive.sum(dim=1)  # (n,)
    some = count > 0
    if not some.any():
        return vectors.sum() * 0.0
    everyone = scores.masked_fill(self, -torch.inf).logsumexp(dim=1)  # (n,)
    if form == "supcon":
        rows = everyone - torch.where(positive, scores, 0.0).sum(dim=1) / count.clamp(min=1)
    else:
        # rows without a positive get a harmless 0: the gradient of an empty sum's logarithm is NaN
        inside = scores.masked_fill(~(positive | ~some[:, None]), -torch.inf)
        rows = everyone - inside.logsumexp(dim=1) + count.clamp(min=1).to(scores).log()
    total = torch.where(some, rows, 0.0).sum()
    if count_absent:
        total = total - (~some).sum() * math.log(1e-8)
    return total / (len(labels) if count_absent else some.sum())


def angle_loss(anchors: Tensor, clamp: float = 0.99999) -> Tensor:
    """Minus the mean angle, in radians, between each anchor (C, D) and its nearest one, seen from the anchors' centre.

    The value uses the clamped cosine, the gradient the angle: arccos of a clamped cosine has no gradient if two
    directions nearly coincide. Equal directions get a gradient of 0.

    Args:
        anchors: Anchors (C, D).
        clamp: Largest absolute cosine that the value distinguishes.
    """
    anchors = anchors if anchors.dtype == torch.float64 else anchors.float()
    directions = unit(anchors - anchors.mean(dim=0))
    self = torch.eye(len(anchors), dtype=torch.bool, device=anchors.device)
    with torch.autocast(anchors.device.type, enabled=False):
        cosines = (directions @ directions.T).masked_fill(self, -torch.inf)  # (C, C)
    nearest = directions[cosines.detach().argmax(dim=1)]
    chord, sum_ = _length(directions - nearest), _length(directions + nearest)
    angle = 2 * torch.atan2(chord, sum_)  # (C,) without the cancellation of arccos near 0 and pi
    angle = angle + (angle.clamp(math.acos(clamp), math.acos(-clamp)) - angle).detach()
    loss: Tensor = -angle.mean()
    return loss


def _length(x: Tensor) -> Tensor:
    """Lengths (n,) of rows (n, D); the gradient at 0 is 0."""
    square = x.square().sum(dim=-1)
    there = square > 0
    return torch.where(there, torch.where(there, square, 1.0).sqrt(), 0.0)
