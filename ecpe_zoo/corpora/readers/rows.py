"""Formats of one row for each utterance or comment."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.readers.lines import UTF8, Collector, Lines, OnError, Reading, shown
from ecpe_zoo.corpora.readers.mending import mended
from ecpe_zoo.errors import CorpusError

_LONGEST_FIELD = 1 << 24  # characters; csv alone stops at 131,072


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Args:
        path: The file.
        line: 1-based, where it starts.
        found: Fields by column, or why the row cannot be read.
        place: Its 1-based place in a list, which made-up ids use since a line may hold several; else 0.
    """

    path: Path
    line: int
    found: Mapping[str, str] | CorpusError
    place: int = 0

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields by column.

        Raises:
            CorpusError: The row is malformed.
        """
        if isinstance(self.found, CorpusError):
            raise self.found
        return self.found

    def error(self, expected: str, found: str, hint: str = "") -> CorpusError:
        """An error in this row."""
        return CorpusError(self.path, self.line, expected, found, hint)

    def text(self, column: str, what: str) -> str:
        """The stripped field of a column.

        Raises:
            CorpusError: It is empty.
        """
        value = self.fields[column].strip()
        if not value:
            raise self.error(f"{what} in column {column}", "an empty field")
        return value

    def number(self, column: str) -> int:
        """The field of a column as a number without a sign.

        Raises:
            CorpusError: It is something else.
        """
        value = self.fields[column].strip()
        if not (value.isascii() and value.isdigit()):
            raise self.error(f"a number in column {column}", shown(value))
        return int(value)

    def mended(self, column: str, counts: Counter[str]) -> str:
        """The stripped field of a column with wrongly decoded characters put right, which are counted."""
        text, wrong = mended(self.fields[column])
        counts["mended_texts"] += wrong > 0
        return text.strip()

    def label(self, label: str, known: Sequence[str], what: str = "an emotion") -> str:
        """The label, if it is one of a closed set.

        Raises:
            CorpusError: It is none of them; the message lists them.
        """
        if label not in known:
            raise self.error(f"{what} of {', '.join(known)}", shown(label))
        return label


def line_rows(lines: Lines, read: Callable[[Lines, int], Mapping[str, str]], first: int = 0) -> Iterator[Row]:
    """A row for each line that is not blank.

    Args:
        lines: Lines of the file.
        read: Function that gives the fields of the line with this 0-based index.
        first: Index of the first line.
    """
    for index in range(first, len(lines)):
        if lines.rough(index).strip():
            try:
                found: Mapping[str, str] | CorpusError = read(lines, index)
            except CorpusError as error:
                found = error
            yield Row(lines.path, index + 1, found)


def table_rows(
    path: Path,
    columns: Sequence[str],
    *,
    delimiter: str = ",",
    quoted: bool = True,
    loose: bool = False,
    described: bool = False,
    names: Sequence[str] = (),
    encoding: str = UTF8,
) -> Iterator[Row]:
    """The rows after a header.

    Args:
        path: The file.
        columns: Columns that the header must have; others are read too.
        delimiter: Between fields.
        quoted: A field in double quotes may hold delimiters and line ends.
        loose: Let bytes pass that are no UTF-8, for `Row.mended`; otherwise they are an error.
        described: A description says what the columns are: errors name its option that may mend them.
        names: Names of all columns of a file without a header.
        encoding: Encoding of the text.

    Raises:
        CorpusError: No header with these columns, or quotes that do not end, after which nothing can be
            read.
    """
    lines = Lines(path, encoding)
    searched = described and not names
    hint = _other_layout(lines.rough(0), columns, delimiter, quoted=quoted) if searched else ""
    if hint:
        found = shown(lines.rough(0))
        raise CorpusError(path, 1, f"a header with the columns {', '.join(columns)}", found, hint)
    decode = lines.escaped if loose else lines.__getitem__
    records = table_records(path, _decoded(lines, decode), delimiter, quoted=quoted)
    filled = (record for record in records if not _blank(record[1], delimiter, quoted=quoted))
    header = list(names) or _header(path, next(filled, None), columns)
    for line, fields in filled:
        cut = described and not quoted and isinstance(fields, list) and any(f.count('"') % 2 for f in fields)
        hint = "If fields are in double quotes, set `quoted: true` in the format" if cut else ""
        yield Row(path, line, by_column(path, header, line, fields, hint, given=bool(names)))


Record = tuple[int, list[str] | CorpusError]
"""The 1-based line of a row, and its fields or what is wrong with them."""

Line = tuple[str, CorpusError | None]
"""A line, and what is wrong with it; bad bytes are then replaced."""


def table_records(
    path: Path | str, lines: Iterable[Line], delimiter: str, *, quoted: bool
) -> Iterator[Record]:
    """The rows of a table as they come, its header among them; a line without a character has no fields.

    Args:
        path: The file, for messages.
        lines: Lines of the file, without their ends.
        delimiter: Between fields.
        quoted: A field in double quotes may hold delimiters and line ends.

    Raises:
        CorpusError: Quotes that do not end, after which nothing can be read.
    """
    if not quoted:
        for number, (text, problem) in enumerate(lines, start=1):
            yield number, problem or (text.split(delimiter) if text else [])
        return
    wrong: dict[int, CorpusError] = {}

    def texts() -> Iterator[str]:
        for number, (text, problem) in enumerate(lines, start=1):
            if problem is not None:
                wrong[number] = problem
            yield text + "\n"

    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        table = csv.reader(texts(), delimiter=delimiter, strict=True)
        while True:
            start = table.line_num + 1
            try:
                fields = next(table)
            except StopIteration:
                return
            except csv.Error as error:
                if wrong:  # bytes that are no text, of which csv makes a mistake of its own
                    raise wrong[min(wrong)] from None
                if "new-line character" in str(error):
                    found = "a carriage return inside of a field without quotes"
                    hint = "Save the file with line ends of LF or CR LF"
                    raise CorpusError(path, start, "rows that end with a line feed", found, hint) from None
                expected = "fields whose double quotes end, a quote inside of them doubled"
                raise CorpusError(path, start, expected, f"a row that breaks off ({error})") from None
            bad = [wrong.pop(line) for line in range(start, table.line_num + 1) if line in wrong]
            yield start, bad[0] if bad else fields
    finally:
        csv.field_size_limit(limit)


def by_column(
    path: Path | str,
    header: Sequence[str],
    line: int,
    fields: list[str] | CorpusError,
    hint: str = "",
    *,
    given: bool = False,
) -> dict[str, str] | CorpusError:
    """The fields of a row by column, or what is wrong with it.

    Args:
        path: The file, for messages.
        header: Names of the columns.
        line: 1-based, where the row starts.
        fields: Fields of the row, or what is wrong with them.
        hint: A way out if their number is wrong.
        given: The file has no header, its columns were named by the user.
    """
    if isinstance(fields, CorpusError):
        return fields
    if len(fields) == len(header):
        return dict(zip(header, fields, strict=True))
    found = f"{len(fields)}, the first of them {shown(fields[0])}"
    where = "for the columns that were named" if given else "as in the header"
    return CorpusError(path, line, f"{len(header)} fields {where}", found, hint)


def _decoded(lines: Lines, decode: Callable[[int], str]) -> Iterator[Line]:
    for index in range(len(lines)):
        try:
            yield decode(index), None
        except CorpusError as error:
            yield lines.rough(index), error


def _blank(fields: list[str] | CorpusError, delimiter: str, *, quoted: bool) -> bool:
    if isinstance(fields, CorpusError):
        return False
    return not any(map(str.strip, fields)) if quoted else not delimiter.join(fields).strip()


def _header(path: Path, record: Record | None, columns: Sequence[str]) -> list[str]:
    if record is None:
        raise CorpusError(path, None, f"a header with the columns {', '.join(columns)}", "an empty file")
    line, fields = record
    if isinstance(fields, CorpusError):
        raise fields
    header = [name.strip() for name in fields]
    if missing := [name for name in columns if name not in header]:
        listed = ", ".join(map(repr, missing))
        raise CorpusError(path, line, f"a header with the columns {listed}", ", ".join(header))
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise CorpusError(path, line, "every column once", f"{twice!r} again")
    return header


def _other_layout(header: str, columns: Sequence[str], delimiter: str, *, quoted: bool) -> str:
    """The option with which this header has all columns, if it has them only between other delimiters or in quotes."""

    def names(text: str, between: str) -> set[str]:
        return {name.strip() for name in text.split(between)}

    if set(columns) <= names(header, delimiter):
        return ""
    bare = header.replace('"', "")
    if set(columns) <= names(bare, delimiter):
        return "" if quoted else "They are in double quotes: set `quoted: true` in the format"
    for other in ";\t|,":
        if set(columns) <= names(bare, other):
            return (
                f"They are between {other!r}: set `delimiter: {json.dumps(other)}` in the format "
                "(`separator` is between labels)"
            )
    return ""


def single_rows(
    path: Path,
    on_error: OnError,
    rows: Iterable[Row],
    build: Callable[[Row, Counter[str]], Document | None],
    what: str,
) -> Reading:
    """Build a document of each row.

    Args:
        path: The file.
        on_error: Whether to stop at the first malformed row or to leave it out and count it.
        rows: Rows of the file.
        build: One row to a Document, None for one without text; it adds to the counts.
        what: The rows, for messages.

    Raises:
        CorpusError: A malformed row, an id that occurs twice, or a file without a row that can be read.
    """
    collector = Collector(path, on_error)
    for row in rows:
        collector.add(partial(build, row), row.line)
    return collector.reading(what)
