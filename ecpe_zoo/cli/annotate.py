"""`ecpe-zoo annotate`: a trained method applied to one's own text."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ecpe_zoo.annotation.annotator import BATCH_TOKENS, Annotator, Device, Options, Precision
from ecpe_zoo.annotation.inputs import KINDS, Source
from ecpe_zoo.annotation.outputs import FORMS, File, StandardOutput, Writer, form_of
from ecpe_zoo.annotation.run import WINDOW, annotate, describe, identity_of, summary
from ecpe_zoo.errors import ZooError
from ecpe_zoo.memory import keep_few_kernels
from ecpe_zoo.methods.loading import load_method

STANDARD = "-"
PAUSE = 30.0
"""Seconds between lines of progress where there is no terminal."""

EPILOG = """\
input: JSONL {"id", "text"} or {"id", "segments": [{"text", "speaker"?}]}; CSV or TSV with a column of texts; or a
text a line. Running text is cut into clauses for methods of emotion-cause pairs. An empty line gives an empty row.

output: JSONL, a row a text; CSV and TSV, a row a pair or a segment. It appears when it is complete: until then it is
F.part, with which the same command goes on after it was stopped, and gives what an unbroken run gives.

  ecpe-zoo annotate --ckpt_path best.ckpt --input comments.csv --text body --output emotions.jsonl
  cat news.txt | ecpe-zoo annotate --ckpt_path best.ckpt --input - --window 1
"""


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: what stands behind `ecpe-zoo annotate`.

    Returns:
        The exit status; 130 where it was interrupted.

    Raises:
        ZooError: something the user can mend.
    """
    options = _parser().parse_args(list(argv))
    console = Console(stderr=True, highlight=False)
    keep_few_kernels()
    annotator = Annotator(
        load_method(options.ckpt_path),
        Options(
            threshold=options.threshold,
            top=options.top,
            every=options.scores == "all",
            language=options.language,
            batch_tokens=options.batch_tokens,
            precision=options.precision,
            device=options.device,
        ),
    )
    path = None if options.input == STANDARD else Path(options.input)
    source = Source(path, options.format, options.text)
    for line in describe(annotator, options.ckpt_path, source):
        console.print(line, markup=False, soft_wrap=True)
    writer = _writer(options, annotator, source)
    done = writer.state.records
    if done:
        console.print(f"goes on behind {done:,} texts of an earlier run", markup=False, soft_wrap=True)
    start = time.monotonic()
    try:
        with _progress(console, source.size, done) as progress:
            counts = annotate(
                annotator, source, writer, window=options.window, on_error=options.on_error, progress=progress
            )
    except KeyboardInterrupt:
        way = "" if options.output == STANDARD else ": the same command goes on from there"
        print(f"stopped behind {writer.state.records:,} texts{way}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk
        raise ZooError(
            f"{options.output}: expected rows to be written, but got: {error}. Mend it, and give the command again."
        ) from error
    seconds = time.monotonic() - start
    rate = (writer.state.records - done) / max(seconds, 1e-9)
    where = "" if options.output == STANDARD else f"; {options.output}"
    console.print(
        f"{summary(counts)}; {seconds:.1f} s, {rate:,.0f} texts/s{where}", markup=False, soft_wrap=True
    )
    if counts["rejected"] and isinstance(writer, File):
        console.print(f"malformed ones: {writer.rejected}", markup=False, soft_wrap=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ecpe-zoo annotate",
        description="Apply a trained method to text: emotion-cause pairs, the emotion of each utterance, or emotions "
        "with intensities, as the method gives them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--ckpt_path", type=Path, required=True, metavar="FILE", help="a checkpoint of ecpe-zoo fit")
    add("--input", required=True, metavar="FILE|-", help="texts; - is standard input")
    add("--output", default=STANDARD, metavar="FILE|-", help="rows; - is standard output (default)")
    add("--format", choices=KINDS, help="of the input (default: as its name ends, else by its first line)")
    add("--output-format", choices=FORMS, help="(default: as its name ends, else jsonl)")
    add(
        "--text", default="text", metavar="COLUMN", help="of the texts, in CSV, TSV and JSONL (default: text)"
    )
    add("--language", choices=("zh", "en"), help="of all texts (default: each text's own)")
    add("--threshold", type=float, metavar="T", help="a score, 0 to 1 (default: the tuned one)")
    add("--top", type=int, metavar="K", help="the K highest; with --threshold at most K of those above it")
    add("--scores", choices=("above", "all"), default="above", help="all: every score besides")
    add("--on_error", choices=("raise", "skip"), default="raise",
        help="skip: malformed lines go to FILE.rejected.jsonl")  # fmt: skip
    add("--overwrite", action="store_true", help="replace the file that is there, and a part of another run")
    add("--batch-tokens", type=int, default=BATCH_TOKENS, metavar="N",
        help="most token slots of a batch (default: %(default)s)")  # fmt: skip
    add("--window", type=int, default=WINDOW, metavar="N",
        help="lines that are read, batched by length and written together (default: %(default)s)")  # fmt: skip
    add("--precision", choices=get_args(Precision), default="32", help="of matrix products (default: 32)")
    add("--device", choices=get_args(Device), default="auto", help="(default: a GPU where there is one)")
    return parser


def _writer(options: argparse.Namespace, annotator: Annotator, source: Source) -> Writer:
    path = None if options.output == STANDARD else Path(options.output)
    form = form_of(path, options.output_format)
    if path is None:
        return StandardOutput(annotator.answers, form)
    identity = identity_of(annotator, options.ckpt_path, source, form, options.window)
    return File(path, annotator.answers, form, identity, options.overwrite)


@contextmanager
def _progress(console: Console, size: int | None, done: int) -> Iterator[Callable[[int, int], None]]:
    """Shows how far the input is read, by its bytes where their number is known, and the texts a second."""
    start = time.monotonic()

    def rate(records: int) -> float:
        return (records - done) / max(time.monotonic() - start, 1e-9)

    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
                   TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=console) as bars:
            task = bars.add_task("texts", total=size)

            def draw(records: int, position: int) -> None:
                told = f"{records:,} texts, {rate(records):,.0f}/s"
                bars.update(task, completed=position, description=told)

            yield draw
        return
    last = start

    def tell(records: int, position: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PAUSE:
            last = time.monotonic()
            share = f" ({100 * position / size:.1f} %)" if size else ""
            console.print(f"{records:,} texts{share}, {rate(records):,.0f}/s", soft_wrap=True)

    yield tell
