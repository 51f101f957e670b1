"""Corrupted copies of token rows."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Replacement = Literal["devlin", "mask"]


def corrupt(
    tokens: Tensor,
    chosen: Tensor,
    allowed: Tensor,
    share: float,
    mask_id: int,
    plain_ids: Tensor,
    replacement: Replacement = "devlin",
) -> tuple[Tensor, Tensor]:
    """Mask chosen tokens and a random part of the allowed ones; no position goes away.

    Args:
        tokens: (R, T) token ids.
        chosen: (R, T) bool, tokens that become [MASK].
        allowed: (R, T) bool, tokens that may be drawn besides.
        share: Probability of being drawn.
        mask_id: Of [MASK].
        plain_ids: (V,) ids that a random token is drawn from.
        replacement: Of drawn tokens that are not chosen: `mask`, or `devlin` (Devlin et al. 2019, section
            3.1): [MASK] for 80 %, a random token for 10 %, the token itself for 10 %.

    Returns:
        The corrupted ids (R, T), and which were chosen or drawn (R, T).
    """
    drawn = allowed & ~chosen & (torch.rand(tokens.shape, device=tokens.device) < share)
    masked = chosen | drawn
    result = tokens
    if replacement == "devlin":
        lot = torch.rand(tokens.shape, device=tokens.device)
        others = plain_ids[torch.randint(len(plain_ids), tokens.shape, device=tokens.device)]
        result = torch.where(drawn & (lot >= 0.8) & (lot < 0.9), others, tokens)
        masked = chosen | (drawn & (lot < 0.8))
    return result.masked_fill(masked, mask_id), chosen | drawn
