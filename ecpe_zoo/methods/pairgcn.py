"""PairGCN: End-to-End Emotion-Cause Pair Extraction with Graph Convolutional Network (Chen et al., COLING 2020).

All pairs of clauses are nodes of a graph. Pairs of one emotion whose causes are one or two clauses apart are connected
if they are near the emotion, and each of the three contexts (the pair itself, distance 1, distance 2) has its own
matrix. Only pairs are trained. The released code is chenying3176/PairGCN_ECPE.

==========================  ==================================  ====================================================
argument                    default                             released code
==========================  ==================================  ====================================================
`encoder.freeze`            None: BERT is fine-tuned            True: BERT only provides features
`reading`                   one pass of the document            `read: clause`, each clause alone
`normalise_last`            True                                False: the scale of the last layer depends on the
                                                                number of a pair's neighbours
`pairs.prior`               True                                False: some runs predict no pair for twelve epochs
`optimiser`                 0.001, BERT 2e-5; ours              0.005 for what is not frozen, constant, no decay
==========================  ==================================  ====================================================

Departures from the released code:

- A clause is the pooled output of the encoder. In the code its tokens (mean of BERT's twelve layers) pass a BiLSTM with
  attention first, one for emotions and one for causes.
- The cause branch reads the states of the emotion branch. In the code it reads the emotion's clause vector, which is
  the cause's own if there is one encoder.
- Dropout for pair nodes is applied to their two clauses, so that the first layer multiplies each clause once.
- Training documents are shuffled. In the code each epoch has the same batches, sorted by length.
- The epoch is chosen on validation documents. The released logs give the best epoch of the test fold, which gains
  2.2 points of pair F1, and print precision and recall under each other's names.

Emotion and cause clauses are derived from the pairs, as in the code.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.layers.pair_set import PairLinear, PairSet
from ecpe_zoo.layers.segment_encoder import Encoded
from ecpe_zoo.layers.two_branch import TwoBranch
from ecpe_zoo.methods.ecpe import EncodedPairMethod, PairLogits
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings

REACH, POSITION = 2, 50
"""Largest distances in clauses of an edge and of a connected pair, and size of a distance embedding (released code)."""


def row_edges(pairs: PairSet) -> list[Tensor]:
    """Edges between pairs of one emotion whose causes are 1 and 2 clauses apart, each at most 2 from the emotion.

    Returns:
        For each distance d: (P - d, 1) whether candidates p and p + d are connected. Candidates are ordered row by row,
        so that no others can be.
    """
    near = pairs.offset.abs() <= REACH
    edges = []
    for step in range(1, REACH + 1):
        ahead = [values[step:] for values in (pairs.document, pairs.emotion, pairs.cause - step, near)]
        count = len(ahead[0])
        same = (
            (pairs.document[:count] == ahead[0])
            & (pairs.emotion[:count] == ahead[1])
            & (pairs.cause[:count] == ahead[2])
        )
        edges.append((same & near[:count] & ahead[3])[:, None])
    return edges


def neighbours(values: Tensor, edges: Tensor) -> Tensor:
    """Sums over the neighbours on both sides, by shifts along the cause axis.

    Args:
        values: Values (P, H).
        edges: Edges (P - d, 1); see `row_edges`.

    Returns:
        (P, H).
    """
    count = len(edges)
    step = len(values) - count
    after = F.pad(values[step:] * edges, (0, 0, 0, step))
    return after + F.pad(values[:count] * edges, (0, 0, step, 0))


class Heads(nn.Module):
    """Two branches over clauses, convolutions over the rows of pairs, and the pair head.

    Args:
        branches: The two branches, without heads.
        hidden: Units of their LSTMs in each direction, H.
        layers: Number of convolutions; 0 removes them.
        normalise_last: Whether the last convolution divides by the number of neighbours, as the others do.
        signed: Whether distances before and after the emotion differ; None to leave distances out.
        dropout: Dropout on pairs, between convolutions, and before the head.
    """

    def __init__(
        self,
        branches: TwoBranch,
        hidden: int,
        layers: int,
        normalise_last: bool,
        signed: bool | None,
        dropout: float,
    ) -> None:
        super().__init__()
        size = 2 * hidden
        self.branches, self.normalise_last, self.signed = branches, normalise_last, signed
        # three matrices side by side: the pair itself, distance 1, distance 2
        parts = size * (1 + REACH)
        self.first = PairLinear(size, size, parts, bias=False) if layers else None
        self.further = nn.ModuleList(nn.Linear(size, parts, bias=False) for _ in range(layers - 1))
        self.dropout = nn.Dropout(dropout)
        distances = 2 * REACH + 1 if signed else REACH + 1
        self.position = None if signed is None else nn.Embedding(distances, POSITION)
        nodes = size if layers else 2 * size
        self.pair_head = nn.Linear(nodes + (0 if signed is None else POSITION), 1)

    def forward(self, clauses: Tensor, mask: Tensor, pairs: PairSet) -> PairLogits:
        """Logits from clause vectors (B, N, size); mask (B, N)."""
        states = self.branches(clauses, clauses, mask)
        nodes = self.convolved(self.dropout(states.emotions), self.dropout(states.causes), pairs)
        if self.position is not None:
            offset = pairs.offset
            index = offset.clamp(-REACH, REACH) + REACH if self.signed else offset.abs().clamp(max=REACH)
            nodes = torch.cat([nodes, self.position(index).to(nodes.dtype)], dim=1)
        return PairLogits(pairs, self.pair_head(self.dropout(nodes))[:, 0])

    def convolved(self, emotions: Tensor, causes: Tensor, pairs: PairSet) -> Tensor:
        """Pair nodes (P, 2 H), or (P, 4 H) without convolutions, from states (B, N, 2 H)."""
        if self.first is None:
            return pairs.gather(emotions, causes)
        edges = row_edges(pairs)
        ones = emotions.new_ones(len(pairs.document), 1)
        degree = 1 + sum(neighbours(ones, edge) for edge in edges)  # (P, 1)
        products = self.first(emotions, causes, pairs)
        for layer in (*self.further, None):
            itself, *others = products.chunk(1 + REACH, dim=1)
            total = itself + sum(neighbours(*both) for both in zip(others, edges, strict=True))
            if layer is not None or self.normalise_last:
                total = total / degree
            nodes = F.relu(total)
            if layer is not None:
                products = layer(self.dropout(nodes))
        return nodes


class PairGCN(EncodedPairMethod):
    """Graph convolution over pairs.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder. It is fine-tuned unless
            `freeze` is on, as in the released code.
        reading: How clauses become vectors; each clause alone in the released code.
        hidden: Units of the two LSTMs over clauses in each direction; a pair has twice as many after a convolution.
        link: Whether the cause branch reads the `states` of the emotion branch, or `none`.
        layers: Number of graph convolutions; 0 removes them.
        normalise_last: Whether the last convolution also divides by the number of neighbours.
        signed: Whether distance embeddings differ for causes before and after the emotion. In the released
            code they do not; from 2 clauses on, all distances have one vector.
        dropout: Dropout on clauses, on pairs, between convolutions, and before the head.
        pairs: Candidates and decoding; no window in the released code.
        threshold: Score that a predicted pair exceeds.
        optimiser: Optimiser.
    """

    id: ClassVar[str] = "pairgcn"
    ablations: ClassVar[frozenset[str]] = frozenset({"layers", "link", "pairs.position"})

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("bert-base-chinese"),
        reading: ReadingSettings = ReadingSettings("document", "mean"),
        hidden: int = 200,
        link: Literal["none", "states"] = "states",
        layers: int = 2,
        normalise_last: bool = True,
        signed: bool = False,
        dropout: float = 0.5,
        pairs: PairSettings = PairSettings(),
        threshold: float = 0.5,
        optimiser: OptimiserSettings = OptimiserSettings(1e-3, 2e-5),
    ) -> None:
        super().__init__()
        self.hidden, self.link, self.layers = hidden, link, layers
        self.normalise_last, self.signed = normalise_last, signed
        self.dropout, self.threshold = dropout, threshold

    def make_heads(self, size: int) -> Heads:
        """See `EncodedPairMethod.make_heads`."""
        branches = TwoBranch(size, self.hidden, self.link, dropout=self.dropout, heads=False)
        signed = self.signed if self.pair_settings.position else None
        return Heads(branches, self.hidden, self.layers, self.normalise_last, signed, self.dropout)

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        """See `EncodedPairMethod.score`."""
        logits: PairLogits = self.heads(encoded.clauses, mask, pairs)
        return logits
