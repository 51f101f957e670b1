"""Progress on the screen: a live table in a terminal, otherwise a line per event."""

from __future__ import annotations

import contextlib
import csv
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ecpe_zoo.escaping import visible
from ecpe_zoo.results.record import RunRecord, read_record
from ecpe_zoo.runner.cells import Cell
from ecpe_zoo.runner.estimates import clock
from ecpe_zoo.runner.scheduler import Progress
from ecpe_zoo.runner.store import Store
from ecpe_zoo.tasks import TASKS

WORDS = {"waiting": "waits", "running": "runs", "stale": "differs"}
STYLES = {"running": "bold", "elsewhere": "cyan"}
ROWS = 12
REFRESH = 1.0  # seconds


class PlainScreen:
    """A line for each event, as for a log file.

    Args:
        console: Console for the lines.
        store: Store with the logs of failures.
    """

    def __init__(self, console: Console, store: Store) -> None:
        self.console, self.store = console, store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""

    def changed(self, progress: Progress, everything: Sequence[Progress]) -> None:
        """Print the event."""
        settled = sum(item.kind in ("done", "there", "failed", "stale") for item in everything)
        line = f"[{settled}/{len(everything)}] {progress.cell.key}: {WORDS.get(progress.kind, progress.kind)}"
        line += f" in {clock(progress.seconds)}" if progress.kind == "done" else ""
        line += f": {progress.detail}" if progress.detail else ""
        line += f" (log: {self.store.log(progress.cell)})" if progress.kind == "failed" else ""
        self.console.print(visible(line), soft_wrap=True, markup=False, highlight=False)

    def tick(self, everything: Sequence[Progress]) -> None:
        """Called regularly; nothing to print."""


class LiveScreen(PlainScreen):
    """A table that is updated in place: running cells, their progress and remaining time.

    Args:
        console: A terminal.
        store: Store with the logs of running fits.
        estimate: Seconds that a cell will take; None if unknown.
        slots: Fits at once.
        learn: Called with the record of each finished cell, to improve later estimates.
    """

    def __init__(
        self,
        console: Console,
        store: Store,
        estimate: Callable[[Cell], float | None],
        slots: int,
        learn: Callable[[RunRecord], None] = lambda record: None,
    ) -> None:
        super().__init__(console, store)
        self.estimate, self.slots, self.learn = estimate, slots, learn
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.drawn = 0.0

    def __enter__(self) -> Self:
        self.live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.__exit__(None, None, None)

    def changed(self, progress: Progress, everything: Sequence[Progress]) -> None:
        """Print final events above the table."""
        if progress.kind in ("done", "failed", "stale"):
            super().changed(progress, everything)
        if progress.kind == "done":
            self.learn(read_record(self.store.record(progress.cell)))
        self._draw(everything)

    def tick(self, everything: Sequence[Progress]) -> None:
        """Redraw the table, once a second."""
        if time.monotonic() - self.drawn > REFRESH:
            self._draw(everything)

    def _draw(self, everything: Sequence[Progress]) -> None:
        self.drawn = time.monotonic()
        self.live.update(self.table(everything), refresh=True)

    def table(self, everything: Sequence[Progress]) -> Group:
        """Running cells first, then those of other runners, then those that wait."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("cell", "", "time", "of", ""):
            table.add_column(name, justify="right" if name in ("time", "of") else "left", no_wrap=True)
        shown = [p for kind in ("running", "elsewhere", "waiting") for p in everything if p.kind == kind]
        left: list[float] = []
        for place, progress in enumerate(shown):
            expected = self.estimate(progress.cell)
            spent = time.monotonic() - progress.started if progress.kind == "running" else 0.0
            left += [max(expected - spent, 0.0)] if expected is not None else []
            if place < ROWS:
                detail = last_epoch(self.store.work(progress.cell)) if spent else ""
                kind = Text(WORDS.get(progress.kind, progress.kind), style=STYLES.get(progress.kind, ""))
                times = (clock(spent) if spent else "", clock(expected) if expected is not None else "?")
                texts = (progress.cell.key, detail or progress.detail)
                key, detail_shown = (Text(visible(text)) for text in texts)
                table.add_row(key, kind, *times, detail_shown)
        counts: Counter[str] = Counter(progress.kind for progress in everything)
        kinds = ("waiting", "running", "done", "there", "failed", "stale", "elsewhere")
        line = ", ".join(f"{counts[kind]} {WORDS.get(kind, kind)}" for kind in kinds if counts[kind])
        if left:
            line += f"; about {clock(sum(left) * len(shown) / len(left) / self.slots)} left"
        return Group(table, Text(f"{len(shown) - ROWS} more") if len(shown) > ROWS else Text(""), Text(line))


def last_epoch(work: Path) -> str:
    """The last epoch and score in the log of a running fit, such as `epoch 3, val/pair_f1 0.410`."""
    try:  # the log is being written, and may be renamed at this moment
        logs = sorted((work / "runs").rglob("metrics.csv"), key=lambda path: path.stat().st_mtime_ns)
        rows = list(csv.DictReader(logs[-1].read_text(encoding="utf-8").splitlines())) if logs else []
    except (OSError, csv.Error):
        return ""
    if not rows:
        return ""
    text = f"epoch {rows[-1].get('epoch')}"
    headlines = {f"val/{name}" for task in TASKS.values() for name in (task.headline, task.stage_headline)}
    for row in reversed(rows):
        for name, value in row.items():
            if name in headlines and value:
                with contextlib.suppress(ValueError):  # a number that is being written
                    return f"{text}, {name} {float(value):.3f}"
    return text
