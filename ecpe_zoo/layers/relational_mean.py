"""Graph convolutions over the emotion, cause and pair nodes of a document and the document itself."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.errors import at_least
from ecpe_zoo.layers.pair_set import PairLinear, PairSet, RelativePosition


class Nodes(NamedTuple):
    """Vectors of the nodes of B documents of at most N clauses with P candidate pairs."""

    emotion: Tensor
    """(B, N, H) emotion nodes, one per clause."""
    cause: Tensor
    """(B, N, H) cause nodes, one per clause."""
    pair: Tensor
    """(P, H) pair nodes."""
    document: Tensor
    """(B, H) document nodes."""


class Edges(NamedTuple):
    """Kinds of edges in a graph, in both directions."""

    clause: bool = True
    """Between all emotion nodes of a document, and between all its cause nodes."""
    pair: bool = True
    """Between a pair and its emotion, and between a pair and its cause."""
    document: bool = True
    """Between the document and all other nodes."""


ALL_EDGES = Edges()

Incoming = tuple[str, Tensor, Tensor]
"""Relation, sum (..., H) of the neighbours, and their number (...)."""


def wide(values: Tensor) -> Tensor:
    """Values in at least fp32: sums over the pairs of a document exceed the precision of half precision."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class RelationalMean(nn.Module):
    """One layer: `W_0 x_v + b + sum_r (W_r mean_{u in N_r(v)} x_u + b_r)`, without an activation.

    Relations: emotion-emotion, cause-cause (other clauses of the document), emotion-pair, cause-pair, and document to
    each kind of node. A relation uses one matrix in both directions; the mean is over neighbours of one kind. A node
    without neighbours of a relation receives nothing through it. Memory is linear in clauses and in pairs.

    Args:
        size: Size of a node, H.
        edges: Kinds of edges.
        own: Whether each kind of node has its own matrix, which is added to W_0.
        bias: Whether relations have biases b_r.
        joint: Whether sums are divided by the number of all neighbours of a node, not those of the relation.
        last: Whether to keep the document node unchanged, since nothing reads it after the last layer; also so
            without document edges.
    """

    def __init__(
        self,
        size: int,
        edges: Edges,
        own: bool = False,
        bias: bool = False,
        joint: bool = False,
        last: bool = False,
    ) -> None:
        super().__init__()
        self.joint = joint
        self.with_document = edges.document and not last
        groups = {
            "emotion-emotion": edges.clause,
            "cause-cause": edges.clause,
            "emotion-pair": edges.pair,
            "cause-pair": edges.pair,
            "document": edges.document,
        }
        self.relations = nn.ModuleDict(
            {name: nn.Linear(size, size, bias) for name, there in groups.items() if there}
        )
        self.itself = nn.Linear(size, size)
        kinds = [kind for kind in Nodes._fields if own and (kind != "document" or self.with_document)]
        self.own = nn.ModuleDict({kind: nn.Linear(size, size, bias=False) for kind in kinds})
        for layer in (self.itself, *self.relations.values(), *self.own.values()):
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight, nn.init.calculate_gain("relu"))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, nodes: Nodes, mask: Tensor, pairs: PairSet) -> Nodes:
        """Update all nodes; mask (B, N). Values at padding are meaningless."""
        real = mask[..., None]
        emotion, cause, pair, document = (wide(values) for values in nodes)
        emotion, cause = emotion * real, cause * real
        clauses = mask.sum(1)  # (B,)
        ones = torch.ones_like(pair[:, :1])
        found = Nodes(
            self._clauses(
                "emotion", emotion, clauses, document, pairs.by_emotion(pair), pairs.by_emotion(ones)
            ),
            self._clauses("cause", cause, clauses, document, pairs.by_cause(pair), pairs.by_cause(ones)),
            self._pairs(emotion, cause, pair, document, pairs),
            document,
        )
        if not self.with_document:
            return found
        of_pairs = torch.zeros_like(document).index_add(0, pairs.document, pair)
        number = torch.bincount(pairs.document, minlength=len(document))
        incoming = [
            ("document", emotion.sum(1), clauses),
            ("document", cause.sum(1), clauses),
            ("document", of_pairs, number),
        ]
        return found._replace(document=self._update("document", document, incoming))

    def _clauses(
        self, kind: str, clause: Tensor, clauses: Tensor, document: Tensor, pair: Tensor, number: Tensor
    ) -> Tensor:
        """Emotion or cause nodes (B, N, H), from the sums of their pairs (B, N, H) and their number (B, N, 1)."""
        others = (clauses - 1).clamp(min=0)[:, None]  # (B, 1)
        incoming = [
            (f"{kind}-{kind}", clause.sum(1, keepdim=True) - clause, others),
            (f"{kind}-pair", pair, number[..., 0]),
            ("document", document[:, None], torch.ones_like(others)),
        ]
        return self._update(kind, clause, incoming)

    def _pairs(
        self, emotion: Tensor, cause: Tensor, pair: Tensor, document: Tensor, pairs: PairSet
    ) -> Tensor:
        """Pair nodes (P, H); each has one emotion, one cause and one document, which are multiplied only once."""
        found = self._update("pair", pair, [])
        received = []
        if "emotion-pair" in self.relations:
            received.append(pairs.of_emotion(wide(self.relations["emotion-pair"](emotion))))
            received.append(pairs.of_cause(wide(self.relations["cause-pair"](cause))))
        if "document" in self.relations:
            received.append(wide(self.relations["document"](document)).index_select(0, pairs.document))
        for message in received:
            found = found + (message / len(received) if self.joint else message)
        return found

    def _update(self, kind: str, values: Tensor, incoming: list[Incoming]) -> Tensor:
        """Nodes of one kind from their own values and incoming messages."""
        weight = self.itself.weight
        if kind in self.own:
            weight = weight + _linear(self.own, kind).weight
        found = wide(F.linear(values, weight, self.itself.bias))
        incoming = [message for message in incoming if message[0] in self.relations]
        total = sum((number for _, _, number in incoming), torch.tensor(0, device=values.device))
        for relation, summed, number in incoming:
            share = (total if self.joint else number).clamp(min=1)[..., None]
            layer = _linear(self.relations, relation)
            found = found + wide(F.linear(summed / share, layer.weight))
            if layer.bias is not None:
                found = found + number[..., None] * layer.bias / share
        return found


def _linear(layers: nn.ModuleDict, name: str) -> nn.Linear:
    layer = layers[name]
    assert isinstance(layer, nn.Linear)
    return layer


class PairGraph(nn.Module):
    """Nodes of documents and the layers between them.

    Emotion and cause nodes start as the clause vector, a pair node as a linear layer over its two clauses plus the
    embedding of its distance.

    Args:
        size: Size of a node, H.
        layers: Number of layers, each with a ReLU; 0 keeps the initial nodes.
        position: Distance embeddings of size H; None to leave them out.
        norm: Whether initial pair nodes are normalised.
        dropout: Dropout on the output of each layer.
        activation: Whether layers have the ReLU.
        edges: See `RelationalMean`.
        own: See `RelationalMean`.
        bias: See `RelationalMean`.
        joint: See `RelationalMean`.

    Raises:
        ZooError: The number of layers is negative.
    """

    def __init__(
        self,
        size: int,
        layers: int,
        position: RelativePosition | None,
        *,
        norm: bool = False,
        dropout: float = 0.0,
        activation: bool = True,
        edges: Edges = ALL_EDGES,
        own: bool = False,
        bias: bool = False,
        joint: bool = False,
    ) -> None:
        super().__init__()
        at_least("--model.layers", layers, 0)
        self.pair, self.position = PairLinear(size, size, size), position
        self.norm: nn.Module = nn.LayerNorm(size) if norm else nn.Identity()
        self.layers = nn.ModuleList(
            RelationalMean(size, edges, own, bias, joint, last=number == layers - 1)
            for number in range(layers)
        )
        self.activation: nn.Module = nn.ReLU() if activation else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, clauses: Tensor, document: Tensor, mask: Tensor, pairs: PairSet) -> Nodes:
        """Nodes from clause vectors (B, N, H) and document vectors (B, H); mask (B, N)."""
        pair = self.pair(clauses, clauses, pairs)
        if self.position is not None:
            pair = pair + self.position(pairs.offset)
        nodes = Nodes(clauses, clauses, self.norm(pair), document)
        for layer in self.layers:
            nodes = Nodes(*(self.dropout(self.activation(values)) for values in layer(nodes, mask, pairs)))
        return nodes
