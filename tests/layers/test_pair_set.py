"""Candidate pairs against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.layers.pair_set import PairLinear, PairSet, RelativePosition
from tests.layers.threads import alike_with_two_threads

MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True] + [False] * 4])


def candidates(window: int | None) -> list[tuple[int, int, int]]:
    return [
        (b, i, j)
        for b, size in enumerate(MASK.sum(1).tolist())
        for i in range(size)
        for j in range(size)
        if window is None or abs(i - j) <= window
    ]


@pytest.mark.parametrize("window", [None, 1, 2, 12])
def test_the_candidates_are_the_real_pairs_within_the_window(window: int | None) -> None:
    pairs = PairSet.build(MASK, window)
    found = list(zip(pairs.document.tolist(), pairs.emotion.tolist(), pairs.cause.tolist(), strict=True))
    assert found == candidates(window)
    assert pairs.offset.tolist() == [j - i for _, i, j in found]


@pytest.mark.parametrize("window", [None, 1])
def test_grid_and_flat_are_inverse_and_gold_outside_is_missed(window: int | None) -> None:
    pairs = PairSet.build(MASK, window)
    values = torch.randn(len(pairs.document), 2)
    grid = pairs.grid(values, fill=-7.0)
    torch.testing.assert_close(pairs.flat(grid), values)
    assert int((grid == -7).all(-1).sum()) == 3 * 25 - len(pairs.document)
    gold = torch.zeros(3, 5, 5)
    gold[0, 4, 3] = gold[0, 4, 1] = gold[1, 0, 0] = 1
    assert float(pairs.flat(gold).sum()) == (3 if window is None else 2)
    assert float(pairs.missed(gold)) == (0 if window is None else 1)


def test_no_clause_and_one_clause() -> None:
    assert len(PairSet.build(torch.zeros(1, 0, dtype=torch.bool)).document) == 0
    assert PairSet.build(torch.ones(1, 1, dtype=torch.bool), 3).offset.tolist() == [0]


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("position", [True, False])
def test_a_factored_product_is_the_product_with_the_concatenation(window: int | None, position: bool) -> None:
    torch.manual_seed(0)
    distances = RelativePosition(2, 3, smooth=True) if position else None
    layer = PairLinear(4, 6, 5, distances).double()
    emotions, causes = torch.randn(3, 5, 4).double(), torch.randn(3, 5, 6).double()
    pairs = PairSet.build(MASK, window)
    rows = pairs.gather(emotions, causes)
    if distances is not None:
        rows = torch.cat([rows, distances(pairs.offset)], dim=-1)
    expected = nn.functional.linear(rows, layer.weight, layer.bias)
    torch.testing.assert_close(layer(emotions, causes, pairs), expected, rtol=1e-12, atol=1e-12)


def test_positions_beyond_the_radius_share_a_vector() -> None:
    position = RelativePosition(2, 3)
    found = position(torch.tensor([-9, -2, 0, 2, 5]))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[3], found[4])
    assert len({tuple(row) for row in found.tolist()}) == 3


def test_smoothed_positions_are_the_kernel_over_all_distances() -> None:
    position = RelativePosition(3, 4, smooth=True).double()
    table = position.table.weight

    def at(m: int) -> Tensor:
        rows = [math.exp(-((m - other) ** 2)) * table[other + 3] for other in range(-3, 4)]
        return torch.stack(rows).sum(0)

    offsets = [-3, -1, 0, 2]
    expected = torch.stack([at(m) for m in offsets])
    torch.testing.assert_close(position(torch.tensor(offsets)), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("position", [True, False])
def test_gradients_do_not_depend_on_the_order_in_which_threads_add(position: bool) -> None:
    mask = torch.ones(8, 40, dtype=torch.bool)
    pairs = PairSet.build(mask, None)
    torch.manual_seed(0)
    clauses, weights = torch.randn(8, 40, 64), torch.randn(len(pairs.document), 32)
    layer = PairLinear(64, 64, 32, RelativePosition(12, 8) if position else None)

    def gradients() -> list[Tensor]:
        inputs = clauses.clone().requires_grad_()
        found = (layer(inputs, inputs, pairs) * weights).sum()
        return list(torch.autograd.grad(found, [inputs, *layer.parameters()]))

    assert alike_with_two_threads(gradients, times=20)
