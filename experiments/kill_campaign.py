"""Kills `annotate` at every write, flush, cut, rename and removal, and runs the same command again.

A double of the file operations counts them in a forked process, which kills itself with SIGKILL before operation k (in
the middle of it, if it writes). The same command then has to give the bytes of an unbroken run and to leave no other
file. The model is the rule without training: what is tested is the writer.

    python -m experiments.kill_campaign --documents 40
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecpe_zoo.annotation.annotator import Annotator, Options
from ecpe_zoo.annotation.inputs import Source
from ecpe_zoo.annotation.outputs import FORMS, File, Form
from ecpe_zoo.annotation.run import annotate
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.rule import Rule
from experiments import run

WINDOW = 4


class Operations:
    """Counts operations on files, and kills the process at one of them."""

    def __init__(self, kill_at: int) -> None:
        self.left = kill_at

    def count(self, half: Callable[[], Any] = lambda: None) -> None:
        """One operation; before the last one that is allowed, half of it happens and the process ends."""
        self.left -= 1
        if self.left == 0:
            half()
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, counted."""

        def double(*arguments: Any, **options: Any) -> Any:
            self.count()
            return function(*arguments, **options)

        return double

    def install(self) -> None:
        """Count everything that changes a file in this process; it is not undone."""
        opened = Path.open

        def double(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            file = opened(path, mode, *arguments, **options)
            return CountedFile(file, self) if "b" in mode and mode != "rb" else file

        Path.open = double  # type: ignore[method-assign,assignment]
        Path.replace = self.counted(Path.replace)  # type: ignore[method-assign]
        Path.unlink = self.counted(Path.unlink)  # type: ignore[method-assign]
        os.fsync = self.counted(os.fsync)


class CountedFile:
    """A file whose changes are counted; a write that is killed leaves its first half on the disk."""

    def __init__(self, file: Any, operations: Operations) -> None:
        self._file, self._operations = file, operations

    def write(self, data: bytes) -> int:
        """See `io.BufferedWriter.write`."""

        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._operations.count(half)
        return int(self._file.write(data))

    def flush(self) -> None:
        """See `io.BufferedWriter.flush`."""
        self._operations.count()
        self._file.flush()

    def truncate(self, size: int) -> int:
        """See `io.BufferedRandom.truncate`."""
        self._operations.count()
        return int(self._file.truncate(size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def make_input(path: Path, documents: int) -> None:
    """Documents of the bundled corpus as JSON lines, every seventh of them malformed."""
    lines = []
    for number, document in enumerate(load_corpus("bundled-ecpe").train[:documents]):
        segments = [{"text": segment.text} for segment in document.segments]
        lines.append("{" if number % 7 == 3 else json.dumps({"id": document.id, "segments": segments}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def command(worker: Annotator, source: Path, output: Path, form: Form) -> None:
    """What `ecpe-zoo annotate --on_error skip` does."""
    writer = File(output, worker.answers, form, {"options": 1}, overwrite=False)
    annotate(worker, Source(source), writer, window=WINDOW, on_error="skip")


def killed(kill_at: int, *arguments: Any) -> bool:
    """Run the command in a fork that dies at an operation; False if it ended before."""

    def body() -> None:
        Operations(kill_at).install()
        command(*arguments)

    process = multiprocessing.get_context("fork").Process(target=body)
    process.start()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise ZooError(f"Expected the run to end or to be killed at operation {kill_at}, but it failed.")
    return process.exitcode != 0


def content(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def campaign(
    worker: Annotator, folder: Path, documents: int, form: Form, twice: random.Random
) -> tuple[int, int]:
    """Kill at each operation once, then at each once more after an earlier kill at random.

    Returns:
        Kills, and runs after them whose files differ from those of an unbroken run.
    """
    source = folder / "in.jsonl"
    make_input(source, documents)
    whole = folder / "whole"
    whole.mkdir()
    command(worker, source, whole / "out", form)
    expected, kills, wrong, last = content(whole), 0, 0, 0
    for earlier in (False, True):
        at = 0
        while True:
            at += 1
            place = folder / f"{int(earlier)}-{at}"
            place.mkdir()
            arguments = (worker, source, place / "out", form)
            if earlier:
                kills += killed(twice.randint(1, last), *arguments)
            if not killed(at, *arguments):
                last = max(last, at - 1)
                break
            kills += 1
            command(*arguments)
            wrong += content(place) != expected
    return kills, wrong


def main() -> int:
    """Run the campaign for each form of output; exit 1 if a file differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=40)
    parser.add_argument("--form", choices=FORMS, action="append")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    method = Rule()
    method.build_from(list(load_corpus("bundled-ecpe").train))
    worker, bad = Annotator(method, Options()), 0
    for form in options.form or FORMS:
        with tempfile.TemporaryDirectory() as folder:
            draws = random.Random(options.seed)
            kills, wrong = campaign(worker, Path(folder), options.documents, form, draws)
        bad += wrong
        print(f"{form}: {kills} kills, {wrong} outputs differ")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(run(main))
