"""The two branches: what the link passes on, and in which direction."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.two_branch import Branch, First, Link, TwoBranch
from ecpe_zoo.text.recurrent import BiLSTM

SIZE, HIDDEN = 6, 4
MASK = torch.tensor([[i < size for i in range(5)] for size in (5, 3, 1)])


def lstm(layer: nn.Module, steps: list[Tensor]) -> list[Tensor]:
    """States of an LSTM, gate by gate."""
    assert isinstance(layer, nn.LSTM)
    w, u = layer.get_parameter("weight_ih_l0"), layer.get_parameter("weight_hh_l0")
    bias = layer.get_parameter("bias_ih_l0") + layer.get_parameter("bias_hh_l0")
    h = c = torch.zeros(HIDDEN, dtype=w.dtype)
    states = []
    for x in steps:
        i, f, g, o = (w @ x + u @ h + bias).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return states


def of_branch(branch: Branch, clauses: Tensor) -> tuple[Tensor, Tensor]:
    """States (N, 2 hidden) and logits (N,) of one document."""
    steps = list(clauses)
    assert isinstance(branch.recurrent, BiLSTM)
    onward = lstm(branch.recurrent.onward[0], steps)
    backward = lstm(branch.recurrent.backward_[0], steps[::-1])[::-1]
    states = torch.stack([torch.cat(both) for both in zip(onward, backward, strict=True)])
    assert branch.head is not None
    return states, states @ branch.head.weight[0] + branch.head.bias


@pytest.mark.parametrize("link", ["none", "probs", "states"])
@pytest.mark.parametrize("first", ["emotion", "cause"])
def test_branches_equal_their_formulas(link: Link, first: First) -> None:
    torch.manual_seed(0)
    layer = TwoBranch(SIZE, HIDDEN, link, first).double()
    emotions, causes = (torch.randn(3, 5, SIZE).double() for _ in range(2))
    found = layer(emotions, causes, MASK)
    for row, size in enumerate((5, 3, 1)):
        e, c = emotions[row, :size], causes[row, :size]
        one, other = (e, c) if first == "emotion" else (c, e)
        states, logits = of_branch(layer.first, one)
        passed = {"none": [], "probs": [torch.sigmoid(logits)[:, None]], "states": [states]}[link]
        second = of_branch(layer.second, torch.cat([other, *passed], dim=1))
        expected = ((states, logits), second) if first == "emotion" else (second, (states, logits))
        for (of_states, of_logits), got, got_logits in zip(
            expected, (found.emotions, found.causes), (found.emotion, found.cause), strict=True
        ):
            # the link's probabilities are computed in fp32
            torch.testing.assert_close(got[row, :size], of_states, rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(got_logits[row, :size], of_logits, rtol=1e-6, atol=1e-6)
            assert not got[row, size:].any()


@pytest.mark.parametrize("link", ["probs", "states"])
@pytest.mark.parametrize("first", ["emotion", "cause"])
@pytest.mark.parametrize("detach", [False, True])
def test_the_gradient_stops_at_a_detached_link(link: Link, first: First, detach: bool) -> None:
    torch.manual_seed(0)
    layer = TwoBranch(SIZE, HIDDEN, link, first, detach)
    clauses = torch.randn(3, 5, SIZE)
    found = layer(clauses, clauses, MASK)
    (found.cause if first == "emotion" else found.emotion).sum().backward()
    assert all((p.grad is None) == detach for p in layer.first.recurrent.parameters())
    assert all(p.grad is not None for p in layer.second.parameters())


def test_branches_without_heads_have_no_logits_and_unknown_names_list_the_choices() -> None:
    found = TwoBranch(SIZE, HIDDEN, "states", heads=False)(
        torch.randn(3, 5, SIZE), torch.randn(3, 5, SIZE), MASK
    )
    assert found.emotion is None
    assert found.cause is None
    with pytest.raises(ZooError, match="probs"):
        TwoBranch(SIZE, HIDDEN, "logits")  # type: ignore[arg-type]
    with pytest.raises(ZooError, match="emotion"):
        TwoBranch(SIZE, HIDDEN, "probs", "pair")  # type: ignore[arg-type]
