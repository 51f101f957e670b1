"""The leaderboard as a folder of static pages that opens from a file, without server or network.

Styles, script and plots are inside the pages; nothing is loaded from elsewhere. Without JavaScript the tables stand as
they are, sorted by rank.
"""

from __future__ import annotations

import math
import shlex
import statistics as plain_statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard import plots
from ecpe_zoo.leaderboard.board import Board, BoardRow, Cell, folds_in_words
from ecpe_zoo.leaderboard.published import published_file
from ecpe_zoo.leaderboard.tables import (
    NOTES,
    common_folds,
    gap,
    interval,
    mean_and_sd,
    p_value,
    percent,
    runs,
    signed,
    without_collapsed,
    write_tables,
    write_text,
)
from ecpe_zoo.options import flat
from ecpe_zoo.results.evidence import SWEEP, headline_threshold, threshold_sweep
from ecpe_zoo.results.record import RunRecord
from ecpe_zoo.results.selection import WATCHED, Prices, prices
from ecpe_zoo.results.significance import RESAMPLES, MethodComparison
from ecpe_zoo.results.store import Entry, RunGroup
from ecpe_zoo.tasks import find_task

HEADS = tuple(
    {"name": name, "first": first}
    for name, first in (
        ("Rank", "ascending"), ("Method", "ascending"), ("Encoder", "ascending"), ("Lexicon", "ascending"),
        ("Epoch chosen on", "ascending"), ("Reported", "descending"), ("Paper protocol", "descending"),
        ("Strict", "descending"), ("Difference", "descending"),
    )
)  # fmt: skip
"""Columns of a board; `first` is the way a first click sorts."""

TITLES = {"strict": "Strict protocol", "paper": "Paper protocol"}

METHOD_NOTE = (
    "Spread is over folds, each the mean of its seeds; t-intervals treat folds as if independent, which they are not "
    "quite: they share training documents. The difference of two methods is tested on the documents that both were "
    f"scored on: {RESAMPLES:,} paired bootstrap draws for the interval, as many random swaps of their outputs for p, "
    "Holm-adjusted within protocol and board; over folds by the corrected resampled t-test of Nadeau and Bengio. The "
    "smallest difference that could be seen is 2.80 standard errors (80 % power at 5 %); over folds it is told by the "
    "spread of the folds' differences, with the seeds in it. A run has collapsed if it "
    "scores 0, has learned one class only, or scores below half of its method's median; it stays in the mean, and the "
    "mean without it stands beside."
)


def build_page(
    boards: Sequence[Board],
    records: int,
    folder: Path,
    root: Path | None = None,
    failures: Sequence[str] = (),
) -> list[Path]:
    """Write the pages, the tables and the configs into a folder.

    Args:
        boards: what to show.
        records: how many records they were made from.
        folder: is made where missing; files of an older build that have the same name are replaced.
        root: of the corpora, for threshold sweeps.
        failures: names of cells that failed and left no record.

    Returns:
        The files.
    """
    environment = Environment(
        loader=PackageLoader("ecpe_zoo.leaderboard"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
    )

    def inlined(name: str) -> Markup:
        source = environment.get_template(name).render()
        return Markup(source)  # our own files

    common = {
        "style": inlined("style.css"),
        "version": version("ecpe-zoo"),
        "records": records,
        "notes": NOTES.replace("*", ""),
    }
    written = write_tables(boards, folder, failures)
    index = environment.get_template("index.html").render(
        boards=[_board(board) for board in boards],
        script=inlined("board.js"),
        published_note=published_file().note,
        method_note=METHOD_NOTE,
        failures=failures,
        **common,
    )
    write_text(folder / "index.html", index)
    written.append(folder / "index.html")
    page = environment.get_template("method.html")
    for board in boards:
        for row in board.rows:
            parts = [
                _part(board, row, protocol, row.cells[protocol], root)
                for protocol in TITLES
                if protocol in row.cells
            ]
            for part in parts:
                path = folder / "configs" / part["config_name"]
                write_text(path, part["config"])
                written.append(path)
            path = folder / "methods" / f"{row.slug}.html"
            write_text(path, page.render(board=board, row=_reported(row), parts=parts, **common))
            written.append(path)
    return written


# --- the index


def _board(board: Board) -> dict[str, Any]:
    rows = [_row(row) for row in board.rows]
    printed = [
        {
            "method": row.method, "paper": row.paper, "table": row.table, "split": row.split, "kind": row.kind,
            "lexicon": row.lexicon, "selection": row.selected_on, "selection_words": row.selection,
            "value": row.f1, "text": percent(row.f1),
        }
        for row in board.published
    ]  # fmt: skip
    choices = {
        "protocol": sorted({name for row in rows for name in row["protocols"]}, reverse=True)
        + (["reported"] if printed and not any(row["reported"] for row in rows) else []),
        "encoder": sorted({row["encoder"] for row in rows}) + (["as in the paper"] if printed else []),
        "lexicon": sorted(
            {name for row in rows for name in row["lexicons"]} | {str(row["lexicon"]) for row in printed}
        ),
        "selection": sorted(
            {name for row in rows for name in row["selections"]} | {str(row["selection"]) for row in printed}
        ),
    }
    return {
        "slug": board.slug, "title": board.title, "missing": board.missing, "rows": rows, "published": printed,
        "compared_with": board.compared_with,
        "heads": [*HEADS[:-1], {**HEADS[-1], "name": f"To {board.compared_with}, strict"}],
        "choices": choices, "metric": _metric_name(board.task), "figure": Markup(_forest(board)),
    }  # fmt: skip


def _metric_name(task: str) -> str:
    """`Pair F1`."""
    words = find_task(task).headline_in_words or "F1"
    return words[0].upper() + words[1:]


def _row(row: BoardRow) -> dict[str, Any]:
    rules = {protocol: cell.group.first.record.protocol for protocol, cell in row.cells.items()}
    strict = row.cells.get("strict")
    many = len(row.cells) > 1
    return {
        "slug": row.slug,
        "label": row.label,
        "method": row.method,
        "change": row.label[len(row.method) :].strip(" []"),
        "encoder": row.encoder,
        "rank": strict.rank if strict is not None else None,
        "protocols": list(row.cells) + (["reported"] if row.reported is not None else []),
        "lexicons": sorted({rule.lexicon for rule in rules.values()}),
        "selections": sorted({cell.group.chosen_on for cell in row.cells.values()}),
        "notes": [
            f"{TITLES[protocol].split()[0].lower()}: {note}" if many else note
            for protocol, cell in row.cells.items()
            for note in cell.notes
        ],
        "reported": _reported(row)["reported"],
        "paper": _cell(row.cells.get("paper")),
        "strict": _cell(strict),
        "difference": _difference(strict) if strict is not None else None,
    }


def _reported(row: BoardRow) -> dict[str, Any]:
    printed = row.reported
    shown = None
    if printed is not None:
        shown = {
            "value": printed.f1, "text": percent(printed.f1), "practice": printed.practice, "paper": printed.paper,
            "table": printed.table,
        }  # fmt: skip
    return {"label": row.label, "encoder": row.encoder, "reported": shown}


def _cell(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    if cell.spread is None:
        return {"value": "", "text": "failed", "interval": "", "runs": f"{len(cell.group.entries)} runs"}
    return {
        "value": cell.spread.over.mean,
        "text": mean_and_sd(cell.spread),
        "interval": interval(cell.spread),
        "runs": runs(cell),
    }


def _difference(cell: Cell) -> dict[str, Any] | None:
    comparison = cell.comparison
    if comparison is None:
        return None
    return {
        "value": comparison.bootstrap.difference,
        "text": gap(comparison),
        "where": common_folds(cell),
        "p": p_value(comparison.holm_p),
        "verdict": comparison.verdict,
    }


def _forest(board: Board) -> str:
    dots = []
    for protocol, colour in (("strict", 0), ("paper", 1)):
        for row in board.rows:
            cell = row.cells.get(protocol)
            if cell is not None and cell.spread is not None:
                over = cell.spread.over
                dots.append(
                    plots.Dot(
                        f"{row.label}: {TITLES[protocol].lower()}, {runs(cell)}",
                        100 * over.mean, 100 * over.low, 100 * over.high, colour,
                    )
                )  # fmt: skip
    if not dots:
        return ""
    named = {row.reported.method: row.reported for row in board.rows if row.reported is not None}
    dots += [
        plots.Dot(f"{row.method}: printed, {row.practice}", 100 * row.f1, colour=5, hollow=True)
        for row in named.values()
    ]
    described = "; ".join(f"{dot.name} {dot.value:.1f}" for dot in dots)
    return plots.forest(
        f"{board.slug}-f", f"{board.title}: means and intervals", described, dots, "F1 in percent"
    )


# --- a method's page


def _part(board: Board, row: BoardRow, protocol: str, cell: Cell, root: Path | None) -> dict[str, Any]:
    group, comparison = cell.group, cell.comparison
    record = group.first.record
    rule = record.protocol
    facts: list[tuple[str, str]] = [
        ("Epoch chosen on", group.chosen_on),
        ("Threshold", _threshold_fact(group)),
        ("Lexicon", rule.lexicon),
        ("Runs", f"{runs(cell)}; failed {len(group.failed)}, collapsed {len(group.collapsed)}"),
    ]
    if cell.spread is not None:
        over, unit = cell.spread.over, cell.spread.unit
        facts.append(
            (_metric_name(board.task), f"{mean_and_sd(cell.spread)} {interval(cell.spread)} over {over.n} {unit}"
             if over.n > 1 else f"{percent(over.mean)}, one run")
        )  # fmt: skip
        if not math.isnan(cell.spread.seed_sd) and unit == "folds":
            facts.append(("Spread of seeds within a fold", f"sd {percent(cell.spread.seed_sd)}"))
        for name in ("precision", "recall"):
            side = group.spread(f"{find_task(board.task).leading}_{name}")
            if side is not None:
                facts.append((name.capitalize(), mean_and_sd(side)))
    if cell.pooled is not None:
        facts.append(("Pooled over all test documents", percent(cell.pooled)))
    facts.append(
        (
            "Test documents scored before the last time",
            _range([e.record.protocol.test_reads for e in group.entries]),
        )
    )
    name = f"{row.slug}-{protocol}.yaml"
    prefix = f"{row.slug}-{protocol}"
    return {
        "protocol": protocol,
        "title": TITLES[protocol],
        "notes": cell.notes,
        "facts": facts,
        "leader": board.leaders.get(protocol, ""),
        "tests": _tests(comparison) if comparison is not None else [],
        "test_folds": folds_in_words(comparison.folds) if comparison is not None else "",
        "test_documents": comparison.documents if comparison is not None else 0,
        "verdict": _verdict(comparison) if comparison is not None else "",
        "sound": without_collapsed(cell.sound) if cell.sound is not None else "",
        "run_heads": (
            "Run",
            "F1",
            "Precision",
            "Recall",
            "Epoch",
            "Threshold",
            "Minutes",
            "Peak MB",
            "Commit",
        ),
        "runs": [_run(entry, group) for entry in group.entries],
        "plots": _plots(board, cell, prefix, root, with_sweep=cell.pooled is not None),
        "price": _price(group),
        "command": command(group, f"configs/{name}"),
        "inputs": sorted(record.inputs.items()),
        "code": _code(group),
        "config_name": name,
        "config": config_text(group.first),
    }


def _threshold_fact(group: RunGroup) -> str:
    rule = group.first.record.protocol
    if rule.default_threshold is None:
        return "none: the highest score decides"
    if rule.headline == "tuned":
        chosen = sorted({round(headline_threshold(entry) or 0, 3) for entry in group.entries})
        span = f"{chosen[0]:g}" if len(chosen) == 1 else f"{chosen[0]:g} to {chosen[-1]:g}"
        return f"tuned on the {rule.tuned_on}: {span} (default {rule.default_threshold:g})"
    return f"the method's default, {rule.default_threshold:g}"


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"


def _code(group: RunGroup) -> str:
    commits = {
        (entry.record.code.commit or "outside of a checkout")[:10]
        + " (changed files)" * bool(entry.record.code.dirty)
        for entry in group.entries
    }
    return ", ".join(sorted(commits))


def _verdict(comparison: MethodComparison) -> str:
    return f"Verdict: {comparison.verdict}. {comparison.limits}"


def _tests(comparison: MethodComparison) -> list[dict[str, str]]:
    drawn, folds, won = comparison.bootstrap, comparison.fold_test, comparison.won
    single = math.isnan(folds.p)

    def plain(p: float) -> str:
        return p_value(p).removeprefix("p ").removeprefix("= ")

    return [
        {
            "name": "Paired bootstrap over documents", "difference": signed(drawn.difference),
            "interval": f"[{signed(drawn.low)}, {signed(drawn.high)}]", "p": "",
            "effect": f"standard error {percent(drawn.error, 2)}",
        },
        {
            "name": "Permutation of documents", "difference": signed(drawn.difference), "interval": "",
            "p": f"{plain(comparison.permutation_p)} (Holm {plain(comparison.holm_p)})",
            "effect": f"{won.better} documents better, {won.worse} worse, {won.equal} equal",
        },
        {
            "name": f"Corrected resampled t-test, {folds.folds} fold{'s' * (folds.folds != 1)}",
            "difference": signed(folds.mean),
            "interval": "–" if single else f"[{signed(folds.low)}, {signed(folds.high)}]",
            "p": "–" if single else plain(folds.p),
            "effect": "needs two folds" if single or math.isnan(folds.effect) else f"Hedges' g {folds.effect:+.2f}",
        },
    ]  # fmt: skip


def _name(entry: Entry) -> str:
    return f"fold {entry.fold}, seed {entry.record.seed}"


def _run(entry: Entry, group: RunGroup) -> dict[str, Any]:
    record = entry.record
    item = find_task(entry.task).leading
    threshold = headline_threshold(entry)
    status = "collapsed" if entry in group.collapsed else record.status
    return {
        "name": _name(entry),
        "status": status,
        "cells": [
            percent(entry.score),
            percent(entry.metric(f"{item}_precision")),
            percent(entry.metric(f"{item}_recall")),
            f"{record.epoch if record.epoch is not None else 'last'} of {_epochs(record)}",
            f"{threshold:.2f}" if threshold is not None else "–",
            f"{record.machine.seconds / 60:.1f}",
            f"{record.machine.peak_memory_bytes / 1e6:,.0f}",
            (record.code.commit or "–")[:8],
        ],
    }


def _epochs(record: RunRecord) -> int:
    """Of the stage whose checkpoint was scored: epochs are counted anew in each."""
    return record.stages[-1].epochs if record.stages else record.epochs


def _price(group: RunGroup) -> dict[str, Any] | None:
    try:
        found = prices(group.entries)
    except ZooError:
        return None
    sound = (
        f" {_price_in_words(prices(group.sound.entries))}" if group.collapsed and group.sound.entries else ""
    )
    return {
        "words": _price_in_words(found) + (f" Without the collapsed runs:{sound}" if sound else ""),
        "runs": [
            {
                "name": _name(run.entry),
                "cells": [
                    str(run.chosen_epoch), percent(run.chosen), str(run.best_epoch), percent(run.best),
                    signed(run.gap), str(run.looks),
                ],
            }
            for run in found.runs
        ],
    }  # fmt: skip


def _price_in_words(found: Prices) -> str:
    over = found.gap.over
    words = f"{percent(over.mean, 2)} points on average"
    if not math.isnan(over.low):
        words += (
            f", 95 % interval [{percent(over.low, 2)}, {percent(over.high, 2)}], over {over.n} {found.gap.unit} "
            f"({found.gap.runs} runs)"
        )
        if found.corrected is not None:
            low, high = percent(found.corrected.low, 2), percent(found.corrected.high, 2)
            words += f"; [{low}, {high}] where the training documents that folds share are counted in"
    return f"{words}: from {percent(found.chosen.over.mean, 2)} to {percent(found.best.over.mean, 2)}."


def command(group: RunGroup, config: str) -> str:
    """What trains a group's runs again, from the folder of the page.

    Files of the training machine are not known: their names stand in capitals.
    """
    record = group.first.record
    model = (record.config.get("model") or {}).get("init_args") or {}
    files = [
        f"--model.{name} PATH/TO/{value}"
        for name, value in flat(model).items()
        if isinstance(value, str) and value in record.inputs
    ]
    cells = sorted({(entry.fold, entry.record.seed) for entry in group.entries})
    base = ["ecpe-zoo fit", f"--config {shlex.quote(config)}", *files]
    return "\n".join(
        " ".join([*base, f"--data.fold {fold}", f"--seed_everything {seed}"]) for fold, seed in cells
    )


_PLACES = {("data", "root"), ("trainer", "default_root_dir")}
"""Options that name a folder of the machine that trained."""


def config_text(entry: Entry) -> str:
    """A record's config as a file that `ecpe-zoo fit --config` takes."""
    config = {
        name: {key: item for key, item in value.items() if (name, key) not in _PLACES}
        if isinstance(value, dict)
        else value
        for name, value in entry.record.config.items()
        if name not in ("ckpt_path", "weights_only")
    }
    return str(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


# --- plots of a method's page


def _plots(
    board: Board, cell: Cell, prefix: str, root: Path | None, with_sweep: bool
) -> list[dict[str, Any]]:
    group = cell.group
    if not group.finished:
        return []
    drawn: list[tuple[str, str]] = [
        ("Learning curves: validation, and where it was watched the test score of every epoch, which chose nothing. "
         "Bold: mean over runs.", _learning(group, prefix)),
        ("F1 of each fold (mean over seeds; whiskers: lowest and highest seed).", _folds(group, prefix)),
        ("Precision, recall and F1 by threshold, mean over runs." if with_sweep else "",
         _sweep(group, prefix, root) if with_sweep else ""),
        (find_task(board.task).kinds_caption, _kinds(group, prefix)),
        ("Minutes of training of each fold, validation included (mean over seeds).", _minutes(group, prefix)),
    ]  # fmt: skip
    return [{"caption": caption, "svg": Markup(svg)} for caption, svg in drawn if svg]


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
    """The mean where at least half of the runs have a value at that step."""
    values: defaultdict[float, list[float]] = defaultdict(list)
    for curve in curves:
        for step, value in curve:
            values[step].append(value)
    return [
        (step, plain_statistics.fmean(some))
        for step, some in sorted(values.items())
        if 2 * len(some) >= len(curves)
    ]


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


def _by_fold(group: RunGroup, value: Callable[[Entry], float | None]) -> list[plots.Bar]:
    made = []
    for fold, entries in group.by_fold().items():
        values = [found for entry in entries if (found := value(entry)) is not None]
        if values:
            ends = (min(values), max(values)) if len(values) > 1 else (math.nan, math.nan)
            made.append(plots.Bar(str(fold), round(plain_statistics.fmean(values), 1), *ends))
    return made


def _said(values: Sequence[plots.Bar]) -> str:
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
            values.append(plots.Bar(name, round(100 * over.mean, 1), 100 * over.low, 100 * over.high))
    if len(values) > 8:
        dots = [
            plots.Dot(bar.name, bar.value, bar.low, bar.high)
            for bar in sorted(values, key=lambda bar: -bar.value)
        ]
        return plots.forest(f"{prefix}-k", "F1 of each class", _said(values), dots, "F1 in percent")
    return plots.bars(f"{prefix}-k", "F1 by kind", _said(values), values, "F1 in percent")


def _sweep(group: RunGroup, prefix: str, root: Path | None) -> str:
    sweeps = [counts for entry in group.finished if (counts := threshold_sweep(entry, root)) is not None]
    if not sweeps:
        return ""
    series = []
    for colour, name in enumerate(("f1", "precision", "recall")):
        means = [
            (threshold, 100 * plain_statistics.fmean(getattr(counts, name)[place] for counts in sweeps))
            for place, threshold in enumerate(SWEEP)
        ]
        series.append(plots.Series(name.replace("f1", "F1"), means, colour, dashed=name != "f1"))
    best = max(series[0].points, key=lambda point: point[1])
    default = group.first.record.protocol.default_threshold
    described = f"F1 is highest, {best[1]:.1f}, at threshold {best[0]:g}"
    mark = (default, f"default {default:g}") if default is not None else None
    return plots.lines(f"{prefix}-s", "Threshold sweep", described, series, "threshold", "percent", mark)
