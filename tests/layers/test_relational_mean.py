"""Graph convolutions over pairs against loops over the edges."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.pair_set import PairSet, RelativePosition
from ecpe_zoo.layers.relational_mean import Edges, Nodes, PairGraph, RelationalMean
from tests.layers.threads import alike_with_two_threads

MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True] + [False] * 4])
SIZE = 6

Key = tuple[object, ...]


def some_nodes(pairs: PairSet) -> Nodes:
    torch.manual_seed(0)
    return Nodes(
        torch.randn(3, 5, SIZE).double(),
        torch.randn(3, 5, SIZE).double(),
        torch.randn(len(pairs.document), SIZE).double(),
        torch.randn(3, SIZE).double(),
    )


def graph(pairs: PairSet, nodes: Nodes) -> dict[Key, Tensor]:
    """Real nodes, by kind and place."""
    found: dict[Key, Tensor] = {}
    for b, size in enumerate(MASK.sum(1).tolist()):
        found["document", b] = nodes.document[b]
        for i in range(size):
            found["emotion", b, i], found["cause", b, i] = nodes.emotion[b, i], nodes.cause[b, i]
    places = zip(pairs.document.tolist(), pairs.emotion.tolist(), pairs.cause.tolist(), strict=True)
    for p, (b, i, j) in enumerate(places):
        found["pair", b, i, j] = nodes.pair[p]
    return found


def relation_of(a: Key, b: Key) -> str | None:
    """Relation over which two nodes are neighbours."""
    if a == b or a[1] != b[1]:
        return None
    kinds = {a[0], b[0]}
    if "document" in kinds:
        return "document"
    if kinds in ({"emotion"}, {"cause"}):
        return f"{a[0]}-{a[0]}"
    for clause, place in (("emotion", 2), ("cause", 3)):
        if kinds == {clause, "pair"}:
            pair, other = (a, b) if a[0] == "pair" else (b, a)
            return f"{clause}-pair" if pair[place] == other[2] else None
    return None


def transcribed(layer: RelationalMean, values: dict[Key, Tensor], last: bool) -> dict[Key, Tensor]:
    """Every node by the formula, one edge at a time."""
    found = {}
    for v, x in values.items():
        if v[0] == "document" and last:
            continue
        groups: dict[tuple[str, object], list[Tensor]] = {}
        for u, other in values.items():
            relation = relation_of(v, u)
            if relation is not None and relation in layer.relations:
                groups.setdefault((relation, u[0]), []).append(other)
        kind = str(v[0])
        y = layer.itself(x) + (layer.own[kind](x) if kind in layer.own else 0)
        neighbours = sum(map(len, groups.values()))
        for (relation, _), members in groups.items():
            for u_x in members:
                y = y + layer.relations[relation](u_x) / (neighbours if layer.joint else len(members))
        found[v] = y
    return found


@pytest.mark.parametrize("window", [None, 1])
@pytest.mark.parametrize(("own", "bias", "joint", "last"), itertools.product([True, False], repeat=4))
def test_a_layer_equals_its_formula(
    window: int | None, own: bool, bias: bool, joint: bool, last: bool
) -> None:
    pairs = PairSet.build(MASK, window)
    for edges in itertools.starmap(Edges, itertools.product([True, False], repeat=3)):
        nodes = some_nodes(pairs)
        layer = RelationalMean(SIZE, edges, own, bias, joint, last).double()
        for p in layer.parameters():
            nn.init.normal_(p)
        kept = last or not edges.document
        expected = transcribed(layer, graph(pairs, nodes), kept)
        result = layer(nodes, MASK, pairs)
        found = graph(pairs, result)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-10, atol=1e-10)
        if kept:
            torch.testing.assert_close(result.document, nodes.document)
        # what no later layer reads has no weights
        loss = sum(value.sum() for key, value in found.items() if key[0] != "document" or not kept)
        assert isinstance(loss, Tensor)
        assert all(g is not None for g in torch.autograd.grad(loss, list(layer.parameters())))


def test_padding_reaches_no_node() -> None:
    pairs = PairSet.build(MASK, 2)
    nodes = some_nodes(pairs)
    layer = RelationalMean(SIZE, Edges(), own=True).double()
    for p in layer.parameters():
        nn.init.normal_(p)
    other = nodes._replace(
        emotion=nodes.emotion.masked_fill(~MASK[..., None], 9.0),
        cause=nodes.cause.masked_fill(~MASK[..., None], -9.0),
    )
    mine, changed = (graph(pairs, layer(given, MASK, pairs)) for given in (nodes, other))
    assert all(torch.equal(mine[key], changed[key]) for key in mine)


def test_gradients_are_alike_from_run_to_run_with_two_threads() -> None:
    mask = torch.ones(8, 40, dtype=torch.bool)
    pairs = PairSet.build(mask, None)
    torch.manual_seed(0)
    module = PairGraph(32, 2, RelativePosition(3, 32), norm=True, own=True)
    clauses, weights = torch.randn(8, 40, 32), torch.randn(len(pairs.document), 32)

    def gradients() -> list[Tensor]:
        inputs = clauses.clone().requires_grad_()
        found = module(inputs, inputs.mean(1), mask, pairs)
        loss = (found.pair * weights).sum() + found.emotion.sum() + found.cause.square().sum()
        return list(torch.autograd.grad(loss, [inputs, *module.parameters()]))

    assert alike_with_two_threads(gradients, times=5)


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("position", [True, False])
def test_nodes_start_as_clauses_and_as_normalised_pairs(layers: int, position: bool) -> None:
    torch.manual_seed(0)
    pairs = PairSet.build(MASK, 1)
    distances = RelativePosition(1, SIZE) if position else None
    module = PairGraph(SIZE, layers, distances, norm=True, own=True).double()
    clauses, document = torch.randn(3, 5, SIZE).double(), torch.randn(3, SIZE).double()
    start = nn.functional.linear(pairs.gather(clauses, clauses), module.pair.weight, module.pair.bias)
    if distances is not None:
        start = start + distances(pairs.offset)
    nodes = Nodes(clauses, clauses, nn.functional.layer_norm(start, (SIZE,)), document)
    values = graph(pairs, nodes)
    for number, layer in enumerate(module.layers):
        assert isinstance(layer, RelationalMean)
        last = number == layers - 1
        values = {key: value.relu() for key, value in transcribed(layer, values, last).items()}
    found = graph(pairs, module(clauses, document, MASK, pairs))
    for key, value in values.items():
        torch.testing.assert_close(found[key], value, rtol=1e-10, atol=1e-10)


def test_half_precision_sums_in_fp32() -> None:
    mask = torch.ones(1, 70, dtype=torch.bool)
    pairs = PairSet.build(mask, None)
    torch.manual_seed(0)
    module = PairGraph(SIZE, 2, None, own=True, bias=True, joint=True)
    clauses = torch.rand(1, 70, SIZE) + 1000
    expected = module(clauses, clauses[:, 0], mask, pairs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = module(clauses, clauses[:, 0], mask, pairs)
    for mine, other in zip(found, expected, strict=True):
        assert mine.isfinite().all()
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, other, rtol=0.05, atol=0.05 * float(other.detach().abs().max()))


def test_a_negative_number_of_layers_is_refused() -> None:
    with pytest.raises(ZooError, match=r"--model\.layers to be at least 0, but got -1"):
        PairGraph(SIZE, -1, None)
