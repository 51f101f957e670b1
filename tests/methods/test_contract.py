"""What every method promises; a new method is one line in contract.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.methods.base import Method
from ecpe_zoo.metrics.pairs import predicted_pairs, score_pairs
from tests.conftest import ROOT
from tests.methods.contract import CONTRACT


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """Both languages, several lengths."""
    train = load_corpus("bundled-ecpe").train
    some = {language: [d for d in train if d.language == language] for language in ("zh", "en")}
    return [*some["zh"][:4], *some["en"][:4]]


@pytest.fixture(params=sorted(CONTRACT))
def method(request: pytest.FixtureRequest, documents: list[Document]) -> Method:
    return built(request.param, documents)


def built(id: str, documents: list[Document]) -> Method:
    torch.manual_seed(0)
    method = CONTRACT[id][0]()
    method.vocabulary = method.make_vocabulary(documents)
    method._build(from_checkpoint=False)
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
        assert make().id == id
        assert Path(ROOT, "ecpe_zoo", "methods", f"{id}.py").is_file()


def test_a_built_method_is_in_training_mode(method: Method) -> None:
    assert all(module.training for module in method.modules())


def test_shapes_and_ranges(method: Method, documents: list[Document]) -> None:
    predictions = decode(method, documents)
    assert set(predictions) == {document.id for document in documents}
    for document in documents:
        for name, scores in predictions[document.id].scores.items():
            size = len(document)
            assert scores.shape == ((size, size) if name == "pair" else (size,)), name
            assert scores.dtype == np.float32
            assert scores.min() >= 0
            assert scores.max() <= 1


def test_batch_mates_and_padding_change_no_decision(method: Method, documents: list[Document]) -> None:
    together = decode(method, documents)
    for document in documents:
        alone = decode(method, [document])[document.id]
        mate = together[document.id]
        assert predicted_pairs(alone, method.threshold) == predicted_pairs(mate, method.threshold)
        for name, scores in alone.scores.items():
            np.testing.assert_allclose(scores, mate.scores[name], atol=1e-5)


def test_every_parameter_gets_a_gradient(method: Method, documents: list[Document]) -> None:
    method.train()
    torch.stack(list(method.losses(method.collator(True)(documents)).values())).sum().backward()
    without = [name for name, p in method.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)


def test_a_few_documents_can_be_learned_by_heart(method: Method, documents: list[Document]) -> None:
    few = documents[:2] + documents[4:6]
    rule = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=5e-3)
    batch = method.collator(True)(few)
    best = 0.0
    for step in range(300):
        method.train()
        rule.zero_grad()
        torch.stack(list(method.losses(batch).values())).sum().backward()
        rule.step()
        if step % 10 == 9:
            gold = {document.id: document for document in few}
            best = score_pairs(decode(method, few).values(), gold, method.threshold)["pair_f1"]
            if best == 1.0:
                break
    assert best == 1.0


def test_the_loss_sees_gold_and_the_prediction_does_not(method: Method, documents: list[Document]) -> None:
    method.eval()
    with torch.no_grad():
        with_gold = method.decode(method.collator(False)(documents))
        without = method.decode(method.collator(False)([d.without_gold() for d in documents]))
    for mine, bare in zip(with_gold, without, strict=True):
        for name in mine.scores:
            np.testing.assert_array_equal(mine.scores[name], bare.scores[name])
