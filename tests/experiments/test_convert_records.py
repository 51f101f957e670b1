"""Converted records say what they said before, and are refused otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.results.evidence import recompute
from ecpe_zoo.results.store import find_records
from experiments import convert_records
from tests.results.making import history, write_scored


@pytest.mark.parametrize("name", ["a.json", "run/record.json"])
def test_a_converted_record_has_the_same_history_metrics_and_id(name: str, tmp_path: Path) -> None:
    rows = history([(0.5, 1 / 3), (0.1, 2 / 3)])
    path = write_scored(tmp_path / name, history=rows)
    (old,) = find_records([tmp_path])
    before = {file: file.stat().st_size for file in (path, old.predictions)}
    assert convert_records.main([str(tmp_path)]) == 0
    assert "history" not in json.loads(path.read_text(encoding="utf-8"))
    (new,) = find_records([tmp_path])
    assert (new.history, new.id, new.record.metrics) == (rows, old.id, old.record.metrics)
    assert new.record.schema_version == old.record.schema_version  # it says how `selection` is read
    assert recompute(new)[1] == []
    assert all(file.stat().st_size < size for file, size in before.items())
    content = path.read_bytes()
    assert convert_records.main([str(tmp_path)]) == 0
    assert path.read_bytes() == content


def test_a_record_that_would_change_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("metric", "missing"):
        write_scored(tmp_path / f"{name}.json", history=history([(0.5, 0.4)]))
    (tmp_path / "missing.npz").unlink()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(
        convert_records, "rounded", lambda p: Prediction(p.id, {"pair": np.zeros_like(p.scores["pair"])})
    )
    assert convert_records.main([str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "metric.json: the metrics would change" in printed
    assert "missing.json: expected its predictions" in printed
    assert "0 records converted, 2 not" in printed
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
