"""The parser's machine and oracle against hand-made parses and the released rules."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ecpe_zoo.corpora.document import Document, Pair, document_from_texts
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.text.transitions import (
    LEFT_LN,
    LEFT_LT,
    MIRROR,
    RIGHT_LN,
    RIGHT_LT,
    SHIFT,
    START,
    State,
    States,
    oracle,
    oracle_recall,
    reachable,
)


def document(size: int, *pairs: Pair) -> Document:
    return document_from_texts("d", [f"clause {n}" for n in range(size)], pairs=pairs, language="en")


def released(size: int, pairs: list[Pair]) -> list[tuple[tuple[int, ...], int, int]]:
    """Stack, first clause of the buffer and action of each step, as two loops that drop repeated states."""

    def action_of(s1: int, s0: int) -> int:
        emotions = {emotion for emotion, _ in pairs}
        found = [RIGHT_LN] if s1 in emotions and s0 in emotions else []
        for emotion, cause in pairs:
            if emotion == s1:
                found.append(LEFT_LT if cause == s0 else LEFT_LN)
            elif emotion == s0:
                found.append(RIGHT_LT if cause == s1 else RIGHT_LN)
        return next((a for a in (RIGHT_LT, LEFT_LT) if a in found), found[0] if found else SHIFT)

    stack, buffer = [0, 1], list(range(2, size))
    steps: list[tuple[tuple[int, ...], int, int]] = []

    def step() -> int:
        action = action_of(stack[-2], stack[-1])
        now = (tuple(stack), size - len(buffer), action)
        if now not in steps:
            steps.append(now)
        return action

    while buffer:
        if len(stack) < 2:
            stack.append(buffer.pop(0))
        action = step()
        if action in (RIGHT_LN, RIGHT_LT):
            del stack[-2]
        elif action == LEFT_LT:
            del stack[-1]
        elif buffer:
            stack.append(buffer.pop(0))
    while len(stack) >= 2:
        action = step()
        if action == SHIFT:
            break
        del stack[-2 if action in (RIGHT_LN, RIGHT_LT) else -1]
    return steps


def test_a_parse_by_hand() -> None:
    found = [(state.stack, state.first, action) for state, action in oracle(5, {(2, 1), (2, 3)})]
    assert found == [
        ((0, 1), 2, SHIFT),
        ((0, 1, 2), 3, RIGHT_LT),
        ((0, 2), 3, RIGHT_LN),
        ((2, 3), 4, LEFT_LT),
        ((2, 4), 5, LEFT_LN),
    ]
    assert reachable(5, {(2, 1), (2, 3), (4, 4)}) >= {(2, 1), (4, 4)}


def test_the_oracle_is_the_released_one() -> None:
    draw = random.Random(0)
    for _ in range(500):
        size = draw.randint(2, 9)
        pairs = {(draw.randrange(size), draw.randrange(size)) for _ in range(draw.randint(0, 4))}
        found = [(state.stack, state.first, action) for state, action in oracle(size, pairs)]
        assert found == released(size, sorted(pairs))


def test_any_actions_end_the_parse() -> None:
    draw = random.Random(0)
    for size in range(12):
        for _ in range(50):
            state, steps = State.start(size), 0
            while not state.done:
                assert list(state.stack) == sorted(state.stack)
                assert state.next_clause < size
                state, steps = state.after(draw.randrange(5)), steps + 1
            assert steps <= 2 * size


def test_a_mirrored_action_says_the_same_of_swapped_clauses() -> None:
    state, swapped = State((3, 5), 6, 8), State((5, 3), 6, 8)
    for action, mirrored in enumerate(MIRROR):
        assert state.declared(action) == swapped.declared(mirrored)
        assert MIRROR[mirrored] == action


def test_clauses_that_no_pair_can_join() -> None:
    assert oracle(1, {(0, 0)}) == []
    assert reachable(1, {(0, 0)}) == {(0, 0)}
    assert reachable(4, {(0, 3)}) == set()  # clause 0 is covered by 1 and 2
    assert reachable(4, {(3, 0)}) == {(3, 0)}
    assert reachable(4, {(3, 0)}, window=2) == set()
    assert [action for _, action in oracle(4, {(3, 0)}, window=2)][-1] == RIGHT_LN
    assert oracle_recall([]) == oracle_recall([document(3)]) == 0
    assert oracle_recall([document(4, (0, 3)), document(4, (3, 0))]) == 0.5


def test_the_oracle_reaches_97_percent_of_the_corpus(real_data: Callable[[str], Path]) -> None:
    corpus = load_corpus("xia-ding-2019", real_data("xia-ding-2019"))
    documents = [*corpus.train, *corpus.test]
    gold = [d.pairs or frozenset() for d in documents]
    found = [reachable(len(d), pairs) for d, pairs in zip(documents, gold, strict=True)]
    assert (sum(map(len, found)), sum(map(len, gold))) == (2084, 2147)
    late = [{(e, c) for e, c in pairs if c - e >= 2} for pairs in gold]
    assert (sum(len(f & p) for f, p in zip(found, late, strict=True)), sum(map(len, late))) == (9, 69)
    assert oracle_recall(documents) == pytest.approx(2084 / 2147)


def test_states_become_indices() -> None:
    states = [(0, 0, State((0, 1), 2, 3)), (1, 2, State((0, 1, 2), 3, 3))]
    found = States.build(states, [[], [SHIFT, LEFT_LT]])
    assert found.stack.tolist() == [[0, 1, 0], [0, 1, 2]]
    assert found.depth.tolist() == [2, 3]
    assert found.next_clause.tolist() == [2, 2]
    assert found.buffered.tolist() == [True, False]
    assert found.history.tolist() == [[START, START, START], [START, SHIFT, LEFT_LT]]
    nothing = States.build([], [[]])
    assert nothing.stack.shape == (0, 2)
    assert nothing.document.dtype == torch.long
