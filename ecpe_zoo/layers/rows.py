"""Rows of different lengths, run in groups of similar length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ecpe_zoo.text.queries import QueryRows
from ecpe_zoo.text.row_groups import chunk_rows

RowReader = Callable[[Tensor, Tensor, Tensor, Tensor, int], Sequence[Tensor]]
"""Takes tokens, clause_of and types (r, t), lengths (r,) and the most clauses; returns tensors (r, x, ...)."""


class ChunkedRows:
    """Runs a network over rows and counts the padding.

    Args:
        slots: Maximum number of token slots of a group.

    Attributes:
        real_tokens: Number of tokens run since the start.
        run_slots: Number of slots run, padding included, before a transformer rounds the width.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.real_tokens = self.run_slots = 0

    @property
    def padding_share(self) -> float:
        """Share of the slots without a token, 0 to 1."""
        return 1 - self.real_tokens / max(self.run_slots, 1)

    def __call__(self, read: RowReader, rows: QueryRows, tokens: Tensor) -> list[Tensor]:
        """Run all rows.

        Args:
            read: Network to run.
            rows: Rows, at least one.
            tokens: Tokens (R, T) to read instead of `rows.tokens`.

        Returns:
            Outputs of `read` for all rows in their order: (R, X, ...), padded with zeros along axis 1.
        """
        groups = chunk_rows(rows.lengths, self.slots)
        parts = []
        for group in groups:
            width, clauses = rows.lengths[group[0]], max(rows.sizes[row] for row in group)
            index = torch.tensor(group, device=tokens.device)
            lengths = torch.tensor([rows.lengths[row] for row in group], device=tokens.device)
            cut = [values[index, :width] for values in (tokens, rows.clause_of, rows.types)]
            parts.append(read(cut[0], cut[1], cut[2], lengths, clauses))
            self.run_slots += width * len(group)
        self.real_tokens += sum(rows.lengths)
        order = torch.tensor([row for group in groups for row in group], device=tokens.device).argsort()
        return [torch.cat(_filled_up(values))[order] for values in zip(*parts, strict=True)]


def _filled_up(parts: Sequence[Tensor]) -> list[Tensor]:
    most = max(part.shape[1] for part in parts)
    return [F.pad(part, (0, 0) * (part.ndim - 2) + (0, most - part.shape[1])) for part in parts]
