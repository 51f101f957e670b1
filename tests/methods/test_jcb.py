"""JCB's heads and constraints against transcriptions of their formulas, and its switches."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.pair_set import PairSet
from ecpe_zoo.layers.relational_mean import PairGraph
from ecpe_zoo.layers.segment_encoder import Encoded
from ecpe_zoo.methods.jcb import JCB, Guidance, Heads, asymmetry, contrastive, other_pairs
from ecpe_zoo.options import EncoderSettings

SMALL = EncoderSettings("embedded", 16, heads=2, dropout=0.0)
SIZE = 6
MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True] + [False] * 4])
GOLD = {(0, 1, 0), (0, 1, 1), (0, 3, 4), (1, 2, 1), (2, 0, 0)}
"""Document, emotion and cause: one emotion with two causes, one pair that is its own mirror, a document of one pair."""


def candidates(window: int | None = 3) -> tuple[PairSet, Tensor, list[tuple[int, int, int]]]:
    """Candidates, their targets, and their places."""
    pairs = PairSet.build(MASK, window)
    places = list(zip(pairs.document.tolist(), pairs.emotion.tolist(), pairs.cause.tolist(), strict=True))
    return pairs, torch.tensor([float(place in GOLD) for place in places]), places


def built(documents: list[Document], **options: Any) -> JCB:
    torch.manual_seed(0)
    method = JCB(SMALL, **options)
    method.build_from(documents)
    return method


@pytest.mark.parametrize("alignment", [True, False])
@pytest.mark.parametrize("guidance", ["hard", "soft", "none"])
def test_heads_equal_their_formulas(alignment: bool, guidance: Guidance) -> None:
    torch.manual_seed(0)
    graph = PairGraph(SIZE, 1, None, bias=True)
    heads = Heads(graph, SIZE, alignment, guidance).double()
    for parameter in heads.parameters():
        nn.init.normal_(parameter, std=0.5)
    clauses = torch.randn(3, 5, SIZE).double() * MASK[..., None]
    document = torch.randn(3, SIZE).double()
    pairs, _, places = candidates()
    nodes = graph(clauses, document, MASK, pairs)
    found = heads(Encoded(clauses, document), MASK, pairs)
    assert found.vectors is not None
    torch.testing.assert_close(found.vectors, nodes.pair)
    y: dict[tuple[int, int], Tensor] = {}
    for b, size in enumerate(MASK.sum(1).tolist()):
        e, c = nodes.emotion[b, :size], nodes.cause[b, :size]
        for i in range(size):
            e_i, c_i = e[i], c[i]
            if heads.of_causes is not None and heads.of_emotions is not None:
                weights = torch.softmax(torch.stack([e[i] @ c[j] for j in range(size)]), 0)
                u = sum((weights[j] * c[j] for j in range(size)), torch.zeros(SIZE).double())
                e_i = e[i] + torch.relu(heads.of_causes.weight @ u + heads.of_causes.bias)
                weights = torch.softmax(torch.stack([c[i] @ e[j] for j in range(size)]), 0)
                u = sum((weights[j] * e[j] for j in range(size)), torch.zeros(SIZE).double())
                c_i = c[i] + torch.relu(heads.of_emotions.weight @ u + heads.of_emotions.bias)
            y[b, i] = heads.emotion.weight[0] @ e_i + heads.emotion.bias[0]
            torch.testing.assert_close(found.emotion[b, i], y[b, i], rtol=1e-9, atol=1e-9)
            cause = heads.cause.weight[0] @ c_i + heads.cause.bias[0]
            torch.testing.assert_close(found.cause[b, i], cause, rtol=1e-9, atol=1e-9)
    for p, (b, i, _) in enumerate(places):
        hidden = nodes.pair[p]
        if heads.labels is not None:
            table, share = heads.labels.weight, torch.sigmoid(y[b, i])
            hard = table[1] if share > 0.5 else table[0]
            hidden = hidden + (hard if guidance == "hard" else (1 - share) * table[0] + share * table[1])
        logit = heads.pair_head.weight[0] @ torch.relu(hidden) + heads.pair_head.bias[0]
        torch.testing.assert_close(found.pair[p], logit, rtol=1e-9, atol=1e-9)


def test_asymmetry_equals_its_formulas() -> None:
    torch.manual_seed(0)
    pairs, targets, places = candidates()
    logits = 4 * torch.randn(len(places))
    y = {place: 1 / (1 + math.exp(-x)) for place, x in zip(places, logits.tolist(), strict=True)}
    y[0, 4, 3] = 1 / (1 + math.exp(20))  # below the least probability
    logits[places.index((0, 4, 3))] = -20.0
    bounded, paper = [], []
    for b, i, j in sorted(GOLD):
        if i != j:
            bounded.append(-math.log(1 - y[b, j, i]))
            paper.append(math.log(max(y[b, j, i], 1e-4)) - math.log(max(y[b, i, j], 1e-4)))
    assert asymmetry(logits, targets, pairs, "bounded").item() == pytest.approx(sum(bounded) / 3, rel=1e-5)
    assert asymmetry(logits, targets, pairs, "paper").item() == pytest.approx(sum(paper) / 3, rel=1e-5)


def test_asymmetry_leaves_pairs_alone_whose_mirror_image_is_gold() -> None:
    pairs, targets, places = candidates()
    targets.zero_()
    targets[[places.index((0, 1, 2)), places.index((0, 2, 1)), places.index((0, 0, 0))]] = 1
    for form in ("bounded", "paper"):
        assert asymmetry(torch.randn(len(places)), targets, pairs, form).item() == 0


def test_other_pairs_are_wrong_ones_or_those_of_another_emotion() -> None:
    torch.manual_seed(0)
    pairs, targets, places = candidates()
    seen: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {place: [] for place in sorted(GOLD)}
    for _ in range(2000):
        other, there, alike = other_pairs(targets, pairs)
        for row, place in enumerate(sorted(GOLD)):
            same = {places[p] for p in alike[row].nonzero()[:, 0].tolist()}
            assert same == {p for p in GOLD if p[:2] == place[:2]}
            if there[row]:
                seen[place].append(places[int(other[row])])
    assert not seen[2, 0, 0]  # the only candidate of its document
    for (b, i, j), found in seen.items():
        wrong = {place for place in places if place[0] == b and place not in GOLD}
        foreign = {place for place in GOLD if place[0] == b and place[1] != i}
        assert set(found) == (wrong | foreign if b < 2 else set()), (b, i, j)
        if foreign:
            assert sum(place in foreign for place in found) / len(found) == pytest.approx(0.5, abs=0.05)
        for place in wrong:  # each as often as the others
            share = 1 / len(wrong) / (2 if foreign else 1)
            assert found.count(place) / len(found) == pytest.approx(share, abs=0.04)


def test_other_pairs_are_gold_if_nothing_else_is_there_and_follow_the_seed() -> None:
    pairs, targets, _ = candidates()
    targets.fill_(1)
    torch.manual_seed(3)
    first = other_pairs(targets, pairs)
    torch.manual_seed(3)
    again = other_pairs(targets, pairs)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    other, there, _ = first
    assert there.tolist() == (pairs.document < 2).tolist()
    differs = pairs.emotion != pairs.emotion[other]
    assert differs[there].all()


@pytest.mark.parametrize("margin", [0.0, 1.0, 3.0])
def test_the_contrastive_loss_equals_its_formula(margin: float) -> None:
    torch.manual_seed(0)
    pairs, targets, places = candidates()
    vectors = torch.randn(len(places), SIZE).double()
    p = {
        place: (row - row.mean()) / torch.sqrt(row.var(correction=0) + 1e-5)
        for place, row in zip(places, vectors, strict=True)
    }
    torch.manual_seed(5)
    other, there, _ = other_pairs(targets, pairs)
    terms = []
    for row, (b, i, j) in enumerate(sorted(GOLD)):
        if not there[row]:
            continue
        alike = [p[place] for place in GOLD if place[:2] == (b, i)]
        centre = sum(alike[1:], alike[0]) / len(alike)
        x = p[places[int(other[row])]]
        near = ((p[b, i, j] - centre) ** 2).mean().sqrt()
        far = ((p[b, i, j] - x) ** 2).mean().sqrt()
        terms.append(max(0.0, float(near - far) + margin))
    torch.manual_seed(5)
    found = contrastive(vectors, targets, pairs, margin)
    assert found.item() == pytest.approx(sum(terms) / len(terms), rel=1e-6, abs=1e-6)


def test_constraints_have_finite_gradients_at_their_edges() -> None:
    pairs, targets, places = candidates()
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        alike = torch.ones(len(places), SIZE, dtype=dtype, requires_grad=True)  # every distance is 0
        logits = torch.full((len(places),), 200.0, dtype=dtype, requires_grad=True)
        for gold in (targets, torch.zeros_like(targets)):
            total = contrastive(alike, gold, pairs, 1.0)
            total = (
                total + asymmetry(logits, gold, pairs, "bounded") + asymmetry(logits, gold, pairs, "paper")
            )
            assert total.dtype == torch.float32
            assert total.isfinite()
            for gradient in torch.autograd.grad(total, [alike, logits]):
                assert gradient.isfinite().all()
    assert contrastive(torch.randn(len(places), SIZE), torch.zeros_like(targets), pairs, 1.0).item() == 0


def test_weights_of_the_losses_and_what_0_leaves_out() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:6])

    def losses(**options: Any) -> dict[str, float]:
        method = built(documents, dropout=0.0, **options)
        torch.manual_seed(1)
        return {name: value.item() for name, value in method.losses(method.collator(True)(documents)).items()}

    plain = losses()
    assert set(plain) == {"pair", "emotion", "cause", "asymmetry", "contrastive"}
    for name, weight in (("asymmetry", 0.15), ("contrastive", 0.5)):
        assert losses(**{name: 1.0})[name] == pytest.approx(plain[name] / weight, rel=1e-5)
        assert set(plain) - set(losses(**{name: 0.0})) == {name}
    assert losses(asymmetry_form="paper")["asymmetry"] != plain["asymmetry"]
    assert losses(margin=2.0)["contrastive"] > plain["contrastive"]
    with pytest.raises(ZooError, match=r"--model\.asymmetry to be at least 0, but got -1"):
        built(documents, asymmetry=-1)


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 2},
        {"layers": 3, "joint_mean": True},
        {"activation": False},
        {"alignment": False},
        {"guidance": "none"},
        {"guidance": "soft"},
        {"layers": 0},
    ],
)
def test_every_parameter_learns_whatever_is_left_out(options: dict[str, Any]) -> None:
    documents = list(load_corpus("bundled-ecpe").train[:6])
    method = built(documents, **options)
    plain = built(documents)
    assert {n for n, _ in method.named_parameters()} != {n for n, _ in plain.named_parameters()} or (
        {"activation", "guidance"} & options.keys()
    )
    torch.stack(list(method.losses(method.collator(True)(documents)).values())).sum().backward()
    assert all(parameter.grad is not None for parameter in method.heads.parameters())


def test_a_batch_without_gold_pairs_or_of_one_clause_trains() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:4])
    method = built(documents)
    lone = Document("lone", documents[0].segments[:1], frozenset({(0, 0)}))
    for batch in ([replace(document, pairs=frozenset()) for document in documents], [lone]):
        method.zero_grad()
        losses = method.losses(method.collator(True)(batch))
        assert losses["asymmetry"].item() == losses["contrastive"].item() == 0
        torch.stack(list(losses.values())).sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in method.heads.parameters())
