"""What every method promises; a new method is one line in contract.py."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.e2eecpe import E2EECPE
from ecpe_zoo.methods.ecpe import EncodedPairMethod
from ecpe_zoo.methods.loading import arguments_of
from ecpe_zoo.methods.mgcl import MGCL
from ecpe_zoo.tasks import ECPE
from tests.conftest import ROOT
from tests.methods.contract import BUNDLED, CONTRACT, VARIANTS, WITHOUT_LEARNING, decisions


@cache
def some_documents(task: str) -> list[Document]:
    """Every language of a task's bundled corpus, several lengths."""
    train = load_corpus(BUNDLED[task]).train
    languages = sorted({document.language for document in train}, reverse=True)
    return [d for language in languages for d in [d for d in train if d.language == language][:4]]


@pytest.fixture(params=sorted(CONTRACT | VARIANTS))
def method(request: pytest.FixtureRequest) -> Method:
    return built(request.param)


@pytest.fixture
def documents(method: Method) -> list[Document]:
    return some_documents(method.task.id)


def built(id: str, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    method = (CONTRACT | VARIANTS)[id][0]()
    method.build_from(some_documents(method.task.id))
    return method


def decode(method: Method, documents: list[Document]) -> dict[str, Prediction]:
    method.eval()
    with torch.no_grad():
        predictions = method.decode(method.collator(False)([d.without_gold() for d in documents]))
    return {prediction.id: prediction for prediction in predictions}


def test_every_config_has_its_line_and_every_line_its_config() -> None:
    configs = {path.stem for path in Path(ROOT, "configs").glob("*.yaml")}
    assert configs == set(CONTRACT)
    for id, (make, _) in CONTRACT.items():
        method = make()
        assert method.id == id
        assert method.ablations <= arguments_of(f"{type(method).__module__}.{type(method).__name__}").keys()
        assert Path(ROOT, "ecpe_zoo", "methods", f"{id}.py").is_file()


def test_a_built_method_is_in_training_mode(method: Method) -> None:
    """All of it but what its first stage leaves frozen."""
    frozen = [part for part in method.modules() if is_frozen(part)]
    resting = {id(module) for part in frozen for module in part.modules()}
    assert all(module.training for module in method.modules() if id(module) not in resting)


def is_frozen(module: torch.nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def test_the_seed_draws_the_weights(request: pytest.FixtureRequest, method: Method) -> None:
    if method.id in WITHOUT_LEARNING:
        pytest.skip("nothing is drawn")
    id = request.node.callspec.params["method"]
    first = dict(method.named_parameters())
    for seed, same in ((0, True), (1, False)):
        other = dict(built(id, seed).named_parameters())
        assert other.keys() == first.keys()
        assert all(torch.equal(p, first[name]) for name, p in other.items()) is same


def test_shapes_and_ranges(method: Method, documents: list[Document]) -> None:
    predictions = decode(method, documents)
    assert set(predictions) == {document.id for document in documents}
    for document in documents:
        for name, scores in predictions[document.id].scores.items():
            size = len(document)
            shapes = {"pair": (size, size), "emotions": (size, len(predictions[document.id].labels))}
            assert scores.shape == shapes.get(name, (size,)), name
            assert scores.dtype == np.float32
            judged = scores[[segment.judged for segment in document.segments]]
            assert judged.min() >= 0
            assert judged.max() <= 1


def test_batch_mates_and_padding_change_no_decision(method: Method, documents: list[Document]) -> None:
    together = decode(method, documents)
    for document in documents:
        alone = decode(method, [document])[document.id]
        mate = together[document.id]
        assert decisions(method, alone) == decisions(method, mate)
        for name, scores in alone.scores.items():
            np.testing.assert_allclose(scores, mate.scores[name], atol=1e-5)


def test_new_weights_start_from_the_documents(method: Method, documents: list[Document]) -> None:
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    method.start(documents)
    for name, p in method.named_parameters():
        assert p.isfinite().all(), name
        assert p.ndim <= 1 or torch.equal(p, before[name]), name  # it sets biases


def test_every_parameter_gets_a_gradient_and_moves_in_every_stage(
    method: Method, documents: list[Document]
) -> None:
    if method.id in WITHOUT_LEARNING:
        pytest.skip("nothing is learned")
    for stage in method.stages():
        method.enter(stage.name)
        method.train()
        for p in method.parameters():
            if not p.any():  # what a stage takes over from the one before would not be zero
                torch.nn.init.normal_(p.data, std=0.1)
        # a bias of all keys changes no attention: its gradient is rounding noise
        trained = {
            name: p for name, p in method.named_parameters() if p.requires_grad and "key.bias" not in name
        }
        before = {name: p.detach().clone() for name, p in trained.items()}
        seen: set[str] = set()
        rule = torch.optim.SGD(trained.values(), lr=0.1)
        for _ in range(3):  # a layer behind one that starts at zero gets its gradient in the second step
            method.zero_grad()
            torch.stack(list(method.losses(training_batch(method, documents)).values())).sum().backward()
            assert all(p.grad is None or p.grad.isfinite().all() for p in trained.values())
            seen |= {name for name, p in trained.items() if p.grad is not None and bool(p.grad.any())}
            rule.step()
        assert not set(trained) - seen, stage.name
        moved = {name for name, p in trained.items() if not torch.equal(p, before[name])}
        assert not set(trained) - moved, stage.name


def training_batch(method: Method, documents: list[Document]) -> Any:
    return method.collator(True)(list(method.training_units(documents)))


def test_a_few_documents_can_be_learned_by_heart(method: Method, documents: list[Document]) -> None:
    if method.id in WITHOUT_LEARNING:
        pytest.skip("nothing is learned")
    few = [d for language in ("zh", "en") for d in [d for d in documents if d.language == language][:2]]
    gold = {document.id: document for document in few}
    best = 0.0
    for stage in method.stages():  # the first one that decides by what it learned is enough
        method.enter(stage.name)
        rule = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=5e-3)
        batch = training_batch(method, few)
        for step in range(300):
            method.train()
            rule.zero_grad()
            total = torch.stack(list(method.losses(batch).values())).sum()
            total.backward()
            rule.step()
            if step % 10 == 9:
                found = list(decode(method, few).values())
                best = method.task.score(found, gold, method.threshold)[method.task.headline]
                if best == 1.0:
                    return
                if total.item() < 0.01:
                    break
    assert best == 1.0


def test_a_document_of_one_clause_without_a_pair(method: Method, documents: list[Document]) -> None:
    if method.task != ECPE:
        pytest.skip("no pairs")
    lone = Document("lone", documents[0].segments[:1], frozenset(), language=documents[0].language)
    if method.id not in WITHOUT_LEARNING:
        total = torch.stack(list(method.losses(training_batch(method, [lone])).values())).sum()
        total.backward()
        assert total.isfinite()
        assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)
        if isinstance(method, EncodedPairMethod):
            assert all(p.grad is not None for p in method.heads.parameters())
    alone, mate = decode(method, [lone])["lone"], decode(method, [*documents, lone])["lone"]
    for name, scores in alone.scores.items():
        np.testing.assert_allclose(scores, mate.scores[name], atol=1e-6)


def test_the_loss_sees_gold_and_the_prediction_does_not(method: Method, documents: list[Document]) -> None:
    method.eval()
    with torch.no_grad():
        with_gold = method.decode(method.collator(False)(documents))
        without = method.decode(method.collator(False)([d.without_gold() for d in documents]))
    for mine, bare in zip(with_gold, without, strict=True):
        for name in mine.scores:
            np.testing.assert_array_equal(mine.scores[name], bare.scores[name])
    if method.id not in WITHOUT_LEARNING:
        assert total_loss(method, documents) != total_loss(method, with_other_gold(documents))


def total_loss(method: Method, documents: list[Document]) -> float:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        return float(sum(method.losses(training_batch(method, documents)).values()))


def with_other_gold(documents: list[Document]) -> list[Document]:
    """Each document with the labels of another, or with one pair at another place."""
    labels = [segment.emotions for document in documents for segment in document.segments]
    turned = iter([*labels[1:], labels[0]])
    return [
        replace(
            document,
            segments=tuple(replace(segment, emotions=next(turned)) for segment in document.segments),
            pairs=None if document.pairs is None else frozenset({(len(document) - 1, len(document) - 1)}),
        )
        for document in documents
    ]


RANGES = [
    ("hidden", 0, "--model.hidden to be at least 1, but got 0"),
    ("optimiser", {"lr": -1e-3}, "--model.optimiser.lr to be at least 0, but got -0.001"),
    ("optimiser", {"lr": float("nan")}, "--model.optimiser.lr to be at least 0, but got nan"),
    ("optimiser", {"weight_decay": -1.0}, "--model.optimiser.weight_decay to be at least 0"),
    ("dropout", 1.5, r"--model.dropout from 0 to 1, but got 1.5"),
    ("dropout", float("nan"), r"--model.dropout from 0 to 1, but got nan"),
    ("encoder", {"name": "embedded", "heads": -1}, "--model.encoder.heads to be at least 1"),
]


@pytest.mark.parametrize(("name", "value", "message"), RANGES)
def test_values_out_of_range_are_refused(name: str, value: Any, message: str) -> None:
    """A negative rate trained away from the labels without a word; a negative width ended inside of torch."""
    with pytest.raises(ZooError, match=f"Expected {message}"):
        E2EECPE(**{name: value})


def test_temperatures_are_above_zero() -> None:
    with pytest.raises(ZooError, match=r"--model.temperature to be above 0, but got 0"):
        MGCL(temperature=0.0)
