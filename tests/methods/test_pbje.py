"""PBJE's heads against a transcription of their formulas, and its switches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.pair_set import PairSet, RelativePosition
from ecpe_zoo.layers.relational_mean import PairGraph, RelationalMean
from ecpe_zoo.methods.pbje import PBJE, Heads
from ecpe_zoo.options import EncoderSettings, PairSettings

SMALL = EncoderSettings("embedded", 16, heads=2, dropout=0.0)
SIZE = 6


def built(documents: list[Document], **options: Any) -> PBJE:
    torch.manual_seed(0)
    method = PBJE(SMALL, **options)
    method.build_from(documents)
    return method


def heads_of(method: PBJE) -> Heads:
    assert isinstance(method.heads, Heads)
    return method.heads


def of_document(heads: Heads, c: Tensor, window: int) -> tuple[Tensor, Tensor, dict[tuple[int, int], Tensor]]:
    """Emotion, cause and pair logits of one document (N, H) by the card's formulas, with one layer."""
    n, graph = len(c), heads.graph
    layer = graph.layers[0]
    assert isinstance(layer, RelationalMean)
    assert isinstance(graph.position, RelativePosition)
    assert isinstance(graph.norm, nn.LayerNorm)
    w = {name: relation.get_parameter("weight") for name, relation in layer.relations.items()}
    own = {name: matrix.get_parameter("weight") for name, matrix in layer.own.items()}
    w0, b = layer.itself.weight, layer.itself.bias
    where = [(i, j) for i in range(n) for j in range(n) if abs(i - j) <= window]
    p = {
        (i, j): graph.norm(
            graph.pair.weight @ torch.cat([c[i], c[j]])
            + graph.pair.bias
            + graph.position.table.weight[j - i + window]
        )
        for i, j in where
    }
    d = c.mean(0)

    def mean(values: list[Tensor]) -> Tensor:
        return torch.stack(values).mean(0) if values else torch.zeros(SIZE, dtype=c.dtype)

    clauses = {}
    for kind, place in (("emotion", 0), ("cause", 1)):
        clauses[kind] = torch.stack(
            [
                torch.relu(
                    w[f"{kind}-{kind}"] @ mean([c[k] for k in range(n) if k != i])
                    + w[f"{kind}-pair"] @ mean([p[key] for key in where if key[place] == i])
                    + w["document"] @ d
                    + (own[kind] + w0) @ c[i]
                    + b
                )
                for i in range(n)
            ]
        )
    e, u = clauses["emotion"], clauses["cause"]
    first = torch.cat([heads.of_pair.weight, heads.of_clauses.weight], dim=1)  # of [pair ; emotion ; cause]
    logits = {}
    for i, j in where:
        updated = torch.relu(
            w["emotion-pair"] @ c[i]
            + w["cause-pair"] @ c[j]
            + w["document"] @ d
            + (own["pair"] + w0) @ p[i, j]
            + b
        )
        hidden = torch.relu(first @ torch.cat([updated, e[i], u[j]]) + heads.of_clauses.bias)
        logits[i, j] = heads.pair_head(hidden)[0]
    return heads.emotion(e)[:, 0], heads.cause(u)[:, 0], logits


@pytest.mark.parametrize("window", [1, 3])
def test_heads_equal_their_formulas(window: int) -> None:
    torch.manual_seed(0)
    graph = PairGraph(SIZE, 1, RelativePosition(window, SIZE), norm=True, own=True)
    heads = Heads(graph, SIZE, 0.2).double().eval()
    for parameter in heads.parameters():
        nn.init.normal_(parameter, std=0.5)
    sizes = (5, 3, 1)
    mask = torch.tensor([[i < size for i in range(5)] for size in sizes])
    clauses = torch.randn(3, 5, SIZE).double() * mask[..., None]
    pairs = PairSet.build(mask, window)
    found = heads(clauses, mask, pairs)
    grid = pairs.grid(found.pair)
    for row, size in enumerate(sizes):
        emotion, cause, logits = of_document(heads, clauses[row, :size], window)
        torch.testing.assert_close(found.emotion[row, :size], emotion, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.cause[row, :size], cause, rtol=1e-9, atol=1e-9)
        for (i, j), value in logits.items():
            torch.testing.assert_close(grid[row, i, j], value, rtol=1e-9, atol=1e-9)


def test_all_losses_weigh_the_same_and_pairs_outside_of_the_window_are_left_out() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:6])
    method = built(documents, pairs=PairSettings(window=1))
    method.eval()
    batch = method.collator(True)(documents)
    logits, losses = method(batch), method.losses(batch)
    assert set(losses) == {"pair", "emotion", "cause"}
    terms = []
    for row, document in enumerate(documents):
        for i in range(len(document)):
            for j in range(len(document)):
                if abs(i - j) <= 1:
                    gold = (i, j) in (document.pairs or ())
                    x = logits.pairs.grid(logits.pair)[row, i, j].double()
                    terms.append(-nn.functional.logsigmoid(x if gold else -x))
    assert losses["pair"].item() == pytest.approx(torch.stack(terms).mean().item(), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        ({"clause_edges": False}, {"emotion-emotion", "cause-cause"}),
        ({"pair_edges": False}, {"emotion-pair", "cause-pair"}),
        ({"document_edges": False}, {"document"}),
    ],
)
@pytest.mark.parametrize("layers", [1, 2])
def test_edges_can_be_left_out_and_every_parameter_learns(
    options: dict[str, bool], gone: set[str], layers: int
) -> None:
    documents = list(load_corpus("bundled-ecpe").train[:6])
    method = built(documents, layers=layers, **options)
    full = {"emotion-emotion", "cause-cause", "emotion-pair", "cause-pair", "document"}
    for layer in heads_of(method).graph.layers:
        assert isinstance(layer, RelationalMean)
        assert set(layer.relations) == full - gone
    torch.stack(list(method.losses(method.collator(True)(documents)).values())).sum().backward()
    assert all(parameter.grad is not None for parameter in method.heads.parameters())


def test_without_layers_pairs_and_clauses_are_what_the_encoder_gives() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:6])
    method = built(documents, layers=0)
    method.eval()
    batch = method.collator(False)(documents)
    encoded = method.encoder(batch)
    expected = heads_of(method).emotion(encoded.clauses)[..., 0]
    torch.testing.assert_close(method(batch).emotion, expected)
    with pytest.raises(ZooError, match=r"--model\.layers"):
        built(documents, layers=-1)


def test_distances_count_only_with_position() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:6])
    for pairs, radius in ((PairSettings(3), 3), (PairSettings(5), 5), (PairSettings(), 3)):
        position = heads_of(built(documents, pairs=pairs)).graph.position
        assert position is not None
        assert position.radius == radius
    assert heads_of(built(documents, pairs=PairSettings(3, position=False))).graph.position is None
