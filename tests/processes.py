"""Processes that need not import torch: they are forked from one that has imported it and the package's training."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from ecpe_zoo.cli.main import main

FORKS = multiprocessing.get_context("forkserver")
# training first, as in the command
FORKS.set_forkserver_preload(["ecpe_zoo.cli.training", "tests.processes"])


def forked(
    log: Path, function: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None
) -> BaseProcess:
    """Start a function in a process of its own, which ends with what it returns as its status.

    Args:
        log: File for what it prints.
        function: A function of a module.
        arguments: Its arguments.
        environment: Variables over those that the first test of this process had.
    """
    process = FORKS.Process(
        target=_run, args=(log, dict(environment or {}), function, arguments), daemon=True
    )
    process.start()
    return process


def _run(
    log: Path, environment: dict[str, str], function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    torch.set_num_threads(1)
    with log.open("w", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        sys.exit(function(*arguments))


def zoo(log: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> BaseProcess:
    """Start the command `ecpe-zoo` in a process of its own."""
    return forked(log, main, list(arguments), environment=environment)


def ended(process: BaseProcess, log: Path, seconds: float = 240) -> None:
    """Wait for a process, and show what it printed if it failed."""
    process.join(seconds)
    status = process.exitcode
    process.kill()
    assert status == 0, f"{status}: {log.read_text(encoding='utf-8')[-4000:]}"


def script(text: str, *arguments: str) -> None:
    """Run a script; of a process, that is all that it does."""
    sys.argv = ["script", *arguments]
    exec(compile(textwrap.dedent(text), "script", "exec"), {"__name__": "__main__"})
