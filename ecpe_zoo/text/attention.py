"""Attention of pretrained encoders with dropout that is fast on a CPU.

On a CPU, torch's fused attention takes no dropout. Its plain form draws a random number for every attention weight and
multiplies in fp32 under autocast: with all-MiniLM-L6-v2 on documents of about 200 tokens, drawing alone was a sixth of
the training time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ecpe_zoo.layers.dropout import keep_mask

CHEAP = "ecpe_zoo_cheap_dropout"
"""Name under which transformers registers `attend`."""


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention; our own for dropout on a CPU, else torch's.

    Args:
        module: Attention layer.
        query: Queries (B, heads, T, D).
        key: Keys (B, heads, T, D).
        value: Values (B, heads, T, D).
        attention_mask: Mask (B or 1, heads or 1, T, T): bool, True for tokens that may be attended to, or added to the
            scores.
        dropout: Dropout rate, 0 outside training.
        scaling: Factor of the scores; D^-0.5 if not given.
        options: Options of other models; if any is used, torch's attention is called.

    Returns:
        (B, T, heads, D), and None instead of the weights.
    """
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    other = causal or options.get("position_bias") is not None or key.shape[1] != query.shape[1]
    if other or not 0 < dropout < 1 or query.device.type != "cpu":
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return found
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.matmul(query * scale, key.transpose(2, 3))  # (B, heads, T, T)
    if attention_mask is not None and attention_mask.dtype == torch.bool:
        scores.masked_fill_(~attention_mask, torch.finfo(scores.dtype).min)
    elif attention_mask is not None:
        scores = scores + attention_mask
    weights = torch.softmax(scores, dim=-1)  # summed in fp32 even for 16-bit scores
    kept = weights * keep_mask(weights, dropout).to(weights.dtype).mul_(1 / (1 - dropout))
    return torch.matmul(kept, value).transpose(1, 2).contiguous(), None


AttentionInterface.register(CHEAP, attend)
AttentionMaskInterface.register(CHEAP, sdpa_mask)


def use_cheap_attention(model: Any) -> None:
    """Switch a model from torch's fused attention to `attend`, in place."""
    if getattr(model.config, "_attn_implementation", None) == "sdpa":
        model.config._attn_implementation = CHEAP
