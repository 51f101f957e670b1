"""Texts to annotate: JSONL, CSV, TSV or plain lines, from a file or standard input, one at a time.

=======  ==========================================================================================================
jsonl    `{"id", "text"}`, or `{"id", "segments": [{"text", "speaker"?, "judged"?}, ...]}` for clauses or utterances
         (a segment may be a text alone; `"judged": false` makes it context that gets no answer)
csv      a header, a column of texts, perhaps a column `id`; fields in double quotes may hold line ends
tsv      likewise, without quoting
lines    a text a line
=======  ==========================================================================================================

Without an id the number of the line is the id. An empty line or text is an entry too, so that outputs align with
inputs; only lines of CSV and TSV without any field are none.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, get_args

from ecpe_zoo.corpora.document import Document, Language
from ecpe_zoo.corpora.readers.lines import decoded, shown
from ecpe_zoo.corpora.readers.rows import Line, by_column, table_records
from ecpe_zoo.errors import CorpusError, ZooError, unknown_choice

Kind = Literal["jsonl", "csv", "tsv", "lines"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SUFFIXES: Mapping[str, Kind] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}

LONGEST_LINE = 1 << 24
"""Bytes; a longer line is malformed, so that a file without line ends does not fill the memory."""

_BOM = b"\xef\xbb\xbf"
_FORMS = 'a JSON object with "text" or "segments"'

Segment = tuple[str, str | None, bool]
"""Text, speaker, and whether it gets an answer."""

Found = str | dict[str, str] | CorpusError
"""A line, a row of a table by column, or why it cannot be read."""


class Entry(NamedTuple):
    """One text, conversation or segmented document.

    Args:
        number: 1-based position among all entries.
        line: 1-based line where it starts.
        id: Id in the input; by default the line.
        texts: Texts of its segments, as written; some may be blank.
        speakers: Speaker of each segment.
        judged: Whether each segment gets an answer.
        whole: Whether it was given as one text, not as segments.
        language: Language, if known.
        problem: Why it cannot be read; it then has no texts.
        raw: Its line in the input if it cannot be read.
    """

    number: int
    line: int
    id: str
    texts: tuple[str, ...] = ()
    speakers: tuple[str | None, ...] = ()
    judged: tuple[bool, ...] = ()
    whole: bool = True
    language: Language | None = None
    problem: CorpusError | None = None
    raw: str = ""


def entry_of(number: int, text: str | Document) -> Entry:
    """An entry of a text or a Document."""
    if isinstance(text, str):
        return _of_text(number, number, str(number), text)
    texts, speakers, judged = _columns([(s.text, s.speaker, s.judged) for s in text.segments])
    return Entry(number, number, text.id, texts, speakers, judged, False, text.language)


def _of_text(number: int, line: int, id: str, text: str) -> Entry:
    return Entry(number, line, id, (_sound(text),), (None,), (True,))


def _columns(segments: list[Segment]) -> tuple[tuple[str, ...], tuple[str | None, ...], tuple[bool, ...]]:
    texts, speakers, judged = zip(*segments, strict=True) if segments else ((), (), ())
    return texts, speakers, judged


def _sound(text: str) -> str:
    """The text with half characters (JSON can write them) replaced: neither tokenizers nor UTF-8 take them."""
    with suppress(UnicodeEncodeError):
        text.encode()
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Source:
    """The entries of a file or of standard input, in order, read once.

    Args:
        path: File; None for standard input.
        kind: Format; by default by the file's suffix, else by the first line: JSONL if it is a JSON object.
        text_column: Column or field of the texts in CSV, TSV and JSONL.

    Raises:
        ZooError: no such file, or an unknown kind.
    """

    def __init__(self, path: Path | None, kind: Kind | None = None, text_column: str = "text") -> None:
        if kind is not None and kind not in KINDS:
            raise unknown_choice("the format of the input", kind, KINDS)
        self.path = path
        self.name = "<stdin>" if path is None else str(path)
        self.text_column = text_column
        self.size: int | None = None
        """Bytes, if known."""
        self.position = 0
        """Bytes read."""
        self._file = self._open()
        self._hash = hashlib.blake2b(digest_size=16)
        self._line = 0
        self._held: list[bytes] = []  # lines that were looked at, not yet read
        self.kind: Kind = kind or (SUFFIXES.get(path.suffix.lower()) if path else None) or self._sniffed()
        self._records = self._rows() if self.kind in ("csv", "tsv") else self._texts()
        self._number = 0

    def _open(self) -> BinaryIO:
        if self.path is None:
            return sys.stdin.buffer
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise ZooError(f"{self.path}: expected a file of texts, but got: {error.strerror}.") from error
        if self.path.is_file():
            self.size = self.path.stat().st_size
        return file

    def close(self) -> None:
        """Close the file."""
        if self.path is not None:
            self._file.close()

    def digest(self) -> str:
        """Hash of all bytes up to the end of the last entry."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[Entry]:
        return self

    def __next__(self) -> Entry:
        """The next entry; a malformed one has a problem.

        Raises:
            CorpusError: nothing after this place can be read.
        """
        line, found = next(self._records)
        self._number += 1
        if isinstance(found, CorpusError):
            return Entry(self._number, line, str(line), problem=found)
        try:
            return self._entry(line, found)
        except CorpusError as error:
            raw = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
            return Entry(self._number, line, str(line), problem=error, raw=raw)

    def skip(self, count: int) -> int:
        """Pass over entries without parsing them.

        Returns:
            How many there were, at most `count`.
        """
        for passed in range(count):
            if next(self._records, None) is None:
                return passed
            self._number += 1
        return count

    # --- lines and rows

    def _lines(self) -> Iterator[Line]:
        """The lines without their ends; in one that cannot be read bad bytes are replaced."""
        while raw := self._held.pop(0) if self._held else self._file.readline(LONGEST_LINE):
            self._line += 1
            self._count(raw)
            if len(raw) >= LONGEST_LINE and not raw.endswith(b"\n"):
                while (rest := self._file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    self._count(rest)
                self._count(rest)
                expected = f"a line of at most {LONGEST_LINE:,} bytes"
                yield "", self._error(self._line, expected, "a longer one")
                continue
            raw = raw.removeprefix(_BOM if self._line == 1 else b"").removesuffix(b"\n").removesuffix(b"\r")
            try:
                text = decoded(self.name, self._line, raw)
                if (nul := raw.find(0)) >= 0:  # UTF-16 without its mark looks like this
                    found, hint = f"a NUL byte at column {nul + 1}", "Save the file as UTF-8."
                    raise self._error(self._line, "UTF-8 text", found, hint)
            except CorpusError as error:
                yield raw.decode(errors="replace"), error
            else:
                yield text, None

    def _count(self, raw: bytes) -> None:
        self._hash.update(raw)
        self.position += len(raw)

    def _sniffed(self) -> Kind:
        """The kind that the first line that is not blank shows."""
        while raw := self._file.readline(LONGEST_LINE):
            self._held.append(raw)
            if text := raw.removeprefix(_BOM).strip():
                with suppress(ValueError, RecursionError):
                    return "jsonl" if isinstance(json.loads(text), Mapping) else "lines"
                break
        return "lines"

    def _error(self, line: int | None, expected: str, found: str, hint: str = "") -> CorpusError:
        return CorpusError(self.name, line, expected, found, hint)

    def _texts(self) -> Iterator[tuple[int, Found]]:
        for text, problem in self._lines():
            yield self._line, problem or text

    def _rows(self) -> Iterator[tuple[int, Found]]:
        quoted = self.kind == "csv"
        header: list[str] | None = None
        for line, fields in table_records(self.name, self._lines(), "," if quoted else "\t", quoted=quoted):
            if not fields:
                continue
            if header is not None:
                yield line, by_column(self.name, header, line, fields)
                continue
            if isinstance(fields, CorpusError):
                raise fields
            header = [name.strip() for name in fields]
            if header.count(self.text_column) != 1:
                expected = f"a header with one column {self.text_column!r}"
                hint = "Name the column of the texts with --text."
                raise self._error(line, expected, ", ".join(header), hint)
        if header is None:
            raise self._error(None, f"a header with the column {self.text_column!r}", "an empty file")

    # --- entries

    def _entry(self, line: int, found: str | dict[str, str]) -> Entry:
        number = self._number
        if isinstance(found, dict):
            id = found.get("id", "").strip() if self.text_column != "id" else ""
            return _of_text(number, line, id or str(line), found[self.text_column])
        if self.kind == "lines" or not found.strip():
            return _of_text(number, line, str(line), found)
        try:
            value = json.loads(found)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "too deep or too long a number").lower()
            raise self._error(line, f"{_FORMS} ({reason})", shown(found)) from None
        if not isinstance(value, Mapping):
            raise self._error(line, _FORMS, shown(found))
        id = value.get("id", line)
        if isinstance(id, bool) or not isinstance(id, str | int):
            raise self._error(line, 'a text or a whole number as "id"', _json(id))
        if "segments" in value:
            return self._segments(line, _sound(str(id)), value["segments"])
        text = value.get(self.text_column)
        if not isinstance(text, str):
            expected = f'a text as "{self.text_column}", or a list "segments"'
            hint = "" if self.text_column in value else "Name the field of the texts with --text."
            raise self._error(line, expected, shown(found), hint)
        return _of_text(number, line, _sound(str(id)), text)

    def _segments(self, line: int, id: str, listed: Any) -> Entry:
        if not isinstance(listed, list):
            raise self._error(line, 'a list as "segments"', _json(listed))
        read: list[Segment] = []
        for place, item in enumerate(listed, start=1):
            fields = {"text": item} if isinstance(item, str) else item if isinstance(item, Mapping) else {}
            match fields.get("text"), fields.get("speaker"), fields.get("judged", True):
                case str(text), None | "", bool(judged):
                    read.append((_sound(text), None, judged))
                case str(text), str(speaker), bool(judged):
                    read.append((_sound(text), _sound(speaker), judged))
                case _:
                    expected = (
                        f'segment {place} to be {{"text", "speaker"?, "judged"?}} (texts; true or false)'
                    )
                    raise self._error(line, expected, _json(item))
        return Entry(self._number, line, id, *_columns(read), whole=False)


def _json(value: Any) -> str:
    return shown(json.dumps(value, ensure_ascii=False))
