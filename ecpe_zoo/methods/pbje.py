"""PBJE: Pair-Based Joint Encoding with Relational Graph Convolutional Networks (Liu et al., EMNLP 2022).

Pairs are graph nodes next to emotion clauses, cause clauses and the document, so that pairs and clauses learn from each
other simultaneously, not in sequence. A relational graph convolution updates all nodes; emotions, causes and pairs
are classified from them. The released code is tutuDoki/PBJE-ECPE.

==========================  ==================================  ====================================================
argument                    default                             released code
==========================  ==================================  ====================================================
`pairs.top`                 None: all pairs above the           3 pairs, of which the best is always predicted
`pairs.force_first`         threshold                           (`force_first`): it assumes that every document has
                                                                a pair
`pairs.prior`               True                                False
==========================  ==================================  ====================================================

Departures from the released code:

- All parameters are trained. In the code, those after BERT are passed as an exhausted iterator, so that graph,
  embeddings and heads keep their random values.
- The document node has no matrix of its own in the last layer: no head reads its output.
- A document of one clause has no edges between clauses. The code cannot batch graphs with different kinds of edges.
- A long document loses tokens of its longest clauses. The code truncates all clauses to one length, which is 0 if
  there are more than 170.
- LayerNorm keeps its usual epsilon; 1e-8 is 0 in half precision.
- One weight decay for all matrices; the code has 0 in BERT and 1e-5 elsewhere. Embeddings have none.
- The heads score emotion and cause clauses too; the released figures are derived from the pairs
  (`emotion_from_pairs`, `cause_from_pairs`).

The code's unused parts (BiLSTM, emotion embedding, gate, attention, edges between pairs, two more losses) are left out.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.layers.pair_set import PairLinear, PairSet
from ecpe_zoo.layers.relational_mean import Edges, PairGraph
from ecpe_zoo.layers.segment_encoder import Encoded
from ecpe_zoo.methods.ecpe import EncodedPairMethod, PairLogits
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings

RADIUS = 3
"""Largest distance in clauses, if there is no window (released code)."""


class Heads(nn.Module):
    """Graph over clauses and pairs, and the heads on its nodes.

    Args:
        graph: Graph over nodes of size H.
        size: Size of a node, H.
        dropout: Dropout in the pair head.
    """

    def __init__(self, graph: PairGraph, size: int, dropout: float) -> None:
        super().__init__()
        self.graph = graph
        self.emotion, self.cause = nn.Linear(size, 1), nn.Linear(size, 1)
        # a linear layer over [pair ; emotion ; cause], in two parts
        self.of_pair = nn.Linear(size, 3 * size, bias=False)
        self.of_clauses = PairLinear(size, size, 3 * size)
        self.dropout = nn.Dropout(dropout)
        self.pair_head = nn.Linear(3 * size, 1)

    def forward(self, clauses: Tensor, mask: Tensor, pairs: PairSet) -> PairLogits:
        """Logits from clause vectors (B, N, H), 0 on padding; mask (B, N)."""
        document = clauses.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        nodes = self.graph(clauses, document, mask, pairs)
        hidden = self.of_pair(nodes.pair) + self.of_clauses(nodes.emotion, nodes.cause, pairs)  # (P, 3 H)
        return PairLogits(
            pairs,
            self.pair_head(F.relu(self.dropout(hidden)))[:, 0],
            self.emotion(nodes.emotion)[..., 0],
            self.cause(nodes.cause)[..., 0],
        )


class PBJE(EncodedPairMethod):
    """Pair-Based Joint Encoding.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        reading: How clauses become vectors; the mean of their tokens in the released code.
        layers: Layers of the graph; 0 removes it.
        clause_edges: Whether the clauses of a document are connected.
        pair_edges: Whether pairs are connected with their clauses.
        document_edges: Whether there is a node for the document, connected with all others.
        dropout: Dropout in the pair head.
        pairs: Candidates and decoding; a window of 3 covers 98.1 % of the gold pairs of xia-ding-2019.
        threshold: Score that a predicted pair exceeds.
        optimiser: Optimiser; rate, decay and warm-up of the released code.
    """

    id: ClassVar[str] = "pbje"
    ablations: ClassVar[frozenset[str]] = frozenset(
        {"clause_edges", "document_edges", "layers", "pair_edges", "pairs.position"}
    )

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("bert-base-chinese"),
        reading: ReadingSettings = ReadingSettings("document", "mean"),
        layers: int = 1,
        clause_edges: bool = True,
        pair_edges: bool = True,
        document_edges: bool = True,
        dropout: float = 0.2,
        pairs: PairSettings = PairSettings(window=3),
        threshold: float = 0.5,
        optimiser: OptimiserSettings = OptimiserSettings(2e-5, weight_decay=1e-5),
    ) -> None:
        super().__init__()
        self.layers, self.edges = layers, Edges(clause_edges, pair_edges, document_edges)
        self.dropout, self.threshold = dropout, threshold

    def make_heads(self, size: int) -> Heads:
        """See `EncodedPairMethod.make_heads`."""
        position = self.make_position(RADIUS, size)
        graph = PairGraph(size, self.layers, position, norm=True, edges=self.edges, own=True)
        return Heads(graph, size, self.dropout)

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        """See `EncodedPairMethod.score`."""
        logits: PairLogits = self.heads(encoded.clauses, mask, pairs)
        return logits
