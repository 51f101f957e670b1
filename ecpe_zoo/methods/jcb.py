"""JCB: Joint Constrained Learning with Boundary-adjusting for Emotion-Cause Pair Extraction (Feng et al., ACL 2023).

PBJE's graph over emotion and cause clauses, pairs and the document, with two constraints on pairs (if clause j causes
the emotion of i, i does not cause that of j; vectors of pairs of one emotion are similar) and an exchange between the
heads: the emotion head sees the causes that match a clause and vice versa, and the pair head sees the predicted
emotion. There is no released code.

==========================  ==================================  ====================================================
argument                    default                             paper
==========================  ==================================  ====================================================
`asymmetry_form`            bounded: -log(1 - y_ji)             eq. 8 (`paper`): log y_ji - log y_ij, without a lower
                                                                bound; y is clipped at 1e-4 here
`joint_mean`                False: mean over the neighbours     eq. 5: over all neighbours of a node
                            of each kind
`activation`                True: ReLU after a layer            not shown
`margin`                    1                                   not given
`guidance`                  hard: the predicted label           "the prediction" (eq. 13); `soft` mixes both
                                                                embeddings by the probability
`pairs.position`            False                               not mentioned
`pairs.top`                 None: all pairs above the           not described; top 3 with `force_first` in PBJE's
                            threshold                           code, which is probably the same
==========================  ==================================  ====================================================

Departures from the paper, and choices that it leaves open:

- All cross-entropies have their negative terms. As printed (eq. 7, 14) "all pairs" would be optimal.
- The asymmetry loss leaves out gold pairs whose mirror image is gold too, including pairs within one clause. Losses on
  gold pairs are means over the batch, and 0 without gold pairs.
- Distances of the contrastive loss (eq. 9) are between normalised vectors and do not grow with H: that of two
  random vectors is about 1.4, so a margin of 1 matters. The other pair is a random wrong candidate of its document
  or, half of the time if possible, a gold pair of another emotion.
- The emotion guidance uses the model's own prediction in training too, so that training and test agree.
- A long document loses tokens of its longest clauses; the paper's sliding window has no stated stride.
- AdamW with a decay of 0.01 on all matrices; the paper states no optimiser.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.layers.pair_set import PairSet
from ecpe_zoo.layers.relational_mean import PairGraph, wide
from ecpe_zoo.layers.segment_encoder import Encoded
from ecpe_zoo.methods.ecpe import EncodedPairMethod, PairLogits
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings
from ecpe_zoo.text.document_rows import DocumentRows

AsymmetryForm = Literal["bounded", "paper"]
Guidance = Literal["hard", "soft", "none"]

RADIUS = 3
"""Largest distance in clauses, for positions without a window."""
LEAST = 1e-4
"""Lowest probability in eq. 8."""
EPSILON = 1e-12
"""Keeps the gradient of a distance of 0 finite."""


def asymmetry(logits: Tensor, targets: Tensor, pairs: PairSet, form: AsymmetryForm) -> Tensor:
    """Mean over gold pairs (i, j), i != j, of a loss on the mirrored pair (j, i) (eq. 8).

    Args:
        logits: Logits (P,) of the candidates.
        targets: Labels (P,), 1 for gold pairs, else 0.
        pairs: The candidates, which include the mirror image of each.
        form: Form of the loss: `bounded` or `paper`.

    Returns:
        () float32; 0 without such a pair.
    """
    logits = logits.float()
    mirrored, mirrored_target = (
        pairs.flat(pairs.grid(values).transpose(1, 2)) for values in (logits, targets.float())
    )
    chosen = (targets > 0) & (mirrored_target <= 0)
    if form == "bounded":
        values = F.softplus(mirrored)
    else:
        log, log_mirrored = (F.logsigmoid(x).clamp(min=math.log(LEAST)) for x in (logits, mirrored))
        values = log_mirrored - log
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def other_pairs(targets: Tensor, pairs: PairSet) -> tuple[Tensor, Tensor, Tensor]:
    """A random other pair of the same document for each of the G gold pairs, from torch's generator.

    Half of the time it is a gold pair of another emotion, else a candidate that is not gold; if a document has only
    one of these kinds, it is always of that kind.

    Args:
        targets: Labels (P,), 1 for gold pairs, else 0.
        pairs: The candidates.

    Returns:
        (G,) candidate; (G,) whether there is one; (G, P) gold pairs of the same emotion, itself included.
    """
    gold = (targets > 0).nonzero()  # (G, 1)
    same = pairs.document[gold] == pairs.document  # (G, P)
    alike = same & (targets > 0) & (pairs.emotion[gold] == pairs.emotion)
    wrong = same & (targets <= 0)
    foreign = same & (targets > 0) & ~alike
    coin = torch.rand(len(gold), 1, device=targets.device) < 0.5
    allowed = torch.where(foreign.any(1, keepdim=True) & (coin | ~wrong.any(1, keepdim=True)), foreign, wrong)
    draw = torch.rand(allowed.shape, device=targets.device).masked_fill(~allowed, -1)
    return draw.argmax(1), allowed.any(1), alike


def contrastive(vectors: Tensor, targets: Tensor, pairs: PairSet, margin: float) -> Tensor:
    """Mean over gold pairs of `max(0, d(pair, centre) - d(pair, other) + margin)` (eq. 9).

    The centre is the mean of the gold pairs of the same emotion; see `other_pairs` for the other pair. Distances are
    root mean squares of differences, so that they do not grow with H.

    Args:
        vectors: Pair vectors (P, H), normalised here.
        targets: Labels (P,), 1 for gold pairs, else 0.
        pairs: The candidates.
        margin: Required difference of distances.

    Returns:
        () float32; 0 if no gold pair has another pair in its document.
    """
    other, there, alike = other_pairs(targets, pairs)
    with torch.autocast(vectors.device.type, enabled=False):
        vectors = F.layer_norm(wide(vectors), vectors.shape[-1:])
        mine = vectors[targets > 0]  # (G, H)
        weights = alike.to(vectors.dtype)
        centres = (weights / weights.sum(1, keepdim=True)) @ vectors
        near, far = (
            ((mine - values).square().mean(-1) + EPSILON).sqrt()
            for values in (centres, vectors.index_select(0, other))
        )
        hinge = F.relu(near - far + margin)
    return (hinge * there).sum() / there.sum().clamp(min=1)


def partners(mine: Tensor, others: Tensor, mask: Tensor) -> Tensor:
    """Mean of the other kind's nodes, weighted by a softmax over their dot products with each of mine (eq. 10, 11).

    Args:
        mine: Vectors (B, N, H) of one kind.
        others: Vectors (B, N, H) of the other kind.
        mask: Mask (B, N) of the clauses.

    Returns:
        (B, N, H), at least fp32: the products are not scaled and could overflow in half precision.
    """
    with torch.autocast(mine.device.type, enabled=False):
        mine, others = wide(mine), wide(others)
        return F.scaled_dot_product_attention(mine, others, others, mask[:, None], scale=1.0)


class Heads(nn.Module):
    """Graph over clauses and pairs, with heads that see each other's output.

    Args:
        graph: Graph over nodes of size H.
        size: Size of a node, H.
        alignment: Whether clause heads see the matching clauses of the other kind.
        guidance: How the pair head sees the predicted emotion.
    """

    def __init__(self, graph: PairGraph, size: int, alignment: bool, guidance: Guidance) -> None:
        super().__init__()
        self.graph = graph
        self.of_causes = nn.Linear(size, size) if alignment else None
        self.of_emotions = nn.Linear(size, size) if alignment else None
        self.emotion, self.cause = nn.Linear(size, 1), nn.Linear(size, 1)
        self.labels = None if guidance == "none" else nn.Embedding(2, size)
        self.soft = guidance == "soft"
        self.pair_head = nn.Linear(size, 1)

    def forward(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        """Logits; mask (B, N)."""
        nodes = self.graph(encoded.clauses, encoded.document, mask, pairs)
        emotions, causes = nodes.emotion, nodes.cause
        if self.of_causes is not None and self.of_emotions is not None:  # eq. 12
            emotions = emotions + F.relu(self.of_causes(partners(nodes.emotion, nodes.cause, mask)))
            causes = causes + F.relu(self.of_emotions(partners(nodes.cause, nodes.emotion, mask)))
        emotion, cause = self.emotion(emotions)[..., 0], self.cause(causes)[..., 0]
        hidden = nodes.pair
        if self.labels is not None:  # eq. 13
            predicted = pairs.of_emotion(emotion)
            if self.soft:
                share = torch.sigmoid(wide(predicted))[:, None]
                hidden = hidden + (1 - share) * self.labels.weight[0] + share * self.labels.weight[1]
            else:
                hidden = hidden + self.labels((predicted > 0).long())
        return PairLogits(pairs, self.pair_head(F.relu(hidden))[:, 0], emotion, cause, nodes.pair)


class JCB(EncodedPairMethod):
    """Joint Constrained Learning with Boundary-adjusting.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        reading: How clauses become vectors; the mean of their tokens in the paper.
        layers: Layers of the graph; 0 removes it.
        joint_mean: Whether a node's sums are divided by the number of all its neighbours.
        activation: Whether each layer ends in a ReLU.
        dropout: Dropout on the output of each layer.
        alignment: Whether the emotion head sees the causes that match a clause, and the cause head the emotions.
        guidance: How the pair head sees the predicted emotion: its `hard` label, a `soft` mixture, or `none`.
        asymmetry: Weight of the loss on mirrored pairs; 0 turns it off.
        asymmetry_form: Form of that loss: `bounded`, or eq. 8 of the `paper`.
        contrastive: Weight of the loss on distances; 0 turns it off.
        margin: Margin of that loss.
        pairs: Candidates and decoding; a window of 3 covers 98.1 % of the gold pairs of xia-ding-2019.
        threshold: Score that a predicted pair exceeds.
        optimiser: Optimiser; rate and warm-up of the paper.
    """

    id: ClassVar[str] = "jcb"
    ablations: ClassVar[frozenset[str]] = frozenset(
        {"alignment", "asymmetry", "contrastive", "guidance", "layers", "pairs.position"}
    )

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("bert-base-chinese"),
        reading: ReadingSettings = ReadingSettings("document", "mean"),
        layers: int = 1,
        joint_mean: bool = False,
        activation: bool = True,
        dropout: float = 0.2,
        alignment: bool = True,
        guidance: Guidance = "hard",
        asymmetry: float = 0.15,
        asymmetry_form: AsymmetryForm = "bounded",
        contrastive: float = 0.5,
        margin: float = 1.0,
        pairs: PairSettings = PairSettings(window=3, position=False),
        threshold: float = 0.5,
        optimiser: OptimiserSettings = OptimiserSettings(2e-5),
    ) -> None:
        super().__init__()
        self.layers, self.joint_mean, self.activation, self.dropout = layers, joint_mean, activation, dropout
        self.alignment, self.guidance, self.threshold = alignment, guidance, threshold
        self.asymmetry, self.asymmetry_form = asymmetry, asymmetry_form
        self.contrastive, self.margin = contrastive, margin

    def make_heads(self, size: int) -> Heads:
        """See `EncodedPairMethod.make_heads`."""
        graph = PairGraph(
            size,
            self.layers,
            self.make_position(RADIUS, size),
            dropout=self.dropout,
            activation=self.activation,
            bias=True,
            joint=self.joint_mean,
        )
        return Heads(graph, size, self.alignment, self.guidance)

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        """See `EncodedPairMethod.score`."""
        logits: PairLogits = self.heads(encoded, mask, pairs)
        return logits

    def further_losses(self, logits: PairLogits, batch: DocumentRows) -> dict[str, Tensor]:
        """The constraints on pairs."""
        targets = logits.pairs.flat(batch.gold.pairs)
        losses = {}
        if self.asymmetry:
            found = asymmetry(logits.pair, targets, logits.pairs, self.asymmetry_form)
            losses["asymmetry"] = self.asymmetry * found
        if self.contrastive:
            assert logits.vectors is not None
            found = contrastive(logits.vectors, targets, logits.pairs, self.margin)
            losses["contrastive"] = self.contrastive * found
        return losses
