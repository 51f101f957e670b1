"""Texts as they come: JSONL, CSV, TSV or plain lines, from a file or standard input, one at a time.

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

import csv
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, get_args

from ecpe_zoo.corpora.document import Document, Language
from ecpe_zoo.corpora.readers.lines import shown
from ecpe_zoo.errors import CorpusError, ZooError, unknown_choice

Kind = Literal["jsonl", "csv", "tsv", "lines"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SUFFIXES: Mapping[str, Kind] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}

LONGEST_LINE = 1 << 24
"""Bytes; a longer line is malformed, so that a file without line ends does not fill the memory."""

_FORMS = 'a JSON object with "text" or "segments"'


class Entry(NamedTuple):
    """One text, conversation or segmented document.

    Args:
        number: 1-based, of all entries.
        line: 1-based, where it starts.
        id: as the input gives it, else the line.
        texts: of its segments, as written; some may be blank.
        speakers: one a segment.
        judged: one a segment: whether an answer is asked for.
        whole: it was given as one text, not as segments.
        language: where it is known.
        problem: why it cannot be read; it is then nothing else.
        raw: what stands there, where it cannot be read.
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
    segments = text.segments
    return Entry(
        number, number, text.id, tuple(s.text for s in segments), tuple(s.speaker for s in segments),
        tuple(s.judged for s in segments), False, text.language,
    )  # fmt: skip


def _of_text(number: int, line: int, id: str, text: str) -> Entry:
    return Entry(number, line, id, (_sound(text),), (None,), (True,))


def _sound(text: str) -> str:
    """The text, half characters (JSON can write them) replaced: neither tokenizers nor UTF-8 take them."""
    with suppress(UnicodeEncodeError):
        text.encode()
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Source:
    """The entries of a file or of standard input, in order, read once.

    Args:
        path: None for standard input.
        kind: by default as the file's name ends, else by the first line: JSONL where it is a JSON object.
        text_column: of CSV, TSV and JSONL.

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
        """Bytes, where they are known."""
        self.position = 0
        """Bytes read."""
        self._file = self._open()
        self._hash = hashlib.blake2b(digest_size=16)
        self._line = 0
        self._held: list[bytes] = []  # lines that were looked at, not yet read
        self.kind: Kind = kind or (SUFFIXES.get(path.suffix.lower()) if path else None) or self._sniffed()
        self._records = self._rows() if self.kind in ("csv", "tsv") else self._lines()
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
        """Hash of all bytes up to the last entry that was given."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[Entry]:
        return self

    def __next__(self) -> Entry:
        """The next entry; a malformed one has a problem.

        Raises:
            CorpusError: nothing behind this place can be told apart.
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
        """Pass over entries, without looking into them.

        Returns:
            How many there were, at most `count`.
        """
        for passed in range(count):
            if next(self._records, None) is None:
                return passed
            self._number += 1
        return count

    # --- lines

    def _next_line(self) -> tuple[bytes, bool] | None:
        """The next line and whether it is too long to be read; None at the end."""
        if self._held:
            raw = self._held.pop(0)
        elif not (raw := self._file.readline(LONGEST_LINE)):
            return None
        self._line += 1
        self._count(raw)
        long = len(raw) >= LONGEST_LINE and not raw.endswith(b"\n")
        while long and (rest := self._file.readline(LONGEST_LINE)):
            self._count(rest)
            if rest.endswith(b"\n"):
                break
        if self._line == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        return raw.removesuffix(b"\n").removesuffix(b"\r"), long

    def _count(self, raw: bytes) -> None:
        self._hash.update(raw)
        self.position += len(raw)

    def _sniffed(self) -> Kind:
        """The kind that the first line with something on it shows."""
        while raw := self._file.readline(LONGEST_LINE):
            self._held.append(raw)
            if text := raw.removeprefix(b"\xef\xbb\xbf").strip():
                try:
                    return "jsonl" if isinstance(json.loads(text), Mapping) else "lines"
                except (ValueError, RecursionError):
                    return "lines"
        return "lines"

    def _decoded(self, raw: bytes, long: bool) -> str | CorpusError:
        if long:
            return self._error(self._line, f"a line of at most {LONGEST_LINE:,} bytes", "a longer one")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            found = f"the byte 0x{raw[error.start]:02x} at column {error.start + 1}"
        else:
            if "\0" not in text:
                return text
            found = f"a NUL byte at column {raw.index(0) + 1}"  # UTF-16 looks like this
        return self._error(self._line, "UTF-8 text", found, "Save the file as UTF-8.")

    def _error(self, line: int | None, expected: str, found: str, hint: str = "") -> CorpusError:
        return CorpusError(self.name, line, expected, found, hint)

    def _lines(self) -> Iterator[tuple[int, str | CorpusError]]:
        while (line := self._next_line()) is not None:
            yield self._line, self._decoded(*line)

    # --- tables

    def _rows(self) -> Iterator[tuple[int, dict[str, str] | CorpusError]]:
        header: list[str] | None = None
        for line, fields in self._fields():
            if header is None:
                if isinstance(fields, CorpusError):
                    raise fields
                header = self._header(line, fields)
            elif isinstance(fields, CorpusError):
                yield line, fields
            elif len(fields) != len(header):
                found = f"{len(fields)}, the first of them {shown(fields[0])}"
                yield line, self._error(line, f"{len(header)} fields as in the header", found)
            else:
                yield line, dict(zip(header, fields, strict=True))
        if header is None:
            raise self._error(None, f"a header with the column {self.text_column!r}", "an empty file")

    def _header(self, line: int, fields: list[str]) -> list[str]:
        header = [name.strip() for name in fields]
        if header.count(self.text_column) != 1:
            expected = f"a header with one column {self.text_column!r}"
            raise self._error(line, expected, ", ".join(header), "Name the column of the texts with --text.")
        return header

    def _fields(self) -> Iterator[tuple[int, list[str] | CorpusError]]:
        if self.kind == "tsv":
            for line, text in self._lines():
                if isinstance(text, CorpusError):
                    yield line, text
                elif text:
                    yield line, text.split("\t")
            return
        wrong: list[CorpusError] = []  # of the lines of one row

        def decoded() -> Iterator[str]:
            while (line := self._next_line()) is not None:
                text = self._decoded(*line)
                if isinstance(text, CorpusError):
                    wrong.append(text)
                    text = line[0].decode(errors="replace")
                yield text + "\n"

        csv.field_size_limit(LONGEST_LINE)
        table = csv.reader(decoded(), strict=True)
        while True:
            start = self._line + 1
            wrong.clear()
            try:
                fields = next(table)
            except StopIteration:
                return
            except csv.Error as error:
                expected = "fields whose double quotes end, a quote inside of them doubled"
                raise self._error(start, expected, f"a row that breaks off ({error})") from None
            if wrong:
                yield start, wrong[0]
            elif fields:
                yield start, fields

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
            reason = getattr(error, "msg", "too deep").lower()
            raise self._error(line, f"{_FORMS} ({reason})", shown(found)) from None
        if not isinstance(value, Mapping):
            raise self._error(line, _FORMS, shown(found))
        id = value.get("id", line)
        if isinstance(id, bool) or not isinstance(id, str | int):
            raise self._error(line, 'a text or a whole number as "id"', shown(json.dumps(id)))
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
            raise self._error(line, 'a list as "segments"', shown(json.dumps(listed, ensure_ascii=False)))
        texts: list[str] = []
        speakers: list[str | None] = []
        judged: list[bool] = []
        for place, item in enumerate(listed, start=1):
            segment = {"text": item} if isinstance(item, str) else item
            fields = segment if isinstance(segment, Mapping) else {}
            text, speaker, asked = fields.get("text"), fields.get("speaker"), fields.get("judged", True)
            sound = isinstance(text, str) and isinstance(speaker, str | None) and isinstance(asked, bool)
            if not sound:
                expected = f'segment {place} to be {{"text", "speaker"?, "judged"?}} (texts; true or false)'
                raise self._error(line, expected, shown(json.dumps(item, ensure_ascii=False)))
            texts.append(_sound(str(text)))
            speakers.append(_sound(speaker) if speaker else None)
            judged.append(bool(asked))
        return Entry(self._number, line, id, tuple(texts), tuple(speakers), tuple(judged), whole=False)
