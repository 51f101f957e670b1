"""Runs that ended while they still learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.results.rising import last_rise
from ecpe_zoo.results.store import find_records, group_records
from tests.results.making import history, raw, write


def rise(folder: Path, record: dict[str, Any]) -> float:
    write(folder / "a.json", record)
    return last_rise(find_records([folder])[0])


@pytest.mark.parametrize(
    ("validation", "expected"),
    [
        ([0.06, 0.16, 0.385], 0.225),
        ([0.4, 0.5, 0.45, 0.52], 0.02),  # over the best earlier epoch, not the one before
        ([0.1, 0.5, 0.4], 0.0),
        ([0.5, 0.5], 0.0),
        ([0.5], 0.0),  # one epoch shows no rise
        ([], 0.0),
    ],
)
def test_over_the_best_earlier_epoch(tmp_path: Path, validation: list[float], expected: float) -> None:
    rows = history([(value, 0.9) for value in validation])
    assert rise(tmp_path, raw(history=rows)) == pytest.approx(expected)


def test_each_stage_by_the_metric_that_chose_it(tmp_path: Path) -> None:
    first = [
        {
            "stage": "clauses",
            "epoch": epoch,
            "step": epoch,
            "validation": {"clause_f1": value, "pair_f1": 0.0},
        }
        for epoch, value in enumerate((0.3, 0.4))
    ]
    record = raw(history=first + history([(0.5, 0.1), (0.51, 0.1)], "pairs")) | {"schema_version": 3}
    record["protocol"] |= {"selection_metric": "val/pair_f1"}
    record["stages"] = [
        {"name": name, "epochs": 2, "steps": 2, "seconds": 1.0, "trainable_parameters": 1, "chosen_by": by}
        for name, by in (
            ("clauses", {"metric": "val/clause_f1", "mode": "max", "documents": "validation part"}),
            ("pairs", {"metric": "val/pair_f1", "mode": "max", "documents": "validation part"}),
        )
    ]
    assert rise(tmp_path, record) == pytest.approx(0.1)
    record["stages"][0]["chosen_by"]["mode"] = "min"  # a loss: not in points
    assert rise(tmp_path, record) == pytest.approx(0.01)


def test_a_run_without_its_file_is_not_said_to_rise(tmp_path: Path) -> None:
    assert rise(tmp_path, {**raw(), "history": None, "schema_version": 4}) == 0


@pytest.mark.parametrize(("last", "said"), [(0.6, True), (0.53, False)])
def test_a_group_is_judged_by_the_mean_of_its_runs(tmp_path: Path, last: float, said: bool) -> None:
    """A single run may rise by chance: few validation documents decide."""
    for fold, value in enumerate((0.49, 0.51, last), start=1):
        write(tmp_path / f"{fold}.json", raw(fold=fold, history=history([(0.5, 0.1), (value, 0.1)])))
    (group,) = group_records(find_records([tmp_path]))
    assert group.rising == said * (
        "validation still rose by 3.7 points in the last epoch (mean of 3 runs): more epochs may score higher"
    )
