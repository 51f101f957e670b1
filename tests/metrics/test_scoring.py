"""The table of tasks holds together: what it names is what the functions give."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.registry import Task
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.scoring import SCORINGS, scoring_of

LABELS = ("neutral", "joy", "others")


def example(task: str, good: bool = True) -> tuple[list[Prediction], dict[str, Document]]:
    """Documents with one pair and with two; predicted rightly, or nothing, or the same for all segments."""
    segments = (Segment("hm", emotions=("neutral",)), Segment("yes", emotions=("joy",)))
    gold = {"a": Document("a", segments, frozenset({(1, 0)})),
            "b": Document("b", segments, frozenset({(1, 0), (1, 1)}))}  # fmt: skip
    made = []
    for id, document in gold.items():
        if task == "ecpe":
            pair = np.zeros((2, 2), dtype=np.float32)
            for cell in document.pairs or ():
                pair[cell] = 0.8 * good
            made.append(Prediction(id, {"pair": pair}))
        else:
            scores = np.full((2, 3), 0.1, dtype=np.float32)
            scores[[0, 1], [0, int(good)]] = 0.8
            made.append(Prediction(id, {"emotions": scores}, labels=LABELS))
    return made, gold


def test_every_task_of_the_corpora_is_scored() -> None:
    assert set(SCORINGS) == set(get_args(Task))
    with pytest.raises(ZooError, match="a task to be one of: ecpe, erc, emotions, but got 'ner'"):
        scoring_of("ner")


@pytest.mark.parametrize("task", SCORINGS)
def test_what_the_table_names_is_computed(task: str) -> None:
    scoring = scoring_of(task)
    metrics = scoring.score(*example(task), 0.5)
    assert scoring.task == task
    assert metrics[scoring.headline] == 1.0
    assert scoring.headline in scoring.remembered
    assert set(scoring.short(metrics)) == set(scoring.remembered)
    rows = scoring.table_rows(metrics)
    assert next(iter(rows)) == scoring.leading
    assert set(scoring.rows) <= set(rows)
    assert all(f"{item}_{score}" in metrics for item in rows for score in ("precision", "recall", "f1"))
    assert len(rows) - len(scoring.rows) == (0 if task == "ecpe" else 3)
    assert set(scoring.figures(metrics)) == set(scoring.shown.values())


@pytest.mark.parametrize("task", SCORINGS)
def test_tuning_tunes_the_headline(task: str) -> None:
    scoring, (said, gold) = scoring_of(task), example(task)
    if scoring.tune is None:
        assert scoring.score(said, gold, None) == scoring.score(said, gold, 0.9)
        return
    threshold, value = scoring.tune(said, gold, 0.9)
    assert 0.1 <= threshold < 0.8
    assert value == scoring.score(said, gold, threshold)[scoring.headline] == 1.0
    assert scoring.score(said, gold, 0.9)[scoring.headline] == 0.0
    with pytest.raises(ValueError, match="Expected a threshold"):
        scoring.score(said, gold, None)


@pytest.mark.parametrize("task", SCORINGS)
def test_a_method_that_always_says_the_same_has_collapsed(task: str) -> None:
    scoring = scoring_of(task)
    assert not scoring.collapsed(scoring.score(*example(task), 0.5))
    assert scoring.collapsed(scoring.score(*example(task, good=False), 0.5))
    assert scoring.collapsed(scoring.score([], {}, 0.5))
