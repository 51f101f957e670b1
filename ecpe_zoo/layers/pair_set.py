"""Candidate pairs of clauses: the only module that handles the window."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def candidates(mask: Tensor, window: int | None = None) -> Tensor:
    """(B, N, N) True for pairs of real clauses, or those at most `window` clauses apart; see `PairSet.build`."""
    real = mask[:, :, None] & mask[:, None, :]
    if window is None:
        return real
    place = torch.arange(mask.shape[1], device=mask.device)
    return real & ((place[:, None] - place[None, :]).abs() <= window)


class PairSet(NamedTuple):
    """P candidate pairs of B documents of at most N clauses, document by document, row by row.

    Memory for values of pairs grows with the candidates, not with N squared. Vectors are looked up by
    `index_select` and `embedding`: the gradient of `values[index]` depends on the order in which CPU threads add. On a
    GPU such sums remain order-dependent unless the trainer is deterministic (`--trainer.deterministic true`).
    """

    document: Tensor
    """(P,) index of the document."""
    emotion: Tensor
    """(P,) index of the emotion clause."""
    cause: Tensor
    """(P,) index of the cause clause."""
    shape: tuple[int, int]
    """B and N."""

    @classmethod
    def build(cls, mask: Tensor, window: int | None = None) -> Self:
        """All pairs of real clauses, or those at most `window` clauses apart.

        Args:
            mask: Mask (B, N), True for real clauses.
            window: Largest distance in clauses between emotion and cause; None for no limit.
        """
        return cls.among(candidates(mask, window))

    @classmethod
    def among(cls, grid: Tensor) -> Self:
        """The pairs for which a boolean grid (B, N, N) is True."""
        document, emotion, cause = grid.nonzero(as_tuple=True)
        return cls(document, emotion, cause, (grid.shape[0], grid.shape[1]))

    @property
    def offset(self) -> Tensor:
        """(P,) cause index minus emotion index."""
        return self.cause - self.emotion

    def gather(self, emotions: Tensor, causes: Tensor) -> Tensor:
        """Vectors (B, N, E) of emotion and (B, N, C) of cause clauses concatenated: (P, E + C)."""
        return torch.cat([self.of_emotion(emotions), self.of_cause(causes)], dim=-1)

    def of_emotion(self, values: Tensor) -> Tensor:
        """Values (B, N, ...) of the emotion clause of each pair: (P, ...)."""
        return values.flatten(0, 1).index_select(0, self._row(self.emotion))

    def of_cause(self, values: Tensor) -> Tensor:
        """Values (B, N, ...) of the cause clause of each pair: (P, ...)."""
        return values.flatten(0, 1).index_select(0, self._row(self.cause))

    def by_emotion(self, values: Tensor) -> Tensor:
        """Sums of values (P, E) over the pairs of each emotion clause: (B, N, E)."""
        return self._sums(values, self.emotion)

    def by_cause(self, values: Tensor) -> Tensor:
        """Sums of values (P, E) over the pairs of each cause clause: (B, N, E)."""
        return self._sums(values, self.cause)

    def _row(self, clause: Tensor) -> Tensor:
        return self.document * self.shape[1] + clause

    def _sums(self, values: Tensor, clause: Tensor) -> Tensor:
        batch, size = self.shape
        table = values.new_zeros(batch * size, values.shape[1])
        return table.index_add(0, self._row(clause), values).view(batch, size, -1)

    def flat(self, grid: Tensor) -> Tensor:
        """The candidates' entries of a grid (B, N, N, ...): (P, ...). For gold pairs these are the targets."""
        return grid[self.document, self.emotion, self.cause]

    def grid(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Values (P, ...) as a grid (B, N, N, ...) with `fill` if there is no candidate."""
        batch, size = self.shape
        table = values.new_full((batch, size, size, *values.shape[1:]), fill)
        return table.index_put((self.document, self.emotion, self.cause), values)

    def missed(self, gold: Tensor) -> Tensor:
        """() number of gold pairs (B, N, N) that are not candidates."""
        return gold.sum() - self.flat(gold).sum()


class RelativePosition(nn.Module):
    """A vector for each distance from the emotion clause to the cause clause; beyond the radius, the outermost.

    Args:
        radius: Largest distance in clauses, at least 1; there are 2 radius + 1 distances.
        size: Size of a vector.
        smooth: Whether to sum the vectors of all distances with weights exp(-(m - m')^2), so that similar distances get
            similar vectors (RANKCP). The sum is over distances: over candidate pairs (RANKCP's code), it would depend
            on the batch.
    """

    kernel: Tensor

    def __init__(self, radius: int, size: int, smooth: bool = False) -> None:
        super().__init__()
        self.radius = radius
        self.table = nn.Embedding(2 * radius + 1, size)
        nn.init.xavier_uniform_(self.table.weight)
        places = torch.arange(2 * radius + 1, dtype=torch.float32)
        kernel = torch.exp(-((places[:, None] - places[None, :]) ** 2)) if smooth else torch.empty(0)
        self.register_buffer("kernel", kernel, persistent=False)

    def vectors(self) -> Tensor:
        """(2 radius + 1, size), from the farthest cause before to the farthest after the emotion."""
        weight = self.table.weight
        return self.kernel.to(weight.dtype) @ weight if len(self.kernel) else weight

    def index(self, offset: Tensor) -> Tensor:
        """Rows of `vectors` for offsets (P,)."""
        return offset.clamp(-self.radius, self.radius) + self.radius

    def forward(self, offset: Tensor) -> Tensor:
        """(P,) -> (P, size)."""
        return F.embedding(self.index(offset), self.vectors())


class PairLinear(nn.Linear):
    """A linear layer over `[emotion clause ; cause clause ; position]` of each candidate.

    Equal to a product with the concatenation, but multiplies each clause and distance once instead of once per pair.

    Args:
        emotion: Size of an emotion clause vector.
        cause: Size of a cause clause vector.
        out: Size of the output.
        position: Distance embeddings; None to leave them out.
        bias: Whether there is a bias.
    """

    def __init__(
        self, emotion: int, cause: int, out: int, position: RelativePosition | None = None, bias: bool = True
    ) -> None:
        further = 0 if position is None else position.table.embedding_dim
        super().__init__(emotion + cause + further, out, bias)
        self.sizes = (emotion, cause, further)
        self.position = position

    def forward(self, emotions: Tensor, causes: Tensor, pairs: PairSet) -> Tensor:  # type: ignore[override]
        """(B, N, emotion) and (B, N, cause) -> (P, out)."""
        of_emotion, of_cause, of_position = self.weight.split(self.sizes, dim=1)
        found = pairs.of_emotion(F.linear(emotions, of_emotion, self.bias))
        found = found + pairs.of_cause(F.linear(causes, of_cause))
        if self.position is not None:
            table = F.linear(self.position.vectors(), of_position)  # (distances, out)
            found = found + F.embedding(self.position.index(pairs.offset), table)
        return found
