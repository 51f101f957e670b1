"""Progress on the screen: a live table in a terminal, a line for each event elsewhere."""

from __future__ import annotations

import contextlib
import csv
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ecpe_zoo.runner.estimates import clock
from ecpe_zoo.runner.scheduler import Progress
from ecpe_zoo.runner.store import Store
from ecpe_zoo.tasks import TASKS

WORDS = {
    "waiting": "waits", "running": "runs", "done": "done", "there": "there", "failed": "failed", "stale": "differs",
    "elsewhere": "elsewhere",
}  # fmt: skip
STYLES = {
    "failed": "red",
    "stale": "yellow",
    "running": "bold",
    "done": "green",
    "there": "dim",
    "elsewhere": "cyan",
}
ROWS = 12
REFRESH = 1.0  # seconds


class PlainScreen:
    """A line for each event, as for a log file.

    Args:
        console: where to.
        store: named in lines about failures.
    """

    def __init__(self, console: Console, store: Store) -> None:
        self.console, self.store = console, store

    def changed(self, progress: Progress, everything: Sequence[Progress]) -> None:
        """Print the event."""
        settled = sum(item.kind in ("done", "there", "failed", "stale") for item in everything)
        took = f" in {clock(progress.seconds)}" if progress.kind == "done" else ""
        line = f"[{settled}/{len(everything)}] {progress.cell.key}: {WORDS[progress.kind]}{took}"
        line += f": {progress.detail}" if progress.detail else ""
        if progress.kind == "failed":
            line += f" (log: {self.store.log(progress.cell)})"
        self.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def tick(self, everything: Sequence[Progress]) -> None:
        """Nothing: time alone is no event."""


class LiveScreen:
    """A table that stays in place: what runs, how far it is, how long it will take.

    Args:
        console: a terminal.
        store: where the logs of running fits lie.
        estimate: seconds that a cell will take.
        slots: fits at once.
        learn: is told of each cell that is done, so that the next estimates are better.
    """

    def __init__(
        self,
        console: Console,
        store: Store,
        estimate: Callable[[Progress], float | None],
        slots: int,
        learn: Callable[[Progress], None] | None = None,
    ) -> None:
        self.store, self.estimate, self.slots = store, estimate, slots
        self.learn = learn
        self.plain = PlainScreen(console, store)
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.drawn = 0.0

    def __enter__(self) -> LiveScreen:
        self.live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.__exit__(None, None, None)

    def changed(self, progress: Progress, everything: Sequence[Progress]) -> None:
        """Print lasting events above the table."""
        if progress.kind in ("done", "failed", "stale"):
            self.plain.changed(progress, everything)
        if progress.kind == "done" and self.learn is not None:
            self.learn(progress)
        self._draw(everything)

    def tick(self, everything: Sequence[Progress]) -> None:
        """Draw again, once a second."""
        if time.monotonic() - self.drawn > REFRESH:
            self._draw(everything)

    def _draw(self, everything: Sequence[Progress]) -> None:
        self.drawn = time.monotonic()
        self.live.update(self.table(everything), refresh=True)

    def table(self, everything: Sequence[Progress]) -> Group:
        """The table: running cells first, then what others have, then what comes next."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name, justify in (
            ("cell", "left"),
            ("", "left"),
            ("time", "right"),
            ("of", "right"),
            ("", "left"),
        ):
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        shown = [p for kind in ("running", "elsewhere", "waiting") for p in everything if p.kind == kind]
        for progress in shown[:ROWS]:
            expected = self.estimate(progress)
            running = progress.kind == "running"
            table.add_row(
                progress.cell.key,
                Text(WORDS[progress.kind], style=STYLES.get(progress.kind, "")),
                clock(time.monotonic() - progress.started) if running else "",
                clock(expected) if expected is not None else "?",
                (last_epoch(self.store.work(progress.cell)) if running else "") or progress.detail,
            )
        counts: Counter[str] = Counter(progress.kind for progress in everything)
        line = ", ".join(f"{counts[kind]} {word}" for kind, word in WORDS.items() if counts[kind])
        left = [self._left(progress) for progress in shown]
        known = [seconds for seconds in left if seconds is not None]
        if known:
            line += f"; about {clock(sum(known) * len(left) / len(known) / self.slots)} left"
        return Group(table, Text(f"{len(shown) - ROWS} more") if len(shown) > ROWS else Text(""), Text(line))

    def _left(self, progress: Progress) -> float | None:
        expected = self.estimate(progress)
        if expected is None or progress.kind != "running":
            return expected
        return max(expected - (time.monotonic() - progress.started), 0.0)


def last_epoch(work: Path) -> str:
    """What the log of a running fit says last, as `epoch 3, val/pair_f1 0.41`."""
    try:  # the log is being written, and may be renamed at this moment
        logs = sorted((work / "runs").rglob("metrics.csv"), key=lambda path: path.stat().st_mtime_ns)
        if not logs:
            return ""
        with logs[-1].open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, csv.Error):
        return ""
    if not rows:
        return ""
    text = f"epoch {rows[-1].get('epoch')}"
    headlines = {f"val/{n}" for task in TASKS.values() for n in (task.headline, task.stage_headline)}
    for row in reversed(rows):
        for name, value in row.items():
            if name in headlines and value:
                with contextlib.suppress(ValueError):  # a number that is half written
                    return f"{text}, {name} {float(value):.3f}"
    return text
