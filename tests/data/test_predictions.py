"""Predictions survive their file exactly, and the file appears whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.data.predictions import Prediction, read_history, read_predictions, rounded, write_predictions
from ecpe_zoo.errors import ZooError
from tests.conftest import ROOT


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


def test_rounding_changes_no_decision_and_takes_less_space(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    levels = np.array([0.0, 0.0001, 0.3, 0.37, 0.5, 0.9999, 1.0, np.nan], dtype=np.float32)
    drawn = random.random(5000, dtype=np.float32)
    near = np.concatenate([np.nextafter(levels, np.float32(0)), np.nextafter(levels, np.float32(1)), levels])
    exact = Prediction("a", {"pair": np.concatenate([drawn, near, drawn / 1000]), "emotions": drawn})
    made = rounded(exact)
    np.testing.assert_array_equal(made.scores["emotions"], drawn)  # their order counts
    for threshold in (np.arange(10001) / 10000).astype(np.float32):
        np.testing.assert_array_equal(made.scores["pair"] > threshold, exact.scores["pair"] > threshold)
    np.testing.assert_array_equal(rounded(made).scores["pair"], made.scores["pair"])
    sizes = []
    for prediction in (exact, made):
        pair = prediction.scores["pair"][~np.isnan(prediction.scores["pair"])]
        write_predictions(tmp_path / "x.npz", [prediction._replace(scores={"pair": pair})])
        np.testing.assert_array_equal(read_predictions(tmp_path / "x.npz")[0].scores["pair"], pair)
        sizes.append((tmp_path / "x.npz").stat().st_size)
    assert sizes[1] < sizes[0] / 2


def test_a_history_comes_back_as_it_was(tmp_path: Path) -> None:
    history = [
        {"stage": "fit", "epoch": 0, "validation": {"pair_f1": 1 / 3, "a/b.c": 1.0}, "tuned_threshold": 0.37},
        {"stage": "next", "epoch": 1, "validation": {"pair_f1": 0.1}, "watched_test": {"pair_f1": 2 / 3}},
    ]
    path = tmp_path / "test.npz"
    write_predictions(path, some(), history)
    assert read_history(path) == history
    assert [type(row["epoch"]) for row in read_history(path)] == [int, int]
    write_predictions(path, [], [])
    assert read_history(path) == []


def test_files_of_the_first_format_are_read() -> None:
    path = ROOT / "tests" / "data" / "predictions-1.npz"
    assert read_predictions(path)[0].scores["pair"].dtype == np.float32
    with pytest.raises(ZooError, match="history"):
        read_history(path)


def test_no_predictions_are_predictions_too(tmp_path: Path) -> None:
    write_predictions(tmp_path / "none.npz", [])
    assert read_predictions(tmp_path / "none.npz") == []


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test.npz"
    write_predictions(path, some())
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(KeyboardInterrupt):
        write_predictions(path, [])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_packed_in_an_unknown_way_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_predictions(path, [])
    content = bytearray(path.read_bytes())
    for place in (
        i for i in range(len(content)) if bytes(content[i : i + 4]) in (b"PK\x01\x02", b"PK\x03\x04")
    ):
        content[place + (10 if content[place + 2] == 1 else 8)] = 99  # the method of compression
    path.write_bytes(content)
    with pytest.raises(ZooError, match=r"a\.npz: expected a predictions file of ecpe-zoo"):
        read_predictions(path)


def test_a_shape_without_end_is_named(tmp_path: Path) -> None:
    head = {"format": "ecpe-zoo predictions 1", "ids": ["a"], "truncated": [0], "shapes": {"pair": [[1e999]]}}
    content = {"head": np.frombuffer(json.dumps(head).encode(), np.uint8), "scores/pair": np.zeros(1)}
    np.savez(tmp_path / "a.npz", **content)  # type: ignore[arg-type]
    with pytest.raises(ZooError, match=r"a\.npz: expected a predictions file of ecpe-zoo"):
        read_predictions(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ZooError, match=r"other\.npz: expected a predictions file"):
        read_predictions(path)
    with pytest.raises(ZooError, match="expected a predictions file"):
        read_predictions(tmp_path / "missing.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"shapes": {"pair": [[5, 5]]}},
        {"ids": None},
        {"ids": ["a", "b"]},
        {"shapes": ["pair"]},
        {"truncated": None},
        {"labels": 3},
    ],
)
def test_a_damaged_head_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    """These were tracebacks."""
    head = {"format": "ecpe-zoo predictions 1", "ids": ["a"], "truncated": [0], "shapes": {"pair": [[1, 1]]}}
    text = json.dumps({**head, "labels": [], **change}).encode()
    scores = {"scores/pair": np.zeros(1, np.float32)}
    np.savez(tmp_path / "a.npz", head=np.frombuffer(text, np.uint8), **scores)  # type: ignore[arg-type]
    with pytest.raises(ZooError, match=r"a\.npz: expected a predictions file"):
        read_predictions(tmp_path / "a.npz")
