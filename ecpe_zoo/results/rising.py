"""Runs that ended while they still learned: their score says less about the method than about the number of epochs."""

from __future__ import annotations

from typing import Any

from ecpe_zoo.results.choosing import selection_metric
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.tasks import find_task

STILL_RISING = 0.02
"""A mean rise that is named. Ours: single runs of a method that has finished rise by as much, since few validation
documents decide; their mean over folds does not."""


def last_rise(entry: Entry) -> float:
    """How far the last epoch of a stage raised the metric that chose its weights above all earlier epochs.

    Returns:
        A fraction, of the stage with the largest rise. 0 if an earlier epoch was as good, for a single epoch, for a
        metric of which less is better (a loss is in no points), and without the file of the history.
    """
    rows = entry.shown_history
    stages = list(dict.fromkeys(row.get("stage") for row in rows))
    metrics: dict[Any, str | None] = {}
    if stages:  # what records say that do not name the metric of each stage
        metrics[stages[-1]] = selection_metric(entry.record) or find_task(entry.task).headline
    for stage in entry.record.stages:
        if stage.chosen_by is not None:
            metrics[stage.name] = None if stage.chosen_by.mode == "min" else stage.chosen_by.metric
    rises = [0.0]
    for name, metric in metrics.items():
        short = (metric or "").removeprefix("val/")
        found = [row.get("validation", {}).get(short) for row in rows if row.get("stage") == name]
        values = [float(value) for value in found if value is not None]
        if len(values) > 1:
            rises.append(values[-1] - max(values[:-1]))
    return max(rises)


def rising_in_words(rise: float, runs: int) -> str:
    """What to say of runs whose `last_rise` has this mean; "" below `STILL_RISING`.

    >>> rising_in_words(0.225, 1)
    'validation still rose by 22.5 points in the last epoch: more epochs may score higher'
    >>> rising_in_words(0.019, 3)
    ''
    """
    if rise < STILL_RISING:
        return ""
    of = f" (mean of {runs} runs)" if runs > 1 else ""
    return f"validation still rose by {100 * rise:.1f} points in the last epoch{of}: more epochs may score higher"
