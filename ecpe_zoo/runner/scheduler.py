"""Runs the cells of a suite that have no record yet; several runners may share a store."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ecpe_zoo.errors import ZooError
from ecpe_zoo.results.origin import code_state
from ecpe_zoo.results.store import Failure
from ecpe_zoo.runner.cells import Cell
from ecpe_zoo.runner.executors import Ended, Executor, Job, Running, cell_environment
from ecpe_zoo.runner.locks import Lock
from ecpe_zoo.runner.store import Store, headline

if TYPE_CHECKING:
    from ecpe_zoo.runner.screen import PlainScreen

POLL = 0.1  # seconds between looks at the fits
ELSEWHERE = 1.0  # seconds between looks at cells of other runners

Kind = Literal["waiting", "running", "done", "there", "failed", "stale", "elsewhere"]


@dataclass
class Progress:
    """The state of a cell.

    Args:
        cell: The cell.
        kind: Waiting, running, done (by this runner), there (recorded before, or by another runner), failed, stale (a
            record of another config or other data has its name), or elsewhere (another runner has it).
        detail: The headline score, the reason for a failure, or the runner that has it.
        started: Monotonic time.
        seconds: Its duration.
    """

    cell: Cell
    kind: Kind = "waiting"
    detail: str = ""
    started: float = 0.0
    seconds: float = 0.0


@dataclass
class _Work:
    """A cell that this runner runs."""

    progress: Progress
    lock: Lock
    running: Running
    job: Job
    slot: int
    began: float = field(default_factory=time.time)


class Scheduler:
    """Runs cells.

    Args:
        store: Store of the records.
        executor: Runs fits.
        screen: Shows progress.
        threads: Cores per fit.
        keep_checkpoints: Whether to keep the weights of each record.
        set_aside: Whether to rename records of another config and run their cells, which are skipped otherwise.
        wait: Whether to wait for cells of other runners; otherwise the run ends when no cell is left to start.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        screen: PlainScreen,
        threads: int,
        *,
        keep_checkpoints: bool = False,
        set_aside: bool = False,
        wait: bool = True,
    ) -> None:
        self.store, self.executor, self.screen, self.threads = store, executor, screen, threads
        self.keep_checkpoints, self.set_aside, self.wait = keep_checkpoints, set_aside, wait
        self.work: list[_Work] = []
        self.elsewhere: list[Progress] = []

    def run(self, cells: Sequence[Cell]) -> list[Progress]:
        """Run all cells that have no record; returns the state of each.

        However it ends, by Ctrl-C too, no process and no lock remain, and the checkpoints of unfinished fits are kept.
        """
        self.began = time.time()
        self.everything = [Progress(cell) for cell in cells]
        queue = deque(self.everything)
        self.elsewhere = []
        looked = 0.0
        try:
            while queue or self.work or (self.elsewhere and self.wait):
                self._reap()
                free = sorted(set(range(self.executor.slots)) - {work.slot for work in self.work})
                while queue and free:
                    if self._start(queue.popleft(), free[0]):
                        free.pop(0)
                if self.elsewhere and not queue and time.monotonic() - looked > ELSEWHERE:
                    looked = time.monotonic()
                    queue.extend(self.elsewhere)
                    self.elsewhere.clear()
                    if free:
                        continue
                for work in list(self.work):
                    if not work.lock.touch():
                        work.running.stop()
                        self._lost(work)
                self.screen.tick(self.everything)
                if self.work or self.elsewhere:
                    time.sleep(POLL)
        finally:
            if self.work:  # in parallel: each may take seconds, and a cluster grants only a few
                with ThreadPoolExecutor(len(self.work)) as pool:
                    list(pool.map(lambda work: work.running.stop(), self.work))
            for work in self.work:
                work.lock.release()
                work.progress.kind = "waiting"
            self.work.clear()
            self.executor.close()
        return self.everything

    def _change(self, progress: Progress, kind: Kind, detail: str = "") -> None:
        changed = (progress.kind, progress.detail) != (kind, detail)
        progress.kind, progress.detail = kind, detail
        if changed:
            self.screen.changed(progress, self.everything)

    def _start(self, progress: Progress, slot: int) -> bool:
        """Start a cell unless it is settled or another runner has it; returns whether the slot is taken."""
        if self._settled(progress):
            return False
        try:
            lock = self.store.acquire(progress.cell)
        except OSError as error:
            self._change(progress, "failed", str(error))
            return False
        if lock is None:
            self._change(progress, "elsewhere", self.store.state(progress.cell).detail)
            self.elsewhere.append(progress)
            return False
        with contextlib.ExitStack() as stack:
            stack.callback(lock.release)
            try:
                work = self._started(progress, lock, slot)
            except (ZooError, OSError) as error:
                self._fail(progress, Ended(None, str(error)), keep_run=isinstance(error, OSError))
                return False
            if work is None:
                return False
            self.work.append(work)
            stack.pop_all()  # the lock is kept
        if work.running.pid is not None:
            with contextlib.suppress(
                OSError
            ):  # a full disk: the fit runs, and this runner still holds the lock
                lock.name_child(work.running.pid)
        resumed = any(argument.startswith("--ckpt_path=") for argument in work.job.arguments)
        self._change(progress, "running", "resumed" if resumed else "")
        return True

    def _started(self, progress: Progress, lock: Lock, slot: int) -> _Work | None:
        """The fit of a locked cell; None if there is nothing left to run."""
        cell, store = progress.cell, self.store
        if self._settled(progress):  # another runner finished it before the lock was taken
            return None
        if store.state(cell).kind == "stale":
            store.set_aside(cell)
        checkpoint = store.prepare(cell)
        if store.finished(cell) is not None:  # its runner died before collecting the record
            self._change(progress, "done", headline(store.collect(cell, self.keep_checkpoints)))
            return None
        folder = store.work(cell).absolute()
        arguments = [*cell.arguments, f"--trainer.default_root_dir={folder / 'runs'}"]
        arguments.append("--trainer.enable_progress_bar=false")
        arguments += [f"--ckpt_path={checkpoint.absolute()}"] if checkpoint is not None else []
        environment = cell_environment(self.threads)
        job = Job(cell.key, tuple(arguments), environment, folder, store.log(cell).absolute())
        progress.started = time.monotonic()
        with lock.kept():  # an executor may return only after the fit has ended
            running = self.executor.start(job, slot)
        return _Work(progress, lock, running, job, slot)

    def _settled(self, progress: Progress) -> bool:
        """Whether a cell needs no run; its state is then shown."""
        state = self.store.state(progress.cell)
        if state.kind == "done":
            self._change(progress, "there", state.detail)
            return True
        if state.kind == "stale":
            if not self.set_aside:
                self._change(progress, "stale", state.detail)
            return not self.set_aside
        failure = self.store.read_failure(progress.cell)
        if failure is not None and failure.ended >= self.began:  # by another runner, while this one ran
            self._change(progress, "failed", failure.reason)
            return True
        return False

    def _reap(self) -> None:
        """Collect the records of fits that ended."""
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
                    reason = "it stopped early with status 0, and will resume from its last epoch"
                    self._fail(progress, Ended(0, reason), work, keep_run=True)
                elif ended.status == 0:
                    record = self.store.collect(progress.cell, self.keep_checkpoints)
                    self._change(progress, "done", headline(record))
                else:
                    self._fail(progress, ended, work)
            except (ZooError, OSError) as error:
                # the run is sound: a full disk, for example, must not discard it
                self._fail(progress, Ended(0, str(error)), work, keep_run=isinstance(error, OSError))
            finally:
                work.lock.release()
                self.work.remove(work)

    def _lost(self, work: _Work) -> None:
        """Give up a cell whose lock another runner took, because it was not touched for too long."""
        self.work.remove(work)
        state = self.store.state(work.progress.cell)
        if state.kind != "done":
            self.elsewhere.append(work.progress)
        self._change(work.progress, "there" if state.kind == "done" else "elsewhere", state.detail)

    def _fail(
        self, progress: Progress, ended: Ended, work: _Work | None = None, keep_run: bool = False
    ) -> None:
        """Record a failure; `work` is None if no fit was started."""
        cell, lines = progress.cell, self.store.last_lines(progress.cell)
        reason = ended.reason
        if not reason and ended.killed:
            reason = f"killed by signal {ended.signal}" + (" (memory?)" if ended.signal == 9 else "")
        elif not reason:
            reason = f"exit status {ended.status}: {lines[-1].strip() if lines else 'it printed nothing'}"
        failure = Failure(
            cell=cell.key,
            reason=reason,
            exit_status=ended.status,
            started=work.began if work else time.time(),
            ended=time.time(),
            host=socket.gethostname(),
            command=["ecpe-zoo", "fit", *(work.job.arguments if work else ())],
            config_hash=cell.config_hash,
            commit=code_state().commit,
            last_lines=lines,
        )
        with contextlib.suppress(OSError):  # a full disk must not end the other cells
            self.store.fail(failure, cell, keep_run=keep_run or ended.killed)
        self._change(progress, "failed", reason)
