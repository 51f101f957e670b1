"""`ecpe-zoo run SUITE.yaml`: a resumable suite of fits, each of which leaves a record."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse.typing import NonNegativeFloat, PositiveInt
from rich.console import Console

from ecpe_zoo.cli.functions import Repeated
from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.errors import ZooError, counted

if TYPE_CHECKING:
    from ecpe_zoo.runner.cells import Cell
    from ecpe_zoo.runner.executors import Executor
    from ecpe_zoo.runner.scheduler import Progress
    from ecpe_zoo.runner.store import Store

WORDS = {"to do": "to run", "done": "there", "stale": "differs", "failed": "failed: again"}


@dataclass(frozen=True)
class Fits:
    """How fits are run.

    Args:
        jobs: Fits at once; 1 if not given, with Ray as many as there is room for.
        threads: Cores of each fit; if not given the suite's, else a fair share.
        gpus_per_cell: GPUs of each fit, such as 0.5, or 0 for none; 1 if not given and there are any.
        executor: Processes on this machine, one fit after another in this process, or a Ray cluster.
        ray_address: Address of the cluster; RAY_ADDRESS if not given, else Ray is started here.
        return_records: With Ray: the machines share no folder, and records are sent back.
        keep_checkpoints: Keep the weights of each record beside it.
        set_aside: Rename records of another config or other data, and run their cells.
        no_wait: Do not wait for cells of another run; the exit status is 0 then as well.
    """

    jobs: PositiveInt | None = None
    threads: PositiveInt | None = None
    gpus_per_cell: NonNegativeFloat | None = None
    executor: Literal["local", "inline", "ray"] = "local"
    ray_address: str | None = None
    return_records: bool = False
    keep_checkpoints: bool = False
    set_aside: bool = False
    no_wait: bool = False

    @property
    def cores(self) -> int:
        """A fair share of this machine's cores; on a cluster, whose machines may have fewer, one core per fit."""
        if self.executor == "ray":
            return 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, cores // (self.jobs or 1))


def run(
    suite: Path,
    fits: Fits,
    *,
    results: Path | None = None,
    set: Repeated[str] = (),
    only: Repeated[str] = (),
    small: bool = False,
    dry_run: bool = False,
) -> int:
    """Run the fits of a suite that have no record yet.

    An interrupted run is resumed by the same command. Several runs may share one folder.

    A suite file, with paths of configs relative to it or to the working directory:

      name: beta
      variables:
        vectors: word2vec text file          # given with --set vectors=FILE
      defaults:
        overrides: {model.vectors: "{vectors}"}
        matrix: {corpora: [xia-ding-2019], protocols: [strict, paper], folds: 1-3, seeds: [0, 1]}
      cells:
        - config: configs/paper/e2eecpe.yaml
        - config: configs/paper/e2eecpe.yaml
          variant: half                      # its records are in e2eecpe-half/
          overrides: {model.beta: 0.5}

    Each combination is a cell: one fit, one record. The docstring of ecpe_zoo.runner.suite lists all fields.
    experiments/slurm/ has scripts for SLURM (a suite, or one large cell) and torchrun.

    Args:
        suite: Suite file.
        fits: How fits are run
        results: Folder for the records; results/ with the suite's `results` or name (and -small) if not given.
        set: Value of a variable of the suite, such as vectors=FILE.
        only: Cells that match this pattern (with * and ?) or contain this text.
        small: Run the suite's small form, which takes minutes and shows that everything works.
        dry_run: Show what would run, and how long it would take.

    Returns:
        0 if every cell has its record, or with --no_wait is being run elsewhere; 1 if one failed or its place is
        taken; 130 after Ctrl-C.
    """
    # first: which of two equal unions jsonargparse sees first decides how it reads a 1, and fit must read the same
    from ecpe_zoo.cli.resolver import Resolver  # isort: skip

    import torch

    from ecpe_zoo.runner.cells import expand
    from ecpe_zoo.runner.estimates import Estimates
    from ecpe_zoo.runner.scheduler import Scheduler
    from ecpe_zoo.runner.screen import LiveScreen, PlainScreen
    from ecpe_zoo.runner.store import Store
    from ecpe_zoo.runner.suite import read_suite

    plan = read_suite(suite)
    cells = expand(plan, suite, dict(map(_pair, set)), Resolver(), small, only)
    name = (plan.results or plan.name) + ("-small" if small else "")
    store = Store(results or Path("results") / name)
    if store.root.exists() and not store.root.is_dir():
        raise ZooError(f"{store.root}: expected a folder for --results, but it is a file.")
    threads = fits.threads or plan.threads or fits.cores
    committed = [folder / "records" for folder in suite.absolute().parents[:2]]  # as in experiments/records
    estimates = Estimates([store.root, *([] if results else [store.root.parent]), *committed])

    def seconds(cell: Cell) -> float | None:
        accelerated = torch.cuda.is_available() and cell.config["trainer"].get("accelerator") != "cpu"
        return estimates.seconds(cell, threads, accelerated)

    if dry_run:
        _show_plan(plan.name, cells, store, seconds, threads, fits)
        return 0
    console, executor = Console(), _executor(fits, threads)
    screen = PlainScreen(console, store)
    if console.is_terminal and fits.executor != "inline":
        screen = LiveScreen(console, store, seconds, executor.slots, estimates.add)
    options = {
        "keep_checkpoints": fits.keep_checkpoints,
        "set_aside": fits.set_aside,
        "wait": not fits.no_wait,
    }
    with _signals_interrupt(), screen:
        try:
            everything = Scheduler(store, executor, screen, threads, **options).run(cells)
        except KeyboardInterrupt:
            say("Interrupted. The same command resumes from here.", to=console)
            return 130
    return _summary(everything, store)


def _executor(fits: Fits, threads: int) -> Executor:
    import torch

    from ecpe_zoo.cli import training
    from ecpe_zoo.runner.executors import InlineExecutor, LocalExecutor
    from ecpe_zoo.runner.on_ray import RayExecutor

    def fit(arguments: list[str]) -> int:
        try:
            return training.run(arguments)
        except ZooError as error:
            print(f"ecpe-zoo: {error}")
            return 1

    gpus = fits.gpus_per_cell
    if fits.executor == "inline":
        if fits.jobs not in (None, 1):
            raise ZooError(f"Expected --jobs 1 with --executor inline, but got {fits.jobs}.")
        return InlineExecutor(fit)
    if fits.executor == "ray":
        gpus = float(torch.cuda.is_available()) if gpus is None else gpus
        return RayExecutor(
            threads, gpus, fits.ray_address, fits.return_records, fits.keep_checkpoints, fits.jobs
        )
    return LocalExecutor(fits.jobs or 1, 1.0 if gpus is None else gpus)


def _show_plan(
    title: str,
    cells: Sequence[Cell],
    store: Store,
    seconds: Callable[[Cell], float | None],
    threads: int,
    fits: Fits,
) -> None:
    from ecpe_zoo.runner.estimates import clock, makespan

    rows = []
    times: list[float | None] = []
    for cell in cells:
        state = store.state(cell)
        shown = ""
        if state.kind in ("to do", "failed") or (state.kind == "stale" and fits.set_aside):
            times.append(seconds(cell))
            shown = "?" if times[-1] is None else clock(times[-1])
        rows.append((cell.key, WORDS.get(state.kind, state.kind), shown, state.detail))
    show_table(f"{title}: {len(cells)} cells, records in {store.root}", ("cell", "", ">time", ""), rows)
    known = [time for time in times if time is not None]
    line = f"{len(times)} of {len(cells)} cells to run, {counted(threads, 'thread')} each, {fits.jobs or 1} at once"
    if known:
        line += f"; about {clock(makespan(known, fits.jobs or 1))}, from earlier records"
    if len(known) < len(times):
        line += f"; no record has the time of {len(times) - len(known)}"
    say(line + ".")


def _summary(everything: Sequence[Progress], store: Store) -> int:
    """Print how the cells ended; the exit status."""

    def of(kind: str) -> list[Progress]:
        return [progress for progress in everything if progress.kind == kind]

    done, stale, failed, elsewhere = of("done"), of("stale"), of("failed"), of("elsewhere")
    recorded = len(done) + len(of("there"))
    say(f"{recorded} of {len(everything)} cells have their record in {store.root}: {len(done)} new.")
    if stale:
        say(
            f"{len(stale)} cells were left alone: in their place is a record of another config or of other data. Use "
            "another --results, or --set_aside, which renames such records.",
            *(f"  {progress.cell.key}: {progress.detail}" for progress in stale[:3]),
        )
    if failed:
        failure = store.read_failure(failed[0].cell)
        lines = failure.last_lines[-8:] if failure else [failed[0].detail]
        say(f"{len(failed)} failed; the same command tries them again. The last lines of the first:")
        say(*(f"  {line}" for line in lines))
    if elsewhere:
        say(f"{len(elsewhere)} are being run elsewhere ({elsewhere[0].detail}).")
    return 1 if stale or failed else 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ZooError(f"Expected --set NAME=VALUE, but got {text!r}.")
    return name, value


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let the signals that end a cluster's job or close a terminal act as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {kind: signal.signal(kind, interrupt) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


COMMANDS = run
