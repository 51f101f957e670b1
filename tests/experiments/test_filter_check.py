"""Pairs of the two-stage methods with and without the filter, from kept scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction, read_predictions, write_predictions
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import file_sha256
from ecpe_zoo.results.store import find_records, group_records
from experiments.filter_check import both, main, row_of, unfiltered
from tests.results.making import write, write_scored

RECORDS = Path(__file__).parents[2] / "experiments" / "records"


def test_without_the_filter_every_emotion_has_every_cause() -> None:
    document = Document(
        "a", tuple(Segment(str(place)) for place in range(4)), pairs=frozenset({(1, 0), (3, 3)})
    )
    pair = np.zeros((4, 4), np.float32)
    pair[1, 0], pair[3, 0] = 0.9, 0.2
    prediction = Prediction(
        "a",
        {
            "pair": pair,
            "emotion": np.array([0.1, 0.8, 0.5, 0.6], np.float32),  # 0.5 is not found
            "cause": np.array([0.7, 0.2, 0.1, 0.9], np.float32),
        },
    )
    kept, every = both([prediction], {"a": document}, 0.3)
    assert kept == pytest.approx((1, 1 / 2, 2 / 3))
    assert every == pytest.approx((2 / 4, 1, 2 / 3))
    _, near = both([prediction], {"a": document}, 0.3, window=1)
    assert near == pytest.approx((1, 1, 1))  # 1-0 and 3-3 alone
    assert unfiltered(prediction).scores["pair"][1, 3] == np.float32(0.8)


def test_the_command_scores_each_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2):
        path = write_scored(tmp_path / f"{seed}.json", seed=seed, method="two_stage", model={"filter": True})
        made = read_predictions(path.with_suffix(".npz"))
        heads = [
            {name: p.scores["pair"].max(axis=axis) for name, axis in (("emotion", 1), ("cause", 0))}
            for p in made
        ]
        scored = [p._replace(scores={**p.scores, **some}) for p, some in zip(made, heads, strict=True)]
        write_predictions(path.with_suffix(".npz"), scored)
        record: dict[str, Any] = json.loads(path.read_text())
        write(path, record | {"predictions": file_sha256(path.with_suffix(".npz"))})
    assert main([str(tmp_path)]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "bundled-ecpe" in line)
    assert row.split()[0] == "two_stage"
    (group,) = group_records(find_records([tmp_path]))
    found, spread = row_of("two_stage", group), group.spread()
    assert spread is not None
    assert found.kept[2] == pytest.approx(spread.over.mean)  # the recorded F1
    assert found.gain.mean == pytest.approx(found.kept[2] - found.every[2])
    assert found.every[1] >= found.kept[1]  # the filter finds no further pair


def test_records_without_a_filter_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZooError, match="Expected records of two_stage with a filter"):
        main([str(RECORDS / "rule")])
    assert capsys.readouterr().out == ""
