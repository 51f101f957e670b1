"""The two-stage methods' losses against transcriptions of their formulas, their candidates, and their switches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.document import Document, Pair, Segment
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction, read_predictions
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.pair_set import PairSet
from ecpe_zoo.layers.two_stage_networks import only
from ecpe_zoo.methods.out_of_fold import predicting_stages
from ecpe_zoo.methods.stages import Between
from ecpe_zoo.methods.two_stage import CLAUSES, PAIRS, TwoStage, product
from ecpe_zoo.metrics.pairs import predicted_pairs
from ecpe_zoo.options import EncoderSettings, PairSettings, ReadingSettings
from ecpe_zoo.results.record import read_record
from tests.cli.test_training import config, run_folder

SMALL = EncoderSettings("recurrent", 8, dropout=0.0, vector_size=6)


def some(count: int = 6) -> list[Document]:
    return list(load_corpus("bundled-ecpe").train[:count])


def built(documents: list[Document], stage: str | None = None, **options: Any) -> Any:
    torch.manual_seed(0)
    given: dict[str, Any] = {"encoder": SMALL, "hidden": 4}
    method = TwoStage(**(given | options))
    method.build_from(documents)
    with torch.no_grad():
        for parameter in method.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    if stage is not None:
        method.enter(stage)
    method.eval()
    return method


def stage_two(method: Any) -> Any:
    assert method.pair_network is not None
    return method.pair_network


def two_class_loss(logit: Tensor, gold: bool) -> float:
    """-log of a softmax over two classes, in fp64, of which the first has the logit 0."""
    both = torch.stack([torch.zeros_like(logit), logit]).detach().double()
    return float(-(both.exp() / both.exp().sum()).log()[int(gold)])


@pytest.mark.parametrize("form", ["indep", "inter-ce", "inter-ec"])
def test_stage_one_equals_its_formulas(form: str) -> None:
    documents = some()
    method = built(documents, form=form, own_encoders=form == "indep")
    batch = method.collator(True)(documents)
    losses = method.losses(batch)
    network = method.clause_network
    vectors = [encoder(batch).clauses for encoder in network.encoders]
    one, other = vectors[0], vectors[-1]  # of emotions and of causes
    branches = network.branches

    def run(branch: Any, clauses: Tensor) -> Any:
        return branch.head(branch.recurrent(clauses, batch.segment_mask.sum(1)))[..., 0]

    if form == "indep":
        emotion, cause = run(branches.first, one), run(branches.second, other)
    else:
        first = run(branches.first, one)
        shares = torch.stack([torch.zeros_like(first), first], -1).softmax(-1)[..., 1:]
        second = run(branches.second, torch.cat([one, shares], -1))
        emotion, cause = (first, second) if form == "inter-ec" else (second, first)
    for name, logits, place in (("emotion", emotion, 0), ("cause", cause, 1)):
        entries = []
        for row, document in enumerate(documents):
            gold = {pair[place] for pair in document.pairs or ()}
            entries += [two_class_loss(logits[row, i], i in gold) for i in range(len(document))]
        assert losses[name].item() == pytest.approx(sum(entries) / len(entries), rel=1e-5)
    assert set(losses) == {"emotion", "cause"}


@pytest.mark.parametrize("read", ["clause", "document"])
@pytest.mark.parametrize(
    ("options", "radius"),
    [
        ({}, 12),
        ({"distance": "fixed"}, 100),
        ({"pairs": PairSettings(window=2)}, 2),
        ({"pairs": PairSettings(position=False)}, None),
    ],
)
def test_stage_two_equals_its_formula(read: str, options: dict[str, Any], radius: int | None) -> None:
    documents = some()
    method = built(documents, PAIRS, reading=ReadingSettings(read, "attention"), **options)  # type: ignore[arg-type]
    found: dict[str, set[Pair]] = {d.id: {(0, len(d) - 1), (1, 1), *(d.pairs or ())} for d in documents[1:]}
    method.found = found | {documents[0].id: set()}
    batch = method.collator(True)(documents)
    assert batch.ids == tuple(document.id for document in documents)
    loss = method.losses(batch)["pair"]
    network = stage_two(method)
    clauses = network.encoder(batch.rows).clauses.double()
    weight, bias = network.pair_head.weight[0].double(), network.pair_head.bias[0].double()
    window = method.pair_settings.window
    entries = []
    for row, document in enumerate(documents):
        for e, c in method.found[document.id]:
            if window is None or abs(e - c) <= window:
                parts = [clauses[row, e], clauses[row, c]]
                if radius is not None:
                    place = max(-radius, min(radius, c - e)) + radius
                    parts.append(network.pair_head.position.table.weight[place].double())
                entries.append(
                    two_class_loss(torch.cat(parts) @ weight + bias, (e, c) in (document.pairs or ()))
                )
    assert loss.item() == pytest.approx(sum(entries) / len(entries), rel=1e-5)
    trained = {name for name, parameter in method.named_parameters() if parameter.requires_grad}
    assert all(name.startswith("pair_network.") for name in trained)
    fixed = "pair_network.pair_head.position.table.weight" not in trained
    assert fixed == (radius in (None, 100))


def test_a_batch_without_candidates_has_a_loss_of_0_and_gradients() -> None:
    documents = some(3)
    method = built(documents, PAIRS)
    method.found = {document.id: set() for document in documents}
    loss = method.losses(method.collator(True)(documents))["pair"]
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is not None and not p.grad.any() for p in method.parameters() if p.requires_grad)


def test_clauses_that_are_in_no_pair_are_not_encoded() -> None:
    documents = some(4)
    method = built(documents)
    batch = method.collator(False)(documents)
    pairs = PairSet(
        torch.tensor([0, 2]), torch.tensor([1, 0]), torch.tensor([0, 0]), batch.segment_mask.shape
    )  # type: ignore[arg-type]
    fewer = only(batch, pairs)
    assert len(fewer.lengths) == 3
    encoder = stage_two(method).encoder
    whole, part = encoder(batch).clauses, encoder(fewer).clauses
    for row, clause in ((0, 0), (0, 1), (2, 0)):
        torch.testing.assert_close(part[row, clause], whole[row, clause])


def test_predictions_are_the_product_and_then_filtered() -> None:
    documents = some(12)
    bare = [document.without_gold() for document in documents]
    method = built(documents)
    batch = method.collator(False)(bare)
    branches = method.clause_network.branches
    for name, branch in (
        ("emotion", branches.first),
        ("cause", branches.second),
    ):  # half of the clauses are found
        with torch.no_grad():
            branch.head.bias -= getattr(method(batch), name)[batch.segment_mask].median()
    first = method.decode(method.collator(False)(bare))
    products = {prediction.id: product(prediction) for prediction in first}
    assert sum(map(len, products.values())) > 10
    for prediction in first:  # stage one alone
        assert predicted_pairs(prediction, 0.5) == products[prediction.id]
    method.enter(PAIRS)
    second = method.decode(method.collator(False)(bare))
    for before, after in zip(first, second, strict=True):
        np.testing.assert_allclose(before.scores["emotion"], after.scores["emotion"], atol=1e-6)
        assert predicted_pairs(after, 0.0) == products[after.id]
    kept = sum(len(predicted_pairs(after, 0.5)) for after in second)
    assert 0 < kept < sum(map(len, products.values()))


def test_the_product() -> None:
    emotion, cause = np.array([0.5, 0.51, 0.9], np.float32), np.array([0.6, 0.1, 0.7], np.float32)
    assert product(Prediction("d", {"emotion": emotion, "cause": cause})) == {(1, 0), (1, 2), (2, 0), (2, 2)}


class Data:
    """The part of a data module that `prepare` uses."""

    def __init__(self, train: list[Document]) -> None:
        self.train = train
        self.learned: list[Document] | None = None

    def documents(self, split: str) -> list[Document]:
        assert split == "train"
        return self.train

    def replace_training(self, documents: list[Document] | None) -> None:
        self.learned = documents


def scored(documents: list[Document], found: Pair) -> list[Prediction]:
    """Predictions of one emotion and one cause in each document."""
    predictions = []
    for document in documents:
        scores = {name: np.zeros(len(document), np.float32) for name in ("emotion", "cause")}
        scores["emotion"][found[0]] = scores["cause"][found[1]] = 0.9
        predictions.append(Prediction(document.id, scores))
    return predictions


def texts(count: int) -> list[Document]:
    segments = [tuple(Segment(f"text {n} clause {i}") for i in range(4)) for n in range(count)]
    return [Document(f"d{n}", rows, frozenset({(1, 0)})) for n, rows in enumerate(segments)]


@pytest.mark.parametrize("candidates", ["out-of-fold", "in-sample"])
@pytest.mark.parametrize("add_gold", [False, True])
def test_stage_two_trains_on_what_others_predicted(candidates: str, add_gold: bool, tmp_path: Path) -> None:
    """Out of fold, a document's candidates come from the model that did not train on it."""
    documents = texts(9)
    method = built(documents, candidates=candidates, add_gold=add_gold)
    by = predicting_stages(documents, 2)
    answers = {"fold-1": (1, 0), "fold-2": (2, 3), CLAUSES: (0, 0)}  # what the model of each stage finds
    names = [stage.name for stage in method.stages()]
    assert names == (["fold-1", "fold-2"] if candidates == "out-of-fold" else []) + [CLAUSES, PAIRS]
    data = Data(documents)
    learned: dict[str, Any] = {}
    for number, name in enumerate(names):
        before = names[number - 1]

        def predict(these: Any, before: str = before) -> list[Prediction]:
            if before.startswith("fold"):
                assert not {d.id for d in these} & {d.id for d in learned[before]}
            return scored(list(these), answers[before])

        method.enter(name)
        weight = stage_two(method).encoder.encoder.words.weight.clone()
        between = Between(name, tuple(names[:number]), data, tmp_path, predict, False)  # type: ignore[arg-type]
        method.prepare(between)
        learned[name] = data.learned
        renewed = not torch.equal(weight, stage_two(method).encoder.encoder.words.weight)
        assert renewed == (number > 0 and name != PAIRS)
    assert learned[CLAUSES] is None
    assert {d.id for d in learned[PAIRS]} == {d.id for d in documents}
    expected = {
        document.id: {answers[by[document.id] if candidates == "out-of-fold" else CLAUSES]}
        | ({(1, 0)} if add_gold else set())
        for document in documents
    }
    assert method.found == expected
    every = [pair for pairs in expected.values() for pair in pairs]
    share = (every.count((1, 0)) + 1) / (len(every) + 2)
    bias = stage_two(method).pair_head.bias
    assert bias.item() == pytest.approx(np.log(share / (1 - share)), abs=1e-5)
    # a run that resumes finds the same pairs in its files, and leaves its weights alone
    method.found = None
    bias.data.fill_(7.0)
    method.prepare(Between(PAIRS, tuple(names[:-1]), data, tmp_path, pytest.fail, True))  # type: ignore[arg-type]
    assert method.found == expected
    assert bias.item() == 7.0


def test_nothing_found_is_reported(tmp_path: Path) -> None:
    documents = texts(3)
    method = built(documents, candidates="in-sample")
    method.enter(PAIRS)
    nothing = [Prediction(p.id, {k: 0 * v for k, v in p.scores.items()}) for p in scored(documents, (0, 0))]
    data = Data(documents)
    with pytest.warns(UserWarning, match="Stage one found no pair"):
        method.prepare(Between(PAIRS, (CLAUSES,), data, tmp_path, lambda _: nothing, False))  # type: ignore[arg-type]
    assert data.learned is None


def test_without_filter_the_pairs_are_the_product(tmp_path: Path) -> None:
    options = ["--model.filter", "false", "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "5"]
    assert main(["fit", *config("two_stage", tmp_path, *options)]) == 0
    run = run_folder(tmp_path)
    record = read_record(run / "record.json")
    (stage,) = record.stages
    assert stage.chosen_by is not None
    assert (stage.name, stage.chosen_by.metric) == (CLAUSES, "val/clause_f1")
    assert (record.protocol.headline, record.protocol.tuned_threshold) == ("default", None)
    predictions = read_predictions(run / "predictions" / "test.npz")
    assert all(predicted_pairs(prediction, 0.5) == product(prediction) for prediction in predictions)


def test_bad_options() -> None:
    for options, message in (
        ({"form": "bert"}, "inter-ec"),
        ({"candidates": "gold"}, "out-of-fold"),
        ({"distance": "none"}, "trained, fixed"),
        ({"folds": 1}, r"--model\.folds"),
        ({"pair_epochs": 0}, r"--model\.pair_epochs"),
    ):
        with pytest.raises(ZooError, match=message):
            TwoStage(**options)  # type: ignore[arg-type]
    with pytest.raises(ZooError, match=r"--model\.hidden"):
        built(some(3), hidden=0)


def test_options_that_change_nothing() -> None:
    assert TwoStage.idle({}) == set()
    assert TwoStage.idle({"candidates": "in-sample", "pairs.position": False}) == {"folds", "distance"}
    assert {"candidates", "pairs.prior", "pair_epochs"} <= TwoStage.idle({"filter": False})
