"""Batches: nothing lost, nothing twice, the same number everywhere."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecpe_zoo.data.sampler import LikeLengthBatchSampler, pack
from ecpe_zoo.errors import ZooError

LENGTHS = [random.Random(0).randint(2, 40) for _ in range(57)]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 60), max_size=40),
    st.one_of(st.none(), st.integers(1, 7)),
    st.one_of(st.none(), st.integers(1, 100)),
)
def test_packing_keeps_its_limits(costs: list[int], size: int | None, tokens: int | None) -> None:
    sizes = pack(costs, size, tokens)
    assert sum(sizes) == len(costs)
    start = 0
    for count in sizes:
        batch = costs[start : start + count]
        start += count
        assert size is None or count <= size
        assert tokens is None or count == 1 or sum(batch) <= tokens


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("limits", [{"batch_size": 4}, {"batch_tokens": 90}])
def test_evaluation_reads_each_document_once_over_the_ranks(world: int, limits: dict[str, Any]) -> None:
    samplers = [
        LikeLengthBatchSampler(LENGTHS, LENGTHS, **limits, rank=rank, world_size=world)
        for rank in range(world)
    ]
    read = [index for sampler in samplers for batch in sampler for index in batch]
    assert sorted(read) == list(range(len(LENGTHS)))
    for sampler in samplers:
        assert len(sampler) == len(list(sampler))


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("limits", [{"batch_size": 4}, {"batch_tokens": 90}])
def test_training_has_the_same_number_of_batches_in_every_epoch_on_every_rank(
    world: int, limits: dict[str, Any]
) -> None:
    now = 0
    samplers = [
        LikeLengthBatchSampler(
            LENGTHS, LENGTHS, **limits, shuffle=True, seed=3, epoch=lambda: now, rank=rank, world_size=world
        )
        for rank in range(world)
    ]
    epochs = []
    for now in range(3):  # noqa: B007 - read by the samplers
        batches = [list(sampler) for sampler in samplers]
        assert {len(mine) for mine in batches} == {len(samplers[0])}
        read = {index for mine in batches for batch in mine for index in batch}
        assert read == set(range(len(LENGTHS)))
        if "batch_tokens" in limits:
            assert all(sum(LENGTHS[i] for i in batch) <= 90 for mine in batches for batch in mine)
        epochs.append(batches)
    assert epochs[0] != epochs[1] != epochs[2]
    again = LikeLengthBatchSampler(LENGTHS, LENGTHS, **limits, shuffle=True, seed=3, epoch=lambda: 1)
    if world == 1:
        assert list(again) == epochs[1][0]  # the epoch alone decides: a resumed run continues the sequence


def test_documents_of_like_length_share_a_batch_and_change_company() -> None:
    lengths = [5] * 20 + [50] * 20
    now = 0
    sampler = LikeLengthBatchSampler(lengths, lengths, batch_size=10, shuffle=True, epoch=lambda: now)
    first = {frozenset(batch) for batch in sampler}
    assert all(len({lengths[index] for index in batch}) == 1 for batch in first)
    now = 1
    assert {frozenset(batch) for batch in sampler} != first


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=80),
    st.one_of(st.none(), st.integers(1, 7)),
    st.one_of(st.none(), st.integers(1, 100)),
    st.sampled_from([0.0, 0.5, 3.0, 18.0]),
    st.integers(1, 3),
)
def test_mixed_batches_keep_their_number_and_their_limits(
    costs: list[int], size: int | None, tokens: int | None, spread: float, world: int
) -> None:
    if size is None and tokens is None:
        size = 4
    now = 0
    samplers = [
        LikeLengthBatchSampler(
            costs,
            costs,
            batch_size=size,
            batch_tokens=tokens,
            shuffle=True,
            spread=spread,
            epoch=lambda: now,
            rank=rank,
            world_size=world,
        )
        for rank in range(world)
    ]
    for now in range(4):  # noqa: B007 - read by the samplers
        dealt = [list(sampler) for sampler in samplers]
        assert [len(mine) for mine in dealt] == [len(sampler) for sampler in samplers]
        batches = [batch for mine in dealt for batch in mine]
        assert {index for batch in batches for index in batch} == set(range(len(costs)))
        if world == 1:
            assert sum(map(len, batches)) == len(costs)
        for batch in batches:
            assert size is None or len(batch) <= size
            assert tokens is None or len(batch) == 1 or sum(costs[index] for index in batch) <= tokens


def shared_again(spread: float) -> float:
    """Share of the pairs that share a batch in two epochs on end."""
    numbers = random.Random(1)
    lengths = [numbers.randint(5, 400) for _ in range(3000)]
    now = 0
    sampler = LikeLengthBatchSampler(
        lengths, lengths, batch_size=10, shuffle=True, spread=spread, epoch=lambda: now
    )
    epochs = []
    for now in range(2):  # noqa: B007 - read by the sampler
        epochs.append({pair for batch in sampler for pair in combinations(sorted(batch), 2)})
    return len(epochs[0] & epochs[1]) / len(epochs[0])


def test_companions_are_drawn_anew_in_every_epoch() -> None:
    assert shared_again(0.0) > 0.2
    assert shared_again(18.0) < 0.05


def test_the_spread_is_not_negative() -> None:
    with pytest.raises(ZooError, match=r"--data\.batch_spread to be at least 0, but got -1"):
        LikeLengthBatchSampler([1], [1], batch_size=1, spread=-1.0)


def test_a_batch_needs_a_limit() -> None:
    with pytest.raises(ZooError, match=r"--data\.batch_size"):
        LikeLengthBatchSampler([1], [1])
    with pytest.raises(ZooError, match="at least 1"):
        LikeLengthBatchSampler([1], [1], batch_size=0)


def test_every_rank_gets_something_to_evaluate() -> None:
    samplers = [
        LikeLengthBatchSampler([3] * 5, [3] * 5, batch_size=32, rank=r, world_size=4) for r in range(4)
    ]
    assert [len(sampler) for sampler in samplers] == [1, 1, 1, 1]
    assert sorted(i for sampler in samplers for batch in sampler for i in batch) == [0, 1, 2, 3, 4]
