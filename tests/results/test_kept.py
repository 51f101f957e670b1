"""Counts kept beside records: a board without the corpus is the board with it, and no count of other runs is used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.board import build_boards
from ecpe_zoo.leaderboard.page import build_page
from ecpe_zoo.results import evidence
from ecpe_zoo.results.evidence import document_counts, threshold_sweep
from ecpe_zoo.results.kept import kept_path, read_kept
from ecpe_zoo.results.store import find_records
from ecpe_zoo.tasks import TASKS
from tests.results.making import raw, write, write_scored


def no_corpus(*_: object) -> None:
    raise ZooError("no corpus here")


def site(records: Path, folder: Path) -> dict[str, bytes]:
    evidence._test_documents.cache_clear()
    entries = find_records([records])
    build_page(build_boards(entries, resamples=200), len(entries), folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_a_build_without_corpora_makes_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = tmp_path / "r"
    for task in TASKS:
        for method, skill in (("eacl", 0.8), ("eqn", 0.5)):
            write_scored(records / f"{task}-{method}.json", task, skill=skill, method=method)
    write(records / "failed.json", raw(None, corpus="bundled-ecpe", status="failed"))
    before = site(records, tmp_path / "with")
    assert main(["results", "count", str(records)]) == 0
    assert (
        "7 records: 6 counted, 0 were counted already\n1 failed, or scored a part" in capsys.readouterr().out
    )
    made = {path: path.read_bytes() for path in records.glob("*.counts.npz")}
    assert len(made) == 6
    monkeypatch.setattr(evidence, "load_corpus", no_corpus)
    after = site(records, tmp_path / "without")
    assert after == before
    assert any(b"Threshold sweep" in content for content in after.values())
    assert main(["results", "count", str(records)]) == 0
    assert "0 counted, 6 were counted already" in capsys.readouterr().out
    assert made == {path: path.read_bytes() for path in records.glob("*.counts.npz")}


@pytest.mark.parametrize("task", TASKS)
def test_kept_counts_are_those_of_the_corpus(task: str, tmp_path: Path) -> None:
    write_scored(tmp_path / "a.json", task)
    (entry,) = find_records([tmp_path])
    counted, swept = document_counts(entry), threshold_sweep(entry)
    evidence.keep_counts(entry)
    kept = read_kept(entry)
    assert kept is not None
    assert kept.documents[:2] == counted[:2]
    assert len(kept.documents.ids) == len(load_corpus(entry.record.corpus.id).test)
    assert np.array_equal(kept.documents.counts, counted.counts)
    assert (kept.sweep is None) == (swept is None)
    if kept.sweep is not None and swept is not None:
        assert np.array_equal(kept.sweep.f1, swept.f1)


@pytest.mark.parametrize("field", ["predictions", "threshold", "files"])
def test_counts_of_another_run_are_not_used(field: str, tmp_path: Path) -> None:
    path = write_scored(tmp_path / "a.json")
    evidence.keep_counts(find_records([path])[0])
    record = json.loads(path.read_text())
    if field == "predictions":
        record["predictions"] = "0" * 64
    elif field == "threshold":
        record["protocol"]["default_threshold"] = 0.4
    else:
        record["corpus"]["files"]["zh_test.txt"] = "0" * 64
    write(path, record)
    (entry,) = find_records([path])
    assert kept_path(entry).is_file()
    assert read_kept(entry) is None


def test_damaged_and_forged_counts_are_refused(tmp_path: Path) -> None:
    path = write_scored(tmp_path / "a.json")
    (entry,) = find_records([path])
    evidence.keep_counts(entry)
    sound = kept_path(entry).read_bytes()
    with np.load(kept_path(entry)) as stored:
        arrays = dict(stored)
    forged = arrays["counts"].copy()
    forged[0, 0] += (1, 1, 1)
    for counts in (forged, arrays["counts"][:-1], arrays["counts"][:, :, :2], -arrays["counts"]):
        np.savez(kept_path(entry), **(arrays | {"counts": counts}))
        with pytest.raises(ZooError, match=r"a\.counts\.npz: expected counts that .* Delete the file"):
            read_kept(entry)
    for content in (b"", b"x" * 100, sound[: len(sound) // 2], b"[]"):
        kept_path(entry).write_bytes(content)
        with pytest.raises(ZooError, match="expected counts that"):
            read_kept(entry)
    np.savez(kept_path(entry), head=np.frombuffer(b"[1]", np.uint8))
    with pytest.raises(ZooError, match="expected counts that"):
        read_kept(entry)
