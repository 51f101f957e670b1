"""Formats of one row an utterance or a comment: rows with their lines, and conversations of rows."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.document import Document, Language, Pair, Segment
from ecpe_zoo.corpora.readers.lines import Collector, Lines, OnError, Reading, shown
from ecpe_zoo.corpora.readers.mending import mended
from ecpe_zoo.errors import CorpusError

_LONGEST_FIELD = 1 << 24  # characters; csv alone stops at 131,072


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Args:
        path: the file.
        line: 1-based, where it starts.
        fields: by column; none if the row is malformed.
        problem: why it cannot be read.
    """

    path: Path
    line: int
    fields: Mapping[str, str]
    problem: CorpusError | None = None

    def error(self, expected: str, found: str, hint: str = "") -> CorpusError:
        """An error in this row."""
        return CorpusError(self.path, self.line, expected, found, hint)

    def text(self, column: str, what: str) -> str:
        """The stripped field of a column.

        Raises:
            CorpusError: it is empty.
        """
        value = self.fields[column].strip()
        if not value:
            raise self.error(f"{what} in column {column}", "an empty field")
        return value

    def number(self, column: str) -> int:
        """The field of a column as a number without a sign.

        Raises:
            CorpusError: it is something else.
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
            CorpusError: it is none of them; the message lists them.
        """
        if label not in known:
            raise self.error(f"{what} of {', '.join(known)}", shown(label))
        return label


@dataclass(slots=True)
class Group:
    """The rows of one conversation.

    Args:
        key: its columns' values; unique in a file.
        rows: in the order of the file.
        problem: why it cannot be read.
    """

    key: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    problem: CorpusError | None = None


def table_rows(
    path: Path,
    columns: Sequence[str],
    *,
    delimiter: str = ",",
    quoted: bool = True,
    loose: bool = False,
    described: bool = False,
) -> Iterator[Row]:
    """The rows after a header.

    Args:
        path: the file.
        columns: what the header must have; other columns are read too.
        delimiter: between fields.
        quoted: a field in double quotes may hold delimiters and line ends.
        loose: let bytes pass that are no UTF-8, for `Row.mended`; otherwise they are an error.
        described: a description says what the columns are: errors name its option that may mend them.

    Raises:
        CorpusError: no header with these columns, or quotes that do not end, after which nothing can be
            read.
    """
    lines = Lines(path)
    hint = _other_layout(lines.rough(0), columns, delimiter, quoted=quoted) if described else ""
    if hint:
        found = shown(lines.rough(0))
        raise CorpusError(path, 1, f"a header with the columns {', '.join(columns)}", found, hint)
    header: list[str] | None = None
    for line, fields in split_rows(lines, delimiter, quoted=quoted, loose=loose):
        if isinstance(fields, CorpusError):
            if header is None:
                raise fields
            yield Row(path, line, {}, fields)
        elif header is None:
            header = [name.strip() for name in fields]
            missing = [name for name in columns if name not in header]
            if missing:
                listed = ", ".join(map(repr, missing))
                raise CorpusError(path, line, f"a header with the columns {listed}", ", ".join(header))
            if len(set(header)) < len(header):
                twice = next(name for name in header if header.count(name) > 1)
                raise CorpusError(path, line, "every column once", f"{twice!r} again")
        elif len(fields) != len(header):
            expected = f"{len(header)} fields as in the header"
            found = f"{len(fields)}, the first of them {shown(fields[0])}"
            cut = described and not quoted and any(field.count('"') % 2 for field in fields)
            hint = "If fields are in double quotes, set `quoted: true` in the format" if cut else ""
            yield Row(path, line, {}, CorpusError(path, line, expected, found, hint))
        else:
            yield Row(path, line, dict(zip(header, fields, strict=True)))
    if header is None:
        raise CorpusError(path, None, f"a header with the columns {', '.join(columns)}", "an empty file")


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


def split_rows(
    lines: Lines, delimiter: str, *, quoted: bool, loose: bool = False
) -> Iterator[tuple[int, list[str] | CorpusError]]:
    """The 1-based line and the fields, or what is wrong with them, of every row that is not blank.

    Args:
        lines: of the file.
        delimiter: between fields.
        quoted: see `table_rows`.
        loose: see `table_rows`.

    Raises:
        CorpusError: quotes that do not end.
    """
    decode = lines.escaped if loose else lines.__getitem__
    if not quoted:
        for index in range(len(lines)):
            try:
                text = decode(index)
            except CorpusError as error:
                yield index + 1, error
                continue
            if text.strip():
                yield index + 1, text.split(delimiter)
        return
    wrong: dict[int, CorpusError] = {}

    def decoded() -> Iterator[str]:
        for index in range(len(lines)):
            try:
                yield decode(index) + "\n"
            except CorpusError as error:
                wrong[index + 1] = error
                yield lines.rough(index) + "\n"

    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        table = csv.reader(decoded(), delimiter=delimiter, strict=True)
        while True:
            start = table.line_num + 1
            try:
                fields = next(table)
            except StopIteration:
                return
            except csv.Error as error:
                expected = "fields whose double quotes end, a quote inside of them doubled"
                raise CorpusError(lines.path, start, expected, f"a row that breaks off ({error})") from None
            bad = [wrong[line] for line in range(start, table.line_num + 1) if line in wrong]
            if bad:
                yield start, bad[0]
            elif fields and any(value.strip() for value in fields):
                yield start, fields
    finally:
        csv.field_size_limit(limit)


def grouped(rows: Iterator[Row], key: Sequence[str], unit: str = "conversation") -> list[Group]:
    """The conversations of a file that keeps their rows together.

    A malformed row cannot be assigned to a conversation: it spoils the one before it, and the one after it if
    that is another. A conversation in two pieces is malformed.

    Args:
        rows: of a file.
        key: the columns that are the same in all rows of a conversation.
        unit: what the format calls a conversation, for messages.
    """
    groups: list[Group] = []
    first: dict[tuple[str, ...], Group] = {}
    carried: CorpusError | None = None
    for row in rows:
        if row.problem is not None:
            if not groups:
                groups.append(Group(()))
            groups[-1].problem = groups[-1].problem or row.problem
            carried = row.problem
            continue
        name = tuple(row.fields[column].strip() for column in key)
        if not groups or groups[-1].key != name:
            group = Group(name, problem=carried)
            groups.append(group)
            if name in first:
                seen = first[name].rows[0].line
                found = f"{' '.join(name)} again, as in line {seen}"
                group.problem = row.error(f"every {unit} in one piece", found)
                first[name].problem = first[name].problem or group.problem
            else:
                first[name] = group
        carried = None
        groups[-1].rows.append(row)
    return groups


def conversations(
    path: Path,
    on_error: OnError,
    groups: Sequence[Group],
    build: Callable[[Group, Counter[str]], Document | None],
) -> Reading:
    """Build a document of each group.

    Args:
        path: the file.
        on_error: stop at the first malformed conversation, or leave it out and count it.
        groups: see `grouped`.
        build: one group to a Document, None if nothing is left of it; it adds to the counts.

    Raises:
        CorpusError: a malformed conversation, or a file without one that can be read.
    """
    collector = Collector(path, on_error, "conversation id")
    skipped: set[tuple[str, ...]] = set()

    def one(group: Group, counts: Counter[str]) -> Document | None:
        if group.problem is not None:
            raise group.problem
        return build(group, counts)

    for group in groups:
        first = group.rows[0].line if group.rows else 1
        if not collector.add(partial(one, group), first):
            # the pieces of one conversation count once
            collector.counts["skipped_documents"] -= group.key in skipped
            skipped.add(group.key)
    return collector.reading("rows of conversations")


def single_rows(
    path: Path,
    on_error: OnError,
    rows: Iterator[Row],
    build: Callable[[Row, Counter[str]], Document | None],
    what: str,
) -> Reading:
    """Build a document of each row.

    Args:
        path: the file.
        on_error: stop at the first malformed row, or leave it out and count it.
        rows: of the file.
        build: one row to a Document, None for one without text; it adds to the counts.
        what: the rows, for messages.

    Raises:
        CorpusError: a malformed row, an id that occurs twice, or a file without a row that can be read.
    """
    collector = Collector(path, on_error)

    def one(row: Row, counts: Counter[str]) -> Document | None:
        if row.problem is not None:
            raise row.problem
        return build(row, counts)

    for row in rows:
        collector.add(partial(one, row), row.line)
    return collector.reading(what)


def conversation(
    group: Group,
    counts: Counter[str],
    utterance: Callable[[Row, Counter[str]], Segment | None],
    name: str,
    *,
    number: str | None = None,
    pairs: frozenset[Pair] | None = None,
    language: Language = "en",
) -> Document | None:
    """One conversation, an utterance a row.

    Args:
        group: its rows.
        counts: added to.
        utterance: one row to a Segment, None if its text is empty.
        name: the id of the document.
        number: a column whose numbers must rise; gaps are allowed, as published files have them.
        pairs: gold pairs, if annotated.
        language: of the texts.

    Raises:
        CorpusError: a malformed row.
    """
    segments: list[Segment] = []
    last = -1
    for row in group.rows:
        if number is not None:
            value = row.number(number)
            if value <= last:
                raise row.error(f"a number above {last} in column {number}", str(value))
            last = value
        segment = utterance(row, counts)
        if segment is None:
            counts["empty_texts"] += 1
        else:
            segments.append(segment)
    if not segments:
        counts["empty_documents"] += 1
        return None
    return Document(name, tuple(segments), pairs, language)
