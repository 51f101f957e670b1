"""One recurrent branch for emotion clauses, one for cause clauses, and a link from the first to the second."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from ecpe_zoo.errors import at_least, unknown_choice
from ecpe_zoo.text.recurrent import BiLSTM

Link = Literal["none", "probs", "states"]
First = Literal["emotion", "cause"]


class Branches(NamedTuple):
    """Outputs of a `TwoBranch` for B documents of at most N clauses."""

    emotions: Tensor
    """(B, N, 2 hidden) states, 0 on padding."""
    causes: Tensor
    """(B, N, 2 hidden) states, 0 on padding."""
    emotion: Tensor | None
    """(B, N) logits; None without heads."""
    cause: Tensor | None
    """(B, N) logits; None without heads."""


class Branch(nn.Module):
    """Dropout, a BiLSTM over the clauses of a document, and a head on its states.

    Args:
        size: Size of a clause vector.
        hidden: LSTM units in each direction.
        dropout: Dropout on the clause vectors.
        head: Whether clauses are classified.
        context: Module that replaces the BiLSTM: maps clause vectors (B, N, size) and lengths (B,) to states.
    """

    def __init__(
        self, size: int, hidden: int, dropout: float, head: bool, context: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.recurrent = BiLSTM(size, hidden) if context is None else context
        self.head = nn.Linear(2 * hidden, 1) if head else None

    def forward(self, clauses: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, N, size) and (B, N) -> states (B, N, 2 hidden), 0 on padding, and logits (B, N)."""
        states = self.recurrent(self.dropout(clauses), mask.sum(1)) * mask[..., None]
        return states, None if self.head is None else self.head(states)[..., 0]


class TwoBranch(nn.Module):
    """Emotion and cause branch; the second may read the first one's output.

    The two-stage methods and ECPE-2D link by probabilities: Indep has no link, Inter-EC starts with the emotions,
    Inter-CE with the causes. One probability is passed on, since the two of a softmax sum to 1.

    Args:
        size: Size of a clause vector.
        hidden: LSTM units in each direction.
        link: What the second branch reads beyond the clause vectors: the first one's `probs`, its `states`, or `none`.
        first: Branch that comes first.
        detach: Whether the second branch's gradient stops at the link.
        dropout: Dropout on the branches' inputs.
        heads: Whether clauses are classified; required by `probs`.
        context: Module that replaces the first branch's BiLSTM; see `Branch`.

    Raises:
        ZooError: The link or first branch is unknown, or there are no units.
    """

    def __init__(
        self,
        size: int,
        hidden: int,
        link: Link = "none",
        first: First = "emotion",
        detach: bool = False,
        dropout: float = 0.0,
        heads: bool = True,
        context: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if link not in get_args(Link):
            raise unknown_choice("a link", link, get_args(Link))
        if first not in get_args(First):
            raise unknown_choice("a first branch", first, get_args(First))
        at_least("--model.hidden", hidden, 1)
        assert heads or link != "probs"
        self.link, self.emotion_first, self.detach = link, first == "emotion", detach
        further = {"none": 0, "probs": 1, "states": 2 * hidden}[link]
        self.first = Branch(size, hidden, dropout, heads, context)
        self.second = Branch(size + further, hidden, dropout, heads)

    def forward(self, emotions: Tensor, causes: Tensor, mask: Tensor) -> Branches:
        """Encode.

        Args:
            emotions: Clause vectors (B, N, size) for the emotion branch.
            causes: Clause vectors (B, N, size) for the cause branch; the same if there is one encoder.
            mask: Mask (B, N), True for real clauses, which come first.
        """
        one, other = (emotions, causes) if self.emotion_first else (causes, emotions)
        states, logits = self.first(one, mask)
        if self.link != "none":
            passed = states if self.link == "states" else torch.sigmoid(logits.float())[..., None]
            if self.detach and self.training:  # explanations follow the score through all of it
                passed = passed.detach()
            other = torch.cat([other, passed.to(other.dtype)], dim=-1)
        found = self.second(other, mask)
        if self.emotion_first:
            return Branches(states, found[0], logits, found[1])
        return Branches(found[0], states, found[1], logits)
