"""The networks of the two-stage methods: one finds emotion and cause clauses, one classifies pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ecpe_zoo.layers.pair_set import PairLinear, PairSet, RelativePosition
from ecpe_zoo.layers.segment_encoder import SegmentEncoder
from ecpe_zoo.layers.two_branch import TwoBranch
from ecpe_zoo.options import PairSettings
from ecpe_zoo.text.document_rows import DocumentRows

Distance = Literal["trained", "fixed"]

RADIUS, FIXED_RADIUS, POSITION = 12, 100, 50
"""Largest distance in clauses of trained and of fixed embeddings, and their size; the fixed ones are the code's."""


def make_position(settings: PairSettings, distance: Distance) -> RelativePosition | None:
    """Distance embeddings, trained up to the window, or fixed at N(0, 0.1); None without `pairs.position`."""
    if not settings.position:
        return None
    if distance == "trained":
        return RelativePosition(settings.window or RADIUS, POSITION)
    position = RelativePosition(FIXED_RADIUS, POSITION)
    nn.init.normal_(position.table.weight, std=0.1)
    return position.requires_grad_(False)


class Clauses(NamedTuple):
    """Outputs of stage one for B documents of at most N clauses."""

    emotion: Tensor
    """(B, N) logits."""
    cause: Tensor
    """(B, N) logits."""


class ClauseNetwork(nn.Module):
    """The network of stage one.

    Args:
        encoders: Encoders: one for both branches, or one for emotions and one for causes.
        branches: Branches, with heads.
    """

    def __init__(self, encoders: Sequence[SegmentEncoder], branches: TwoBranch) -> None:
        super().__init__()
        self.encoders, self.branches = nn.ModuleList(encoders), branches

    def forward(self, batch: DocumentRows) -> Clauses:
        """Logits of a batch."""
        vectors = [encoder(batch).clauses for encoder in self.encoders]
        found = self.branches(vectors[0], vectors[-1], batch.segment_mask)
        return Clauses(found.emotion.float(), found.cause.float())


class PairNetwork(nn.Module):
    """The network of stage two.

    Args:
        encoder: Encoder of both clauses of a pair.
        position: Distance embeddings; None to leave them out.
    """

    def __init__(self, encoder: SegmentEncoder, position: RelativePosition | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.pair_head = PairLinear(encoder.size, encoder.size, 1, position)

    def forward(self, batch: DocumentRows, pairs: PairSet) -> Tensor:
        """(P,) logits for at least one pair."""
        if self.encoder.settings.read == "clause":
            batch = only(batch, pairs)
        clauses = self.encoder(batch).clauses
        found: Tensor = self.pair_head(clauses, clauses, pairs)[:, 0]
        return found.float()


def only(batch: DocumentRows, pairs: PairSet) -> DocumentRows:
    """The rows of the clauses that are in a pair; for documents read clause by clause."""
    needed = torch.zeros_like(batch.segment_mask)
    needed[pairs.document, pairs.emotion] = True
    needed[pairs.document, pairs.cause] = True
    rows = needed[batch.segment_mask].nonzero()[:, 0]
    tables = {name: getattr(batch, name)[rows] for name in ("tokens", "clause_of", "types", "starts")}
    lengths = tuple(batch.lengths[row] for row in rows.tolist())
    return batch._replace(segment_mask=needed, lengths=lengths, **tables)
