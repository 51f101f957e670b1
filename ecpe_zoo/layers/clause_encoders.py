"""Encoders over the clauses of a document and the question about them."""

from __future__ import annotations

from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import DenseGATConv, DenseGCNConv

from ecpe_zoo.errors import ZooError, at_least, unknown_choice
from ecpe_zoo.options import ClauseEdges, ClauseEncoderKind, ClauseSettings
from ecpe_zoo.text.recurrent import BiLSTM

RELATIONS = 4
"""From the question, to the question, from an earlier clause, from a later clause."""


def near_edges(mask: Tensor, window: int) -> Tensor:
    """Edges between the question (node 0), the clauses at most `window` apart, and from each node to itself.

    Args:
        mask: Mask (R, N), False at padding.
        window: Largest distance in clauses, at least 1.

    Returns:
        (R, N, N) bool, symmetric.
    """
    place = torch.arange(mask.shape[1], device=mask.device)
    near = (place[:, None] - place[None, :]).abs() <= window
    near |= (place[:, None] == 0) | (place[None, :] == 0)
    return near & mask[:, :, None] & mask[:, None, :]


class CompleteGCN(nn.Module):
    """A graph convolution over the complete graph with self-loops, symmetrically normalised.

    It adds the same vector to every node, the mean of all nodes: this says nothing about a node's own neighbours, so
    that the layer carries no context beyond a summary of the document. Kept to demonstrate this.

    Args:
        size: Size of a node, H.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.layer = DenseGCNConv(size, size)

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """(R, N, H) and (R, N) -> (R, N, H)."""
        edges = (mask[:, :, None] & mask[:, None, :]).to(nodes.dtype)
        found: Tensor = self.layer(nodes, edges, mask)
        return found


class RelationalGCN(nn.Module):
    """A graph convolution with edge types: the question, and clauses at each distance.

    `W_0 h_i + sum_r W_r mean_{j in N_r(i)} a_{r,|i-j|} h_j + b`, as in R-GCN (Schlichtkrull et al., 2018) with a
    learned weight for each distance.

    Args:
        size: Size of a node, H.
        window: Number of neighbouring clauses on each side, at least 1.
    """

    def __init__(self, size: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.itself = nn.Linear(size, size)
        self.relations = nn.ModuleList(nn.Linear(size, size, bias=False) for _ in range(RELATIONS))
        self.distances = nn.Parameter(torch.ones(2, window))  # earlier, later

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """(R, N, H) and (R, N) -> (R, N, H)."""
        edges = near_edges(mask, self.window)  # (R, N, N), [r, i, j]: j is a neighbour of i
        place = torch.arange(mask.shape[1], device=mask.device)
        offset = (place[None, :] - place[:, None]).expand_as(edges)
        asks, clause = (place[None, :] == 0).expand_as(edges), (place > 0)[:, None] & (place > 0)[None, :]
        step = (offset.abs() - 1).clamp(0, self.window - 1)
        members = (
            edges & asks & (offset != 0),
            edges & (place[:, None] == 0) & (offset != 0),
            edges & clause & (offset < 0),
            edges & clause & (offset > 0),
        )
        found: Tensor = self.itself(nodes)
        for number, (member, linear) in enumerate(zip(members, self.relations, strict=True)):
            weights = member.to(nodes.dtype) / member.sum(dim=2, keepdim=True).clamp(min=1)
            if number >= 2:
                weights = weights * self.distances[number - 2][step].to(nodes.dtype)
            found = found + linear(weights @ nodes)
        return found


class AttentionLayer(nn.Module):
    """Graph attention with heads x size/heads. On the complete graph, its output hardly differs between nodes.

    Args:
        size: Size of a node, H.
        heads: Number of heads, which divides the size.
        edges: See `ClauseSettings`.
        window: See `ClauseSettings`.
    """

    def __init__(self, size: int, heads: int, edges: ClauseEdges, window: int) -> None:
        super().__init__()
        if size % heads:
            raise ZooError(f"Expected a clause size that {heads} heads divide, but got {size}.")
        self.edges, self.window = edges, window
        self.layer = DenseGATConv(size, size // heads, heads=heads)

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """(R, N, H) and (R, N) -> (R, N, H)."""
        both = mask[:, :, None] & mask[:, None, :]
        edges = near_edges(mask, self.window) if self.edges == "near" else both
        found: Tensor = self.layer(nodes, edges.to(nodes.dtype), mask)
        return found


class GraphClauseEncoder(nn.Module):
    """One dense graph layer over the question and the clauses of a document.

    `gcn`: ELU and a residual.
    `gat`: ELU, and RANKCP's sigmoid gate between the layer and its input, as in MM-R (there with a tanh in the
    attention scores, which the dense layer of torch-geometric leaves out).

    Args:
        size: Size of a node, H.
        settings: Settings of kind `gcn` or `gat`.

    Raises:
        ZooError: The heads do not divide the size, or the window is below 1.
    """

    def __init__(self, size: int, settings: ClauseSettings) -> None:
        super().__init__()
        at_least("--model.clause_encoder.window", settings.window, 1)
        self.gate: nn.Linear | None = None
        self.layer: nn.Module
        if settings.kind == "gat":
            self.layer = AttentionLayer(size, settings.heads, settings.edges, settings.window)
            self.gate = nn.Linear(size, size)
        elif settings.edges == "near":
            self.layer = RelationalGCN(size, settings.window)
        else:
            self.layer = CompleteGCN(size)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """Encode.

        Args:
            nodes: Nodes (R, N, H); node 0 is the question.
            mask: Mask (R, N), False at padding.

        Returns:
            (R, N, H); values at padding are meaningless.
        """
        update = self.dropout(F.elu(self.layer(nodes, mask)))
        share = torch.sigmoid(self.gate(nodes)) if self.gate is not None else None
        encoded: Tensor = nodes + update if share is None else share * update + (1 - share) * nodes
        return encoded


class GatedAttention(nn.Module):
    """RANKCP's graph attention over all clauses, with a gate between the layer and its input.

    With `h = x W` of a head: `a_ij = LeakyReLU(v . tanh(h_i) + u . tanh(h_j))`, softmax over j, `sum_j a_ij h_j + b`,
    heads concatenated, ELU; then `g o + (1 - g) x` with `g = sigmoid(W_g x)`.

    Args:
        size: Size of a node, H.
        heads: Number of attention heads, which divides the size.
        dropout: Dropout on the output.
    """

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        if size % heads:
            raise ZooError(f"Expected a clause size that {heads} heads divide, but got {size}.")
        self.heads = heads
        self.weight = nn.Parameter(torch.empty(heads, size, size // heads))
        self.of_node = nn.Parameter(torch.empty(heads, size // heads, 1))  # v
        self.of_neighbour = nn.Parameter(torch.empty(heads, size // heads, 1))  # u
        self.bias = nn.Parameter(torch.zeros(size // heads))  # one for all heads
        self.gate = nn.Linear(size, size)
        self.dropout = nn.Dropout(dropout)
        for matrices in (self.weight, self.of_node, self.of_neighbour):
            for matrix in matrices.data:
                nn.init.xavier_uniform_(matrix)
        nn.init.xavier_normal_(self.gate.weight)

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """(B, N, H) and (B, N) -> (B, N, H); values at padding are meaningless."""
        hidden = torch.einsum("bnh,khd->bknd", nodes, self.weight.to(nodes.dtype))  # (B, heads, N, H / heads)
        bounded = torch.tanh(hidden)
        scores = bounded @ self.of_node + (bounded @ self.of_neighbour).transpose(2, 3)  # (B, heads, N, N)
        scores = F.leaky_relu(scores, 0.2).float()
        scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min)
        mixed = torch.softmax(scores, dim=-1).to(hidden.dtype) @ hidden + self.bias
        update = F.elu(mixed.transpose(1, 2).flatten(2))  # (B, N, H)
        share = torch.sigmoid(self.gate(nodes))
        found: Tensor = self.dropout(share * update + (1 - share) * nodes)
        return found


class RecurrentClauseEncoder(nn.Module):
    """A BiLSTM over the nodes in order, with a residual as in the graph encoders.

    Args:
        size: Size of a node, H, even.
        dropout: Dropout on the layer's output.
    """

    def __init__(self, size: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.layer = BiLSTM(size, size // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """See `GraphClauseEncoder.forward`; padding comes after the nodes of a row."""
        update: Tensor = self.dropout(self.layer(nodes, mask.sum(dim=1)))
        return nodes + update


class NoClauseEncoder(nn.Module):
    """Returns the clauses unchanged."""

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """Return the nodes."""
        return nodes


def make_clause_encoder(size: int, settings: ClauseSettings) -> nn.Module:
    """An encoder of nodes (R, N, H) under a mask (R, N); see `ClauseSettings` for the kinds.

    Args:
        size: Size of a node, H.
        settings: Settings of the encoder.

    Raises:
        ZooError: The kind is unknown, the heads do not divide the size, or the window is below 1.
    """
    match settings.kind:
        case "gcn" | "gat":
            return GraphClauseEncoder(size, settings)
        case "gated-gat":
            return GatedAttention(size, settings.heads, settings.dropout)
        case "lstm":
            return RecurrentClauseEncoder(size, settings.dropout)
        case "none":
            return NoClauseEncoder()
        case _:
            raise unknown_choice("a clause encoder", settings.kind, get_args(ClauseEncoderKind))
