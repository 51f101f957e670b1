"""The user's own files: CSV, TSV, JSON or JSONL with a text column and columns of labels, as a `TableFormat` says.

A row is a document of one segment; with `context` columns these are segments before it, without a label; with
a `conversation` column the rows of one conversation are one document.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Strict

from ecpe_zoo.corpora.document import Document, Language, Segment
from ecpe_zoo.corpora.readers.conversations import Conversations
from ecpe_zoo.corpora.readers.json_text import Cursor, Item, json_line
from ecpe_zoo.corpora.readers.labels import EMPTY_LIST, JOINT, Names, Synonyms, labels_of
from ecpe_zoo.corpora.readers.lines import (
    UTF8,
    Lines,
    OnError,
    Reader,
    Reading,
    check_encoding,
    shown,
    unpacked_name,
)
from ecpe_zoo.corpora.readers.rows import Row, line_rows, single_rows, table_rows
from ecpe_zoo.errors import CorpusError, ZooError, first_few, unknown_choice
from ecpe_zoo.settings import words

Words = Annotated[tuple[str, ...], BeforeValidator(words)]
Number = Annotated[float, Strict()]  # true is no number
Flag = Annotated[bool, Strict()]
KINDS = ("csv", "tsv", "json", "jsonl")
_ENDINGS = {"ndjson": "jsonl", "tab": "tsv"}
_CSV_QUOTES = re.compile(r'"(?:[^"]|"")*"')


def _synonyms(value: object) -> Synonyms:
    """A validator: a mapping of texts as pairs.

    Raises:
        ValueError: Something else; `no` in YAML is false.
    """
    if isinstance(value, Mapping):
        value = tuple(value.items())
    if isinstance(value, tuple) and all(isinstance(text, str) and text for pair in value for text in pair):
        return value
    raise ValueError("expected a mapping of texts like {joyful: joy} (numbers and words like no in quotes)")


Kind = Literal[
    "csv", "tsv", "json", "jsonl", "clauses", "ecac", "emorynlp", "iemocap", "reccon", "reccon-iemocap"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns of a file mean: `format` in a description.

    Labels are in one column (`label`), several of them between separators, or each has a column of numbers
    (`columns`). With neither, the texts have no labels.

    Args:
        text: The column of the text.
        label: The column of the label, or of several.
        separator: Between labels in that column; without one, a field is one label. A list needs none, be it of JSON
            or written as text: `['joy', 'anger']`.
        numbers_from: Labels are numbers in the order of `labels`, and this is the first one.
        multi_hot: A field has a 0 or 1 for each of `labels`: `0,1,0`, `[0, 1, 0]` or `010`.
        any_case: Letter case does not count in labels: `Joy` is `joy`.
        synonyms: Spellings -> the label that they stand for.
        columns: A column of numbers for each label, named as the label is; `True` is 1, `False` is 0.
        scale: The number for full strength: numbers are kept as intensities. 0: they are 0 or 1.
        least: Share of `scale` from which on a label is given, above 0 to 1.
        id: The column of the document's id; by default the file's name and the line.
        context: Columns of earlier text, the earliest first; an empty field is left out.
        conversation: The column that is the same in all rows of a conversation.
        interleaved: Rows of several conversations alternate.
        speaker: The column of who says it; an empty field is an unknown speaker.
        kind: Kind of the file; by default from its extension, .gz aside. `clauses` and `ecac` are files with pairs,
            and the last four are published forms (see `corpora.published`).
        delimiter: The character between fields; by default a comma in CSV and a tab in TSV.
        quoted: Fields in double quotes may hold delimiters and line ends; by default in CSV and not in TSV.
        header: Names of all columns, in order, of a file without a header.
        encoding: Encoding of the text: `utf-8`, `utf-16`, `cp1252`, `gb18030` or another that Python knows.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    text: str = "text"
    label: str = ""
    separator: str = ""
    numbers_from: Literal[0, 1] | None = None
    multi_hot: Flag = False
    any_case: Flag = False
    synonyms: Annotated[Synonyms, BeforeValidator(_synonyms)] = ()
    columns: Words = ()
    scale: Number = 0.0
    least: Number = 0.5
    id: str = ""
    context: Words = ()
    conversation: str = ""
    interleaved: Flag = False
    speaker: str = ""
    kind: Kind | None = None
    delimiter: str = ""
    quoted: Flag | None = None
    header: Words = ()
    encoding: str = UTF8


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFormat(Columns):
    """What a file means: its columns, and what is the same for all files of a corpus.

    Args:
        labels: All labels, in the order in which methods number them; by default `columns`.
        language: Language of the texts.
        single: A text has one label: several are an error.
        unlabelled: The files have no labels, or their labels are not read.

    Raises:
        ZooError: Options that contradict each other.
    """

    labels: tuple[str, ...] = ()
    language: Language = "en"
    single: bool = False
    unlabelled: bool = False

    def __post_init__(self) -> None:
        if self.label and self.columns:
            raise ZooError("Expected labels in one column (label) or in several (columns), but got both.")
        if self.label and not self.labels:
            raise ZooError(f"Expected labels, the list of what column {self.label!r} may have, but got none.")
        if self.columns and self.labels and set(self.labels) != set(self.columns):
            raise ZooError("Expected labels and columns to have the same names, but they differ.")
        if len(set(self.known)) < len(self.known):
            raise ZooError(f"Expected every label once, but got {', '.join(self.known)}.")
        for option in ("separator", "multi_hot", "any_case", "synonyms"):
            if getattr(self, option) and not self.label:
                raise ZooError(f"Expected a label column for the option {option}, but got none.")
        if self.numbers_from is not None and not self.label:
            raise ZooError("Expected a label column for the option numbers_from, but got none.")
        coded = [name for name in ("multi_hot", "any_case", "synonyms") if getattr(self, name)]
        coded += ["numbers_from"] if self.numbers_from is not None else []
        if len(coded) > 1 and set(coded) != {"any_case", "synonyms"}:
            raise ZooError(
                f"Expected labels as numbers, as rows of 0 and 1, or as names, but got {', '.join(coded)}."
            )
        self.names.check()
        if self.scale < 0 or (self.scale and not self.columns):
            raise ZooError("Expected scale to be above 0, and only with columns of numbers.")
        if not 0 < self.least <= 1:
            raise ZooError(f"Expected least to be above 0 and at most 1, but got {self.least}.")
        if self.conversation and (self.context or self.id):
            raise ZooError("Expected a conversation column, or context and id columns, but got both.")
        if self.interleaved and not self.conversation:
            raise ZooError("Expected a conversation column for the option interleaved, but got none.")
        if missing := [name for name in self.needed if self.header and name not in self.header]:
            raise ZooError(f"Expected header to name the columns {', '.join(missing)} too, but it does not.")
        if len(set(self.header)) < len(self.header):
            raise ZooError(f"Expected every column once in header, but got {', '.join(self.header)}.")
        check_encoding(self.encoding)
        if len(self.delimiter) > 1 or (self.delimiter and self.delimiter in '"\r\n'):
            raise ZooError(
                f"Expected delimiter to be one character between fields, but got {self.delimiter!r}."
            )
        if self.kind is not None and self.kind not in KINDS:
            raise unknown_choice("kind", self.kind, KINDS)
        if self.language not in ("zh", "en"):
            raise unknown_choice("language", self.language, ("zh", "en"))

    @property
    def known(self) -> tuple[str, ...]:
        """All labels, in their order."""
        return self.labels or self.columns

    @property
    def names(self) -> Names:
        """The spellings of the labels."""
        return Names(self.known, self.synonyms, self.any_case)

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that a file must have."""
        single = (self.text, self.id, self.conversation, self.speaker)
        labels = () if self.unlabelled else (self.label, *self.columns)
        return tuple(dict.fromkeys(name for name in (*single, *labels, *self.context) if name))


def table_reader(format: TableFormat, name: str = "") -> Reader:
    """A reader of files in this format; see `read_table`."""

    def read(path: Path, on_error: OnError = "raise") -> Reading:
        return read_table(path, format, on_error, name)

    return read


def read_table(path: Path, format: TableFormat, on_error: OnError = "raise", name: str = "") -> Reading:
    """Read a file of the user's own.

    Args:
        path: The file.
        format: Meaning of its columns.
        on_error: Whether to stop at the first malformed document or to leave it out and count it.
        name: Start of the ids of documents without an id column; by default the file's name.

    Raises:
        CorpusError: The file does not follow the format.
        ZooError: The kind of the file cannot be inferred from its name.
    """
    rows = _rows(path, format)
    if format.conversation:
        talks = Conversations(
            key=(format.conversation,),
            name=lambda row: row.text(format.conversation, "the id of a conversation"),
            utterance=partial(_segment, format=format),
            language=format.language,
            interleaved=format.interleaved,
            hint=""
            if format.interleaved
            else "If conversations alternate, set `interleaved: true` in the format",
        )
        return talks.read(path, on_error, rows)
    build = partial(_document, format=format, file=name or path.stem)
    return single_rows(path, on_error, rows, build, "rows of texts")


def _rows(path: Path, format: TableFormat) -> Iterator[Row]:
    kind = _kind(path, format)
    if kind in ("jsonl", "json"):
        return _object_rows(path, format, kind)
    if kind not in KINDS:
        raise unknown_choice(f"the kind of {path.name} (or `kind` in its format)", kind, KINDS)
    return table_rows(
        path,
        format.needed,
        delimiter=format.delimiter or ("," if kind == "csv" else "\t"),
        quoted=_quoted(path, format),
        described=True,
        names=format.header,
        encoding=format.encoding,
    )


def _kind(path: Path, format: TableFormat) -> str:
    ending = Path(unpacked_name(path.name)).suffix.lstrip(".").lower()
    return format.kind or _ENDINGS.get(ending, ending)


def _quoted(path: Path, format: TableFormat) -> bool:
    return _kind(path, format) == "csv" if format.quoted is None else format.quoted


def _object_rows(path: Path, format: TableFormat, kind: str) -> Iterator[Row]:
    """JSON objects as rows.

    Raises:
        CorpusError: None of them has one of the columns.
    """
    names: dict[str, int] = {}  # of all objects, with the first line that has them
    if kind == "jsonl":
        read = partial(_line_fields, format=format, names=names)
        yield from line_rows(Lines(path, format.encoding), read)
    else:
        yield from _listed_rows(path, format, names)
    if names and (lost := [name for name in format.needed if name not in names]):
        hint = "Give the fields' names in `format` of the description"
        raise CorpusError(path, min(names.values()), f"a field {lost[0]!r}", first_few(list(names)), hint)


def _listed_rows(path: Path, format: TableFormat, names: dict[str, int]) -> Iterator[Row]:
    """The objects of a JSON list as rows."""
    cursor = Cursor.of(path, format.encoding)
    for number, item in enumerate(cursor.listed("a list of rows", "a row"), start=1):
        try:
            found: Mapping[str, str] | CorpusError = _json_fields(item, format, names)
        except CorpusError as error:
            found = error
        yield Row(path, item.line, found, number)
    cursor.end("row")


def _line_fields(lines: Lines, index: int, format: TableFormat, names: dict[str, int]) -> dict[str, str]:
    return _json_fields(json_line(lines, index), format, names)


def _json_fields(item: Item, format: TableFormat, names: dict[str, int]) -> dict[str, str]:
    """The fields of a JSON object, whose names are noted; what it does not have is an empty field."""
    value = item.mapping("a row: an object with a field for each column")
    for name in value:
        names.setdefault(name, item.line)
    return {name: _field(item, name, value.get(name), format) for name in format.needed}


def _field(item: Item, name: str, value: Any, format: TableFormat) -> str:
    """A value of a JSON object as a field; a list is joined (the words of a text by blanks)."""
    if name == format.label and isinstance(value, list) and not any(isinstance(part, list) for part in value):
        return JOINT.join(_field(item, name, part, format) for part in value) if value else EMPTY_LIST
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return str(int(value) if isinstance(value, bool) else value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    raise item.error(f"text, a number or a list of texts as {name!r}", shown(str(value)))


def _document(row: Row, counts: Counter[str], format: TableFormat, file: str) -> Document | None:
    name = row.text(format.id, "an id") if format.id else f"{file}-{row.place or row.line}"
    segment = _segment(row, counts, format)
    if segment is None:
        counts["empty_documents"] += 1
        return None
    if not segment.judged and format.known:
        column = format.label or ", ".join(format.columns)
        filled = row.fields.get(format.label, "").strip() or any(
            row.fields[name].strip() for name in format.columns
        )
        hint = "If a test file has no labels, set `unlabelled_test: true` in the description"
        raise row.error(f"a label in column {column}", "no label" if filled else "an empty field", hint)
    before = (row.fields[column].strip() for column in format.context)
    context = tuple(Segment(text, judged=False) for text in before if text)
    return Document(name, (*context, segment), language=format.language)


def _segment(row: Row, counts: Counter[str], format: TableFormat) -> Segment | None:
    """The text of a row; without a label it is context only; None if there is no text."""
    emotions, intensities = labels_of(row, format)
    text = row.mended(format.text, counts)
    if not text:
        return None
    if text[0] == '"' and _kind(row.path, format) in ("csv", "tsv") and not _quoted(row.path, format):
        counts["quoted_texts"] += _CSV_QUOTES.fullmatch(text) is not None
    speaker = row.fields[format.speaker].strip() if format.speaker else None
    counts["texts_without_speaker"] += speaker == ""
    judged = emotions is not None or format.unlabelled
    return Segment(text, speaker or None, emotions or (), intensities=intensities, judged=judged)
