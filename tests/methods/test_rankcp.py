"""RANKCP's layers and losses against transcriptions of their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.layers.clause_encoders import GatedAttention
from ecpe_zoo.layers.losses import masked_bce
from ecpe_zoo.methods.rankcp import RANKCP, margin_ranking
from ecpe_zoo.options import EncoderSettings, PairSettings

SMALL = EncoderSettings("embedded", 16, heads=2, dropout=0.0)


def attention(layer: GatedAttention, x: Tensor) -> Tensor:
    """One document (N, H) by the card's formulas, without dropout."""
    heads = []
    for k in range(layer.heads):
        h = x @ layer.weight[k]
        rows = []
        for i in range(len(x)):
            scores = [
                nn.functional.leaky_relu(
                    layer.of_node[k, :, 0] @ torch.tanh(h[i])
                    + layer.of_neighbour[k, :, 0] @ torch.tanh(h[j]),
                    0.2,
                )
                for j in range(len(x))
            ]
            weights = torch.softmax(torch.stack(scores), dim=0)
            rows.append(sum((weights[j] * h[j] for j in range(len(x))), layer.bias))
        heads.append(torch.stack(rows))
    o = nn.functional.elu(torch.cat(heads, dim=1))
    g = torch.sigmoid(x @ layer.gate.weight.T + layer.gate.bias)
    return g * o + (1 - g) * x


def test_graph_attention_equals_its_formula() -> None:
    torch.manual_seed(0)
    layer = GatedAttention(8, 2, 0.0).double()
    nn.init.normal_(layer.bias)
    nodes = torch.randn(2, 5, 8).double()
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    found = layer(nodes, mask)
    for row, size in enumerate((5, 3)):
        # the softmax is computed in fp32
        torch.testing.assert_close(
            found[row, :size], attention(layer, nodes[row, :size]), rtol=1e-5, atol=1e-6
        )


def test_cross_entropy_equals_its_formula() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(4, 6), (torch.rand(4, 6) > 0.7).float()
    mask = torch.rand(4, 6) > 0.3
    terms = [
        -math.log(p if gold else 1 - p)
        for p, gold, real in zip(
            torch.sigmoid(logits.double()).flatten().tolist(),
            targets.flatten().tolist(),
            mask.flatten().tolist(),
            strict=True,
        )
        if real
    ]
    assert float(masked_bce(logits, targets, mask)) == pytest.approx(sum(terms) / len(terms), rel=1e-6)
    assert float(masked_bce(torch.zeros(0), torch.zeros(0))) == 0
    steep = torch.tensor([-200.0], requires_grad=True)
    masked_bce(steep, torch.ones(1)).backward()
    assert steep.grad is not None
    assert float(steep.grad) == pytest.approx(-1)


def test_the_ranking_loss_compares_pairs_of_one_document() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.5, -0.2])
    targets, documents = torch.tensor([1, 0, 0, 1, 0]), torch.tensor([0, 0, 0, 1, 1])
    tanh = [math.tanh(value) for value in logits.tolist()]
    terms = [max(0, 1 - tanh[g] + tanh[o]) for g, o in ((0, 1), (0, 2), (3, 4))]
    assert float(margin_ranking(logits, targets, documents)) == pytest.approx(sum(terms) / 3, rel=1e-6)
    assert float(margin_ranking(logits, torch.zeros(5), documents)) == 0


def test_the_prior_is_the_share_of_gold_pairs_among_the_candidates() -> None:
    train = load_corpus("bundled-ecpe").train[:30]
    for window in (None, 2):
        method = RANKCP(SMALL, pairs=PairSettings(window=window))
        method.build_from(train)
        method.start(train)
        candidates = gold = 0
        for document in train:
            n = len(document)
            for i in range(n):
                for j in range(n):
                    if window is None or abs(i - j) <= window:
                        candidates += 1
                        gold += (i, j) in (document.pairs or ())
        bias = method.state_dict()["heads.pair_head.bias"]
        assert float(torch.sigmoid(bias)) == pytest.approx(gold / candidates, rel=1e-5)


def test_gold_pairs_outside_of_the_window_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    train = load_corpus("bundled-ecpe").train[:30]
    pairs = [pair for document in train for pair in document.pairs or ()]
    far = sum(abs(e - c) > 1 for e, c in pairs)
    assert far
    method = RANKCP(SMALL, pairs=PairSettings(window=1, prior=False))
    method.build_from(train)
    with caplog.at_level("INFO"):
        method.start(train)
    assert f"leaves out {far} of {len(pairs)} gold pairs" in caplog.text


def test_the_released_decoding_predicts_one_to_three_pairs() -> None:
    documents = list(load_corpus("bundled-ecpe").test[:8])
    method = RANKCP(SMALL, pairs=PairSettings(window=12, top=3, force_first=True))
    method.build_from(documents)
    method.eval()
    for prediction in method.decode(method.collator(False)(documents)):
        pairs = prediction.scores["pair"]
        assert 1 <= (pairs > 0).sum() <= 3
        assert (pairs > 0.99).sum() >= 1


def test_pairs_outside_of_the_window_score_nothing() -> None:
    documents = list(load_corpus("bundled-ecpe").test[:8])
    method = RANKCP(SMALL, pairs=PairSettings(window=1))
    method.build_from(documents)
    method.eval()
    for prediction in method.decode(method.collator(False)(documents)):
        size = len(prediction.scores["pair"])
        far = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) > 1
        assert not prediction.scores["pair"][far].any()
        assert (prediction.scores["pair"][~far] > 0).all()


def test_clauses_that_are_not_read_score_nothing() -> None:
    documents = list(load_corpus("bundled-ecpe").test[:3])
    method = RANKCP(SMALL)
    method.build_from(documents)
    method.documents.max_tokens = 9  # room for three clauses of one token
    method.eval()
    for document, prediction in zip(documents, method.decode(method.collator(False)(documents)), strict=True):
        assert prediction.scores["pair"].shape == (len(document), len(document))
        assert not prediction.scores["pair"][3:].any()
        assert not prediction.scores["emotion"][3:].any()
        assert prediction.truncated == len(document)


def test_heads_without_a_pair_head_are_told_so() -> None:
    documents = load_corpus("bundled-ecpe").train[:3]
    method = RANKCP(EncoderSettings("embedded", 32))
    method.vocabulary = method.make_vocabulary(documents)
    method.build(from_checkpoint=False)
    del method.heads.pair_head
    with pytest.raises(TypeError, match="heads of RANKCP to have `pair_head`"):
        method.start(documents)


def test_a_score_of_another_form_says_where_its_bias_is() -> None:
    class Bilinear(RANKCP):
        def pair_bias(self) -> torch.Tensor:
            return self.heads.get_parameter("own_bias")

    documents = load_corpus("bundled-ecpe").train[:3]
    method = Bilinear(EncoderSettings("embedded", 32))
    method.vocabulary = method.make_vocabulary(documents)
    method.build(from_checkpoint=False)
    del method.heads.pair_head
    method.heads.own_bias = torch.nn.Parameter(torch.zeros(1))
    method.start(documents)
    assert method.pair_bias() < 0
