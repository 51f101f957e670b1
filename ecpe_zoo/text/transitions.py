"""A document as a sequence of parser actions: state machine, oracle, and batches of states (TransECPE)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document, Pair
from ecpe_zoo.text.document_rows import DocumentCollator, DocumentRows

SHIFT, LEFT_LN, LEFT_LT, RIGHT_LN, RIGHT_LT = range(5)
"""With s1 below s0 on top of the stack: neither is an emotion; s1 is an emotion; s1 is an emotion that s0 causes; s0 is
an emotion; s0 is an emotion that s1 causes."""

MIRROR = (SHIFT, RIGHT_LN, RIGHT_LT, LEFT_LN, LEFT_LT)
"""The action with s1 and s0 swapped."""

START = 5
"""History entry before the first action."""


class State(NamedTuple):
    """A stack of clauses, the top last, and a buffer of all clauses from `first` on."""

    stack: tuple[int, ...]
    first: int
    size: int

    @classmethod
    def start(cls, size: int) -> Self:
        """The initial state: the first two of `size` clauses are on the stack."""
        return cls(tuple(range(min(size, 2))), min(size, 2), size)

    @property
    def done(self) -> bool:
        """Whether no two clauses are left to compare."""
        return len(self.stack) < 2

    @property
    def next_clause(self) -> int:
        """First clause of the buffer; if it is empty, the clause after the top, else the top itself."""
        return self.first if self.first < self.size else min(self.stack[-1] + 1, self.size - 1)

    def declared(self, action: int) -> tuple[int, int | None] | None:
        """The emotion clause and, in a pair, its cause clause that an action declares."""
        s1, s0 = self.stack[-2:]
        return (None, (s1, None), (s1, s0), (s0, None), (s0, s1))[action]

    def after(self, action: int) -> Self:
        """The state after an action.

        Right actions remove s1, LEFT_LT removes s0. SHIFT and LEFT_LN push the next clause; with an empty buffer SHIFT
        ends the parse and LEFT_LN removes s0. A single clause on the stack is immediately joined by the next one.
        """
        stack, first = self.stack, self.first
        if action in (RIGHT_LN, RIGHT_LT):
            stack = (*stack[:-2], stack[-1])
        elif action == LEFT_LT or (action == LEFT_LN and first == self.size):
            stack = stack[:-1]
        elif first == self.size:
            stack = ()
        if first < self.size and (len(stack) < 2 or action in (SHIFT, LEFT_LN)):
            stack, first = (*stack, first), first + 1
        return self._replace(stack=stack, first=first)


def oracle(size: int, pairs: Iterable[Pair], window: int | None = None) -> list[tuple[State, int]]:
    """States and gold actions of a document.

    A pair action takes precedence over "is an emotion", and s0 over s1. An emotion keeps its clause on the stack and
    removes all below it, so that a cause becomes unreachable once another emotion has removed it or covers its emotion.

    Args:
        size: Number of clauses.
        pairs: Gold pairs; those beyond `size` are ignored.
        window: Largest distance of a pair; pairs farther apart only mark the emotion clause; None for no limit.
    """
    pairs = set(pairs)
    emotions = {emotion for emotion, _ in pairs}
    near = {(e, c) for e, c in pairs if window is None or abs(e - c) <= window}
    found = []
    state = State.start(size)
    while not state.done:
        s1, s0 = state.stack[-2:]
        if (s0, s1) in near:
            action = RIGHT_LT
        elif (s1, s0) in near:
            action = LEFT_LT
        elif s0 in emotions:
            action = RIGHT_LN
        else:
            action = LEFT_LN if s1 in emotions else SHIFT
        found.append((state, action))
        state = state.after(action)
    return found


def reachable(size: int, pairs: Iterable[Pair], window: int | None = None) -> set[Pair]:
    """Gold pairs that the oracle finds; self-pairs need no parser."""
    pairs = set(pairs)
    declared = {state.declared(action) for state, action in oracle(size, pairs, window)}
    return {pair for pair in pairs if pair in declared or pair[0] == pair[1]}


def oracle_recall(documents: Iterable[Document], window: int | None = None) -> float:
    """Share of the gold pairs of documents that are reachable, in [0, 1]; 0 if there are none."""
    found = gold = 0
    for document in documents:
        pairs = document.pairs or frozenset()
        found, gold = found + len(reachable(len(document), pairs, window)), gold + len(pairs)
    return found / max(gold, 1)


class States(NamedTuple):
    """S states of B documents as indices of clauses."""

    document: Tensor
    """(S,)."""
    step: Tensor
    """(S,) number of actions before the state."""
    stack: Tensor
    """(S, L) bottom first, padded at the end."""
    depth: Tensor
    """(S,) clauses on the stack, at least 2."""
    next_clause: Tensor
    """(S,) see `State.next_clause`."""
    buffered: Tensor
    """(S,) bool, False if the buffer is empty."""
    history: Tensor
    """(B, A) `START` and the actions so far, padded at the end."""

    @classmethod
    def build(cls, states: Sequence[tuple[int, int, State]], histories: Sequence[Sequence[int]]) -> Self:
        """Tensors on the CPU.

        Args:
            states: Document, step and state of each.
            histories: Actions of each document, without `START`.
        """
        deepest = max((len(state.stack) for *_, state in states), default=2)
        longest = max(map(len, histories))
        stacks = [[*state.stack, *[0] * (deepest - len(state.stack))] for *_, state in states]
        actions = [[START, *taken, *[START] * (longest - len(taken))] for taken in histories]
        return cls(
            document=torch.tensor([document for document, *_ in states], dtype=torch.long),
            step=torch.tensor([step for _, step, _ in states], dtype=torch.long),
            stack=torch.tensor(stacks, dtype=torch.long).view(-1, deepest),
            depth=torch.tensor([len(state.stack) for *_, state in states], dtype=torch.long),
            next_clause=torch.tensor([state.next_clause for *_, state in states], dtype=torch.long),
            buffered=torch.tensor([state.first < state.size for *_, state in states], dtype=torch.bool),
            history=torch.tensor(actions),
        )

    def to(self, device: torch.device) -> States:
        """The states on a device."""
        return States(*(values.to(device) for values in self))


class ParserBatch(NamedTuple):
    """Documents; in training also the S states and actions of the oracle."""

    ids: tuple[str, ...]
    rows: DocumentRows
    states: States | None = None
    actions: Tensor | None = None
    """(S,)."""

    @property
    def cut(self) -> tuple[int, ...]:
        """See `DocumentRows`."""
        return self.rows.cut


class ParserCollator:
    """Batches documents into a `ParserBatch`.

    Args:
        documents: Collator of the documents.
        training: Whether to run the oracle.
        window: Largest distance of a pair; see `oracle`.
    """

    def __init__(self, documents: DocumentCollator, training: bool, window: int | None) -> None:
        self.documents, self.training, self.window = documents, training, window

    def __call__(self, documents: Sequence[Document]) -> ParserBatch:
        """Build the batch."""
        rows = self.documents(documents)
        if not self.training:
            return ParserBatch(rows.ids, rows)
        sizes = rows.segment_mask.sum(1).tolist()  # clauses that are read
        parses = [oracle(n, d.pairs or (), self.window) for n, d in zip(sizes, documents, strict=True)]
        states = [(b, step, state) for b, parse in enumerate(parses) for step, (state, _) in enumerate(parse)]
        histories = [[action for _, action in parse[:-1]] for parse in parses]
        actions = torch.tensor([action for parse in parses for _, action in parse], dtype=torch.long)
        return ParserBatch(rows.ids, rows, States.build(states, histories), actions)
