"""The fast mask has the rate that it is asked for."""

from __future__ import annotations

import pytest
import torch

from ecpe_zoo.layers.dropout import Dropout, keep_mask


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_share_that_is_kept(rate: float) -> None:
    torch.manual_seed(0)
    mask = keep_mask(torch.empty(1001, 333), rate)
    assert mask.shape == (1001, 333)
    assert float(mask.float().mean()) == pytest.approx(1 - rate, abs=3e-3)  # 4 standard deviations
    for axis in (0, 1):  # no row or column is special
        assert float(mask.float().mean(axis).std()) < 0.05


def test_dropout_keeps_the_mean_and_its_gradient_is_the_mask() -> None:
    torch.manual_seed(0)
    layer = Dropout(0.25)
    values = torch.ones(400, 401, requires_grad=True)
    output = layer(values)
    assert sorted(set(output.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert float(output.detach().mean()) == pytest.approx(1, abs=0.01)
    output.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, output.detach())
    assert torch.equal(layer.eval()(values), values)


def test_the_seed_decides() -> None:
    layer, values = Dropout(0.5), torch.ones(77)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(layer(values))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
