"""Converts pair probabilities to the scores that are stored.

A pair is predicted if its score is above the threshold: scorer, tuning, evidence and `annotate` know only this rule. A
method that decides otherwise expresses it in its scores.
"""

from __future__ import annotations

import torch
from torch import Tensor


def top_pairs(scores: Tensor, most: int | None = None, force_first: bool = False) -> Tensor:
    """Keep the scores of the best pairs of each document and set all others to 0.

    Args:
        scores: Scores (B, N, N) in [0, 1]; 0 if there is no candidate.
        most: Maximum number of pairs per document; None for all.
        force_first: Whether the best pair gets the score 1, which is above any threshold.

    Returns:
        (B, N, N). In a tie the first pair wins.
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
