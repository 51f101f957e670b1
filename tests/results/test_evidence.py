"""Records computed again, and documents counted so that their sum is the headline metric."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction, write_predictions
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import file_sha256
from ecpe_zoo.results import evidence, resampling
from ecpe_zoo.results.evidence import document_counts, recompute, threshold_sweep
from ecpe_zoo.results.record import versioned
from ecpe_zoo.results.significance import compare, pooled_score
from ecpe_zoo.results.store import RunGroup, find_records, group_records
from ecpe_zoo.tasks import EMOTIONS, TASKS
from tests.conftest import ROOT
from tests.results.making import raw, write, write_scored


@pytest.mark.parametrize("task", TASKS)
def test_a_sound_record_is_confirmed_and_counts_add_up_to_its_headline(task: str, tmp_path: Path) -> None:
    write_scored(tmp_path / "a.json", task)
    (entry,) = find_records([tmp_path])
    compared, differences = recompute(entry)
    assert (compared, differences) == (2 * len(entry.record.metrics), [])
    counted = document_counts(entry)
    assert len(counted.ids) == entry.record.corpus.test
    total = resampling.f1_of(counted.counts.sum(axis=0), TASKS[task].average)
    assert float(total) == pytest.approx(entry.score)
    assert counted.counts[:, :, 0].sum() > 0


def test_each_altered_number_is_found(tmp_path: Path) -> None:
    path = write_scored(tmp_path / "a.json")
    content = json.loads(path.read_text())
    content["metrics"]["ecpe.pair_f1.v1"] += 1e-6
    del content["metrics_default"]["ecpe.cause_recall.v1"]
    write(path, content)
    (entry,) = find_records([tmp_path])
    found = {(d.where, d.metric) for d in recompute(entry)[1]}
    assert found == {("metrics", "ecpe.pair_f1.v1"), ("metrics_default", "ecpe.cause_recall.v1")}


def test_other_predictions_and_another_corpus_are_told(tmp_path: Path) -> None:
    path = write_scored(tmp_path / "a.json")
    content = json.loads(path.read_text())
    write(path, content | {"predictions": "0" * 64})
    with pytest.raises(ZooError, match="belongs to another run"):
        recompute(find_records([tmp_path])[0])
    content["corpus"]["files"]["zh_test.txt"] = "0" * 64
    write(path, content)
    with pytest.raises(ZooError, match=r"expected zh_test\.txt of 'bundled-ecpe' with sha256 0000"):
        recompute(find_records([tmp_path])[0])
    path.with_suffix(".npz").unlink()
    with pytest.raises(ZooError, match="expected"):
        recompute(find_records([tmp_path])[0])


def test_a_record_of_an_unknown_task_is_told(tmp_path: Path) -> None:
    record = raw()
    record["metrics"] = record["metrics_default"] = {"chess.elo.v1": 1.0}
    write(tmp_path / "a.json", record)
    with pytest.raises(ZooError, match="known task"):
        recompute(find_records([tmp_path])[0])


def test_a_described_corpus_is_found_beside_or_among_the_corpora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record names such a corpus by its id alone, and keeps the description's name in its config."""
    home = tmp_path / "corpora"
    home.mkdir()
    (home / "letters.yaml").write_text(
        "tasks: [emotions]\nlanguage: en\nlabels: [joy, anger]\nformat: {text: body, label: feeling}\n"
        "files: {train: a.csv, test: b.csv}\n"
    )
    (home / "a.csv").write_text("body,feeling\nfine day,joy\n")
    (home / "b.csv").write_text("body,feeling\nbad day,anger\nmy day,joy\nbroken,\n")
    corpus = load_corpus(str(home / "letters.yaml"), on_error="skip")
    made = [
        Prediction(d.id, {"emotions": np.array([[0.9, 0.1]], np.float32)}, labels=("anger", "joy"))
        for d in corpus.test
    ]
    documents = {document.id: document for document in corpus.test}
    path = tmp_path / "records" / "a.json"
    path.parent.mkdir()
    write_predictions(path.with_suffix(".npz"), made)
    record = raw(task="emotions", corpus="letters.yaml")
    record["config"]["data"]["on_error"] = "skip"
    metrics = versioned("emotions", EMOTIONS.score(made, documents, 0.5))
    record["metrics"] = record["metrics_default"] = metrics
    record["predictions"] = file_sha256(path.with_suffix(".npz"))
    record["corpus"] |= {
        "id": "letters",
        "files": corpus.files,
        "test": len(documents),
        "scored": len(documents),
    }
    write(path, record)
    (entry,) = find_records([path.parent])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ZooError, match=r"expected letters\.yaml, the description of its corpus 'letters', at"
    ):
        recompute(entry)
    compared, differences = recompute(entry, home)
    assert compared > 5
    assert not differences
    monkeypatch.chdir(home)
    assert recompute(entry) == (compared, [])
    (home / "b.csv").write_text("body,feeling\nbad day,joy\n")
    monkeypatch.chdir(tmp_path)
    evidence._test_documents.cache_clear()
    with pytest.raises(ZooError, match="Put the files back"):
        recompute(entry, home)


def test_the_sweep_meets_the_record_at_its_threshold(tmp_path: Path) -> None:
    write_scored(tmp_path / "a.json")
    (entry,) = find_records([tmp_path])
    sweep = threshold_sweep(entry)
    assert sweep is not None
    assert sweep.f1[9] == pytest.approx(entry.score)  # 0.5
    write_scored(tmp_path / "b" / "a.json", "erc")
    assert threshold_sweep(find_records([tmp_path / "b"])[0]) is None


def one(folder: Path) -> RunGroup:
    (group,) = group_records(find_records([folder]))
    return group


@pytest.mark.parametrize("task", TASKS)
def test_two_methods_are_told_apart_where_they_differ_much(task: str, tmp_path: Path) -> None:
    for seed in (1, 2):
        write_scored(tmp_path / "good" / f"{seed}.json", task, 0.9, seed=seed)
    write_scored(tmp_path / "bad" / "1.json", task, 0.3, seed=1, method="other")
    good, bad = one(tmp_path / "good"), one(tmp_path / "bad")
    result = compare(good, bad, resamples=2000)
    mean = sum(entry.score or 0 for entry in good.entries) / 2
    assert result.bootstrap.first == pytest.approx(mean)
    assert pooled_score(good) == pytest.approx(mean)  # one fold: pooled is the mean of the runs
    assert result.bootstrap.low > 0
    assert result.permutation_p < 0.01
    assert (result.runs, result.folds) == ((2, 1), (1,))
    assert result.won.better > result.won.worse
    assert result.verdict.in_words == "no verdict: 4 more seeds"
    backwards = compare(bad, good, resamples=2000)
    assert backwards.bootstrap.difference == pytest.approx(-result.bootstrap.difference)


def test_what_must_not_be_compared_is_refused(tmp_path: Path) -> None:
    write_scored(tmp_path / "a" / "1.json")
    write_scored(tmp_path / "b" / "1.json", protocol="paper")
    write(tmp_path / "c" / "1.json", raw(corpus="bundled-ecpe", fold=2))
    with pytest.raises(ZooError, match="one protocol"):
        compare(one(tmp_path / "a"), one(tmp_path / "b"))
    with pytest.raises(ZooError, match="a fold that both were run on"):
        compare(one(tmp_path / "a"), one(tmp_path / "c"))


@pytest.mark.parametrize("folder", ["mgcl-recurrent", "reccon"])
def test_committed_records_are_confirmed(folder: str, real_data: Callable[[str], Path]) -> None:
    for entry in find_records([ROOT / "experiments" / "records" / "0.1.0" / folder]):
        compared, differences = recompute(entry, real_data(entry.record.corpus.id))
        assert compared > 50
        assert not differences
