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
    sampler = LikeLengthBatchSampler(lengths, lengths, batch_size=10, shuffle=True, pool=0, epoch=lambda: now)
    first = {frozenset(batch) for batch in sampler}
    assert all(len({lengths[index] for index in batch}) == 1 for batch in first)
    now = 1
    assert {frozenset(batch) for batch in sampler} != first


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=60),
    st.one_of(st.none(), st.integers(1, 7)),
    st.one_of(st.none(), st.integers(1, 150)),
    st.integers(0, 20),
    st.integers(1, 3),
    st.integers(0, 2**31),
)
def test_fresh_batches_keep_limits_and_number(
    documents: list[tuple[int, int]], size: int | None, tokens: int | None, pool: int, world: int, seed: int
) -> None:
    if size is None and tokens is None:
        size = 3
    lengths, costs = [length for length, _ in documents], [cost for _, cost in documents]

    def epoch(number: int) -> list[list[list[int]]]:
        samplers = [
            LikeLengthBatchSampler(
                lengths, costs, batch_size=size, batch_tokens=tokens, shuffle=True, pool=pool, seed=seed,
                epoch=lambda: number, rank=rank, world_size=world,
            )
            for rank in range(world)
        ]  # fmt: skip
        batches = [list(sampler) for sampler in samplers]
        assert {len(mine) for mine in batches} == {len(samplers[0])}
        return batches

    first = epoch(0)
    for number in range(4):
        batches = epoch(number)
        assert len(batches[0]) == len(first[0])
        dealt = [batch for mine in zip(*batches, strict=True) for batch in mine]
        repeated = {tuple(batch) for batch in dealt}
        assert sorted(index for batch in repeated for index in batch) == list(range(len(documents)))
        assert len(dealt) - len(repeated) < world
        for batch in dealt:
            assert len(batch) > 0
            assert size is None or len(batch) <= size
            assert tokens is None or len(batch) == 1 or sum(costs[index] for index in batch) <= tokens
        assert batches == epoch(number)  # the epoch alone decides


def shared_again(lengths: list[int], **options: Any) -> float:
    """Share of the pairs of documents in a batch that share one in the next epoch too."""
    now = 0
    sampler = LikeLengthBatchSampler(lengths, lengths, shuffle=True, epoch=lambda: now, **options)
    again = pairs = 0
    before: list[list[int]] = []
    for now in range(4):  # noqa: B007 - read by the sampler
        batches = list(sampler)
        batch_of = {index: number for number, batch in enumerate(batches) for index in batch}
        for batch in before:
            mates = list(combinations(batch, 2))
            pairs += len(mates)
            again += sum(batch_of[one] == batch_of[other] for one, other in mates)
        before = batches
    return again / pairs


def test_batch_mates_change_from_epoch_to_epoch() -> None:
    draw = random.Random(1)
    lengths = [int(draw.lognormvariate(4.3, 0.6)) for _ in range(3000)]
    assert shared_again(lengths, batch_size=16, pool=0) > 0.2
    assert shared_again(lengths, batch_size=16) < 0.05
    assert shared_again(lengths, batch_tokens=1000) < 0.05


def test_batch_mates_change_in_a_small_corpus() -> None:
    draw = random.Random(1)
    lengths = [draw.randint(5, 60) for _ in range(100)]
    assert shared_again(lengths, batch_size=16, pool=0) > 0.5
    assert shared_again(lengths, batch_size=16) < 0.25  # 0.15 by chance


def test_fresh_batches_still_hold_documents_of_like_length() -> None:
    lengths = list(range(1, 3201))
    sampler = LikeLengthBatchSampler(lengths, lengths, batch_size=10, shuffle=True)
    assert all(max(batch) - min(batch) <= 19 * 10 for batch in sampler)


def test_a_budget_is_filled_in_every_epoch() -> None:
    draw = random.Random(1)
    lengths = [int(draw.lognormvariate(4.3, 0.6)) for _ in range(2000)]
    sampler = LikeLengthBatchSampler(lengths, lengths, batch_tokens=4096, shuffle=True)
    assert len(sampler) <= 1.05 * len(LikeLengthBatchSampler(lengths, lengths, batch_tokens=4096))


def test_a_batch_needs_a_limit() -> None:
    with pytest.raises(ZooError, match=r"--data\.batch_size"):
        LikeLengthBatchSampler([1], [1])
    with pytest.raises(ZooError, match="at least 1"):
        LikeLengthBatchSampler([1], [1], batch_size=0)
    with pytest.raises(ZooError, match=r"--data\.batch_pool"):
        LikeLengthBatchSampler([1], [1], batch_size=1, shuffle=True, pool=-1)


def test_every_rank_gets_something_to_evaluate() -> None:
    samplers = [
        LikeLengthBatchSampler([3] * 5, [3] * 5, batch_size=32, rank=r, world_size=4) for r in range(4)
    ]
    assert [len(sampler) for sampler in samplers] == [1, 1, 1, 1]
    assert sorted(i for sampler in samplers for batch in sampler for i in batch) == [0, 1, 2, 3, 4]
