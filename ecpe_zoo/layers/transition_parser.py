"""The network of TransECPE: logits of clauses, and of actions in parser states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.text.recurrent import lacks_16_bit_lstm, reorder, reversed_order
from ecpe_zoo.text.transitions import (
    LEFT_LT,
    MIRROR,
    RIGHT_LT,
    START,
    States,
)

UNITS, HIDDEN, TABLE, DISTANCES = 128, 256, 128, 99
"""LSTM units in each direction, units of the heads, size of action and distance vectors, distances (released code)."""

Norm = Literal["layer", "batch"]


class RowNorm(nn.BatchNorm1d):
    """Batch normalisation that uses running statistics if there are fewer than two rows."""

    def forward(self, rows: Tensor) -> Tensor:
        """(S, H) -> (S, H)."""
        if len(rows) > 1:
            return super().forward(rows)
        return F.batch_norm(
            rows, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )


def make_head(size: int, outputs: int, dropout: float, norm: Norm) -> nn.Sequential:
    """Two hidden layers of 256 and 128 units over rows (S, size)."""
    make_norm: Callable[[int], nn.Module] = nn.LayerNorm if norm == "layer" else RowNorm
    layers: list[nn.Module] = []
    for units in (HIDDEN, HIDDEN // 2):
        layers += [nn.Linear(size, units), make_norm(units), nn.LeakyReLU(), nn.Dropout(dropout)]
        size = units
    return nn.Sequential(*layers, nn.Linear(size, outputs))


def run(lstm: nn.LSTM, inputs: Tensor) -> Tensor:
    """(R, T, x) -> (R, T, units); padding after a row's end does not affect it."""
    kind = inputs.device.type
    if torch.is_autocast_enabled(kind) and lacks_16_bit_lstm(inputs.device):
        with torch.autocast(kind, enabled=False):
            return run(lstm, inputs.float())
    found: Tensor = lstm(inputs)[0]
    return found


class Parser(nn.Module):
    """Logits of clauses and of actions in states.

    Args:
        size: Size of a clause vector, H.
        pooled: Whether clauses go through BERT's pooler, a dense layer with tanh.
        distance: Whether a state includes the distance between the two clauses.
        window: Largest distance in clauses of a pair; None for no limit.
        recurrent: See `TransECPE` for this and the other arguments.
    """

    def __init__(
        self,
        size: int,
        pooled: bool,
        distance: bool,
        window: int | None,
        recurrent: bool,
        buffer: bool,
        history: bool,
        reversal: bool,
        norm: Norm,
        train_tables: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.window, self.with_buffer, self.reversal = window, buffer, reversal
        self.pooler = nn.Linear(size, size) if pooled else None
        self.stack = nn.LSTM(size, UNITS, batch_first=True) if recurrent else None
        self.mirrored_stack = nn.LSTM(size, UNITS, batch_first=True) if recurrent and reversal else None
        self.buffer = nn.LSTM(size, UNITS, batch_first=True) if recurrent and buffer else None
        self.buffer_gates = nn.Linear(size, 3 * UNITS) if recurrent and buffer else None
        self.actions = nn.Embedding(START + 1, TABLE) if history else None
        self.history = nn.LSTM(TABLE, UNITS, batch_first=True) if history else None
        self.distances = nn.Embedding(DISTANCES, TABLE) if distance else None
        clauses = (2 + 2 * buffer) * UNITS if recurrent else (2 + buffer) * size
        self.action_head = make_head(clauses + UNITS * history + TABLE * distance, len(MIRROR), dropout, norm)
        self.self_head = make_head(size, 1, dropout, norm)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_normal_(parameter)
        for table in (self.actions, self.distances):
            if table is not None:
                table.weight.requires_grad_(train_tables)

    def read(self, clauses: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read encoded clauses.

        The buffer contains all clauses from its first one on, and a state includes a BiLSTM's output over it at that
        clause. The backward LSTM has there read the same as in one pass over the document. The forward LSTM has read
        only that clause: it has no use for recurrent weights and keeps only its gates.

        Args:
            clauses: Clause vectors (B, N, H).
            mask: Mask (B, N).

        Returns:
            (B, N) fp32 logits of self-pairs, 0 on padding; clauses (B, N, H); and (B, N, 2, D), the part of a state for
            each clause if it replaces an empty buffer, and if it is the first of the buffer.
        """
        if self.pooler is not None:
            clauses = torch.tanh(self.pooler(clauses))
        own = self.self_head(clauses[mask])[:, 0].float()
        own = own.new_zeros(mask.shape).masked_scatter(mask, own)
        if self.buffer is None or self.buffer_gates is None:
            return own, clauses, clauses[:, :, None].expand(-1, -1, 2, -1)
        enter, new, leave = self.buffer_gates(clauses).chunk(3, dim=-1)
        onward = leave.sigmoid() * (enter.sigmoid() * new.tanh()).tanh()
        alone = run(self.buffer, clauses.flatten(0, 1)[:, None]).view_as(onward)
        order = reversed_order(mask.sum(1), mask.shape[1])
        rest = reorder(run(self.buffer, reorder(clauses, order)), order)
        buffers = [torch.cat([onward, backward], dim=-1) for backward in (alone, rest)]
        return own, clauses, torch.stack(buffers, dim=2)

    def forward(self, clauses: Tensor, buffers: Tensor, states: States) -> Tensor:
        """Logits of actions.

        Args:
            clauses: Clauses from `read`.
            buffers: Buffers from `read`.
            states: The S states.

        Returns:
            (S, 5) fp32; in training with reversal (2 S, 5), the second half for the mirrored states.
        """
        document, row = states.document, torch.arange(len(states.depth), device=clauses.device)
        s1, s0 = (states.stack[row, states.depth - back] for back in (2, 1))
        top = clauses[document[:, None], torch.stack([s1, s0], dim=1)]  # (S, 2, H)
        tops = [top, top.flip(1)] if self.reversal and self.training else [top]
        if self.stack is not None:
            read = run(self.stack, clauses[document[:, None], states.stack])  # (S, L, units)
            tops[0] = torch.stack([read[row, states.depth - back] for back in (2, 1)], dim=1)
        if self.mirrored_stack is not None and len(tops) > 1:
            tops[1] = run(self.mirrored_stack, tops[1])  # from the top down: s0, then s1
        rest: list[Tensor] = []
        if self.with_buffer:
            rest.append(buffers[document, states.next_clause, states.buffered.long()])
        if self.actions is not None and self.history is not None:
            rest.append(run(self.history, self.actions(states.history))[document, states.step])
        distance = s0 - s1
        if self.distances is not None:
            rest.append(self.distances(distance.clamp(max=DISTANCES - 1)))
        features = torch.cat([torch.cat([two.flatten(1), *rest], dim=1) for two in tops])
        logits: Tensor = self.action_head(features).float()
        if self.window is None:
            return logits
        pair_actions = torch.tensor([action in (LEFT_LT, RIGHT_LT) for action in range(5)]).to(logits.device)
        far = (distance > self.window).repeat(len(tops))
        return logits.masked_fill(far[:, None] & pair_actions, torch.finfo(logits.dtype).min)
