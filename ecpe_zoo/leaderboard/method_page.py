"""What a method's page says of its runs under one protocol: facts, tests, runs, and how to train it again."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.board import Board, BoardRow, Cell, folds_in_words
from ecpe_zoo.leaderboard.figures import TITLES, headline_name, method_plots
from ecpe_zoo.leaderboard.tables import (
    interval,
    mean_and_sd,
    p_value,
    percent,
    runs,
    signed,
    without_collapsed,
)
from ecpe_zoo.options import flat
from ecpe_zoo.results.evidence import headline_threshold
from ecpe_zoo.results.record import RunRecord
from ecpe_zoo.results.selection import Prices, prices
from ecpe_zoo.results.significance import MethodComparison
from ecpe_zoo.results.store import Entry, RunGroup
from ecpe_zoo.tasks import find_task


def method_part(board: Board, row: BoardRow, protocol: str, cell: Cell, root: Path | None) -> dict[str, Any]:
    """What the template shows of a row under one protocol."""
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
            (
                headline_name(board.task),
                f"{mean_and_sd(cell.spread)} {interval(cell.spread)} over {over.n} {unit}"
                if over.n > 1
                else f"{percent(over.mean)}, one run",
            )
        )
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
        "plots": method_plots(board, cell, prefix, root, with_sweep=cell.pooled is not None),
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
            "name": "Paired bootstrap over documents",
            "difference": signed(drawn.difference),
            "interval": f"[{signed(drawn.low)}, {signed(drawn.high)}]",
            "p": "",
            "effect": f"standard error {percent(drawn.error, 2)}",
        },
        {
            "name": "Permutation of documents",
            "difference": signed(drawn.difference),
            "interval": "",
            "p": f"{plain(comparison.permutation_p)} (Holm {plain(comparison.holm_p)})",
            "effect": f"{won.better} documents better, {won.worse} worse, {won.equal} equal",
        },
        {
            "name": f"Corrected resampled t-test, {folds.folds} fold{'s' * (folds.folds != 1)}",
            "difference": signed(folds.mean),
            "interval": "–" if single else f"[{signed(folds.low)}, {signed(folds.high)}]",
            "p": "–" if single else plain(folds.p),
            "effect": "needs two folds"
            if single or math.isnan(folds.effect)
            else f"Hedges' g {folds.effect:+.2f}",
        },
    ]


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
                    str(run.chosen_epoch),
                    percent(run.chosen),
                    str(run.best_epoch),
                    percent(run.best),
                    signed(run.gap),
                    str(run.looks),
                ],
            }
            for run in found.runs
        ],
    }


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

    Files of the training machine are not known: their folder is given as `PATH/TO`.
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
