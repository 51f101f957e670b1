"""Clauses as vectors, from a token encoder that reads documents or single clauses."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from ecpe_zoo.layers.pooling import AttentionPool, mean_by_group
from ecpe_zoo.options import ReadingSettings
from ecpe_zoo.text.document_rows import DocumentRows
from ecpe_zoo.text.row_groups import chunk_rows
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.text.transformer_encoder import TransformerEncoder

SLOTS = 8192
"""Maximum number of token slots of single clauses that are encoded at once."""


class Encoded(NamedTuple):
    """Outputs of a `SegmentEncoder` for B documents of at most N clauses."""

    clauses: Tensor
    """(B, N, H) fp32, 0 on padding."""
    document: Tensor
    """(B, H) fp32, mean of the clauses, weighted by their tokens: with mean pooling, the mean of all tokens."""


class SegmentEncoder(nn.Module):
    """Encodes clauses as vectors.

    Args:
        encoder: Token encoder of width H. A frozen one stays in evaluation mode.
        settings: Whether there is one pass per document or per clause, and the pooling.
    """

    def __init__(self, encoder: TokenEncoder, settings: ReadingSettings) -> None:
        super().__init__()
        self.encoder, self.settings = encoder, settings
        self.size = encoder.hidden_size
        self.attention = AttentionPool(self.size) if settings.pool == "attention" else None

    @property
    def frozen(self) -> bool:
        """Whether no parameter of the token encoder is trained."""
        return not any(parameter.requires_grad for parameter in self.encoder.parameters())

    def train(self, mode: bool = True) -> Self:
        """Switch to training; a frozen token encoder stays without dropout."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, batch: DocumentRows) -> Encoded:
        """Encode a batch."""
        if self.settings.read == "document":
            clauses = self._pooled(batch, None)  # (B, N, H)
        else:
            groups = chunk_rows(batch.lengths, SLOTS)
            index = torch.tensor([row for group in groups for row in group], device=batch.tokens.device)
            parts = [self._pooled(batch, group) for group in groups]  # (r, 1, H) each
            flat = torch.cat(parts)[index.argsort(), 0]  # (clauses, H)
            clauses = flat.new_zeros(*batch.segment_mask.shape, self.size)
            clauses = clauses.masked_scatter(batch.segment_mask[..., None], flat)
        mask = batch.segment_mask[..., None]
        clauses = clauses * mask
        weights = batch.clause_tokens[..., None].float()  # (B, N, 1)
        document = (clauses * weights).sum(1) / weights.sum(1).clamp(min=1)
        return Encoded(clauses, document)

    def _pooled(self, batch: DocumentRows, rows: list[int] | None) -> Tensor:
        """Clause vectors (r, clauses, H) of some rows, or of all."""
        tokens, clause_of, types, starts = batch.tokens, batch.clause_of, batch.types, batch.starts
        lengths = torch.tensor(batch.lengths, device=tokens.device)
        if rows is not None:
            index = torch.tensor(rows, device=tokens.device)
            width = batch.lengths[rows[0]]  # the longest comes first
            tokens, clause_of, types = (values[index, :width] for values in (tokens, clause_of, types))
            starts, lengths = starts[index], lengths[index]
        mask = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        # other encoders interpret types as first and second text
        alternating = types if isinstance(self.encoder, TransformerEncoder) else None
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            hidden: Tensor = self.encoder(tokens, mask, alternating)  # (r, T, H)
        if self.settings.pool == "cls":
            return hidden.gather(1, starts[..., None].expand(-1, -1, self.size)).float()
        if self.attention is not None:
            pooled: Tensor = self.attention(hidden, clause_of, starts.shape[1])
            return pooled
        return mean_by_group(hidden, clause_of, starts.shape[1])
