"""`ecpe-zoo run SUITE.yaml`: a suite of fits, each with a record, that can be broken off and goes on."""

from __future__ import annotations

# before all others, as `ecpe-zoo fit` does: which of two unions jsonargparse saw first decides how it reads a 1
from ecpe_zoo.cli import training  # isort: skip

import argparse
import contextlib
import importlib
import io
import json
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from ecpe_zoo.errors import ZooError
from ecpe_zoo.results.record import read_record
from ecpe_zoo.runner.cells import Cell, expand, select
from ecpe_zoo.runner.estimates import Estimates, clock, makespan
from ecpe_zoo.runner.executors import Executor, InlineExecutor, LocalExecutor
from ecpe_zoo.runner.on_ray import RayExecutor
from ecpe_zoo.runner.scheduler import Progress, Scheduler
from ecpe_zoo.runner.screen import LiveScreen, PlainScreen
from ecpe_zoo.runner.store import Store
from ecpe_zoo.runner.suite import Suite, read_suite

WORDS = {
    "to do": "to run", "done": "there", "stale": "differs", "failed": "failed: again", "elsewhere": "elsewhere"
}  # fmt: skip


EXAMPLE = """\
a suite file, with the paths of configs from its own folder or from the working directory:

  name: beta
  variables:
    vectors: word2vec text file          # given with --set vectors=FILE
  defaults:
    overrides: {model.vectors: "{vectors}"}
    matrix: {corpora: [xia-ding-2019], protocols: [strict, paper], folds: 1-3, seeds: [0, 1]}
  cells:
    - config: configs/paper/e2eecpe.yaml
    - config: configs/paper/e2eecpe.yaml
      variant: half                      # its records lie in e2eecpe-half/
      overrides: {model.beta: 0.5}

Each combination is a cell: one fit, one record. All fields: the docstring of ecpe_zoo.runner.suite. Scripts for SLURM
(a suite, or one large cell) and torchrun: experiments/slurm/.
"""


class Resolver(training.ZooCLI):
    """Parses arguments of fit as fit does, and builds and runs nothing.

    Its parser is made once: that takes longer than parsing.
    """

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """The method's id and the config that the record of this fit would hold.

        Raises:
            ZooError: an option that the fit would refuse.
        """
        args = ["fit", *arguments]
        told = io.StringIO()
        try:
            with contextlib.redirect_stderr(told), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if not self._begun:
                    super().__init__(args)
                    self._begun = True
                else:
                    self.parse_arguments(self.parser, args)
                dumped = self.parser.dump(self.config, skip_none=False, format="json")
        except SystemExit as error:
            raise ZooError(_last_error(told.getvalue())) from error
        config: dict[str, Any] = json.loads(dumped)["fit"]
        module, _, name = config["model"]["class_path"].rpartition(".")
        return getattr(importlib.import_module(module), name).id, config

    def _set_seed(self) -> None:
        """Not here: this process trains nothing, and children read the seed from their arguments."""

    def instantiate_classes(self) -> None:
        """Not here."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Not here."""


def _last_error(text: str) -> str:
    """What jsonargparse printed, without the usage."""
    _, found, message = text.rpartition("error: ")
    lines = (message if found else text).strip().splitlines()
    return "\n".join(lines[:12]) or "Expected arguments that fit takes."


def main(argv: Sequence[str]) -> int:
    """Run a suite.

    Args:
        argv: what stands behind `ecpe-zoo run`.

    Returns:
        0 where every cell has its record, or with --no-wait is at work elsewhere; 1 where one failed or its place is
        taken; 130 after Ctrl-C.

    Raises:
        ZooError: something in the suite or the options that the user can mend.
    """
    options = _parser().parse_args(list(argv))
    suite = read_suite(options.suite)
    given = dict(_pair(text) for text in options.set)
    cells = expand(suite, options.suite, given, Resolver(), options.small)
    cells = select(cells, options.only)
    name = (suite.results or suite.name) + ("-small" if options.small else "")
    store = Store(options.results or Path("results") / name)
    if store.root.exists() and not store.root.is_dir():
        raise ZooError(f"{store.root}: expected a folder for --results, but it is a file.")
    threads = options.threads or suite.threads or _threads(options)
    estimates = Estimates(
        [store.root, *([] if options.results else [store.root.parent]), *_committed(options.suite)]
    )
    console = Console()
    if options.dry_run:
        return _dry_run(console, suite, cells, store, estimates, threads, options)
    with _ended_in_order():
        try:
            everything = _run(console, cells, store, estimates, threads, options)
        except KeyboardInterrupt:
            console.print("Interrupted. The same command goes on where this one stopped.")
            return 130
    return _summary(console, everything, store, options)


def _run(
    console: Console, cells: Sequence[Cell], store: Store, estimates: Estimates, threads: int,
    options: argparse.Namespace,
) -> list[Progress]:  # fmt: skip
    executor = _executor(options, threads)
    with contextlib.ExitStack() as stack:
        screen: LiveScreen | PlainScreen = PlainScreen(console, store)
        if console.is_terminal and options.executor != "inline":

            def estimate(progress: Progress) -> float | None:
                return estimates.seconds(progress.cell, threads, _accelerated(progress.cell))

            def learn(progress: Progress) -> None:
                estimates.add(read_record(store.record(progress.cell)))

            screen = stack.enter_context(LiveScreen(console, store, estimate, executor.slots, learn))
        scheduler = Scheduler(
            store, executor, screen, threads, keep_checkpoints=options.keep_checkpoints,
            set_aside=options.set_aside, wait=not options.no_wait,
        )  # fmt: skip
        return scheduler.run(cells)


def _executor(options: argparse.Namespace, threads: int) -> Executor:
    if options.executor == "inline":
        if options.jobs not in (None, 1):
            raise ZooError(f"Expected --jobs 1 with --executor inline, but got {options.jobs}.")
        return InlineExecutor(_fit_here)
    if options.executor == "ray":
        gpus = (
            options.gpus_per_cell if options.gpus_per_cell is not None else float(torch.cuda.is_available())
        )
        return RayExecutor(
            threads, gpus, options.ray_address, options.return_records, options.keep_checkpoints, options.jobs
        )
    return LocalExecutor(options.jobs or 1, 1.0 if options.gpus_per_cell is None else options.gpus_per_cell)


def _fit_here(arguments: list[str]) -> int:
    try:
        return training.run(arguments)
    except ZooError as error:
        print(f"ecpe-zoo: {error}")
        return 1


def _dry_run(
    console: Console, suite: Suite, cells: Sequence[Cell], store: Store, estimates: Estimates, threads: int,
    options: argparse.Namespace,
) -> int:  # fmt: skip
    table = Table(
        title=f"{suite.name}: {len(cells)} cells, records in {store.root}",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column, justify in (("cell", "left"), ("", "left"), ("time", "right"), ("", "left")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    seconds, unknown, count = [], 0, 0
    for cell in cells:
        state = store.state(cell)
        runs = state.kind in ("to do", "failed") or (state.kind == "stale" and options.set_aside)
        expected = estimates.seconds(cell, threads, _accelerated(cell)) if runs else None
        count += runs
        unknown += runs and expected is None
        seconds += [expected] if expected is not None else []
        table.add_row(
            cell.key,
            WORDS[state.kind],
            ("?" if expected is None else clock(expected)) if runs else "",
            state.detail,
        )
    console.print(table)
    jobs = options.jobs or 1
    line = f"{count} of {len(cells)} cells to run, {threads} threads each, {jobs} at once"
    if seconds:
        line += f"; about {clock(makespan(seconds, jobs))}, from earlier records"
    if unknown:
        line += f"; no record tells the time of {unknown}"
    console.print(line + ".", soft_wrap=True)
    return 0


def _summary(
    console: Console, everything: Sequence[Progress], store: Store, options: argparse.Namespace
) -> int:
    def of(kind: str) -> list[Progress]:
        return [progress for progress in everything if progress.kind == kind]

    recorded = len(of("done")) + len(of("there"))
    console.print(
        f"{recorded} of {len(everything)} cells have their record in {store.root}: {len(of('done'))} new.",
        soft_wrap=True,
    )
    if stale := of("stale"):
        console.print(
            f"{len(stale)} cells were left alone: a record of another config or of other data lies in their place. Use "
            "another --results, or --set-aside, which renames such records.",
            soft_wrap=True,
        )
        for progress in stale[:3]:
            console.print(f"  {progress.cell.key}: {progress.detail}", soft_wrap=True, markup=False)
    if failed := of("failed"):
        console.print(
            f"{len(failed)} failed; the same command tries them again. The last lines of the first:"
        )
        failure = store.read_failure(failed[0].cell)
        for line in failure.last_lines[-8:] if failure else [failed[0].detail]:
            console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    if elsewhere := of("elsewhere"):
        console.print(f"{len(elsewhere)} are at work elsewhere ({elsewhere[0].detail}).", soft_wrap=True)
    return 1 if stale or failed else 0


def _threads(options: argparse.Namespace) -> int:
    """This machine's cores, shared out; on a cluster one core a fit, since it is not this machine that counts."""
    if options.executor == "ray":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // (options.jobs or 1))


def _accelerated(cell: Cell) -> bool:
    return torch.cuda.is_available() and cell.config["trainer"].get("accelerator") != "cpu"


def _committed(suite: Path) -> list[Path]:
    """Folders of committed records: `experiments/records` for `experiments/suites/x.yaml`."""
    return [folder / "records" for folder in suite.absolute().parents[:2]]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ZooError(f"Expected --set NAME=VALUE, but got {text!r}.")
    return name, value


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """The signals that end a job of a cluster or close a terminal act as Ctrl-C does."""

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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, but got {text!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of GPUs from 0, but got {text!r}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ecpe-zoo run",
        description="Run the fits of a suite that have no record yet. A run that was broken off goes on; several runs\n"
        "may share one folder.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "suite",
        type=Path,
        metavar="SUITE.yaml",
        help="which fits; see below",
    )
    add(
        "--results",
        type=Path,
        metavar="DIR",
        help="where records go (default: results/ and the suite's `results` or name, with -small for --small)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of the suite, as vectors=FILE",
    )
    add("--only", action="append", default=[], metavar="PATTERN",
        help="cells that match (with * and ?) or hold this text; may be repeated")  # fmt: skip
    add("--small", action="store_true", help="the suite's small form: shows that it runs, within minutes")
    add("--dry-run", action="store_true", help="show what would run, and how long it would take")
    add(
        "--jobs",
        type=_positive,
        metavar="N",
        help="fits at once (default: 1; with Ray as many as there is room for)",
    )
    add(
        "--threads",
        type=_positive,
        metavar="N",
        help="cores of each fit (default: the suite's, else a fair share)",
    )
    add(
        "--gpus-per-cell",
        type=_share,
        metavar="G",
        help="GPUs of each fit, as 0.5; 0 for none (default: 1 where there are any)",
    )
    add("--executor", choices=("local", "inline", "ray"), default="local",
        help="processes here (default), one after another in this process, or a Ray cluster")  # fmt: skip
    add("--ray-address", metavar="A", help="of the cluster (default: RAY_ADDRESS, else Ray is started here)")
    add("--return-records", action="store_true",
        help="with Ray: the machines share no folder, records travel back")  # fmt: skip
    add("--keep-checkpoints", action="store_true", help="keep the weights that each record is of beside it")
    add("--set-aside", action="store_true",
        help="rename records of another config or other data, and run their cells")  # fmt: skip
    add("--no-wait", action="store_true",
        help="do not wait for cells that another run has; the exit status is 0 then, too")  # fmt: skip
    return parser
