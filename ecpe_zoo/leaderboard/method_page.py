"""A method's page, its runs under one protocol: facts, tests, runs, and the command that repeats them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ecpe_zoo.errors import ZooError
from ecpe_zoo.escaping import shell_quoted, visible, without_folder
from ecpe_zoo.leaderboard.figures import method_plots
from ecpe_zoo.leaderboard.rows import Board, BoardRow, Cell
from ecpe_zoo.leaderboard.tables import (
    headline_name,
    interval,
    mean_and_sd,
    percent,
    runs,
    signed,
    tests,
)
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.naming import arguments_of, differing
from ecpe_zoo.results.selection import Prices, prices
from ecpe_zoo.results.store import RunGroup
from ecpe_zoo.tasks import find_task


def method_part(board: Board, row: BoardRow, protocol: str, cell: Cell, root: Path | None) -> dict[str, Any]:
    """What the template shows of a row under one protocol, and its cell."""
    group, name = cell.group, f"{row.slug}-{protocol}"
    return {
        "protocol": protocol,
        "cell": cell,
        "facts": _facts(board, cell),
        "comparisons": [(one, list(tests(one.verdict, one.documents))) for one in cell.against],
        "runs": [_run(entry, group) for entry in group.entries],
        "plots": method_plots(cell, name, root),
        "price": _price(group),
        "command": command(group, f"configs/{name}.yaml"),
        "code": _code(group),
    }


def _facts(board: Board, cell: Cell) -> list[tuple[str, str]]:
    """Names and values of what the runs have in common."""
    group, task = cell.group, find_task(board.task)
    facts = [
        *([("To be ranked, it needs", cell.wanting)] if cell.wanting else []),
        ("Epoch chosen on", group.chosen_on),
        ("Threshold", _threshold_fact(group)),
        ("Lexicon", group.first.record.protocol.lexicon),
        ("Truncation", group.first.record.protocol.truncation),
        ("Runs", f"{runs(cell)}; failed {len(group.failed)}, collapsed {len(group.collapsed)}"),
    ]
    if cell.spread is not None:
        over, unit = cell.spread.over, cell.spread.unit
        mean = f"{mean_and_sd(cell.spread)} {interval(cell.spread)} over {over.n} {unit}"
        facts.append((headline_name(board.task), mean if over.n > 1 else f"{percent(over.mean)}, one run"))
        if not math.isnan(cell.spread.seed_sd) and unit == "folds":
            facts.append(("Spread of seeds within a fold", f"sd {percent(cell.spread.seed_sd)}"))
        sides = {name: group.spread(f"{task.leading}_{name}") for name in ("precision", "recall")}
        facts += [(name.capitalize(), mean_and_sd(side)) for name, side in sides.items() if side is not None]
    if cell.pooled is not None:
        facts.append(("Pooled over all test documents", percent(cell.pooled)))
    reads = [entry.record.protocol.test_reads for entry in group.entries]
    apart = _apart(board, group)
    return [
        *facts,
        ("Times the test documents were scored before", _range(reads)),
        *([("Settings that set it apart from other rows of the method", apart)] if apart else []),
    ]


def _apart(board: Board, group: RunGroup) -> str:
    """`encoder.layers=6, ...`: all settings off the default in which rows of its method differ, hashes shortened."""
    family = [cell.group for row in board.rows if row.method == group.method for cell in row.cells.values()]
    settings = group.first.settings
    words = []
    for name in differing(some.first.settings for some in family):
        if (value := settings.get(name)) is not None:
            shown = value[:8] if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else value
            words.append(f"{name.removeprefix('model.')}={visible(without_folder(str(shown)))}")
    return ", ".join(words)


def _threshold_fact(group: RunGroup) -> str:
    rule = group.first.record.protocol
    if rule.default_threshold is None:
        return "none: the highest score decides"
    if rule.headline == "tuned":
        span = _range([round(entry.threshold or 0, 3) for entry in group.entries])
        return f"tuned on the {rule.tuned_on}: {span} (default {rule.default_threshold:g})"
    return f"the method's default, {rule.default_threshold:g}"


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _code(group: RunGroup) -> str:
    commits = {
        (entry.record.code.commit or "outside of a checkout")[:10]
        + " (changed files)" * bool(entry.record.code.dirty)
        for entry in group.entries
    }
    return ", ".join(sorted(commits))


def _name(entry: Entry) -> str:
    return f"fold {entry.fold}, seed {entry.record.seed}"


def _run(entry: Entry, group: RunGroup) -> tuple[str, str, list[str]]:
    """Name, status and numbers of a run."""
    record, item, threshold = entry.record, find_task(entry.task).leading, entry.threshold
    # epochs are counted from 0 in each stage: those of the stage whose checkpoint was scored
    epochs = record.stages[-1].epochs if record.stages else record.epochs
    return (
        _name(entry),
        "collapsed" if entry in group.collapsed else record.status,
        [
            percent(entry.score),
            percent(entry.metric(f"{item}_precision")),
            percent(entry.metric(f"{item}_recall")),
            f"{record.epoch if record.epoch is not None else 'last'} of {epochs}",
            f"{threshold:.2f}" if threshold is not None else "–",
            f"{record.machine.seconds / 60:.1f}",
            f"{record.machine.peak_memory_bytes / 1e6:,.0f}",
            (record.code.commit or "–")[:8],
        ],
    )


def _price(group: RunGroup) -> dict[str, Any] | None:
    """The price of choosing the epoch on the test fold, in words and by run; None if it is not known."""
    try:
        found = prices(group.entries)
    except ZooError:
        return None
    words = _price_in_words(found)
    if group.collapsed and group.sound.entries:
        words += f" Without the collapsed runs: {_price_in_words(prices(group.sound.entries))}"
    table = [
        (
            _name(run.entry),
            [
                run.chosen_epoch,
                percent(run.chosen),
                run.best_epoch,
                percent(run.best),
                signed(run.gap),
                run.looks,
            ],
        )
        for run in found.runs
    ]
    return {"words": words, "runs": table}


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
            words += f"; [{low}, {high}] if the training documents that folds share are counted in"
    return f"{words}: from {percent(found.chosen.over.mean, 2)} to {percent(found.best.over.mean, 2)}."


def command(group: RunGroup, config: str) -> str:
    """Commands that repeat a group's runs, to be started in the folder of the page.

    Folders of the machine that trained are not known: they are `PATH/TO`.
    """
    record = group.first.record
    files = [
        shell_quoted(f"--model.{name}=PATH/TO/{value}")
        for name, value in arguments_of(record).items()
        if isinstance(value, str) and value in record.inputs
    ]
    cells = sorted({(entry.fold, entry.record.seed) for entry in group.entries})
    base = ["ecpe-zoo fit", f"--config {shell_quoted(config)}", *files]
    return "\n".join(
        " ".join([*base, f"--data.fold {fold}", f"--seed_everything {seed}"]) for fold, seed in cells
    )


def config_text(entry: Entry) -> str:
    """A record's config as a file that `ecpe-zoo fit --config` takes, without folders of the machine that trained."""
    folders = {("data", "root"), ("trainer", "default_root_dir")}
    config = {
        section: {name: value for name, value in options.items() if (section, name) not in folders}
        if isinstance(options, dict)
        else options
        for section, options in entry.record.config.items()
        if section not in ("ckpt_path", "weights_only")
    }
    return str(yaml.safe_dump(_without_folders(config), sort_keys=False, allow_unicode=True))


def _without_folders(value: Any) -> Any:
    """An option with absolute paths replaced by `PATH/TO/NAME`."""
    if isinstance(value, dict):
        return {name: _without_folders(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    if isinstance(value, str) and (name := without_folder(value)) != value:
        return f"PATH/TO/{name}"
    return value
