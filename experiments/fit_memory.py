"""Memory and time of `ecpe-zoo fit` on a CPU, with and without what bounds its memory.

    python -m experiments.fit_memory --output DIR [--without trim kernels widths] -- --config CONFIG [OPTIONS]

Everything after `--` is given to `fit`. It runs once with everything that --without names switched off and once as it
is, each in a process of its own: `trim` gives freed memory back to the system, `kernels` limits oneDNN's cache,
`widths` rounds the widths of rows. The processor's seconds count, not the clock's: other work may share the machine.
The result goes to DIR/fit_memory.json and to the screen.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

from ecpe_zoo.cli.main import main as ecpe_zoo
from ecpe_zoo.memory import give_back
from experiments.annotate_rate import SAMPLES, memory_of

PAUSE = 0.2
"""Seconds between two samples of a run's memory."""

SWITCHES = ("trim", "kernels", "widths")
CALLBACK = "ecpe_zoo.training.memory"


def watch(arguments: Sequence[str], without: Sequence[str]) -> dict[str, Any]:
    """Fit in a separate process.

    Args:
        arguments: Arguments of `ecpe-zoo fit`.
        without: Measures to switch off, from `SWITCHES`.

    Returns:
        `status`; `peak` MB; `memory`: resident MB over the run; `seconds` of the processor; `trims` and the
        seconds that they took.
    """
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_fit, args=[list(arguments), without, there])
    process.start()
    memory: list[float] = []
    peak = 0.0
    while process.is_alive():
        resident, highest = memory_of(process.pid or 0)
        peak = max(peak, highest)
        if resident:
            memory.append(round(resident, 1))
        process.join(PAUSE)
    told = here.recv() if here.poll() else {}
    step = max(len(memory) // SAMPLES, 1)
    return {
        "without": list(without),
        "status": process.exitcode,
        "peak": round(peak, 1),
        "memory": memory[::step],
        **told,
    }


def _fit(arguments: list[str], without: Sequence[str], pipe: Connection) -> None:
    trims: list[float] = []

    def timed() -> None:
        start = time.process_time()
        give_back()
        trims.append(time.process_time() - start)

    with ExitStack() as stack:
        stack.enter_context(patch(f"{CALLBACK}.give_back", Mock() if "trim" in without else timed))
        if "kernels" in without:
            stack.enter_context(patch(f"{CALLBACK}.keep_few_kernels"))
        if "widths" in without:
            stack.enter_context(
                patch("ecpe_zoo.text.transformer_encoder.rounded_width", lambda tokens, most=None: tokens)
            )
        status = ecpe_zoo(["fit", *arguments])
    used = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send(
        {
            "seconds": round(used.ru_utime + used.ru_stime, 1),
            "trims": len(trims),
            "trim_seconds": round(sum(trims), 2),
        }
    )
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write and print; 1 if a run failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--without",
        nargs="*",
        choices=SWITCHES,
        default=SWITCHES,
        help="what the first run lacks (default: all three)",
    )
    parser.add_argument("fit", nargs="+", metavar="OPTION", help="arguments of `ecpe-zoo fit`, after --")
    options = parser.parse_args(argv)
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    runs = []
    for name, without in (("before", options.without), ("after", ())):
        place = ["--trainer.default_root_dir", str(folder / name)]
        runs.append({"run": name, **watch([*options.fit, *place], without)})
    found = {"options": options.fit, "threads": os.environ.get("OMP_NUM_THREADS", "not set"), "runs": runs}
    text = json.dumps(found, indent=1)
    (folder / "fit_memory.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    return int(any(run["status"] for run in runs))


if __name__ == "__main__":
    sys.exit(main())
