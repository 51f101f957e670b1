"""What turns probabilities of pairs into the scores that are stored.

A pair is predicted if its score is above the threshold: scorer, tuning, evidence and `annotate` know this one rule. A
method that decides otherwise says so in its scores.
"""

from __future__ import annotations

import torch
from torch import Tensor


def top_pairs(scores: Tensor, most: int | None = None, force_first: bool = False) -> Tensor:
    """Scores of the best pairs of each document; those of all others become 0.

    Args:
        scores: (B, N, N) in [0, 1]; 0 where there is no candidate.
        most: Pairs of a document; None for all.
        force_first: Give the best one the score 1, so that it is above any threshold.

    Returns:
        (B, N, N). Among equal scores the pair that comes first is better.
    """
    if most is None and not force_first:
        return scores
    flat = scores.flatten(1)
    order = flat.argsort(dim=1, descending=True, stable=True)
    if most is not None:
        kept = torch.zeros_like(flat, dtype=torch.bool).scatter(1, order[:, :most], True)
        flat = torch.where(kept, flat, 0.0)
    if force_first:
        first = order[:, :1]
        flat = flat.scatter(1, first, (flat.gather(1, first) > 0).to(flat.dtype))
    return flat.view_as(scores)
