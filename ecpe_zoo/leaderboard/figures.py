"""What the pages draw: the forest plot of a board, and the plots of a method's page."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard import findings, plots, tables
from ecpe_zoo.leaderboard.rows import Board, Cell, folds_in_words
from ecpe_zoo.results import statistics
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.evidence import threshold_sweep
from ecpe_zoo.results.kept import SWEEP
from ecpe_zoo.results.selection import WATCHED
from ecpe_zoo.results.store import RunGroup
from ecpe_zoo.tasks import find_task

TITLES = {"strict": "Strict protocol", "paper": "Paper protocol"}


def templates() -> Environment:
    """The templates of pages and style sheets, with filters for numbers."""
    environment = Environment(
        loader=PackageLoader("ecpe_zoo.leaderboard"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    words = (
        findings.finding,
        tables.difference,
        tables.gap,
        tables.headline_name,
        tables.interval,
        tables.mean_and_sd,
        tables.row_groups,
        tables.percent,
        tables.runs,
        tables.without_collapsed,
        folds_in_words,
    )
    environment.filters |= {function.__name__: function for function in words}
    environment.filters["forest"] = lambda board: Markup(board_forest(board))
    return environment


def board_forest(board: Board, with_folds: bool = False, style: str = "") -> str:
    """The forest plot of a board: means with 95 % intervals, and the figures that papers print.

    Ablations and rows that are shown apart are left out.

    Args:
        board: The rows.
        with_folds: Also draw the values whose mean is taken.
        style: CSS for a file of its own; "" for a page.

    Returns:
        SVG text; "" without a finished run.
    """
    rows = [row for row in board.rows if not row.apart and not row.of]
    dots = []
    for protocol, colour in (("strict", 0), ("paper", 1)):
        for row in rows:
            cell = row.cells.get(protocol)
            if cell is not None and cell.spread is not None:
                kind = "" if protocol == "strict" else f", {TITLES[protocol].lower()}"
                name = f"{board.titles[row.label]}{kind}: {tables.percent(cell.spread.over.mean)}, {tables.runs(cell)}"
                name += ", still rising" * bool(cell.group.rising)
                mean, _, low, high, _ = cell.spread.over
                folds = [100 * value for value in _averaged(cell.group)] if with_folds else []
                hollow = cell.rank is None
                dots.append(plots.Estimate(name, 100 * mean, 100 * low, 100 * high, colour, hollow, folds))
    if not dots:
        return ""
    named = {row.reported.method: row.reported for row in rows if row.reported is not None}
    dots += [
        plots.Estimate(
            f"{row.method}, printed: {tables.percent(row.f1)}, {row.practice}",
            100 * row.f1,
            colour=5,
            hollow=True,
        )
        for row in named.values()
    ]
    title = f"{board.title}: means and intervals"
    described = "; ".join(dot.name for dot in dots)
    return plots.forest(f"{board.slug}-f", title, described, dots, "F1 in percent", style)


def _averaged(group: RunGroup) -> list[float]:
    """The values whose mean a group has: folds, each the mean of its seeds, or the seeds of a single fold."""
    values = group.values()
    return list((statistics.fold_means(values) if len(group.folds) > 1 else values).values())


def write_board_picture(boards: Sequence[Board], corpus: str, path: Path) -> None:
    """Write the forest plot of one board as an SVG file of its own, with light and dark colours.

    Each row has its mean, its 95 % interval, and a small circle for each fold (for each seed if there is one fold).

    Args:
        boards: All of them.
        corpus: Name of a corpus, or `TASK-CORPUS` if it has boards of several tasks.
        path: Path of the file; an existing one is replaced.

    Raises:
        ZooError: no board of that name has a finished run, or several have.
    """
    style = templates().get_template("picture.css").render()
    drawn = {board: svg for board in boards if (svg := board_forest(board, with_folds=True, style=style))}
    found = [board for board in drawn if corpus in (board.corpus, board.slug)]
    if len(found) != 1:
        choices = ", ".join(sorted(board.slug for board in found or drawn)) or "none has a finished run"
        raise ZooError(f"Expected the name of one board to draw ({choices}), but got {corpus!r}.")
    tables.write_text(path, drawn[found[0]] + "\n")


def method_plots(cell: Cell, prefix: str, root: Path | None) -> list[tuple[str, Markup]]:
    """The plots of a method under one protocol, each after its caption; none without a finished run."""
    group = cell.group
    if not group.finished:
        return []
    drawn = (
        (
            "Learning curves: validation and, if watched, the test score of every epoch, which chose nothing. Bold: "
            "mean over runs.",
            _learning(group, prefix),
        ),
        ("F1 of each fold (mean over seeds; whiskers: lowest and highest seed).", _folds(group, prefix)),
        (
            "Precision, recall and F1 by threshold, mean over runs.",
            _sweep(group, prefix, root) if cell.pooled is not None else "",
        ),
        (find_task(group.task).kinds_caption, _kinds(group, prefix)),
        ("Minutes of training of each fold, validation included (mean over seeds).", _minutes(group, prefix)),
    )
    return [(caption, Markup(svg)) for caption, svg in drawn if svg]


def _curve(entry: Entry, part: str) -> list[tuple[float, float]]:
    name = find_task(entry.task).headline
    points: list[tuple[float, float]] = []
    steps_before = 0.0
    for row in entry.shown_history:
        value = (row.get(part) or {}).get(name)
        step = float(row.get("step", 0))
        if points and step + steps_before < points[-1][0]:
            steps_before = points[-1][0]  # a later stage counts its steps from 0 again
        if value is not None:
            points.append((step + steps_before, 100 * float(value)))
    return points


def _mean_curve(curves: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """The mean at each step for which at least half of the runs have a value."""
    values: defaultdict[float, list[float]] = defaultdict(list)
    for curve in curves:
        for step, value in curve:
            values[step].append(value)
    return [(step, fmean(some)) for step, some in sorted(values.items()) if 2 * len(some) >= len(curves)]


def _learning(group: RunGroup, prefix: str) -> str:
    series: list[plots.Series] = []
    said = []
    for part, name, colour in (("validation", "validation", 0), (WATCHED, "test fold, watched", 1)):
        if part == "validation" and group.protocol == "paper":
            name = "test fold, which chose the epoch"
        curves = [curve for entry in group.finished if (curve := _curve(entry, part))]
        if not curves:
            continue
        if len(curves) > 1:
            series += [plots.Series("", curve, colour, faint=True) for curve in curves]
        mean = _mean_curve(curves) if len(curves) > 1 else curves[0]
        series.append(plots.Series(name, mean, colour, dashed=part == WATCHED))
        if mean:
            said.append(f"{name}: from {mean[0][1]:.1f} to at most {max(value for _, value in mean):.1f}")
    return plots.lines(
        f"{prefix}-l", "Learning curves", "; ".join(said), series, "optimiser steps", "F1 in percent"
    )


def _by_fold(group: RunGroup, value: Callable[[Entry], float | None]) -> list[plots.Estimate]:
    made = []
    for fold, entries in group.by_fold().items():
        values = [found for entry in entries if (found := value(entry)) is not None]
        if values:
            ends = (min(values), max(values)) if len(values) > 1 else (math.nan, math.nan)
            made.append(plots.Estimate(str(fold), round(fmean(values), 1), *ends))
    return made


def _said(values: Sequence[plots.Estimate]) -> str:
    return ", ".join(f"{bar.name}: {bar.value:g}" for bar in values)


def _folds(group: RunGroup, prefix: str) -> str:
    values = _by_fold(group, lambda entry: 100 * (entry.score or 0.0))
    return plots.bars(f"{prefix}-b", "F1 of each fold", _said(values), values, "F1 in percent", "fold")


def _minutes(group: RunGroup, prefix: str) -> str:
    values = _by_fold(group, lambda entry: entry.record.machine.seconds / 60)
    return plots.bars(f"{prefix}-m", "Minutes of training", _said(values), values, "minutes", "fold")


def _kinds(group: RunGroup, prefix: str) -> str:
    kinds = {f"{item}_f1": name for item, name in find_task(group.task).kinds.items()}
    if not kinds:
        found = {key.split(".")[1] for key in group.finished[0].record.metrics}
        names = sorted(key for key in found if key.startswith("class_") and key.endswith("_f1"))
        kinds = {key: key.removeprefix("class_").removesuffix("_f1") for key in names}
    values = []
    for key, name in kinds.items():
        spread = group.spread(key)
        if spread is not None:
            over = spread.over
            values.append(plots.Estimate(name, round(100 * over.mean, 1), 100 * over.low, 100 * over.high))
    if len(values) > 8:
        ordered = sorted(values, key=lambda bar: -bar.value)
        return plots.forest(f"{prefix}-k", "F1 of each class", _said(values), ordered, "F1 in percent")
    return plots.bars(f"{prefix}-k", "F1 by kind", _said(values), values, "F1 in percent")


def _sweep(group: RunGroup, prefix: str, root: Path | None) -> str:
    sweeps = [counts for entry in group.finished if (counts := threshold_sweep(entry, root)) is not None]
    if not sweeps:
        return ""
    series = []
    for colour, name in enumerate(("f1", "precision", "recall")):
        means = [
            (threshold, 100 * fmean(getattr(counts, name)[place] for counts in sweeps))
            for place, threshold in enumerate(SWEEP)
        ]
        series.append(plots.Series(name.replace("f1", "F1"), means, colour, dashed=name != "f1"))
    best = max(series[0].points, key=lambda point: point[1])
    default = group.first.record.protocol.default_threshold
    described = f"F1 is highest, {best[1]:.1f}, at threshold {best[0]:g}"
    mark = (default, f"default {default:g}") if default is not None else None
    return plots.lines(f"{prefix}-s", "Threshold sweep", described, series, "threshold", "percent", mark)
