"""Gradients times input of tokens: against finite differences, and unmoved by padding and batch-mates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.cd_mrc import CDMRC
from ecpe_zoo.methods.e2eecpe import E2EECPE
from ecpe_zoo.methods.ecpe_2d import ECPE2D
from ecpe_zoo.methods.emo_pillars import EmoPillars
from ecpe_zoo.methods.eqn import EQN
from ecpe_zoo.methods.pbje import PBJE
from ecpe_zoo.methods.rankcp import RANKCP
from ecpe_zoo.methods.readers import TurnsMethod
from ecpe_zoo.methods.traces import gradient_times_input
from ecpe_zoo.options import EncoderSettings
from ecpe_zoo.text import conversations, prompts
from ecpe_zoo.text.clause_batch import UNKNOWN
from ecpe_zoo.text.token_encoder import TokenEncoder
from tests.annotation.making import built, some_documents
from tests.methods.contract import CONTRACT, VARIANTS, WITHOUT_LEARNING, Options, line

SMALL: Options = {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2}
FURTHER: dict[str, Callable[[], Method]] = {
    "ecpe_2d-detached": line(ECPE2D, SMALL, {"hidden": 16, "detach_link": True, "detach_states": True})[0],
    "emo_pillars-context": line(EmoPillars, SMALL, {"regime": "context-aware", "max_tokens": 20})[0],
    "eqn-lstm": line(EQN, {"network": "lstm", "vector_size": 16, "hidden": 16}, {})[0],
    "pbje-forced": line(PBJE, SMALL, {"pairs": {"top": 1, "force_first": True}})[0],
    "rankcp-frozen": line(
        RANKCP, {"encoder": {"name": "embedded", "size": 32, "heads": 2, "freeze": True}}, {}
    )[0],
    "rankcp-clause": line(RANKCP, SMALL, {"reading": {"read": "clause", "pool": "attention"}})[0],
}
"""Methods whose tokens go other ways than in those of the contract."""

MAKERS = {id: make for id, (make, _) in (CONTRACT | VARIANTS).items() if id not in WITHOUT_LEARNING} | FURTHER
STEP = 1e-5


@cache
def made(id: str) -> Method:
    """A method with random weights in fp64 that asks about every clause, if it asks."""
    torch.manual_seed(0)
    method = MAKERS[id]()
    method.build_from(some_documents(task_of(method, id)))
    if isinstance(method, TurnsMethod | CDMRC):
        method.ask_above = 0.0
    if isinstance(method, TurnsMethod):
        method.adopt_above = 0.0
    made: Method = method.double().eval()
    return made


def task_of(method: Method, id: str) -> str:
    return "erc" if id == "emo_pillars-context" else method.task.id


def documents_of(method: Method, id: str) -> list[Document]:
    """Two documents of three segments, the second one in another language or shorter."""
    documents = some_documents(task_of(method, id))
    return [replace(d.without_gold(), segments=d.segments[:3]) for d in (documents[0], documents[-1])]


def ids_of(method: Method, text: str) -> list[int]:
    """The rows of a method's word vectors that a text uses."""
    if isinstance(method, E2EECPE) and method.encoder is None:
        return [method.word_ids.get(word, UNKNOWN) for word in text.lower().split()]
    encoder = method.token_readers()[0].module
    assert isinstance(encoder, TokenEncoder)
    return encoder.tokenizer.encode(text)


def known_scores(method: Method, documents: list[Document]) -> list[Tensor]:
    with torch.no_grad():
        found = method.traced_scores(documents, lambda ids, sources: ids)
    assert found is not None
    return found


@pytest.mark.parametrize("id", sorted(MAKERS))
def test_a_contribution_is_the_derivative_by_a_factor_of_the_word_vector(
    id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All occurrences of a token in a document share a row of the table, also those that questions repeat."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)  # fp32 would hide small differences
    method, documents = made(id), documents_of(made(id), id)
    last = len(documents[0]) - 1  # has a context, if the method reads one
    grid = known_scores(method, documents)[0]
    row, column = divmod(int((grid[last:] if method.task.labelled else grid).argmax()), grid.shape[1])
    row += last if method.task.labelled else 0
    (decoded,) = method.decode(method.batch_of(documents[:1]))
    score = decoded.scores["emotions" if method.task.labelled else "pair"][row, column]
    assert score == pytest.approx(1.0 if id == "pbje-forced" else float(grid[row, column]), abs=1e-6)

    found = gradient_times_input(method, documents, [(0, row, column)])
    assert found is not None
    by_id: dict[int, float] = defaultdict(float)
    for segment, values in zip(documents[0].segments, found[0], strict=True):
        ids = ids_of(method, segment.text)
        for token, value in zip(ids, values[len(values) - len(ids) :], strict=True):  # after the speaker
            by_id[token] += float(np.nan_to_num(value))
    speakers = [f"{segment.speaker}:" for segment in documents[0].segments]
    prompted = (*prompts.PROMPT_TEXTS, *conversations.PROMPT_TEXTS, *speakers)
    others = (
        {token for text in prompted for token in ids_of(method, text)}
        if method.task.id != "emotions"
        else set()
    )
    strongest = sorted(set(by_id) - others, key=lambda token: -abs(by_id[token]))
    assert by_id[strongest[0]]
    (layer,) = method.token_readers()[0].embeddings
    assert isinstance(layer, nn.Embedding)
    for token in (strongest[0], strongest[len(strongest) // 2]):
        ends = []
        kept = layer.weight[token].detach().clone()
        for factor in (1 + STEP, 1 - STEP):
            layer.weight.data[token] = factor * kept
            ends.append(float(known_scores(method, documents)[0][row, column]))
        layer.weight.data[token] = kept
        difference = (ends[0] - ends[1]) / (2 * STEP)
        assert by_id[token] == pytest.approx(difference, rel=1e-4, abs=1e-9), token


@pytest.mark.parametrize("id", sorted(MAKERS))
def test_batch_mates_do_not_move_contributions(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    method, documents = made(id), documents_of(made(id), id)
    places = [(index, len(document) - 1, 0) for index, document in enumerate(documents)]
    frozen = {name for name, weight in method.named_parameters() if not weight.requires_grad}
    together = gradient_times_input(method, documents, places)
    assert together is not None
    for (index, row, column), document in zip(places, documents, strict=True):
        alone = gradient_times_input(method, [document], [(0, row, column)])
        assert alone is not None
        for one, other in zip(alone[0], together[index], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-9)
    # and the method is as it was
    assert frozen == {name for name, weight in method.named_parameters() if not weight.requires_grad}
    assert all(weight.grad is None for weight in method.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in method.modules())


def test_every_token_has_one_value() -> None:
    method = MAKERS["emo_pillars-context"]()
    documents = documents_of(method, "emo_pillars-context")
    method.build_from(documents)
    method.eval()
    found = gradient_times_input(method, documents[:1], [(0, 2, 0)])
    assert found is not None
    assert [len(values) for values in found[0]] == [len(method.token_texts(s)) for s in documents[0].segments]
    last = documents[0].segments[2]
    assert method.token_texts(last)[0] == (last.speaker or "").split()[0]
    used = [bool(value) for values in found[0] for value in values]
    assert used == sorted(used)  # the oldest tokens are not in the row of the score
    assert sum(used) == 20 - 3  # slots less [CLS] and a [SEP] after the context and the text


def test_tokens_that_no_row_reads_have_no_value() -> None:
    method = EQN(encoder=EncoderSettings("embedded", 32, heads=2), max_tokens=11)
    document = document_from_texts("long", ["I am very glad that he has won the match again"], language="en")
    method.build_from(some_documents("emotions"))
    found = gradient_times_input(method.eval(), [document], [(0, 0, 0)])
    assert found is not None
    assert np.isnan(found[0][0]).tolist() == [False] * 9 + [True] * 2


def test_methods_without_gradients_give_none() -> None:
    method = built("rule")
    assert gradient_times_input(method, some_documents("ecpe")[:1], [(0, 0, 0)]) is None
