"""The user's own files: CSV, TSV or JSONL with a text column and columns of labels, as a `TableFormat` says.

A row is a document of one segment; with `context` columns these are segments before it, without a label; with
a `conversation` column the rows of one conversation, one after the other, are one document.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Strict

from ecpe_zoo.corpora.document import Document, Language, Segment
from ecpe_zoo.corpora.readers.conversations import Conversations
from ecpe_zoo.corpora.readers.json_text import Item, json_line
from ecpe_zoo.corpora.readers.lines import Lines, OnError, Reader, Reading, shown
from ecpe_zoo.corpora.readers.rows import Row, line_rows, single_rows, table_rows
from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.settings import words

Words = Annotated[tuple[str, ...], BeforeValidator(words)]
Number = Annotated[float, Strict()]  # true is no number
KINDS = ("csv", "tsv", "jsonl")
FULL = 10.0  # the greatest intensity of a Document
_CSV_QUOTES = re.compile(r'"(?:[^"]|"")*"')
_JOINT = "\x1f"  # between the items of a JSON list, in one field


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns of a file mean: `format` in a description.

    Labels are in one column (`label`), several of them between separators, or each has a column of numbers
    (`columns`). With neither, the texts have no labels.

    Args:
        text: the column of the text.
        label: the column of the label, or of several.
        separator: between labels in that column; without one, a field is one label. A JSON list needs none.
        columns: a column of numbers for each label, named as the label is.
        scale: the number for full strength: numbers are kept as intensities. 0: they are 0 or 1.
        least: share of `scale` from which on a label is given, above 0 to 1.
        id: the column of the document's id; by default the file's name and the line.
        context: columns of earlier text, the earliest first; an empty field is left out.
        conversation: the column that is the same in all rows of a conversation.
        speaker: the column of who says it.
        kind: of the file; by default as its name ends. `clauses` and `json` are of files with pairs.
        delimiter: the character between fields; by default a comma in CSV and a tab in TSV.
        quoted: fields in double quotes may hold delimiters and line ends; by default in CSV and not in TSV.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    text: str = "text"
    label: str = ""
    separator: str = ""
    columns: Words = ()
    scale: Number = 0.0
    least: Number = 0.5
    id: str = ""
    context: Words = ()
    conversation: str = ""
    speaker: str = ""
    kind: Literal["csv", "tsv", "jsonl", "clauses", "json"] | None = None
    delimiter: str = ""
    quoted: Annotated[bool, Strict()] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFormat(Columns):
    """What a file means: its columns, and what is the same for all files of a corpus.

    Args:
        labels: all labels, in the order in which methods number them; by default `columns`.
        language: of the texts.
        single: a text has one label: several are an error.

    Raises:
        ZooError: options that contradict each other.
    """

    labels: tuple[str, ...] = ()
    language: Language = "en"
    single: bool = False

    def __post_init__(self) -> None:
        if self.label and self.columns:
            raise ZooError("Expected labels in one column (label) or in several (columns), but got both.")
        if self.label and not self.labels:
            raise ZooError(f"Expected labels, the list of what column {self.label!r} may have, but got none.")
        if self.columns and self.labels and set(self.labels) != set(self.columns):
            raise ZooError("Expected labels and columns to have the same names, but they differ.")
        if len(set(self.known)) < len(self.known):
            raise ZooError(f"Expected every label once, but got {', '.join(self.known)}.")
        if self.separator and not self.label:
            raise ZooError("Expected a label column beside the separator, but got none.")
        if self.scale < 0 or (self.scale and not self.columns):
            raise ZooError("Expected scale to be above 0, and only with columns of numbers.")
        if not 0 < self.least <= 1:
            raise ZooError(f"Expected least to be above 0 and at most 1, but got {self.least}.")
        if self.conversation and (self.context or self.id):
            raise ZooError("Expected a conversation column, or context and id columns, but got both.")
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
    def needed(self) -> tuple[str, ...]:
        """The columns that a file must have."""
        single = (self.text, self.label, self.id, self.conversation, self.speaker)
        return tuple(dict.fromkeys(name for name in (*single, *self.columns, *self.context) if name))


def table_reader(format: TableFormat, name: str = "") -> Reader:
    """A reader of files in this format; see `read_table`."""

    def read(path: Path, on_error: OnError = "raise") -> Reading:
        return read_table(path, format, on_error, name)

    return read


def read_table(path: Path, format: TableFormat, on_error: OnError = "raise", name: str = "") -> Reading:
    """Read a file of the user's own.

    Args:
        path: the file.
        format: what its columns mean.
        on_error: stop at the first malformed document, or leave it out and count it.
        name: start of the ids of documents without an id column; by default the file's name.

    Raises:
        CorpusError: the file does not follow the format.
        ZooError: the kind of the file cannot be inferred from its name.
    """
    rows = _rows(path, format)
    if format.conversation:
        talks = Conversations(
            key=(format.conversation,),
            name=lambda row: row.text(format.conversation, "the id of a conversation"),
            utterance=partial(_segment, format=format),
            language=format.language,
        )
        return talks.read(path, on_error, rows)
    build = partial(_document, format=format, file=name or path.stem)
    return single_rows(path, on_error, rows, build, "rows of texts")


def _rows(path: Path, format: TableFormat) -> Iterator[Row]:
    kind = _kind(path, format)
    if kind == "jsonl":
        return line_rows(Lines(path), partial(_json_fields, format=format))
    if kind not in KINDS:
        raise unknown_choice(f"the kind of {path.name} (or `kind` in its format)", kind, KINDS)
    delimiter = format.delimiter or ("," if kind == "csv" else "\t")
    return table_rows(path, format.needed, delimiter=delimiter, quoted=_quoted(path, format), described=True)


def _kind(path: Path, format: TableFormat) -> str:
    return format.kind or path.suffix.lstrip(".").lower()


def _quoted(path: Path, format: TableFormat) -> bool:
    return _kind(path, format) == "csv" if format.quoted is None else format.quoted


def _json_fields(lines: Lines, index: int, format: TableFormat) -> dict[str, str]:
    """The fields of a line of a JSONL file; what it does not have is an empty field."""
    item = json_line(lines, index)
    joints = {name: _JOINT if name == format.label else " " for name in format.needed}
    return {name: _field(item, name, joint) for name, joint in joints.items()}


def _field(item: Item, name: str, joint: str) -> str:
    """A value of a JSON line as a field; a list of texts is joined (the words of a text by blanks)."""
    value = item.value.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return str(int(value) if isinstance(value, bool) else value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return joint.join(value)
    raise item.error(f"text, a number or a list of texts as {name!r}", shown(str(value)))


def _document(row: Row, counts: Counter[str], format: TableFormat, file: str) -> Document | None:
    name = row.text(format.id, "an id") if format.id else f"{file}-{row.line}"
    segment = _segment(row, counts, format)
    if segment is None:
        counts["empty_documents"] += 1
        return None
    if not segment.judged and format.known:
        raise row.error(f"a label in column {format.label or ', '.join(format.columns)}", "an empty field")
    before = (row.fields[column].strip() for column in format.context)
    context = tuple(Segment(text, judged=False) for text in before if text)
    return Document(name, (*context, segment), language=format.language)


def _segment(row: Row, counts: Counter[str], format: TableFormat) -> Segment | None:
    """The text of a row; without a label it is context only; None if there is no text."""
    emotions, intensities = _labels(row, format)
    text = row.mended(format.text, counts)
    if not text:
        return None
    if text[0] == '"' and _kind(row.path, format) != "jsonl" and not _quoted(row.path, format):
        counts["quoted_texts"] += _CSV_QUOTES.fullmatch(text) is not None
    speaker = row.text(format.speaker, "a speaker") if format.speaker else None
    return Segment(text, speaker, emotions or (), intensities=intensities, judged=emotions is not None)


def _labels(row: Row, format: TableFormat) -> tuple[tuple[str, ...] | None, dict[str, float] | None]:
    """The labels of a row, None if it has none, and their intensities."""
    emotions, intensities = _given_labels(row, format)
    if format.single and emotions and len(emotions) > 1:
        expected = "one label, since methods for `tasks: [erc]` learn one for each text"
        hint = "Give `tasks: [emotions]` in the description for texts with several"
        raise row.error(expected, ", ".join(emotions), hint)
    return emotions, intensities


def _given_labels(row: Row, format: TableFormat) -> tuple[tuple[str, ...] | None, dict[str, float] | None]:
    if format.label:
        parts = [part.strip() for part in row.fields[format.label].split(_JOINT)]
        if format.separator:
            parts = [piece.strip() for part in parts for piece in part.split(format.separator)]
        found = {row.label(part, format.known, "a label") for part in parts if part}
        return (tuple(label for label in format.known if label in found) or None), None
    fields = {label: row.fields[label].strip() for label in format.columns}
    if not any(fields.values()):
        return None, None
    values = {label: _number(row, label, fields[label], format.scale) for label in format.known}
    if not format.scale:
        emotions = tuple(label for label, value in values.items() if value)
        return emotions, None if emotions else {}  # annotated: none applies
    emotions = tuple(label for label, value in values.items() if value >= format.least * format.scale)
    return emotions, {label: FULL * value / format.scale for label, value in values.items()}


def _number(row: Row, label: str, field: str, scale: float) -> float:
    try:
        value = float(field)
    except ValueError:
        value = float("nan")
    if scale:
        if not (isfinite(value) and 0 <= value <= scale):
            raise row.error(f"a number from 0 to {scale:g} in column {label}", shown(field))
    elif value not in (0.0, 1.0):
        hint = "If the numbers are strengths, give the greatest as scale"
        raise row.error(f"0 or 1 in column {label}", shown(field), hint)
    return value
