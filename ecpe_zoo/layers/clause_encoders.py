"""Encoders over the clauses of a document and the question that is asked of them."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import DenseGATConv, DenseGCNConv

from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.text.recurrent import BiLSTM

ClauseEncoderKind = Literal["gcn", "gat", "lstm", "none"]


class GraphClauseEncoder(nn.Module):
    """One dense graph layer over fully connected nodes with self-loops.

    `gcn`: symmetric normalisation, ELU, residual (without it all nodes of a fully connected graph become
    one).
    `gat`: heads x size/heads attention, ELU, and RANKCP's sigmoid gate between the layer and its input, as
    MM-R has it (there with a tanh in the attention scores, which the dense layer of torch-geometric leaves
    out).

    Args:
        size: H.
        kind: which of the two.
        heads: of `gat`.
        dropout: on the layer's output.

    Raises:
        ZooError: heads that do not divide the size.
    """

    def __init__(self, size: int, kind: Literal["gcn", "gat"], heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.gate: nn.Linear | None = None
        if kind == "gcn":
            self.layer: nn.Module = DenseGCNConv(size, size)
        else:
            if size % heads:
                raise ZooError(f"Expected a clause size that {heads} heads divide, but got {size}.")
            self.layer = DenseGATConv(size, size // heads, heads=heads)
            self.gate = nn.Linear(size, size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """Encode.

        Args:
            nodes: (R, N, H).
            mask: (R, N) bool, False at padding.

        Returns:
            (R, N, H); padding means nothing.
        """
        edges = (mask[:, :, None] & mask[:, None, :]).to(nodes.dtype)  # (R, N, N)
        update = self.dropout(F.elu(self.layer(nodes, edges, mask)))
        share = torch.sigmoid(self.gate(nodes)) if self.gate is not None else None
        encoded: Tensor = nodes + update if share is None else share * update + (1 - share) * nodes
        return encoded


class RecurrentClauseEncoder(nn.Module):
    """A BiLSTM over the nodes in order, with a residual as in the graph encoders.

    Args:
        size: H, even.
        dropout: on the layer's output.
    """

    def __init__(self, size: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.layer = BiLSTM(size, size // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """See `GraphClauseEncoder.forward`; padding stands behind the nodes of a row."""
        update: Tensor = self.dropout(self.layer(nodes, mask.sum(dim=1)))
        return nodes + update


class NoClauseEncoder(nn.Module):
    """Leaves the clauses as they are."""

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """Return the nodes."""
        return nodes


def make_clause_encoder(
    kind: ClauseEncoderKind, size: int, heads: int = 4, dropout: float = 0.1
) -> nn.Module:
    """An encoder of nodes (R, N, H) under a mask (R, N).

    Args:
        kind: which.
        size: H.
        heads: of `gat`; 4 as in RANKCP and MM-R.
        dropout: on the layer's output; 0.1 as in RANKCP and MM-R.

    Raises:
        ZooError: an unknown kind, or heads that do not divide the size.
    """
    match kind:
        case "gcn" | "gat":
            return GraphClauseEncoder(size, kind, heads, dropout)
        case "lstm":
            return RecurrentClauseEncoder(size, dropout)
        case "none":
            return NoClauseEncoder()
        case _:
            raise unknown_choice("a clause encoder", kind, get_args(ClauseEncoderKind))
