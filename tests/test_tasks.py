"""Each task holds together: what it names is what its functions give."""

from __future__ import annotations

import copy
import subprocess
import sys

import numpy as np
import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.registry import CORPORA
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.metrics.counts import THREE, Counts
from ecpe_zoo.tasks import ECPE, EMOTIONS, ERC, TASKS, Task, find_task

LABELS = ("neutral", "joy", "others")
SEGMENTS = (Segment("hm", emotions=("neutral",)), Segment("yes", emotions=("joy",)))
GOLD = {
    "a": Document("a", SEGMENTS, frozenset({(1, 0)})),
    "b": Document("b", SEGMENTS, frozenset({(1, 0), (1, 1)})),
}
each_task = pytest.mark.parametrize("task", TASKS.values(), ids=str)


def said(task: Task, good: bool = True) -> list[Prediction]:
    """All gold predicted; or nothing, or the same for all segments."""
    made = []
    for id, document in GOLD.items():
        if task.labelled:
            scores = np.full((2, 3), 0.1, dtype=np.float32)
            scores[[0, 1], [0, int(good)]] = 0.8
            made.append(Prediction(id, {"emotions": scores}, labels=LABELS))
        else:
            pair = np.zeros((2, 2), dtype=np.float32)
            for cell in document.pairs or ():
                pair[cell] = 0.8 * good
            made.append(Prediction(id, {"pair": pair}))
    return made


def test_every_task_of_the_corpora_is_known() -> None:
    assert {task for corpus in CORPORA.values() for task in corpus.tasks} == set(TASKS)
    assert find_task("erc") is ERC
    assert (find_task("ner").title, find_task("ner").headline) == ("ner", "")
    assert copy.deepcopy(ERC) is ERC


def test_commands_that_know_the_tasks_load_nothing_slow() -> None:
    slow = ("torch", "lightning", "torch_geometric", "transformers", "scipy.stats")
    check = f"import sys, ecpe_zoo.tasks; print([name for name in {slow} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@each_task
def test_what_a_task_names_is_computed(task: Task) -> None:
    metrics = task.score(said(task), GOLD, 0.5)
    assert metrics[task.headline] == 1.0
    assert task.headline_of(metrics) == task.headline
    assert set(task.short(metrics)) == set(task.remembered) - {task.stage_headline}
    rows = task.table_rows(metrics)
    assert next(iter(rows)) == task.leading
    assert set(task.rows) <= set(rows)
    assert set(task.kinds) <= set(rows)
    assert all(f"{item}_{score}" in metrics for item in rows for score in THREE)
    assert len(rows) - len(task.rows) == (3 if task.labelled else 0)
    shown = task.lines(metrics)[0] if task.labelled else ""
    assert all(label in shown for name, label in task.shown.items() if name != task.stage_headline)
    assert metrics[task.counted] == sum(map(task.gold, GOLD.values()))


@each_task
def test_counts_of_documents_add_up_to_the_headline(task: Task) -> None:
    made = [*said(task)[:1], *said(task, good=False)[1:]]
    total: dict[str, Counts] = {}
    for prediction in made:
        found = task.count([prediction], {prediction.id: GOLD[prediction.id]}, 0.5)
        total = {name: total.get(name, Counts(0, 0, 0)) + count for name, count in found.items()}
    summed = Counts(*np.array(list(total.values())).T)
    score = task.score(made, GOLD, 0.5)[task.headline]
    assert summed.averaged(task.average) == pytest.approx(score)
    assert 0 < score < 1


@each_task
def test_tuning_tunes_the_headline(task: Task) -> None:
    made = said(task)
    if task.tune is None:
        assert task.score(made, GOLD, None) == task.score(made, GOLD, 0.9)
        return
    threshold, value = task.tune(made, GOLD, 0.9)
    assert 0.1 <= threshold < 0.8
    assert value == task.score(made, GOLD, threshold)[task.headline] == 1.0
    assert task.score(made, GOLD, 0.9)[task.headline] == 0.0
    with pytest.raises(ValueError, match="Expected a threshold"):
        task.score(made, GOLD, None)


@each_task
def test_a_method_that_always_says_the_same_has_collapsed(task: Task) -> None:
    assert not task.collapsed(task.score(said(task), GOLD, 0.5))
    assert task.collapsed(task.score(said(task, good=False), GOLD, 0.5))
    assert task.collapsed(task.score([], {}, 0.5))


@each_task
def test_each_task_has_its_pictures(task: Task) -> None:
    names = [picture.name for picture in task.pictures(said(task), GOLD)]
    expected = {ERC: ["confusion"], EMOTIONS: ["correlation-predicted", "correlation-annotated"], ECPE: []}
    assert names == expected[task]


def test_a_first_stage_is_scored_by_its_heads() -> None:
    """The first stage of a two-stage method predicts emotion and cause clauses, and no pair."""
    made = [
        Prediction(
            "a", {"emotion": np.array([0.1, 0.9], np.float32), "cause": np.array([0.9, 0.9], np.float32)}
        ),
        Prediction(
            "b", {"emotion": np.array([0.1, 0.9], np.float32), "cause": np.array([0.2, 0.2], np.float32)}
        ),
    ]
    metrics = ECPE.score(made, GOLD, 0.5)
    assert metrics["emotion_f1"] == metrics["emotion_from_head_f1"] == 1.0
    assert metrics["cause_f1"] == pytest.approx(2 * 1 / (2 + 3))
    assert metrics["clause_f1"] == pytest.approx((1.0 + 0.4) / 2)
    assert not {name for name in metrics if "pair" in name} - {"pair_gold"}
    ECPE.check(metrics, GOLD.values())
    assert ECPE.headline_of(metrics) == "clause_f1"
    assert not ECPE.collapsed(metrics)
    assert set(ECPE.table_rows(metrics)) == {"emotion", "cause"}
    assert ECPE.lines(metrics) == ["mean F1 of emotions and causes 70.00"]
    assert not ECPE.tunable(made)
    assert ECPE.tunable(said(ECPE))
    assert ECPE.tune is not None
    assert ECPE.tune(made, GOLD, 0.3) == (0.3, 0.0)
    assert ECPE.count(made, GOLD, 0.5) == {"pair": Counts(0, 0, 3)}
    only_causes = [Prediction(p.id, {"cause": p.scores["cause"]}) for p in made]
    assert ECPE.score(only_causes, GOLD, 0.5)["clause_f1"] == pytest.approx(0.4)
