"""PairGCN's convolution and heads against transcriptions of their formulas, and its switches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.pair_set import PairSet
from ecpe_zoo.layers.two_branch import TwoBranch
from ecpe_zoo.methods.pairgcn import Heads, PairGCN
from ecpe_zoo.options import EncoderSettings, PairSettings

SMALL = EncoderSettings("embedded", 16, heads=2, dropout=0.0)
SIZE, HIDDEN = 6, 4


def built(documents: list[Document], **options: Any) -> PairGCN:
    torch.manual_seed(0)
    method = PairGCN(options.pop("encoder", SMALL), hidden=8, **options)
    method.build_from(documents)
    return method


def heads_of(method: PairGCN) -> Heads:
    assert isinstance(method.heads, Heads)
    return method.heads


def of_document(heads: Heads, e: Tensor, c: Tensor, window: int) -> dict[tuple[int, int], Tensor]:
    """Pair logits of one document from states (N, 2 H), with the adjacency of the card."""
    where = [(i, j) for i in range(len(e)) for j in range(len(e)) if abs(i - j) <= window]
    nodes = {(i, j): torch.cat([e[i], c[j]]) for i, j in where}

    def connected(one: tuple[int, int], other: tuple[int, int], distance: int) -> bool:
        near = all(abs(i - j) <= 2 for i, j in (one, other))
        return one[0] == other[0] and abs(one[1] - other[1]) == distance and near

    layers: list[nn.Linear] = [] if heads.first is None else [heads.first]
    layers += [layer for layer in heads.further if isinstance(layer, nn.Linear)]
    for number, layer in enumerate(layers):
        w0, w1, w2 = layer.weight.chunk(3)
        updated = {}
        for pair in where:
            one, two = ([q for q in where if connected(pair, q, distance)] for distance in (1, 2))
            total = w0 @ nodes[pair] + sum(w1 @ nodes[q] for q in one) + sum(w2 @ nodes[q] for q in two)
            if number < len(layers) - 1 or heads.normalise_last:
                total = total / (1 + len(one) + len(two))
            updated[pair] = torch.relu(total)
        nodes = updated
    logits = {}
    for i, j in where:
        parts = [nodes[i, j]]
        if heads.position is not None:
            index = max(-2, min(2, j - i)) + 2 if heads.signed else min(abs(i - j), 2)
            parts.append(heads.position.weight[index])
        logits[i, j] = heads.pair_head(torch.cat(parts))[0]
    return logits


@pytest.mark.parametrize("window", [None, 1, 3])
@pytest.mark.parametrize(
    ("layers", "normalise_last", "signed"),
    [
        (0, True, False),
        (1, True, None),
        (1, False, False),
        (2, True, True),
        (2, False, False),
        (3, True, False),
    ],
)
def test_heads_equal_their_formulas(
    window: int | None, layers: int, normalise_last: bool, signed: bool | None
) -> None:
    torch.manual_seed(0)
    branches = TwoBranch(SIZE, HIDDEN, "states", heads=False)
    heads = Heads(branches, HIDDEN, layers, normalise_last, signed, 0.5).double().eval()
    for parameter in heads.parameters():
        nn.init.normal_(parameter, std=0.5)
    sizes = (6, 3, 1)
    mask = torch.tensor([[i < size for i in range(6)] for size in sizes])
    clauses = torch.randn(3, 6, SIZE).double() * mask[..., None]
    pairs = PairSet.build(mask, window)
    grid = pairs.grid(heads(clauses, mask, pairs).pair)
    states = branches(clauses, clauses, mask)
    for row, size in enumerate(sizes):
        expected = of_document(
            heads, states.emotions[row, :size], states.causes[row, :size], size if window is None else window
        )
        for (i, j), value in expected.items():
            torch.testing.assert_close(grid[row, i, j], value, rtol=1e-9, atol=1e-9)


def test_only_pairs_are_trained_and_clauses_are_derived_from_them() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:4])
    method = built(documents)
    batch = method.collator(True)(documents)
    assert set(method.losses(batch)) == {"pair"}
    assert set(method.decode(batch)[0].scores) == {"pair"}


def test_a_frozen_encoder_keeps_its_values() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:4])
    frozen = EncoderSettings("embedded", 16, heads=2, freeze=True)
    method = built(documents, encoder=frozen, reading={"read": "clause", "pool": "mean"})
    torch.stack(list(method.losses(method.collator(True)(documents)).values())).sum().backward()
    assert all(p.grad is None for p in method.encoder.encoder.parameters())
    assert all(p.grad is not None for p in method.heads.parameters())
    assert any(p.requires_grad for p in built(documents).encoder.parameters())


def test_switches_leave_out_what_they_say() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:4])
    assert heads_of(built(documents, link="none")).branches.link == "none"
    assert heads_of(built(documents, pairs=PairSettings(position=False))).position is None
    assert heads_of(built(documents, layers=0)).first is None
    with pytest.raises(ZooError, match=r"--model\.layers"):
        built(documents, layers=-1)
