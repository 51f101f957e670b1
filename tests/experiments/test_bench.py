"""The benchmark runs, on a few steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ecpe_zoo.corpora.registry import find_corpus, load_corpus
from ecpe_zoo.methods.e2eecpe import E2EECPE
from ecpe_zoo.methods.ecpe import EncodedPairMethod
from ecpe_zoo.methods.rankcp import RANKCP
from ecpe_zoo.methods.two_stage import TwoStage
from ecpe_zoo.options import EncoderSettings
from ecpe_zoo.text.clause_batch import ClauseBatch
from ecpe_zoo.text.prompts import KINDS
from ecpe_zoo.text.transformer_encoder import rounded_width
from experiments import bench, counting, measure
from tests.conftest import ROOT
from tests.methods.contract import BUNDLED, CONTRACT

SMALL = {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2}


def test_every_config_is_a_job() -> None:
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        job = bench.config_job(path)
        method = measure.make_method(job)
        assert method.id == path.stem
        assert job.data["corpus"] == BUNDLED[method.task.id]


def test_corpora_and_methods_follow_from_configs_and_arguments() -> None:
    """A new clause-pair method is measured without an edit here."""
    jobs = {path.stem: bench.config_job(path) for path in (ROOT / "configs").glob("*.yaml")}
    kinds = {id: type(CONTRACT[id][0]()) for id in jobs}
    for id, kind in kinds.items():
        corpus = bench.real_corpus(id)
        assert corpus is not None
        assert kind.task.id in find_corpus(corpus).tasks
        encoded = issubclass(kind, EncodedPairMethod) or kind in (E2EECPE, TwoStage)
        assert bench.scores_pairs_over_an_encoder(jobs[id].class_path) == encoded
    assert bench.real_corpus("nothing") is None


def test_word_vectors_of_e2eecpe_are_no_option_of_an_encoder(tmp_path: Path) -> None:
    """They became one, and `make bench` failed where the corpus was at hand."""
    method = measure.make_method(counting.Job("ecpe_zoo.methods.e2eecpe.E2EECPE", {"vectors": "w.txt"}))
    assert method.hparams["vectors"] == "w.txt"


def test_tokens_of_an_encoder_are_counted_with_the_rounding_of_its_width() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:4])
    method = RANKCP(EncoderSettings("embedded", 16, heads=2))
    method.build_from(documents)
    tally = counting.Tally(method)
    batch = method.collator(False)(documents)
    method(batch)
    width = rounded_width(max(batch.lengths))
    assert tally.counts == (sum(batch.lengths), len(documents) * width)


def test_it_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ECPE_ZOO_DATA", raising=False)
    path = tmp_path / "bench.json"
    options = ["--threads", "1", "--method", "e2eecpe", "--steps", "2", "--repeats", "1", "--json", str(path)]
    assert bench.main(options) == 0
    assert "documents/s" in capsys.readouterr().out
    written = json.loads(path.read_text(encoding="utf-8"))
    assert [row["job"]["action"] for row in written["rows"]] == ["train", "predict"]
    for row in written["rows"]:
        measured = row["measured"]
        assert 0 < measured["real_tokens"] <= measured["slots"]
        assert measured["flops"] > 0
        assert measured["peak_bytes"] > 1e8
        assert measured["rates"]["32-true"] > 0
    assert written["goals"] == []


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(SystemExit, match="Expected --method to be one of"):
        bench.main(["--method", "magic"])


def test_the_questions_of_mm_r() -> None:
    """EE, ESCE and CSEE in training; the comparison of predictions asks the same both ways."""
    job = counting.Job(
        "ecpe_zoo.methods.mm_r.MMR",
        SMALL,
        {"corpus": "bundled-ecpe", "batch_size": 2},
        action="query-by-query",
        steps=2,
    )
    measured = measure.query_by_query(job)
    assert measured.documents == 4
    assert measured.extra["questions"] >= 4 * 3  # EE, ESCE, CSEE of each document
    assert {name for name, value in measured.extra.items() if 0 < value < float("inf")} == {
        "batched",
        "alone",
        "batched_padded",
        "alone_padded",
        "questions",
    }
    method, data = measure.make_method(job), measure.make_data(job)
    measure.build(method, data)
    rows = method.collator(True)(data.train_documents[:3]).rows
    assert {KINDS[query.kind] for query in rows.queries} == {"EE", "ESCE", "CSEE"}
    assert (rows.labels >= 0).any(dim=1).all()


def test_products_inside_recurrent_kernels_are_counted() -> None:
    network = nn.LSTM(8, 5, batch_first=True, bidirectional=True)
    with counting.flop_counter() as counter:
        output, _ = network(torch.randn(3, 7, 8, requires_grad=True))
    forward = 2 * 2 * 3 * 7 * (8 + 5) * 4 * 5  # directions x multiply-add x tokens x inputs x gates
    assert counter.get_total_flops() == forward
    with counting.flop_counter() as counter:
        output.sum().backward()
    assert counter.get_total_flops() == pytest.approx(2 * forward, rel=0.1)


def test_tokens_are_counted_where_they_are_read() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:4])
    method = E2EECPE(word_width=8, filters=4, hidden=4, node=4)
    method.vocabulary = method.make_vocabulary(documents)
    method._build(from_checkpoint=False)
    tally = counting.Tally(method)
    batch = method.collator(False)(documents)
    method(batch)
    assert isinstance(batch, ClauseBatch)
    words = sum(len(segment.words) for document in documents for segment in document.segments)
    assert tally.counts == (words, len(batch.words))


def test_stage_two_of_eacl_reads_what_is_kept() -> None:
    job = counting.Job(
        "ecpe_zoo.methods.eacl.EACL",
        {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2},
        {"corpus": "bundled-conversations", "batch_size": 16},
        action="anchors",
        steps=2,
    )
    measured = measure.anchors(job)
    assert measured.documents >= 32
    assert 0 < measured.extra["epoch"] < measured.extra["vectors"] + measured.extra["epoch"]


def fast_product(*_: object, **__: object) -> float:
    """In place of a product in 16 bits, which takes 20 seconds on a processor without the instructions."""
    return 0.01


@pytest.mark.parametrize("id", ["rankcp", "e2eecpe"])
@pytest.mark.parametrize("narrow", [0.5, 2.0])
def test_pair_methods_on_one_encoder(id: str, narrow: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(job: counting.Job) -> counting.Measured:
        measured = measure.ACTIONS[job.action](job)
        measured.rates = {"32-true": 1.0, "bf16-mixed": narrow}
        return measured

    monkeypatch.setattr(bench, "measure", here)
    monkeypatch.setattr(counting, "product_seconds", fast_product)
    report = bench.Report(
        bench.make_parser().parse_args(["--threads", "1", "--steps", "2", "--seconds", "1"])
    )
    class_path = bench.config_job(ROOT / "configs" / f"{id}.yaml").class_path
    bench.compare_encoded(report, id, class_path, {"corpus": "bundled-ecpe"}, size=16, layers=1, heads=2)
    assert [row["measured"]["steps"] > 0 for row in report.rows] == [True] * 5
    full, narrow_ = (row["measured"] for row in report.rows[:2])
    assert (full["steps"], full["documents"]) == (narrow_["steps"], narrow_["documents"])
    share, padding, faster = report.goals
    assert share["name"] == f"{id}: share of the machine's rate, fp32 training"
    assert share["found"] > 0
    assert 0 < padding["found"] < 100
    assert (padding["aim"], padding["reached"]) == (8.0, padding["found"] <= 8)
    assert faster["aim"] == (1.5 if narrow > 1 else None)


def test_the_rate_of_the_machine_is_measured_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    time, took = [0.0], [0.0, 1.0, 3.0]  # of the first product, which only shows that products are quick

    def product(size: int, *_: object, **__: object) -> float:
        seconds = took.pop(0)
        time[0] += 2 * seconds  # with the one that is not timed
        return seconds

    monkeypatch.setattr(counting, "product_seconds", product)
    monkeypatch.setattr(counting, "now", lambda: time[0])
    machine = counting.MachineRate(counting.Job("any"))
    work = 2 * 2048**3 / 1e9
    assert machine.sample(0.5) == pytest.approx(work)
    assert machine.spent == 2
    assert machine.sample(19.0) == pytest.approx(work)  # not yet due
    assert machine.sample(20.0) == pytest.approx(2 * work / 4)
    assert machine.spent == 8
    took.append(0.0)
    assert counting.MachineRate(counting.Job("any", repeats=1)).sample(1e6) is None


def test_texts_a_second_are_set_beside_the_aims(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(job: counting.Job) -> counting.Measured:
        measured = measure.ACTIONS[job.action](job)
        measured.rates = {job.precision: 1.0}
        return measured

    monkeypatch.setattr(bench, "measure", here)
    monkeypatch.setattr(counting, "product_seconds", fast_product)
    report = bench.Report(
        bench.make_parser().parse_args(["--threads", "1", "--steps", "2", "--seconds", "1"])
    )
    bench.compare_texts(report, {"corpus": "bundled-emotions"}, "embedded", encoder_size=16, encoder_heads=2)
    assert [(goal["reference"], goal["aim"]) for goal in report.goals] == [
        (46.0, 55.0),
        (None, 165.0),
        (81.0, 110.0),
        (None, 330.0),
    ]
    assert all(goal["found"] > 0 and goal["reached"] is not None for goal in report.goals)


def test_a_measurement_that_fails_loses_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def here(job: counting.Job) -> counting.Measured:
        if job.action == "predict":
            raise bench.MeasurementError
        return counting.Measured()

    monkeypatch.setattr(bench, "measure", here)
    monkeypatch.delenv("ECPE_ZOO_DATA", raising=False)
    path = tmp_path / "bench.json"
    assert bench.main(["--method", "rule", "--json", str(path)]) == 1
    found = json.loads(path.read_text(encoding="utf-8"))
    assert [row["name"] for row in found["rows"]] == ["rule, bundled-ecpe, training"]
    assert found["failed"] == ["rule, bundled-ecpe, prediction"]
    assert "Failed, see above: rule, bundled-ecpe, prediction" in capsys.readouterr().out
