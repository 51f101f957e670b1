"""`ecpe-zoo annotate`: apply a trained method to your own text."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.console import Console

from ecpe_zoo.cli.screen import say
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import check_apart

STANDARD = "-"
PAUSE = 30.0
"""Seconds between lines of progress if there is no terminal."""


def annotate(
    *,
    ckpt_path: str,
    input: str,
    model: str | None = None,
    output: str = STANDARD,
    format: Literal["jsonl", "json", "csv", "tsv", "lines"] | None = None,
    output_format: Literal["jsonl", "csv", "tsv"] | None = None,
    text: str = "text",
    delimiter: str = "",
    header: Sequence[str] = (),
    encoding: str = "utf-8",
    language: Literal["zh", "en"] | None = None,
    threshold: float | None = None,
    top: int | None = None,
    scores: Literal["above", "all"] = "above",
    on_error: Literal["raise", "skip"] = "raise",
    overwrite: bool = False,
    batch_tokens: int = 4096,
    window: int = 1024,
    precision: Literal["32", "bf16"] = "32",
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Apply a trained method to text: emotion-cause pairs, emotions of utterances, or emotions with intensities.

    Input is JSONL {"id", "text"} or {"id", "segments": [{"text", "speaker"?}]}, a JSON list of these, CSV or TSV with a
    column of texts, or one text per line; a name in .gz is unpacked. Methods for emotion-cause pairs get
    running text cut into clauses. An empty line gives an empty row.

    Output is JSONL with a row for each text, or CSV or TSV with a row for each pair or segment. The file appears when
    it is complete. Until then it is called F.part; the same command resumes from it and gives what an uninterrupted
    run gives.

      ecpe-zoo annotate --ckpt_path best.ckpt --input comments.csv --text body --output emotions.jsonl
      cat news.txt | ecpe-zoo annotate --ckpt_path best.ckpt --input - --window 1

    Args:
        ckpt_path: Checkpoint of ecpe-zoo fit, folder of ecpe-zoo export, or hf://USER/NAME[@REVISION].
        input: File of texts; - is standard input.
        model: Class path of a method of your own; a checkpoint alone never runs third-party code.
        output: File for the rows; - is standard output.
        format: Format of the input; by default from the file extension, else from its first line.
        output_format: Format of the output; by default from the file extension, else jsonl.
        text: Column of the texts in CSV, TSV, JSON and JSONL.
        delimiter: Character between the fields of CSV and TSV; by default a comma or a tab.
        header: Names of all columns of a CSV or TSV without a header.
        encoding: Encoding of the input, such as cp1252 or gb18030.
        language: Language of all texts; by default detected for each text from its script.
        threshold: Threshold of the scores, 0 to 1; the tuned one by default.
        top: Keep the N highest, with --threshold at most N of those above it.
        scores: With `all` a row also has the scores below the threshold.
        on_error: With `skip` malformed lines are written to OUTPUT.rejected.jsonl.
        overwrite: Replace an existing output, and a .part of another run.
        batch_tokens: Maximum number of token slots per batch.
        window: Number of lines read, batched by length and written together.
        precision: Precision of matrix products.
        device: Device; auto takes a GPU if there is one.

    Returns:
        0; 130 if it was interrupted; 1 if the reader of standard output has gone.
    """
    from ecpe_zoo import annotation
    from ecpe_zoo.annotation import run
    from ecpe_zoo.annotation.inputs import Source
    from ecpe_zoo.annotation.outputs import File, StandardOutput, Writer, files_of, form_of
    from ecpe_zoo.memory import keep_few_kernels
    from ecpe_zoo.methods.exported import local
    from ecpe_zoo.methods.loading import load_method

    console = Console(stderr=True, highlight=False)
    keep_few_kernels()
    options = annotation.Options(threshold, top, scores == "all", language, batch_tokens, precision, device)
    checkpoint = local(ckpt_path)
    place_in = None if input == STANDARD else Path(input)
    place = None if output == STANDARD else Path(output)
    form = form_of(place, output_format)
    if place is not None:
        check_apart(files_of(place), place_in, checkpoint)
    annotator = annotation.Annotator(load_method(checkpoint, model), options)
    source = Source(place_in, format, text, delimiter=delimiter, header=header, encoding=encoding)
    say(*run.describe(annotator, ckpt_path, source), to=console)
    writer: Writer
    if place is None:
        writer = StandardOutput(annotator.answers, form)
    else:
        identity = run.identity_of(annotator, checkpoint, source, form, window)
        writer = File(place, annotator.answers, form, identity, overwrite)
    done = writer.state.records
    if done:
        say(f"resuming after {done:,} texts of an earlier run", to=console)

    def warn(note: str) -> None:
        say(
            f"WARNING: the texts are unlike those of the model's training: {note}. Do not trust it.",
            to=console,
        )

    start = time.monotonic()
    try:
        with _progress(console, source.size, done) as progress:
            counts = run.annotate(
                annotator, source, writer, window=window, on_error=on_error, progress=progress, warn=warn
            )
    except KeyboardInterrupt:
        way = "" if place is None else "; the same command resumes from there"
        print(f"stopped after {writer.state.records:,} texts{way}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head`: the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk
        raise ZooError(
            f"{output}: expected rows to be written, but got: {error}. Solve this and repeat the command."
        ) from error
    seconds = time.monotonic() - start
    rate = (writer.state.records - done) / max(seconds, 1e-9)
    written = "" if place is None else f"; {output}"
    what = run.summary(counts, annotator.unlike(counts) is not None)
    say(f"{what}; {seconds:.1f} s, {rate:,.0f} texts/s{written}", to=console)
    if counts["single"]:
        say(
            "In a text of one clause the only pair is the clause with itself. To cut it elsewhere, give its clauses: "
            '{"segments": ["I cried", "since my dog died"]}',
            to=console,
        )
    if counts["rejected"] and isinstance(writer, File):
        say(f"malformed lines: {writer.rejected}", to=console)
    return 0


@contextmanager
def _progress(console: Console, size: int | None, done: int) -> Iterator[Callable[[int, int], None]]:
    """Show texts per second, and how far the input is read, by its bytes if their number is known."""
    from rich import progress

    start = last = time.monotonic()

    def texts(records: int) -> str:
        return f"{records:,} texts, {(records - done) / max(time.monotonic() - start, 1e-9):,.0f}/s"

    def tell(records: int, position: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PAUSE:
            last = time.monotonic()
            share = f"; {100 * position / size:.1f} % of the input" if size else ""
            say(f"{texts(records)}{share}", to=console)

    if not console.is_terminal:
        yield tell
        return
    columns = (progress.SpinnerColumn(), progress.TextColumn("{task.description}"), progress.BarColumn())
    times = (progress.TimeElapsedColumn(), progress.TimeRemainingColumn())
    with progress.Progress(*columns, *times, console=console) as bars:
        task = bars.add_task("texts", total=size)
        yield lambda records, position: bars.update(task, completed=position, description=texts(records))


COMMANDS = annotate
