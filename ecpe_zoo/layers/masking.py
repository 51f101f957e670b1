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
    """Mask chosen tokens and a random part of the allowed ones; no position is removed.

    Args:
        tokens: Token ids (R, T).
        chosen: Mask (R, T) of tokens that become [MASK].
        allowed: Mask (R, T) of tokens that may also be drawn at random.
        share: Probability of being drawn.
        mask_id: Id of [MASK].
        plain_ids: Ids (V,) that random tokens are drawn from.
        replacement: What becomes of drawn tokens that are not chosen: `mask`, or `devlin` (Devlin et al. 2019, section
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
