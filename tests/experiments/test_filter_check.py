"""Pairs of the two-stage methods with and without the filter, from kept scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from experiments.filter_check import both, main, unfiltered

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


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZooError, match="Expected records of two_stage with a filter"):
        main([str(RECORDS / "rule")])
    assert capsys.readouterr().out == ""
