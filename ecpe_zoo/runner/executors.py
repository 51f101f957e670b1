"""Executors: fits in processes on this machine, or in this process."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

COMMAND = (sys.executable, "-P", "-m", "ecpe_zoo", "fit")  # -P: no modules from the working folder
STOP_AFTER = 15.0  # seconds between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Job:
    """A fit to be run.

    Args:
        key: Key of its cell.
        arguments: All arguments of `ecpe-zoo fit`.
        environment: Variables, in addition to those of the process that starts it.
        work: Folder of the fit; the fit writes below `runs`.
        log: File to which its output is appended.
        command: Program that takes the arguments; if empty, the fit of this package on the machine that runs it.
    """

    key: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    work: Path
    log: Path
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a fit ended.

    Args:
        status: 0, an exit status, or minus the signal that ended it; None if it never started.
        reason: Reason in words, if the status does not say it.
    """

    status: int | None
    reason: str = ""

    @property
    def killed(self) -> bool:
        """Whether a signal ended it: its checkpoints are sound, and a later run resumes from them."""
        return self.signal is not None

    @property
    def signal(self) -> int | None:
        """The signal that ended it: processes report minus its number, shells and programs 128 plus its number."""
        if self.status is None or self.status == 0:
            return None
        known = {128 + number for number in (signal.SIGINT, signal.SIGTERM, 9)}
        return -self.status if self.status < 0 else self.status - 128 if self.status in known else None


class Running(Protocol):
    """A fit that was started; `pid` is the id of its process on this machine, if it has one."""

    pid: int | None

    def poll(self) -> Ended | None:
        """How it ended; None while it runs."""

    def stop(self) -> None:
        """End it."""


class Executor(Protocol):
    """Starts fits, `slots` of them at once."""

    slots: int

    def start(self, job: Job, slot: int) -> Running:
        """Start a fit in a free slot, 0 to slots - 1."""

    def close(self) -> None:
        """Release resources; nothing by default."""
        return


def cell_environment(threads: int) -> dict[str, str]:
    """Variables of a fit: its cores, and no W&B run unless asked for (records are pushed from the store)."""
    cores = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return cores | {"WANDB_MODE": os.environ.get("WANDB_MODE", "disabled"), "PYTHONUNBUFFERED": "1"}


def share_of_devices(devices: Sequence[str], slot: int, per_cell: float) -> list[str]:
    """The accelerators assigned to a slot.

    >>> share_of_devices(["0", "1"], 2, 1), share_of_devices(["0", "1"], 1, 0.5)
    (['0'], ['0'])
    >>> share_of_devices(["0", "1", "2", "3"], 1, 2), share_of_devices(["0"], 0, 0)
    (['2', '3'], [])
    >>> share_of_devices(["0", "1"], 0, float("inf"))
    ['0', '1']
    >>> [share_of_devices(["0", "1"], slot, 0.3) for slot in range(4)]
    [['0'], ['0'], ['0'], ['1']]
    """
    if not devices or per_cell <= 0:
        return []
    if per_cell < 1:
        return [devices[slot // int(1 / per_cell + 1e-9) % len(devices)]]
    count = int(min(per_cell, len(devices)))
    return [devices[(slot * count + index) % len(devices)] for index in range(count)]


def visible_devices() -> list[str]:
    """The accelerators that this process may use."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(torch.cuda.device_count())]


class ProcessRun:
    """A fit in its own process, which leads its own group so that Ctrl-C reaches only the runner.

    Args:
        job: The fit.
        preexec: Called in the new process before the fit.
    """

    def __init__(self, job: Job, preexec: Callable[[], object] | None = None) -> None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            log.write(f"$ ecpe-zoo fit {shlex.join(job.arguments)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(
                [*(job.command or COMMAND), *job.arguments],
                env=os.environ | dict(job.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=preexec,
            )
        self.pid: int | None = self.process.pid

    def poll(self) -> Ended | None:
        """How it ended; None while it runs."""
        status = self.process.poll()
        return None if status is None else Ended(status)

    def stop(self) -> None:
        """Ask it to end, then kill it with all processes that it started."""
        for kind, patience in ((signal.SIGTERM, STOP_AFTER), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)


class LocalExecutor(Executor):
    """Fits in processes on this machine, each with its share of the accelerators.

    Args:
        jobs: Fits at once.
        devices_per_cell: Accelerators of a fit; below 1 several fits share one.
    """

    def __init__(self, jobs: int, devices_per_cell: float = 1.0) -> None:
        self.slots = jobs
        self.devices, self.devices_per_cell = visible_devices(), devices_per_cell

    def start(self, job: Job, slot: int) -> ProcessRun:
        """Start a process."""
        environment = dict(job.environment)
        if self.devices:
            mine = share_of_devices(self.devices, slot, self.devices_per_cell)
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
        return ProcessRun(replace(job, environment=environment))


@dataclass
class InlineRun:
    """A fit that ran to its end when it was started."""

    ended: Ended
    pid: int | None = None

    def poll(self) -> Ended | None:
        """How it ended."""
        return self.ended

    def stop(self) -> None:
        """Nothing to do: it has ended."""


class InlineExecutor(Executor):
    """Fits one after another in this process: no start-up cost, but a crash ends the suite.

    Args:
        fit: Runs `ecpe-zoo` with arguments and returns an exit status.
    """

    slots = 1

    def __init__(self, fit: Callable[[list[str]], int]) -> None:
        self.fit = fit

    def start(self, job: Job, slot: int) -> InlineRun:
        """Run the fit to its end."""
        job.log.parent.mkdir(parents=True, exist_ok=True)
        threads = torch.get_num_threads()
        before = {name: os.environ.get(name) for name in job.environment}
        os.environ.update(job.environment)
        torch.set_num_threads(int(job.environment.get("OMP_NUM_THREADS", threads)))
        try:
            with _printing_to(job.log):
                print(f"$ ecpe-zoo fit {shlex.join(job.arguments)}")
                return InlineRun(self._run(list(job.arguments)))
        finally:
            torch.set_num_threads(threads)
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})

    def _run(self, arguments: list[str]) -> Ended:
        try:
            return Ended(self.fit(["fit", *arguments]))
        except SystemExit as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # Lightning turns one into the other
                signal.signal(signal.SIGINT, signal.default_int_handler)
                raise KeyboardInterrupt from error
            return Ended(error.code if isinstance(error.code, int) else 1)
        except Exception:
            traceback.print_exc()
            return Ended(1)


@contextlib.contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Send what Python and Lightning print to a file; Lightning's handlers keep the stream of their creation."""
    names = ("lightning", "lightning.pytorch", "lightning.fabric")
    handlers = [handler for name in names for handler in logging.getLogger(name).handlers]
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(log.open("a", encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stdout(file))
        stack.enter_context(contextlib.redirect_stderr(file))
        for handler in handlers:
            if isinstance(handler, logging.StreamHandler):
                stack.callback(handler.setStream, handler.stream)
                handler.setStream(file)
        yield
