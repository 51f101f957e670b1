"""The benchmark runs, on a few steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.methods.e2eecpe import E2EECPE
from ecpe_zoo.text.clause_batch import ClauseBatch
from ecpe_zoo.text.prompts import KINDS
from experiments import bench, measure
from tests.conftest import ROOT
from tests.methods.contract import BUNDLED

SMALL = {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "multi_instance": False}


def test_every_config_is_a_job() -> None:
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        job = bench.config_job(path)
        method = measure.make_method(job)
        assert method.id == path.stem
        assert job.data["corpus"] == BUNDLED[method.task.id]


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
    job = measure.Job(
        "experiments.measure.MultiTurnReader", SMALL, {"corpus": "bundled-ecpe", "batch_size": 2},
        action="query-by-query", steps=2,
    )  # fmt: skip
    measured = measure.query_by_query(job)
    assert measured.documents == 4
    assert measured.extra["questions"] >= 4 * 4  # EE, CE, ESCE, CSEE of each document
    assert measured.extra["batched"] > 0
    assert measured.extra["alone"] > 0
    method, data = measure.make_method(job), measure.make_data(job)
    measure.build(method, data)
    rows = method.collator(True)(data.train_documents[:3]).rows
    assert {KINDS[query.kind] for query in rows.queries} == {"EE", "ESCE", "CSEE"}
    assert (rows.labels >= 0).any(dim=1).all()


def test_products_inside_recurrent_kernels_are_counted() -> None:
    network = nn.LSTM(8, 5, batch_first=True, bidirectional=True)
    with measure.flop_counter() as counter:
        output, _ = network(torch.randn(3, 7, 8, requires_grad=True))
    forward = 2 * 2 * 3 * 7 * (8 + 5) * 4 * 5  # directions x multiply-add x tokens x inputs x gates
    assert counter.get_total_flops() == forward
    with measure.flop_counter() as counter:
        output.sum().backward()
    assert counter.get_total_flops() == pytest.approx(2 * forward, rel=0.1)


def test_tokens_are_counted_where_they_are_read() -> None:
    documents = list(load_corpus("bundled-ecpe").train[:4])
    method = E2EECPE(word_width=8, filters=4, hidden=4, node=4)
    method.vocabulary = method.make_vocabulary(documents)
    method._build(from_checkpoint=False)
    tally = measure.Tally(method)
    batch = method.collator(False)(documents)
    method(batch)
    assert isinstance(batch, ClauseBatch)
    words = sum(len(segment.words) for document in documents for segment in document.segments)
    assert tally.counts == (words, len(batch.words))


def test_stage_two_of_eacl_reads_what_is_kept() -> None:
    job = measure.Job(
        "ecpe_zoo.methods.eacl.EACL", {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2},
        {"corpus": "bundled-conversations", "batch_size": 16}, action="anchors", steps=2,
    )  # fmt: skip
    measured = measure.anchors(job)
    assert measured.documents >= 32
    assert 0 < measured.extra["epoch"] < measured.extra["vectors"] + measured.extra["epoch"]


def test_texts_a_second_are_set_beside_the_aims(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(job: measure.Job) -> measure.Measured:
        measured = measure.ACTIONS[job.action](job)
        measured.rates = {job.precision: 1.0}
        return measured

    monkeypatch.setattr(bench, "measure", here)
    report = bench.Report(
        bench.make_parser().parse_args(["--threads", "1", "--steps", "2", "--seconds", "1"])
    )
    bench.compare_texts(report, {"corpus": "bundled-emotions"}, "embedded", encoder_size=16, encoder_heads=2)
    assert [(goal["reference"], goal["aim"]) for goal in report.goals] == [
        (46.0, 55.0), (None, 165.0), (81.0, 110.0), (None, 330.0),
    ]  # fmt: skip
    assert all(goal["found"] > 0 and goal["reached"] is not None for goal in report.goals)
