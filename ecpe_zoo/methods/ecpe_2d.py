"""ECPE-2D: Emotion-Cause Pair Extraction based on Joint Two-Dimensional Representation, Interaction and Prediction.

Ding, Xia and Yu, ACL 2020. Two branches classify emotion and cause clauses. Their states and probabilities form a grid
of pairs, pairs attend to pairs along their row and their column (cross-road) or within a window, and each pair is
classified. The released code is NUSTM/ECPE-2D.

==========================  ==================================  ====================================================
argument                    default                             released code
==========================  ==================================  ====================================================
`form`                      inter-ec: two BiLSTMs               the same; with BERT the emotion branch is a transformer
                                                                layer over clauses (`bert`), and clauses are read one
                                                                by one (`reading.read: clause`)
`detach_link`               False                               True with BERT: the cause branch's loss does not reach
                                                                the emotion branch
`detach_states`             False                               True with BERT: the pair loss does not reach the
                                                                branches. Its two variants differ in more than the
                                                                encoder
`pairs.window`              None                                3 with `interaction: windowed`, `layers: 1`
`pairs.prior`               True                                False
`optimiser.schedule`        linear for all                      BERT falls to 1e-5, the rest stays at 2e-3
==========================  ==================================  ====================================================

Departures from the released code:

- Attention masks padding. The code treats a cell as padding if its features sum to 0, which holds for none after the
  first layer: pairs attend to padding, in a window even in the first layer.
- Both branches share one encoder, also with `form: bert`. In the code, the cause branch then has its own word vectors,
  so that BERT learns from emotions alone, and attention between clauses sees padding, which a bias made non-zero.
- Distance embeddings are trained, for up to 12 clauses or the window. In the code they are random constants.
- The optimiser applies weight decay to all matrices; the code has an L2 loss on the three classifiers.
- LayerNorm keeps its usual epsilon; 1e-8 is 0 in half precision.
- One checkpoint, chosen on validation documents, scores emotions, causes and pairs. In the code each has its own
  best epoch on the test fold.
- A softmax over two classes is a sigmoid of their difference.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.layers.pair_set import PairLinear, PairSet, RelativePosition
from ecpe_zoo.layers.segment_encoder import Encoded
from ecpe_zoo.layers.two_branch import First, Link, TwoBranch
from ecpe_zoo.methods.ecpe import EncodedPairMethod, PairLogits
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings

Form = Literal["indep", "inter-ce", "inter-ec", "bert"]
Interaction = Literal["none", "windowed", "cross-road"]

FORMS: dict[Form, tuple[Link, First]] = {
    "indep": ("none", "emotion"),
    "inter-ce": ("probs", "cause"),
    "inter-ec": ("probs", "emotion"),
    "bert": ("probs", "emotion"),
}
RADIUS, POSITION = 12, 50
"""Largest distance in clauses if there is no window, and size of a distance embedding (released code)."""


class ClauseTransformer(nn.Module):
    """A transformer layer with one head over the clauses of a document, without positions, for BERT's emotion branch.

    Args:
        size: Size of a clause vector.
        width: W, size of a state.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(size, width)
        # the branch applies dropout to its input
        self.layer = nn.TransformerEncoderLayer(width, 1, width, dropout=0.0, batch_first=True)

    def forward(self, clauses: Tensor, lengths: Tensor) -> Tensor:
        """(B, N, size) and (B,) lengths, each at least 1 -> (B, N, W); values at padding have no meaning."""
        padding = torch.arange(clauses.shape[1], device=clauses.device) >= lengths[:, None]
        found: Tensor = self.layer(self.reduce(clauses), src_key_padding_mask=padding)
        return found


class Attention(nn.Module):
    """Attention with one head, a ReLU on queries, keys and values, and no output projection; released code.

    Args:
        size: Size of a node vector, D.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """Mix the nodes of each row.

        Args:
            nodes: Node vectors (R, M, D).
            mask: Mask (R, M), True for nodes that can be attended to.

        Returns:
            (R, M, D); meaningless but finite for rows of padding only.
        """
        mask = mask | ~mask.any(1, keepdim=True)  # a softmax over no key is NaN
        query, key, value = (F.relu(layer(nodes)) for layer in (self.query, self.key, self.value))
        return F.scaled_dot_product_attention(query, key, value, mask[:, None, :])


class Block(nn.Module):
    """Attention between pairs and a feed-forward layer, each with a residual and a norm.

    Args:
        size: Size of a pair vector, D.
        kind: `cross-road` averages attention along a pair's row and column; `windowed` attends to all
            candidates of the document.
    """

    def __init__(self, size: int, kind: Interaction) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(Attention(size) for _ in range(2 if kind == "cross-road" else 1))
        self.forward_ = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, size))
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """(B, N, N, D) and (B, N, N), or (B, M, D) and (B, M) for `windowed`, to the shape of the nodes."""
        if nodes.ndim == 4:
            along_row, along_column = self.attentions
            row = along_row(nodes.flatten(0, 1), mask.flatten(0, 1)).view_as(nodes)
            turned = nodes.transpose(1, 2)
            column = along_column(turned.flatten(0, 1), mask.transpose(1, 2).flatten(0, 1)).view_as(turned)
            mixed = (row + column.transpose(1, 2)) / 2
        else:
            mixed = self.attentions[0](nodes, mask)
        first, second = self.norms
        nodes = first(nodes + mixed)
        found: Tensor = second(nodes + self.forward_(nodes))
        return found


def place_in_document(pairs: PairSet) -> Tensor:
    """(P,) index of each candidate within its document."""
    counts = torch.bincount(pairs.document, minlength=pairs.shape[0])
    starts = counts.cumsum(0) - counts
    return torch.arange(len(pairs.document), device=counts.device) - starts[pairs.document]


class Interactions(nn.Module):
    """Blocks over the candidates of each document.

    Args:
        size: Size of a pair vector, D.
        kind: Which pairs a pair attends to; see `Block`.
        layers: Number of blocks; unused with kind `none`.
    """

    def __init__(self, size: int, kind: Interaction, layers: int) -> None:
        super().__init__()
        self.kind = kind
        self.blocks = nn.ModuleList(Block(size, kind) for _ in range(0 if kind == "none" else layers))

    def forward(self, nodes: Tensor, pairs: PairSet) -> Tensor:
        """(P, D) -> (P, D)."""
        if not len(self.blocks) or not len(nodes):
            return nodes
        if self.kind == "cross-road":
            where: tuple[Tensor, ...] = (pairs.document, pairs.emotion, pairs.cause)
            shape = (pairs.shape[0], pairs.shape[1], pairs.shape[1])
        else:
            place = place_in_document(pairs)
            where, shape = (pairs.document, place), (pairs.shape[0], int(place.max()) + 1)  # type: ignore[assignment]
        mask = torch.zeros(shape, dtype=torch.bool, device=nodes.device)
        mask[where] = True
        table = nodes.new_zeros(*shape, nodes.shape[1]).index_put(where, nodes)
        for block in self.blocks:
            table = block(table, mask)
        return table[where]


class Heads(nn.Module):
    """Branches, pair features, their interaction, and the pair head.

    Args:
        branches: The two branches, with heads.
        hidden: Units of their LSTMs in each direction.
        size: Size of a pair vector, D.
        interactions: Interaction of the pair vectors.
        position: Distance embeddings; None to leave them out.
        detach: Whether the gradient of the pair loss stops at the states of the branches.
    """

    def __init__(
        self,
        branches: TwoBranch,
        hidden: int,
        size: int,
        interactions: Interactions,
        position: RelativePosition | None,
        detach: bool,
    ) -> None:
        super().__init__()
        self.branches, self.interactions, self.detach = branches, interactions, detach
        # five linear layers over states, probabilities and distance, in one
        self.pair = PairLinear(2 * hidden + 1, 2 * hidden + 1, size, position)
        self.pair_head = nn.Linear(size, 1)

    def forward(self, clauses: Tensor, mask: Tensor, pairs: PairSet) -> PairLogits:
        """Logits from clause vectors (B, N, H); mask (B, N)."""
        found = self.branches(clauses, clauses, mask)
        sides = []
        for states, logits in ((found.emotions, found.emotion), (found.causes, found.cause)):
            if self.training:  # explanations follow the score through all of it
                states, logits = states.detach() if self.detach else states, logits.detach()
            share = torch.sigmoid(logits.float())[..., None].to(states.dtype)
            sides.append(torch.cat([states, share], dim=-1))  # (B, N, 2 hidden + 1)
        nodes = self.interactions(F.relu(self.pair(*sides, pairs)), pairs)  # (P, D)
        return PairLogits(pairs, self.pair_head(nodes)[:, 0], found.emotion, found.cause)


class ECPE2D(EncodedPairMethod):
    """Joint two-dimensional representation, interaction and prediction.

    Args:
        encoder: Token encoder: `embedded`, `recurrent`, or a Hugging Face name or folder.
        reading: How clauses become vectors; each clause alone in the released code.
        form: `inter-ec` feeds emotion probabilities to the cause branch, `inter-ce` cause probabilities to the
            emotion branch, `indep` none. `bert` is `inter-ec` with a transformer layer for the emotion branch.
        interaction: `cross-road` lets a pair attend to the pairs of its row and column, `windowed` to all pairs of its
            document within `pairs.window`, `none` to no other.
        layers: Blocks of the interaction; 2 in the paper, 1 if windowed.
        hidden: Units of the two LSTMs over clauses in each direction.
        size: Size of a pair.
        detach_link: Whether to keep the second branch's loss from reaching the first.
        detach_states: Whether to keep the pair loss from reaching the branches.
        dropout: Dropout on clause vectors; 0.5 on word vectors in the released code.
        pairs: Candidates and decoding.
        threshold: Score that a predicted pair exceeds.
        optimiser: Optimiser; rates and decay of the released code.
    """

    id: ClassVar[str] = "ecpe_2d"
    ablations: ClassVar[frozenset[str]] = frozenset({"form", "interaction", "pairs.position"})

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("bert-base-chinese"),
        reading: ReadingSettings = ReadingSettings("document", "mean"),
        form: Form = "inter-ec",
        interaction: Interaction = "cross-road",
        layers: int = 2,
        hidden: int = 100,
        size: int = 30,
        detach_link: bool = False,
        detach_states: bool = False,
        dropout: float = 0.2,
        pairs: PairSettings = PairSettings(),
        threshold: float = 0.5,
        optimiser: OptimiserSettings = OptimiserSettings(2e-3, 2e-5),
    ) -> None:
        super().__init__()
        self.form, self.interaction, self.layers = form, interaction, layers
        self.hidden, self.size, self.dropout, self.threshold = hidden, size, dropout, threshold
        self.detach_link, self.detach_states = detach_link, detach_states
        for name, value, choices in (
            ("a form", self.form, get_args(Form)),
            ("an interaction", self.interaction, get_args(Interaction)),
        ):
            if value not in choices:
                raise unknown_choice(name, value, choices)
        if self.interaction == "windowed" and self.pair_settings.window is None:
            raise ZooError(
                "Expected --model.pairs.window with --model.interaction windowed, 3 in the paper, but got none."
            )

    def make_heads(self, size: int) -> Heads:
        """See `EncodedPairMethod.make_heads`."""
        link, first = FORMS[self.form]
        context = ClauseTransformer(size, 2 * self.hidden) if self.form == "bert" else None
        branches = TwoBranch(size, self.hidden, link, first, self.detach_link, self.dropout, context=context)
        interactions = Interactions(self.size, self.interaction, self.layers)
        position = self.make_position(RADIUS, POSITION)
        return Heads(branches, self.hidden, self.size, interactions, position, self.detach_states)

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        """See `EncodedPairMethod.score`."""
        logits: PairLogits = self.heads(encoded.clauses, mask, pairs)
        return logits
