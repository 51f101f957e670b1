"""`ecpe-zoo annotate` on many lines: rate, memory over the run, and whether a killed run ends in the same bytes.

    python -m experiments.annotate_rate --ckpt_path CKPT --output DIR [--lines 100000] [--precision bf16]

The texts of a corpus are repeated, each time followed by another number. The command runs
once without interruption and once killed (SIGKILL) at each share of `--kills` and restarted, in processes of its own.
The result goes to DIR/annotate_rate.json and to the screen. Options unknown to this script are passed to the command.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from operator import le
from pathlib import Path
from typing import Any

from ecpe_zoo.cli.main import main as ecpe_zoo
from ecpe_zoo.corpora.registry import load_corpus

PAUSE = 0.05
"""Seconds between two samples of a run's memory."""

SAMPLES = 20
"""Number of points of a run at which memory is shown."""


def write_texts(path: Path, corpus: str, root: Path | None, lines: int) -> None:
    """Texts of a corpus' training part, repeated up to a number of lines."""
    documents = load_corpus(corpus, root).train
    texts = [" ".join(segment.text for segment in document.segments) for document in documents]
    with path.open("w", encoding="utf-8") as file:
        for number in range(lines):
            text = " ".join(texts[number % len(texts)].split())
            turn = number // len(texts)
            file.write(f"{text} {turn}\n" if turn else f"{text}\n")


def watch(
    command: Sequence[str], journal: Path, until: Callable[[int], bool] = lambda records: False
) -> dict[str, Any]:
    """Run the command in a process of its own.

    Args:
        command: Arguments of `ecpe-zoo`.
        journal: Journal of the run, which records its progress.
        until: Number of finished lines at which to kill it.

    Returns:
        `seconds` of the whole process and of the `first` window; `memory`: resident MB by lines done; `peak` MB;
        `status`.
    """
    start = time.monotonic()
    process = multiprocessing.get_context("fork").Process(target=_run, args=[list(command)])
    process.start()
    memory: list[tuple[int, float]] = []
    found: dict[str, Any] = {"first": None}
    records = begun = done_before(journal)
    peak = 0.0
    while process.is_alive():
        records = max(done_before(journal), records)
        resident, highest = memory_of(process.pid or 0)
        peak = max(peak, highest)
        if resident and (not memory or records > memory[-1][0]):
            memory.append((records, resident))
        if records > begun and found["first"] is None:
            found |= {"first": round(time.monotonic() - start, 2), "first_records": records}
        if until(records):
            process.kill()
        process.join(PAUSE)
    step = max(len(memory) // SAMPLES, 1)
    shown = memory[::step] + memory[-1:]
    return found | {
        "seconds": round(time.monotonic() - start, 2),
        "memory": [(records, round(value, 1)) for records, value in shown],
        "peak": round(peak, 1),
        "status": process.exitcode,
    }


def _run(command: list[str]) -> None:
    sys.exit(ecpe_zoo(command))


def done_before(journal: Path) -> int:
    """Lines that a run has done, from the last complete line of its journal."""
    try:
        lines = journal.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return 0
    return int(json.loads(lines[-1]).get("records", 0)) if lines else 0


def memory_of(pid: int) -> tuple[float, float]:
    """Resident memory of a process now and at its peak, in MB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0, 0.0
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(int(fields.get(name, "0 kB").split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measure(options: argparse.Namespace, others: Sequence[str]) -> dict[str, Any]:
    """All runs of one measurement."""
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    texts = folder / "texts.txt"
    write_texts(texts, options.corpus, options.root, options.lines)

    def command(out: Path) -> list[str]:
        return [
            "annotate",
            "--ckpt_path",
            str(options.ckpt_path),
            "--input",
            str(texts),
            "--output",
            str(out),
            *others,
        ]

    whole, killed = folder / "whole.jsonl", folder / "killed.jsonl"
    for path in folder.glob("*.jsonl*"):
        path.unlink()
    unbroken = watch(command(whole), folder / "whole.jsonl.part.journal")
    journal = folder / "killed.jsonl.part.journal"
    stops = []
    for share in options.kills:
        run = watch(command(killed), journal, until=partial(le, share * options.lines))
        stops.append({"killed_behind": done_before(journal), "status": run["status"], "peak": run["peak"]})
    resumed = watch(command(killed), journal)
    rest = options.lines - (unbroken.get("first_records") or options.lines)
    steady = rest / (unbroken["seconds"] - unbroken["first"]) if rest else 0.0
    return {
        "lines": options.lines,
        "options": list(others),
        "texts_per_second": round(options.lines / unbroken["seconds"], 1),
        "texts_per_second_behind_the_first_window": round(steady, 1),
        "unbroken": unbroken,
        "kills": stops,
        "resumed": {name: resumed[name] for name in ("seconds", "peak", "status")},
        "equal": file_hash(whole) == file_hash(killed),
        "sha256": file_hash(whole),
        "machine": {
            "processor": platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        },
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write and print; 1 if a run failed or the outputs differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ckpt_path", type=Path, required=True, metavar="FILE")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--corpus", default="goemotions", help="whose texts are repeated (default: %(default)s)"
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="where corpora lie")
    parser.add_argument("--lines", type=int, default=100_000, metavar="N")
    parser.add_argument(
        "--kills",
        type=float,
        nargs="*",
        default=[0.3, 0.6],
        metavar="SHARE",
        help="of the lines (default: 0.3 0.6)",
    )
    options, others = parser.parse_known_args(argv)
    found = measure(options, others)
    text = json.dumps(found, indent=1)
    (options.output / "annotate_rate.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if found["equal"] and found["resumed"]["status"] == 0 == found["unbroken"]["status"] else 1


if __name__ == "__main__":
    sys.exit(main())
