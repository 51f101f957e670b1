"""Groups of rows: all rows, within the limit, at the least cost."""

from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from ecpe_zoo.text.row_groups import chunk_rows


@given(st.lists(st.integers(1, 100), max_size=50), st.integers(1, 500), st.integers(0, 200))
def test_chunks_hold_each_row_once(lengths: list[int], slots: int, overhead: int) -> None:
    groups = chunk_rows(lengths, slots, overhead)
    rows = [row for group in groups for row in group]
    assert rows == sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    for group in groups:
        assert len(group) == 1 or lengths[group[0]] * len(group) <= slots


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(1, 500), st.integers(0, 200))
def test_chunks_cost_least(lengths: list[int], slots: int, overhead: int) -> None:
    def cost(sizes: list[list[int]]) -> int:
        return sum(size[0] * len(size) + overhead for size in sizes)

    longest_first = sorted(lengths, reverse=True)
    every = []
    for cuts in product((False, True), repeat=len(lengths) - 1):
        ends = [place for place, cut in enumerate(cuts, 1) if cut]
        parts = [longest_first[a:b] for a, b in pairwise([0, *ends, len(lengths)])]
        if all(len(part) == 1 or part[0] * len(part) <= slots for part in parts):
            every.append(cost(parts))
    found = [[lengths[row] for row in group] for group in chunk_rows(lengths, slots, overhead)]
    assert cost(found) == min(every)


def test_no_row_makes_no_chunk() -> None:
    assert chunk_rows([], 100) == []
