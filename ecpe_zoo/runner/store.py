"""The store of a suite: a record for each cell, and a hidden folder in which cells run.

<store>/<method-variant>/<corpus>-fold<k>-<protocol>-seed<s>.json           the record
                                                            .npz            all test scores
                                                            .failed.json    after a failure, instead of the two
                                                            .ckpt           with --keep-checkpoints
<store>/.work/<method-variant>/<cell>/    lock, log.txt, the unfinished run
"""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import file_sha256, replaced_when_complete
from ecpe_zoo.results.origin import source_hash
from ecpe_zoo.results.record import RunRecord, read_record
from ecpe_zoo.results.store import FAILED, Failure, main_metric, read_failure
from ecpe_zoo.runner import locks
from ecpe_zoo.runner.cells import Cell

LAST_LINES = 30
WORK = ".work"


@dataclass(frozen=True)
class State:
    """The state of a cell in the store."""

    kind: Literal["to do", "done", "stale", "failed", "elsewhere"]
    detail: str = ""


class Store:
    """Records of a suite's cells in a folder, which is created when the first cell starts."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def record(self, cell: Cell) -> Path:
        """Path of the record."""
        return self.root / f"{cell.key}.json"

    def predictions(self, cell: Cell) -> Path:
        """Path of all test scores."""
        return self.root / f"{cell.key}.npz"

    def checkpoint(self, cell: Cell) -> Path:
        """Path of the weights, if they are kept."""
        return self.root / f"{cell.key}.ckpt"

    def failure(self, cell: Cell) -> Path:
        """Path of the record of a failure."""
        return self.root / f"{cell.key}{FAILED}"

    def work(self, cell: Cell) -> Path:
        """The folder in which the cell runs."""
        return self.root / WORK / cell.key

    def log(self, cell: Cell) -> Path:
        """Path of the output of the cell's process."""
        return self.work(cell) / "log.txt"

    def _lock(self, cell: Cell) -> Path:
        return self.work(cell) / "lock"

    def state(self, cell: Cell) -> State:
        """The state of a cell; a damaged record counts as a record of another config."""
        if self.record(cell).exists():
            try:
                record = read_record(self.record(cell))
            except ZooError as error:
                return State("stale", f"damaged, remove it or --set_aside: {str(error).splitlines()[0]}")
            if differences := cell.differences(record):
                return State("stale", "; ".join(differences))
            return State("done", headline(record))
        if holder := locks.holder(self._lock(cell)):
            return State("elsewhere", holder)
        if failure := self.read_failure(cell):
            return State("failed", failure.reason)
        usable = not self._other(cell)
        detail = "resumes" if self.unfinished(cell) else "is taken over" if self.finished(cell) else ""
        return State("to do", detail if usable else "")

    def read_failure(self, cell: Cell) -> Failure | None:
        """The record of a failure, if there is a readable one."""
        return read_failure(self.failure(cell))

    def acquire(self, cell: Cell) -> locks.Lock | None:
        """Lock the cell; None if another runner has it."""
        ignore = self.root / WORK / ".gitignore"
        if not ignore.exists():
            with replaced_when_complete(ignore) as part:
                part.write_text("*\n", encoding="utf-8")
        return locks.acquire(self._lock(cell))

    def prepare(self, cell: Cell) -> Path | None:
        """Prepare the working folder; returns the checkpoint to resume from, or None to start anew.

        An unfinished run of the same config, data and code is kept. So is a finished run of the same config and
        data: its record names the code that made it.
        """
        work = self.work(cell)
        if other := self._other(cell):
            if (work / "runs").exists():
                with self.log(cell).open("a", encoding="utf-8") as log:
                    log.write(f"Starting anew: the earlier run was of {other}.\n")
            shutil.rmtree(work / "runs", ignore_errors=True)
        with replaced_when_complete(work / "cell.json") as part:
            part.write_text(json.dumps(_planned(cell), indent=1), encoding="utf-8")
        checkpoint = self.unfinished(cell)
        if checkpoint is None and self.finished(cell) is None:
            shutil.rmtree(work / "runs", ignore_errors=True)
        return checkpoint

    def _other(self, cell: Cell) -> str:
        """What the earlier run was of, if it cannot be used; "" if it can."""
        found, planned = _json(self.work(cell) / "cell.json"), _planned(cell)
        if not isinstance(found, dict):
            return "an unknown config"
        names = {
            "config_hash": "another config",
            "files": "other corpus files",
            "inputs": "other files that it reads",
        }
        if self.finished(cell) is None:
            names["source"] = "another state of the package's code"
        return next((words for name, words in names.items() if found.get(name) != planned[name]), "")

    def unfinished(self, cell: Cell) -> Path | None:
        """The newest `last.ckpt` of an interrupted run."""
        found = list((self.work(cell) / "runs").rglob("last.ckpt")) if self.finished(cell) is None else []
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)

    def finished(self, cell: Cell) -> Path | None:
        """The record of a finished run that has not been collected yet."""
        return max((self.work(cell) / "runs").rglob("record.json"), default=None)

    def collect(self, cell: Cell, keep_checkpoint: bool = False) -> RunRecord:
        """Move a finished run's record and scores to their place, and remove the run; the caller holds the lock.

        The record is moved last: if it is there, so is everything else.

        Raises:
            ZooError: No record, one that was not planned, or its place is taken.
        """
        source = self.finished(cell)
        if source is None:
            raise ZooError("Expected the fit to leave a record, but it ended with status 0 and wrote none.")
        record = read_record(source)
        if differences := cell.differences(record):
            raise ZooError(
                f"Expected the record of the config and the data that were planned, but got one with: "
                f"{'; '.join(differences)}."
            )
        scores = source.parent / "predictions" / "test.npz"
        if file_sha256(scores) != record.predictions:
            raise ZooError(f"{scores}: expected the scores that the record names, but the hash differs.")
        target = self.record(cell)
        if target.exists():
            raise ZooError(f"{target}: a record is there already and is never overwritten.")
        _copy(scores, self.predictions(cell))
        if keep_checkpoint:
            best = max(source.parent.rglob("best-*.ckpt"), key=lambda p: p.stat().st_mtime_ns, default=None)
            best = best or max(source.parent.rglob("last.ckpt"), default=None)
            if best is not None:
                _copy(best, self.checkpoint(cell))
        _copy(source, target)
        self.failure(cell).unlink(missing_ok=True)
        shutil.rmtree(self.work(cell) / "runs", ignore_errors=True)
        return record

    def fail(self, failure: Failure, cell: Cell, keep_run: bool) -> None:
        """Write the record of a failure; `keep_run` keeps the checkpoints, to resume from."""
        with replaced_when_complete(self.failure(cell)) as part:
            part.write_text(failure.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if not keep_run:
            shutil.rmtree(self.work(cell) / "runs", ignore_errors=True)

    def set_aside(self, cell: Cell) -> None:
        """Rename a record of another config or other data, so that the cell can run."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for path in (self.record(cell), self.predictions(cell), self.checkpoint(cell)):
            if path.exists():
                path.rename(path.with_name(f"{path.name}.{stamp}.aside"))

    def last_lines(self, cell: Cell) -> list[str]:
        """The last lines of the log."""
        return tail(self.log(cell))


def _planned(cell: Cell) -> dict[str, Any]:
    """What must be the same for a run to be resumed."""
    return {
        "config_hash": cell.config_hash,
        "files": dict(cell.files),
        "inputs": dict(cell.inputs),
        "source": source_hash(),
    }


def tail(path: Path, lines: int = LAST_LINES) -> list[str]:
    """The last lines of a file; none if there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16384))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]


def headline(record: RunRecord) -> str:
    """The headline score of a record for a line on the screen, in percent."""
    name, value = main_metric(record)
    short = name.split(".")[1].replace("_", " ").replace("f1", "F1") if name else "no metric"
    return f"{short} {100 * value:.2f}" + ("" if record.status == "ok" else f" ({record.status})")


def _copy(source: Path, target: Path) -> None:
    with replaced_when_complete(target) as part:
        shutil.copyfile(source, part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
