"""MM-R and CD-MRC: networks and losses against transcriptions in double precision; what readers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.corpora.document import document_from_texts
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.multi_turn import CE, CSEE, EE, ESCE
from ecpe_zoo.layers.pooling import LinearPool
from ecpe_zoo.methods.cd_mrc import CDMRC
from ecpe_zoo.methods.mgcl import MGCL
from ecpe_zoo.methods.mm_r import MMR
from ecpe_zoo.methods.readers import ReaderMethod
from ecpe_zoo.options import nested
from ecpe_zoo.text.queries import Query, QueryCollator, negative_queries
from tests.methods.test_rankcp import attention

DOCUMENTS = [
    document_from_texts("a", ["天 下雨 了", "路 很 湿", "我 很 难过", "他 走 了"], pairs=[(2, 0), (2, 1)]),
    document_from_texts(
        "b", ["the dog ran away", "Anna was sad", "rain fell"], pairs=[(1, 0)], language="en"
    ),
    document_from_texts("c", ["他 笑 ， 因为 赢 了", "我 哭 了"], pairs=[(0, 0), (1, 0)]),
    document_from_texts("d", ["没有 情绪"], pairs=[]),
]


def make(kind: Callable[..., ReaderMethod], **options: Any) -> Any:
    torch.manual_seed(0)
    given = {"encoder": "embedded", "encoder_size": 16, "encoder_heads": 2, "encoder_dropout": 0.0, **options}
    method = kind(**nested(given))
    method.build_from(DOCUMENTS)
    return method


def pooled(hidden: Tensor, layer: LinearPool) -> Tensor:
    weights = (hidden @ layer.score.weight[0].double()).exp()
    return (weights[:, None] * hidden).sum(dim=0) / weights.sum()


def hidden_of(method: Any, rows: Any, row: int) -> tuple[Tensor, Tensor]:
    length = rows.lengths[row]
    mask = torch.ones(1, length, dtype=torch.bool)
    tokens, types = rows.tokens[row : row + 1, :length], rows.types[row : row + 1, :length]
    return method.reader.encoder(tokens, mask, types)[0].double(), rows.clause_of[row, :length]


@torch.no_grad()
def test_the_network_and_the_losses_of_mm_r() -> None:
    """Two poolings, attention between clauses alone, one head; the mean of each kind, then the sum."""
    method = make(MMR).eval()
    batch = method.collator(True)(DOCUMENTS)
    rows = batch.rows
    logits = method.read(rows, rows.tokens)
    reader = method.reader
    layer, head = reader.clause_encoder.double(), reader.head.weight[0].double()
    terms: dict[int, list[float]] = {EE: [], ESCE: [], CSEE: []}
    for row, query in enumerate(rows.queries):
        hidden, own = hidden_of(method, rows, row)
        question = pooled(hidden[own == 0], reader.pool_question)
        clauses = [pooled(hidden[own == i + 1], reader.pool_clause) for i in range(rows.sizes[row])]
        nodes = attention(layer, torch.stack(clauses))
        for i, node in enumerate(nodes):
            logit = torch.cat([question, node]) @ head + reader.head.bias[0].double()
            assert float(logits[row, i]) == pytest.approx(float(logit), abs=1e-5)
            p = torch.sigmoid(logit)
            terms[query.kind].append(float(-(p if rows.labels[row, i] else 1 - p).log()))
    reader.clause_encoder.float()
    expected = {kind: sum(values) / len(values) for kind, values in terms.items()}
    losses = {name: float(value) for name, value in method.losses(batch).items()}
    assert losses == pytest.approx(
        {"ee": expected[EE], "esce": expected[ESCE], "csee": expected[CSEE]}, abs=1e-5
    )


@torch.no_grad()
def test_the_network_and_the_loss_of_cd_mrc() -> None:
    """One pooling, an LSTM over the question and the clauses of each row alone; one mean over all clauses."""
    method = make(CDMRC, hidden=6, negatives=0.0).eval()
    batch = method.collator(True)(DOCUMENTS)
    rows = batch.rows
    logits = method.read(rows, rows.tokens)
    reader = method.reader
    lstm = nn.LSTM(12, 6, bidirectional=True).double()
    for suffix, part in (("", reader.context.onward[0]), ("_reverse", reader.context.backward_[0])):
        for name, value in part.named_parameters():
            getattr(lstm, name + suffix).data = value.double()
    narrow, head = reader.narrow.weight.double(), reader.head.weight.double()
    terms = []
    for row in range(len(rows.queries)):
        hidden, own = hidden_of(method, rows, row)
        nodes = [pooled(hidden[own == i], reader.pool) for i in range(rows.sizes[row] + 1)]
        states = lstm(torch.stack(nodes) @ narrow.T + reader.narrow.bias.double())[0]
        for i in range(rows.sizes[row]):
            logit = head @ torch.cat([states[0], states[i + 1]]) + reader.head.bias.double()
            torch.testing.assert_close(logits[row, i].double(), logit, atol=1e-5, rtol=0)
            terms.append(float(-torch.log_softmax(logit, 0)[rows.labels[row, i]]))
    assert float(method.losses(batch)["answers"]) == pytest.approx(sum(terms) / len(terms), abs=1e-5)


def test_questions_are_data_of_the_method() -> None:
    kinds = {
        kind: {query.kind for query in make(kind, negatives=1).collator(True)(DOCUMENTS).rows.queries}
        for kind in (MMR, CDMRC, MGCL)
    }
    assert kinds == {MMR: {EE, ESCE, CSEE}, CDMRC: {EE, CE, ESCE, CSEE}, MGCL: {EE, CE, ESCE, CSEE}}
    assert [q.kind for q in make(MMR).collator(False)(DOCUMENTS).rows.queries] == [EE] * 4
    assert "cause" not in make(MMR).eval().decode(make(MMR).collator(False)(DOCUMENTS))[0].scores


def test_a_share_of_negatives_is_drawn_for_each_batch() -> None:
    """With probability .1 one ESCE and one CSEE question; gold clauses are not among them."""
    method = make(CDMRC)
    collate: QueryCollator = method.collator(True)
    gold = len(make(CDMRC, negatives=0.0).collator(True)(DOCUMENTS[:1]).rows.queries)
    batches = [[replace(DOCUMENTS[0], id=str(number))] for number in range(600)]
    queries = [collate(batch).rows.queries for batch in batches]
    assert queries == [collate(batch).rows.queries for batch in batches]  # a resumed run asks the same
    counts = [len(some) - gold for some in queries]
    assert set(counts) == {0, 1, 2}
    assert np.mean(counts) == pytest.approx(0.2, abs=0.06)  # 600 x 2 draws: 3.5 standard deviations
    torch.manual_seed(0)
    drawn = [q for _ in range(200) for q in negative_queries(0, DOCUMENTS[0], 4, 1.5)]
    assert {q.asked for q in drawn if q.kind == ESCE} == {0, 1, 3}
    assert {q.asked for q in drawn if q.kind == CSEE} == {2, 3}
    assert len(drawn) / 400 == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize(
    "method", [make(MMR, ask_above=0.0), make(CDMRC, ask_above=0.0, token_slots=64)], ids=["mm_r", "cd_mrc"]
)
@torch.no_grad()
def test_asking_together_equals_asking_one_by_one(method: Any) -> None:
    method.eval()
    method.adopt_above = 0.0  # every question is asked
    documents = [document.without_gold() for document in DOCUMENTS]
    together = method.decode(method.collator(False)(documents))
    for document, prediction in zip(documents, together, strict=True):
        read = method.builder.tokenise(document)

        def ask(queries: Sequence[Query], read: Any = read) -> dict[Query, Tensor]:
            answers = {}
            for query in queries:
                rows = method.builder.rows([read], [query])
                answers[query] = method.probabilities(method.read(rows, rows.tokens))[0]
            return answers

        kinds = [kind for kind in (EE, CE) if kind == EE or isinstance(method, CDMRC)]
        (alone,) = method.pairs(ask([Query(0, kind) for kind in kinds]), ask)
        assert set(alone) == set(prediction.scores)
        for name, scores in alone.items():
            np.testing.assert_allclose(prediction.scores[name], scores, atol=1e-5)


@pytest.mark.parametrize("kind", [MMR, CDMRC, MGCL])
def test_groups_of_rows_change_no_gradient(kind: Any) -> None:
    """How rows are grouped depends on costs alone: it must not show in the training, dropout masks aside."""

    def gradients(slots: int) -> dict[str, Tensor]:
        method = make(kind).eval()
        method.chunked.slots = slots
        batch = method.collator(True)(DOCUMENTS)
        torch.stack(list(method.losses(batch).values())).sum().backward()
        return {name: p.grad for name, p in method.named_parameters() if p.grad is not None}

    alone, together = gradients(1), gradients(100_000)
    assert alone.keys() == together.keys()
    for name, gradient in alone.items():
        torch.testing.assert_close(gradient, together[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("kind", [MMR, MGCL])
def test_the_released_rule_decides_by_the_clauses_that_were_asked_about(kind: Any) -> None:
    """An emotion that is asked about changes other pairs: nothing is tuned, and what CSEE brings stays.

    Tuning left out the pairs of every clause with a low P(e), also those that CSEE had added.
    """
    method = make(kind, rethink="mm-r").eval()
    assert method.ask_from == method.ask_above == 0.5
    (prediction,) = method.decode(method.collator(False)(DOCUMENTS[:1]))
    pair = np.zeros((4, 4), np.float32)
    pair[2, 0], pair[1, 0] = 0.9, 0.8  # (1, 0) was brought by CSEE
    emotion = np.array([0.1, 0.2, 0.9, 0.1], np.float32)
    prediction = prediction._replace(scores={**prediction.scores, "pair": pair, "emotion": emotion})
    tuned = method.tune([prediction], {"a": DOCUMENTS[0]})
    (decided,) = method.decided([prediction], tuned)
    np.testing.assert_array_equal(decided.scores["pair"], pair)
    assert make(kind, rethink="none").ask_from == 0.1


def test_default_thresholds_of_cd_mrc() -> None:
    assert make(CDMRC).threshold == 0.7
    assert make(CDMRC, combine="union").threshold == 0.5
    assert make(CDMRC, threshold=0.6).threshold == 0.6


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (CDMRC, {"combine": "both"}, r"--model\.combine to be one of: set, forward"),
        (CDMRC, {"ask_above": 1.5}, r"--model\.ask_above from 0 to 1, but got 1\.5"),
        (CDMRC, {"negatives": -0.1}, r"--model\.negatives to be at least 0, but got -0\.1"),
        (MMR, {"position_factor": 2.0}, r"--model\.position_factor from 0 to 1, but got 2\.0"),
        (MMR, {"window": -1}, r"--model\.window to be at least 0, but got -1"),
        (MMR, {"clause_encoder": "gcn"}, r"--model\.question_node true with near edges of gcn"),
    ],
)
def test_options_without_a_meaning_are_refused(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ZooError, match=message):
        make(kind, **options)
