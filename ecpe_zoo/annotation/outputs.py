"""Rows to a file, window by window, so that a killed run can be resumed.

Rows go to `F.part`; after each window a line of `F.part.journal` records how far the input was read, its hash up to
there, and how long the files were. A resumed run cuts `F.part` back to the last such line, so that the finished file
equals that of an unbroken run. At the end the journal says that the files are complete, then they are renamed, then the
journal is removed. A run that was killed in between undoes the renames and finishes again.

What could not be read goes to `F.rejected.jsonl`: {"line", "error", "text"}.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, get_args

from ecpe_zoo.annotation.answers import Answers, Row
from ecpe_zoo.annotation.inputs import Entry
from ecpe_zoo.errors import ZooError, unknown_choice

Form = Literal["jsonl", "csv", "tsv"]
FORMS: tuple[Form, ...] = get_args(Form)

Identity = Mapping[str, Any]
"""What the rows depend on, by name; plain values."""


@dataclass(slots=True)
class State:
    """How far a run is, after a complete window.

    Args:
        records: Entries that are done.
        digest: Hash of the input up to there.
        part: Length of the rows in bytes.
        rejected: Length of the rejected entries in bytes.
        counts: See `run.Counts`.
        complete: Whether the input is at its end and the files are being renamed.
    """

    records: int = 0
    digest: str = ""
    part: int = 0
    rejected: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    complete: bool = False


class Writer(Protocol):
    """Takes the rows of a run."""

    state: State

    def write(self, rows: Sequence[Row], rejected: Sequence[Entry]) -> None:
        """Add the rows of a window."""

    def commit(self, records: int, digest: str, counts: Mapping[str, int]) -> None:
        """Note that everything up to here is written."""

    def finish(self) -> None:
        """Complete the output at the end of the input."""

    def close(self) -> None:
        """Close files; an unfinished run can be resumed."""


_SUFFIXES = {"": "jsonl", "ndjson": "jsonl"}


def form_of(path: Path | None, form: str | None = None) -> Form:
    """The form of the output: as given, else by the suffix; JSONL without one.

    Raises:
        ZooError: An unknown form, or a suffix of another one.
    """
    if form is not None and form not in FORMS:
        raise unknown_choice("the form of the output", form, FORMS)
    suffix = path.suffix.lower().lstrip(".") if path is not None else ""
    form = form or _SUFFIXES.get(suffix, suffix)
    found = next((known for known in FORMS if known == form), None)
    if found is None:
        raise ZooError(
            f"Expected an --output whose name ends in .jsonl, .csv or .tsv, but got {path}. Rename it, or name "
            "the form of the rows with --output-format."
        )
    return found


def files_of(output: Path) -> tuple[Path, ...]:
    """The files that a run for this output writes; see the module."""
    ends = ("", ".part", ".part.journal", ".rejected.jsonl", ".rejected.jsonl.part")
    return tuple(output.with_name(output.name + end) for end in ends)


def encoded(rows: Sequence[Row], answers: Answers, form: Form) -> bytes:
    """Rows as bytes of a file."""
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    return table([cells for row in rows for cells in answers.cells(row)], form)


def table(rows: Sequence[Sequence[str | int | float]], form: Form) -> bytes:
    r"""Rows as CSV, or as TSV, which has no quoting: tabs and line ends in texts become spaces.

    >>> table([["a,b", "c\rd", 1.5]], "csv"), table([["a\tb", 1.5]], "tsv")
    (b'"a,b","c\rd",1.5\n', b'a b\t1.5\n')
    """
    if form == "tsv":
        cells = ([" ".join(str(cell).splitlines()).replace("\t", " ") for cell in row] for row in rows)
        return "".join("\t".join(row) + "\n" for row in cells).encode()
    lines = []
    for row in rows:
        text = io.StringIO()
        csv.writer(text).writerow(row)  # its own end of a row makes it quote both characters of it
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines).encode()


def rejected_lines(entries: Sequence[Entry]) -> bytes:
    """What could not be read, as JSONL."""
    rows = ({"line": entry.line, "error": str(entry.problem), "text": entry.raw} for entry in entries)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "replace")


class StandardOutput:
    """Rows to standard output; entries that could not be read are reported on standard error."""

    def __init__(self, answers: Answers, form: Form) -> None:
        self.answers, self.form = answers, form
        self.state = State()
        if form != "jsonl":
            self._put(table([answers.columns], form))

    def _put(self, data: bytes) -> None:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def write(self, rows: Sequence[Row], rejected: Sequence[Entry]) -> None:
        """Add the rows of a window."""
        self._put(encoded(rows, self.answers, self.form))
        for entry in rejected:
            print(f"left out: {entry.problem}", file=sys.stderr)

    def commit(self, records: int, digest: str, counts: Mapping[str, int]) -> None:
        """Note how far the run is."""
        self.state.records, self.state.counts = records, dict(counts)

    def finish(self) -> None:
        """Do nothing: all rows are written."""

    def close(self) -> None:
        """Leave standard output open."""


class File:
    """Rows to a file that appears when it is complete; see the module.

    Args:
        path: The finished file.
        answers: Gives the columns and cells of tables.
        form: See `form_of`.
        identity: A run is resumed only if this is the same.
        overwrite: Replace the finished file, and a part of another run; a part of the same run is resumed.

    Raises:
        ZooError: The finished file exists; there is a part of another run; another run is writing it.
    """

    def __init__(self, path: Path, answers: Answers, form: Form, identity: Identity, overwrite: bool) -> None:
        self.path, self.answers, self.form = path, answers, form
        _, self.part, self.journal, self.rejected, self.rejected_part = files_of(path)
        if path.exists() and not overwrite and not self.journal.exists():
            raise self._there()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._journal = self.journal.open("a+b")
        except OSError as error:
            raise ZooError(f"{path}: expected a file that can be written, but got: {error}.") from error
        try:
            self._lock()
            try:
                self.state = self._earlier(identity)
            except ZooError:
                if not overwrite:
                    raise
                self.state = State()
            if path.exists() and not overwrite:
                raise self._there()
            self._rows = _opened(self.part, self.state.part)
            self._rejected = _opened(self.rejected_part, self.state.rejected)
            if not self.state.records:
                self._begin(identity)
        except BaseException:
            self._journal.close()
            raise

    def _there(self) -> ZooError:
        return ZooError(
            f"Expected {self.path} not to exist, but it does. Give another --output, or --overwrite to replace it."
        )

    def _lock(self) -> None:
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released when the process ends
        except OSError:
            raise ZooError(
                f"Expected {self.part} to be free, but another run writes it. Wait or stop that run."
            ) from None

    def _earlier(self, identity: Identity) -> State:
        """The state of an earlier run; a new one if there is none.

        Raises:
            ZooError: It was another run, or the files do not belong together.
        """
        self._journal.seek(0)
        content = self._journal.read()
        complete = content[: content.rfind(b"\n") + 1]  # a kill may have torn the last line
        lines = complete.splitlines()
        way = f"Remove {self.part}, or give --overwrite to begin anew, or another --output."
        if not lines:
            if self.part.exists() and self.part.stat().st_size:
                self.journal.unlink()
                raise ZooError(
                    f"Expected {self.part} to have a journal, but it has none: no earlier run wrote it. {way}"
                )
            return State()
        try:
            first, states = dict(json.loads(lines[0])), [State(**json.loads(line)) for line in lines[1:]]
        except (ValueError, TypeError, RecursionError):
            expected = f"{self.journal}: expected a journal of ecpe-zoo annotate"
            raise ZooError(f"{expected}, but got another file. {way}") from None
        differing = [
            f"{name} {first.get(name)!r} there, {identity.get(name)!r} here"
            for name in {**first, **identity}
            if first.get(name) != identity.get(name)
        ]
        if differing:
            raise ZooError(
                f"Expected {self.part} to be of a run with the same checkpoint and options, but these differ: "
                f"{'; '.join(differing)}. Give the same to resume it. {way}"
            )
        state = states[-1] if states else State()
        if state.complete:  # killed between its renames
            if state.rejected and self.rejected.exists() and not self.rejected_part.exists():
                self.rejected.replace(self.rejected_part)
            if self.path.exists() and not self.part.exists():
                self.path.replace(self.part)
        for path, size in ((self.part, state.part), (self.rejected_part, state.rejected)):
            found = path.stat().st_size if path.exists() else 0
            if found < size:
                raise ZooError(
                    f"Expected {path} to have at least {size:,} bytes, as its journal says, but it has {found:,}. "
                    f"{way}"
                )
        self._journal.truncate(len(complete))
        return state

    def _begin(self, identity: Identity) -> None:
        self._journal.truncate(0)
        self._note(identity)
        if self.form != "jsonl":
            self._rows.write(table([self.answers.columns], self.form))

    def _note(self, value: Mapping[str, Any]) -> None:
        self._journal.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def write(self, rows: Sequence[Row], rejected: Sequence[Entry]) -> None:
        """Add the rows of a window."""
        self._rows.write(encoded(rows, self.answers, self.form))
        self._rejected.write(rejected_lines(rejected))

    def commit(self, records: int, digest: str, counts: Mapping[str, int]) -> None:
        """Note that everything up to here is written; the rows are on the disk before the note."""
        for file in (self._rows, self._rejected):
            file.flush()
            os.fsync(file.fileno())
        self.state = State(records, digest, self._rows.tell(), self._rejected.tell(), dict(counts))
        self._note(asdict(self.state))

    def finish(self) -> None:
        """Rename the files."""
        self._note(asdict(replace(self.state, complete=True)))
        self.close()
        if self.state.rejected:
            self.rejected_part.replace(self.rejected)
        else:
            self.rejected_part.unlink(missing_ok=True)
            self.rejected.unlink(missing_ok=True)  # of a run that this one replaces
        self.part.replace(self.path)
        self.journal.unlink(missing_ok=True)

    def close(self) -> None:
        """Close files; an unfinished run can be resumed."""
        self._rows.close()
        self._rejected.close()
        self._journal.close()


def _opened(path: Path, size: int) -> BinaryIO:
    """The file, cut to a size and positioned at its end: `truncate` alone leaves the position after it."""
    file = path.open("ab")
    file.truncate(size)
    file.seek(0, os.SEEK_END)
    return file
