"""Runs the cells of a suite that have no record yet, beside other runners on the same store."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ecpe_zoo.errors import ZooError
from ecpe_zoo.results.record import code_state
from ecpe_zoo.results.store import Failure
from ecpe_zoo.runner.cells import Cell
from ecpe_zoo.runner.executors import Ended, Executor, Job, Running, cell_environment
from ecpe_zoo.runner.locks import Lock
from ecpe_zoo.runner.store import Store, headline

if TYPE_CHECKING:
    from ecpe_zoo.runner.screen import PlainScreen

POLL = 0.1  # seconds between looks at the fits
ELSEWHERE = 1.0  # seconds between looks at cells that other runners have

Kind = Literal["waiting", "running", "done", "there", "failed", "stale", "elsewhere"]


@dataclass
class Progress:
    """How far a cell is.

    Args:
        cell: which.
        kind: waiting, running, done (by this runner), there (before, or by another), failed, stale (its place is
            taken by a record of another config or other data), elsewhere (another runner has it).
        detail: the main number, the reason of a failure, who has it.
        started: monotonic time.
        seconds: that it took.
    """

    cell: Cell
    kind: Kind = "waiting"
    detail: str = ""
    started: float = 0.0
    seconds: float = 0.0


@dataclass
class _Work:
    """A cell that this runner has."""

    progress: Progress
    lock: Lock
    running: Running
    job: Job
    slot: int
    began: float = field(default_factory=time.time)


class Scheduler:
    """Runs cells.

    Args:
        store: where records go.
        executor: who runs fits.
        screen: who shows them.
        threads: of each fit.
        keep_checkpoints: keep the weights that each record is of.
        set_aside: give records of another config another name and run the cell, where it would be left alone.
        wait: for cells that other runners have; else leave when nothing is left to start.
    """

    def __init__(
        self, store: Store, executor: Executor, screen: PlainScreen, threads: int, *, keep_checkpoints: bool = False,
        set_aside: bool = False, wait: bool = True,
    ) -> None:  # fmt: skip
        self.store, self.executor, self.screen, self.threads = store, executor, screen, threads
        self.keep_checkpoints, self.set_aside, self.wait = keep_checkpoints, set_aside, wait
        self.work: list[_Work] = []
        self.elsewhere: list[Progress] = []

    def run(self, cells: Sequence[Cell]) -> list[Progress]:
        """Run all cells that have no record.

        Whatever ends it, Ctrl-C too, leaves no process and no lock; what the fits did so far is kept.

        Returns:
            How each cell stands.
        """
        self.began = time.time()
        self.everything = [Progress(cell) for cell in cells]
        queue = deque(self.everything)
        elsewhere = self.elsewhere = []
        looked = 0.0
        try:
            while queue or self.work or (elsewhere and self.wait):
                self._reap()
                free = sorted(set(range(self.executor.slots)) - {work.slot for work in self.work})
                while queue and free:
                    progress = queue.popleft()
                    if not self._start(progress, free[0]):
                        if progress.kind == "elsewhere":
                            elsewhere.append(progress)
                    else:
                        free.pop(0)
                if elsewhere and not queue and time.monotonic() - looked > ELSEWHERE:
                    looked = time.monotonic()
                    queue.extend(elsewhere)
                    elsewhere.clear()
                    if free:
                        continue
                for work in list(self.work):
                    if not work.lock.touch():
                        work.running.stop()
                        self._lost(work)
                self.screen.tick(self.everything)
                if self.work or elsewhere:
                    time.sleep(POLL)
        finally:
            if self.work:  # all at once: each may take its seconds, and a cluster does not wait for their sum
                with ThreadPoolExecutor(len(self.work)) as pool:
                    list(pool.map(lambda work: work.running.stop(), self.work))
            for work in self.work:
                work.lock.release()
                work.progress.kind = "waiting"
            self.work.clear()
            self.executor.close()
        return self.everything

    def _tell(self, progress: Progress, kind: Kind, detail: str = "") -> None:
        same = (progress.kind, progress.detail) == (kind, detail)
        progress.kind, progress.detail = kind, detail
        if not same:
            self.screen.changed(progress, self.everything)

    def _start(self, progress: Progress, slot: int) -> bool:
        """Start a cell, if it is to be run and nobody else has it; whether the slot is taken."""
        cell, store = progress.cell, self.store
        if self._settled(progress):
            return False
        try:
            lock = store.acquire(cell)
        except OSError as error:
            self._tell(progress, "failed", str(error))
            return False
        if lock is None:
            self._tell(progress, "elsewhere", store.state(cell).detail)
            return False
        kept = False
        try:
            if self._settled(progress):  # another runner ended it between the look and the lock
                return False
            if progress.kind == "stale":
                store.set_aside(cell)
            checkpoint = store.prepare(cell)
            if (
                store.finished(cell) is not None
            ):  # the runner that started it died before it could take it over
                record = store.collect(cell, self.keep_checkpoints)
                self._tell(progress, "done", headline(record))
                return False
            job = self._job(cell, checkpoint)
            progress.started = time.monotonic()
            with lock.kept():  # an executor may come back only when the fit is over
                running = self.executor.start(job, slot)
            kept = True
            self.work.append(_Work(progress, lock, running, job, slot))
            if running.pid is not None:
                lock.name_child(running.pid)
            self._tell(progress, "running", "resumed" if checkpoint else "")
            return True
        except (ZooError, OSError) as error:
            self._fail(
                progress, Ended(None, str(error)), time.time(), (), keep_run=isinstance(error, OSError)
            )
            return False
        finally:
            if not kept:
                lock.release()

    def _settled(self, progress: Progress) -> bool:
        """Whether nothing is to be done for a cell, which is then told."""
        state = self.store.state(progress.cell)
        if state.kind == "done":
            self._tell(progress, "there", state.detail)
            return True
        if state.kind == "stale":
            if self.set_aside:
                progress.kind = "stale"
                return False
            self._tell(progress, "stale", state.detail)
            return True
        failure = self.store.read_failure(progress.cell)
        if failure is not None and failure.ended >= self.began:  # by another runner, while this one ran
            self._tell(progress, "failed", failure.reason)
            return True
        return False

    def _job(self, cell: Cell, checkpoint: Path | None) -> Job:
        work = self.store.work(cell).absolute()
        arguments = [
            *cell.arguments, f"--trainer.default_root_dir={work / 'runs'}", "--trainer.enable_progress_bar=false"
        ]  # fmt: skip
        if checkpoint is not None:
            arguments.append(f"--ckpt_path={checkpoint.absolute()}")
        environment = cell_environment(self.threads)
        return Job(cell.key, tuple(arguments), environment, work, self.store.log(cell).absolute())

    def _reap(self) -> None:
        for work in list(self.work):
            ended = work.running.poll()
            if ended is None:
                continue
            progress = work.progress
            progress.seconds = time.monotonic() - progress.started
            if not work.lock.held:
                self._lost(work)
                continue
            try:
                unfinished = self.store.finished(progress.cell) is None and self.store.unfinished(
                    progress.cell
                )
                if ended.status == 0 and unfinished:
                    reason = "it ended before it was over, with status 0, and goes on from its last epoch"
                    self._fail(progress, Ended(0, reason), work.began, work.job.arguments, keep_run=True)
                elif ended.status == 0:
                    record = self.store.collect(progress.cell, self.keep_checkpoints)
                    self._tell(progress, "done", headline(record))
                else:
                    self._fail(progress, ended, work.began, work.job.arguments)
            except (ZooError, OSError) as error:
                # what failed on the way of a sound record, such as a full disk, must not cost the run
                passing = isinstance(error, OSError)
                self._fail(progress, Ended(0, str(error)), work.began, work.job.arguments, keep_run=passing)
            finally:
                work.lock.release()
                self.work.remove(work)

    def _lost(self, work: _Work) -> None:
        """Leave a cell whose lock somebody else took, after a silence: nothing of it is this runner's any more."""
        self.work.remove(work)
        state = self.store.state(work.progress.cell)
        if state.kind != "done":
            self.elsewhere.append(work.progress)
        self._tell(work.progress, "there" if state.kind == "done" else "elsewhere", state.detail)

    def _fail(
        self, progress: Progress, ended: Ended, began: float, arguments: Sequence[str], keep_run: bool = False
    ) -> None:
        cell, lines = progress.cell, self.store.last_lines(progress.cell)
        reason = ended.reason or _reason(ended, lines)
        failure = Failure(
            cell=cell.key,
            reason=reason,
            exit_status=ended.status,
            started=began,
            ended=time.time(),
            host=socket.gethostname(),
            command=["ecpe-zoo", "fit", *arguments],
            config_hash=cell.config_hash,
            commit=code_state().commit,
            last_lines=lines,
        )
        with contextlib.suppress(OSError):  # a full disk must not end the other cells
            self.store.fail(failure, cell, keep_run=keep_run or ended.killed)
        self._tell(progress, "failed", reason)


def _reason(ended: Ended, lines: Sequence[str]) -> str:
    last = lines[-1].strip() if lines else "it printed nothing"
    if ended.killed:
        return f"killed by signal {ended.signal}" + (" (memory?)" if ended.signal == 9 else "")
    return f"exit status {ended.status}: {last}"
