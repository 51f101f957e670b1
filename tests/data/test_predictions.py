"""Predictions survive their file exactly, and the file appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.data.predictions import Prediction, read_predictions, write_predictions
from ecpe_zoo.errors import ZooError


def some(extra: bool = True) -> list[Prediction]:
    random = np.random.default_rng(0)
    rows = []
    for number, size in enumerate((3, 1, 7)):
        scores = {"pair": random.random((size, size), dtype=np.float32)}
        if extra and number != 1:  # a score that not every document has
            scores["tokens"] = np.full((size, 4), np.nan, dtype=np.float32)
        rows.append(Prediction(f"文 {number}", scores, truncated=number))
    return rows


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "test.npz"
    write_predictions(path, some())
    for mine, stored in zip(some(), read_predictions(path), strict=True):
        assert (mine.id, mine.truncated, mine.scores.keys()) == (
            stored.id,
            stored.truncated,
            stored.scores.keys(),
        )
        for name, scores in mine.scores.items():
            np.testing.assert_array_equal(scores, stored.scores[name])
            assert stored.scores[name].dtype == np.float32
    assert [file.name for file in path.parent.iterdir()] == ["test.npz"]


def test_no_predictions_are_predictions_too(tmp_path: Path) -> None:
    write_predictions(tmp_path / "none.npz", [])
    assert read_predictions(tmp_path / "none.npz") == []


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test.npz"
    write_predictions(path, some())
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(KeyboardInterrupt):
        write_predictions(path, [])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ZooError, match=r"other\.npz: expected a predictions file"):
        read_predictions(path)
    with pytest.raises(ZooError, match="expected a predictions file"):
        read_predictions(tmp_path / "missing.npz")
