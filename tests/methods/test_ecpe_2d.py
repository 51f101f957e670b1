"""ECPE-2D's pairs and their interaction against transcriptions of their formulas, and its switches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.pair_set import PairSet, RelativePosition
from ecpe_zoo.layers.two_branch import TwoBranch
from ecpe_zoo.methods.ecpe_2d import (
    ECPE2D,
    Attention,
    Block,
    ClauseTransformer,
    Form,
    Heads,
    Interaction,
    Interactions,
)
from ecpe_zoo.options import EncoderSettings

SMALL = EncoderSettings("embedded", 16, heads=2, dropout=0.0)
SIZE, HIDDEN, PAIR = 6, 4, 5

Grid = dict[tuple[int, int], Tensor]


def built(documents: list[Document], **options: Any) -> ECPE2D:
    torch.manual_seed(0)
    method = ECPE2D(SMALL, **({"hidden": 8} | options))
    method.build_from(documents)
    return method


def heads_of(method: ECPE2D) -> Heads:
    assert isinstance(method.heads, Heads)
    return method.heads


def attended(layer: nn.Module, nodes: Grid, pair: tuple[int, int], seen: list[tuple[int, int]]) -> Tensor:
    assert isinstance(layer, Attention)
    query = torch.relu(layer.query(nodes[pair]))
    keys, values = ([torch.relu(f(nodes[q])) for q in seen] for f in (layer.key, layer.value))
    weights = torch.softmax(torch.stack([query @ key for key in keys]) / PAIR**0.5, dim=0)
    return torch.stack([w * v for w, v in zip(weights, values, strict=True)]).sum(0)


def interacted(interactions: Interactions, nodes: Grid) -> Grid:
    """Pairs of one document after all blocks."""
    for block in interactions.blocks:
        assert isinstance(block, Block)
        updated = {}
        for pair in nodes:
            if interactions.kind == "cross-road":
                row = attended(block.attentions[0], nodes, pair, [q for q in nodes if q[0] == pair[0]])
                column = attended(block.attentions[1], nodes, pair, [q for q in nodes if q[1] == pair[1]])
                mixed = (row + column) / 2
            else:
                mixed = attended(block.attentions[0], nodes, pair, list(nodes))
            hidden = block.norms[0](nodes[pair] + mixed)
            updated[pair] = block.norms[1](hidden + block.forward_(hidden))
        nodes = updated
    return nodes


@pytest.mark.parametrize(
    ("interaction", "layers", "window"),
    [
        ("none", 2, None),
        ("cross-road", 2, None),
        ("cross-road", 1, 2),
        ("windowed", 1, 3),
        ("windowed", 2, 1),
    ],
)
@pytest.mark.parametrize("position", [True, False])
def test_heads_equal_their_formulas(
    interaction: Interaction, layers: int, window: int | None, position: bool
) -> None:
    torch.manual_seed(0)
    radius = window or 12
    heads = Heads(
        TwoBranch(SIZE, HIDDEN, "probs"),
        HIDDEN,
        PAIR,
        Interactions(PAIR, interaction, layers),
        RelativePosition(radius, 3) if position else None,
        detach=False,
    ).double()
    for parameter in heads.parameters():
        nn.init.normal_(parameter, std=0.5)
    sizes = (5, 3, 1)
    mask = torch.tensor([[i < size for i in range(5)] for size in sizes])
    clauses = torch.randn(3, 5, SIZE).double() * mask[..., None]
    pairs = PairSet.build(mask, window)
    found = heads(clauses, mask, pairs)
    grid = pairs.grid(found.pair)
    states = heads.branches(clauses, clauses, mask)
    # of [emotion state ; its probability ; cause state ; its probability ; distance]
    of_e, of_pe, of_c, of_pc, of_d = heads.pair.weight.split(
        [2 * HIDDEN, 1, 2 * HIDDEN, 1, 3 if position else 0], dim=1
    )
    for row, size in enumerate(sizes):
        nodes = {}
        for i in range(size):
            for j in range(size):
                if window is None or abs(i - j) <= window:
                    hidden = heads.pair.bias + of_e @ states.emotions[row, i] + of_c @ states.causes[row, j]
                    hidden = hidden + of_pe[:, 0] * torch.sigmoid(found.emotion[row, i])
                    hidden = hidden + of_pc[:, 0] * torch.sigmoid(found.cause[row, j])
                    if heads.pair.position is not None:
                        hidden = hidden + of_d @ heads.pair.position.table.weight[j - i + radius]
                    nodes[i, j] = torch.relu(hidden)
        for (i, j), node in interacted(heads.interactions, nodes).items():
            # probabilities are computed in fp32
            torch.testing.assert_close(grid[row, i, j], heads.pair_head(node)[0], rtol=1e-5, atol=1e-5)


def test_a_row_that_is_padding_throughout_has_finite_values_and_gradients() -> None:
    torch.manual_seed(0)
    nodes = torch.randn(2, 4, PAIR, requires_grad=True)
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    found = Attention(PAIR)(nodes, mask)
    (found * mask[..., None]).sum().backward()
    assert found.isfinite().all()
    assert nodes.grad is not None
    assert nodes.grad.isfinite().all()
    assert not nodes.grad[1].any()


def test_the_losses_are_mean_cross_entropies_of_the_same_weight() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:6])
    method = built(documents)
    method.eval()
    batch = method.collator(True)(documents)
    logits, losses = method(batch), method.losses(batch)
    assert set(losses) == {"emotion", "cause", "pair"}
    for name, labels in (("emotion", batch.gold.emotion), ("cause", batch.gold.cause)):
        real = batch.segment_mask
        one = getattr(logits, name)[real].double()
        two = torch.stack([torch.zeros_like(one), one], dim=1)  # the softmax over two classes
        expected = F.cross_entropy(two, labels[real].long())
        assert losses[name].item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("form", "link", "emotion_first"),
    [
        ("indep", "none", True),
        ("inter-ce", "probs", False),
        ("inter-ec", "probs", True),
        ("bert", "probs", True),
    ],
)
def test_forms(form: Form, link: str, emotion_first: bool) -> None:
    branches = heads_of(built(list(load_corpus("bundled-ecpe").train[:4]), form=form)).branches
    assert (branches.link, branches.emotion_first) == (link, emotion_first)
    assert isinstance(branches.first.recurrent, ClauseTransformer) == (form == "bert")
    assert not isinstance(branches.second.recurrent, ClauseTransformer)


def test_the_emotion_branch_of_bert_equals_its_formula() -> None:
    torch.manual_seed(0)
    context = ClauseTransformer(SIZE, PAIR).double()
    for parameter in context.parameters():
        nn.init.normal_(parameter, std=0.5)
    clauses, sizes = torch.randn(3, 4, SIZE).double(), (4, 2, 1)
    layer = context.layer
    weights, biases = layer.self_attn.in_proj_weight.chunk(3), layer.self_attn.in_proj_bias.chunk(3)
    for training in (True, False):  # evaluation has a kernel of its own
        context.train(training)
        with torch.set_grad_enabled(training):
            found = context(clauses, torch.tensor(sizes))
        for row, size in enumerate(sizes):
            nodes = [context.reduce(clauses[row, i]) for i in range(size)]
            query, key, value = (
                [w @ node + b for node in nodes] for w, b in zip(weights, biases, strict=True)
            )
            for i in range(size):
                shares = torch.softmax(torch.stack([query[i] @ k for k in key]) / PAIR**0.5, dim=0)
                mixed = torch.stack([share * v for share, v in zip(shares, value, strict=True)]).sum(0)
                hidden = layer.norm1(nodes[i] + layer.self_attn.out_proj(mixed))
                further = layer.linear2(torch.relu(layer.linear1(hidden)))
                torch.testing.assert_close(found[row, i], layer.norm2(hidden + further))


@pytest.mark.parametrize("form", ["inter-ec", "bert"])
@pytest.mark.parametrize("detach", [False, True])
def test_gradients_stop_where_the_released_code_stops_them(detach: bool, form: Form) -> None:
    documents = list(load_corpus("bundled-ecpe").train[:6])
    method = built(documents, form=form, detach_link=detach, detach_states=detach)
    losses = method.losses(method.collator(True)(documents))
    branches = heads_of(method).branches

    def reached(loss: Tensor, module: nn.Module) -> bool:
        method.zero_grad()
        loss.backward(retain_graph=True)
        return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())

    assert reached(losses["pair"], branches) != detach
    assert reached(losses["pair"], method.encoder) != detach
    assert reached(losses["cause"], branches.first) != detach
    assert reached(losses["cause"], method.encoder)


def test_bad_options() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:4])
    for options, message in (
        ({"form": "inter"}, "inter-ec"),
        ({"interaction": "rows"}, "cross-road"),
        ({"layers": -1}, r"--model\.layers"),
        ({"interaction": "windowed"}, r"--model\.pairs\.window"),
    ):
        with pytest.raises(ZooError, match=message):
            built(documents, **options)


@pytest.mark.parametrize("option", ["hidden", "size"])
def test_a_network_without_units_is_refused(option: str) -> None:
    documents = list(load_corpus("bundled-ecpe").train[:4])
    with pytest.raises(ZooError, match=f"--model.{option} to be at least 1, but got 0"):
        built(documents, **{option: 0})
