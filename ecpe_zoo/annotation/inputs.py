"""Texts to annotate: JSONL, JSON, CSV, TSV or plain lines, from a file or standard input, one at a time.

=======  ==========================================================================================================
jsonl    `{"id", "text"}`, or `{"id", "segments": [{"text", "speaker"?, "judged"?}, ...]}` for clauses or utterances
         (a segment may be a text alone; `"judged": false` makes it context that gets no answer)
json     a list of such objects; it is read at once and has to fit into memory
csv      a header, a column of texts, perhaps a column `id`; fields in double quotes may hold line ends
tsv      likewise, without quoting
lines    one text per line
=======  ==========================================================================================================

A file whose name ends in .gz is unpacked. Without an id the number of the line is the id. An empty line or text is an
entry too, so that outputs align with inputs; only lines of CSV and TSV without any field are none.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from ecpe_zoo.annotation.entries import Entry, Segment, columns_of, entry_of, of_text, sound
from ecpe_zoo.corpora.readers.json_text import Cursor, Item
from ecpe_zoo.corpora.readers.lines import (
    UTF8,
    check_encoding,
    cut_at_line_feeds,
    decoded,
    shown,
    unpacked_name,
)
from ecpe_zoo.corpora.readers.rows import Line, by_column, table_records
from ecpe_zoo.errors import CorpusError, ZooError, unknown_choice

__all__ = ["KINDS", "SUFFIXES", "Entry", "Found", "Kind", "Source", "entry_of"]

Kind = Literal["jsonl", "json", "csv", "tsv", "lines"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SUFFIXES: Mapping[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
}

LONGEST_LINE = 1 << 24
"""Bytes; a longer line is malformed, so that a file without line ends does not fill the memory."""

_BOM = b"\xef\xbb\xbf"
_FORMS = 'a JSON object with "text" or "segments"'

Found = str | dict[str, str] | Item | CorpusError
"""A line, a row of a table by column, a value of a JSON list, or why it cannot be read."""


class Source:
    """The entries of a file or of standard input, in order, read once.

    Args:
        path: File; None for standard input.
        kind: Format; by default by the file's suffix, else by the first line: JSONL if it is a JSON object.
        text_column: Column or field of the texts in CSV, TSV, JSON and JSONL.
        delimiter: Character between fields; by default a comma in CSV and a tab in TSV.
        header: Names of all columns of a table without a header.
        encoding: Encoding of the text.

    Raises:
        ZooError: No such file, an unknown kind, or options that do not fit it.
    """

    def __init__(
        self,
        path: Path | None,
        kind: Kind | None = None,
        text_column: str = "text",
        *,
        delimiter: str = "",
        header: Sequence[str] = (),
        encoding: str = UTF8,
    ) -> None:
        if kind is not None and kind not in KINDS:
            raise unknown_choice("the format of the input", kind, KINDS)
        if len(delimiter) > 1 or (delimiter and delimiter in '"\r\n'):
            raise ZooError(f"Expected --delimiter to be one character, but got {delimiter!r}.")
        check_encoding(encoding)
        self.delimiter, self.header, self.encoding = delimiter, list(header), encoding
        self._bytes = encoding  # of the lines that are read
        self.path = path
        self.name = "<stdin>" if path is None else str(path)
        self.text_column = text_column
        self.size: int | None = None
        """Bytes, if known."""
        self.position = 0
        """Bytes read."""
        self._file = self._open()
        if not cut_at_line_feeds(encoding) and codecs.lookup(encoding).name != "utf-8":
            self._file, self._bytes = _Recoded(self._file, encoding), UTF8  # type: ignore[assignment]
            self.size = None  # positions are in UTF-8
        self._hash = hashlib.blake2b(digest_size=16)
        self._line = 0
        self._held: list[bytes] = []  # lines that were looked at, not yet read
        suffix = Path(unpacked_name(path.name)).suffix.lower() if path else ""
        self.kind: Kind = kind or SUFFIXES.get(suffix) or self._sniffed()
        if (delimiter or header) and self.kind not in ("csv", "tsv"):
            raise ZooError(
                f"Expected --delimiter and --header with csv or tsv, but the input is {self.kind}."
            )
        if header and self.header.count(text_column) != 1:
            raise ZooError(
                f"Expected --header to name the column {text_column!r} of the texts once, but it does not."
            )
        if self.kind in ("csv", "tsv"):
            self._records = self._rows()
        else:
            self._records = self._listed() if self.kind == "json" else self._texts()
        self._number = 0

    @property
    def options(self) -> dict[str, Any]:
        """Everything else that its entries depend on."""
        return {"delimiter": self.delimiter, "header": self.header, "encoding": self.encoding}

    def _open(self) -> BinaryIO:
        if self.path is None:
            return sys.stdin.buffer
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise ZooError(f"{self.path}: expected a file of texts, but got: {error.strerror}.") from error
        if self.path.is_file():
            self.size = self.path.stat().st_size
        if self.path.suffix.lower() == ".gz":
            self.size = None
            return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
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
            CorpusError: Nothing after this place can be read.
        """
        line, found = next(self._records)
        self._number += 1
        if isinstance(found, CorpusError):
            return Entry(self._number, line, str(line), problem=found)
        try:
            return self._entry(line, found)
        except CorpusError as error:
            raw = found.value if isinstance(found, Item) else found
            raw = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
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
        while raw := self._held.pop(0) if self._held else self._read():
            self._line += 1
            self._count(raw)
            if len(raw) >= LONGEST_LINE and not raw.endswith(b"\n"):
                while (rest := self._read()) and not rest.endswith(b"\n"):
                    self._count(rest)
                self._count(rest)
                expected = f"a line of at most {LONGEST_LINE:,} bytes"
                yield "", self._error(self._line, expected, "a longer one")
                continue
            raw = raw.removeprefix(_BOM if self._line == 1 else b"").removesuffix(b"\n").removesuffix(b"\r")
            try:
                text = decoded(self.name, self._line, raw, self._bytes)
                if (nul := raw.find(0)) >= 0:  # UTF-16 without its mark looks like this
                    found, hint = f"a NUL byte at column {nul + 1}", "Save the file as UTF-8."
                    raise self._error(self._line, "UTF-8 text", found, hint)
            except CorpusError as error:
                yield raw.decode(self._bytes, errors="replace"), error
            else:
                yield text, None

    def _read(self) -> bytes:
        """The next line, or the beginning of one that is too long."""
        try:
            return self._file.readline(LONGEST_LINE)
        except UnicodeError as error:
            found = f"bytes that are none ({getattr(error, 'reason', error)})"
            raise self._error(
                self._line + 1, f"{self.encoding} text", found, "Name another --encoding"
            ) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self._error(
                self._line + 1, "a complete gzip file, as its name ends in .gz", str(error)
            ) from None

    def _count(self, raw: bytes) -> None:
        self._hash.update(raw)
        self.position += len(raw)

    def _sniffed(self) -> Kind:
        """The kind that the first line that is not blank shows."""
        while raw := self._read():
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

    def _listed(self) -> Iterator[tuple[int, Found]]:
        lines = []
        for text, problem in self._lines():
            if problem is not None:
                raise problem
            lines.append(text)
        cursor = Cursor(Path(self.name), "\n".join(lines))
        for item in cursor.listed("a list of texts", _FORMS):
            yield item.line, item
        cursor.end("text")

    def _rows(self) -> Iterator[tuple[int, Found]]:
        quoted = self.kind == "csv"
        delimiter = self.delimiter or ("," if quoted else "\t")
        header = self.header or None
        for line, fields in table_records(self.name, self._lines(), delimiter, quoted=quoted):
            if not fields:
                continue
            if header is not None:
                yield line, by_column(self.name, header, line, fields, given=bool(self.header))
                continue
            if isinstance(fields, CorpusError):
                raise fields
            header = [name.strip() for name in fields]
            if header.count(self.text_column) != 1:
                expected = f"a header with one column {self.text_column!r}"
                between = next((other for other in ";\t|," if self.text_column in header[0].split(other)), "")
                hint = "Name the column of the texts with --text."
                hint = f"Fields are between {between!r}: give it as --delimiter." if between else hint
                raise self._error(line, expected, ", ".join(header), hint)
        if header is None:
            raise self._error(None, f"a header with the column {self.text_column!r}", "an empty file")

    # --- entries

    def _entry(self, line: int, found: str | dict[str, str] | Item) -> Entry:
        number = self._number
        if isinstance(found, Item):
            return self._of_value(line, found.value)
        if isinstance(found, dict):
            id = found.get("id", "").strip() if self.text_column != "id" else ""
            return of_text(number, line, id or str(line), found[self.text_column])
        if self.kind == "lines" or not found.strip():
            return of_text(number, line, str(line), found)
        try:
            value = json.loads(found)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "too deep or too long a number").lower()
            raise self._error(line, f"{_FORMS} ({reason})", shown(found)) from None
        return self._of_value(line, value)

    def _of_value(self, line: int, value: Any) -> Entry:
        if not isinstance(value, Mapping):
            raise self._error(line, _FORMS, _json(value))
        id = value.get("id", line)
        if isinstance(id, bool) or not isinstance(id, str | int | float):
            raise self._error(line, 'a text or a number as "id"', _json(id))
        if "segments" in value:
            return self._segments(line, sound(str(id)), value["segments"])
        text = value.get(self.text_column)
        if not isinstance(text, str):
            expected = f'a text as "{self.text_column}", or a list "segments"'
            hint = "" if self.text_column in value else "Name the field of the texts with --text."
            raise self._error(line, expected, _json(value), hint)
        return of_text(self._number, line, sound(str(id)), text)

    def _segments(self, line: int, id: str, listed: Any) -> Entry:
        if not isinstance(listed, list):
            raise self._error(line, 'a list as "segments"', _json(listed))
        read: list[Segment] = []
        for place, item in enumerate(listed, start=1):
            fields = {"text": item} if isinstance(item, str) else item if isinstance(item, Mapping) else {}
            speaker = fields.get("speaker")
            if isinstance(speaker, int | float) and not isinstance(speaker, bool):
                speaker = str(speaker)
            match fields.get("text"), speaker, fields.get("judged", True):
                case str(text), None | "", bool(judged):
                    read.append((sound(text), None, judged))
                case str(text), str(name), bool(judged):
                    read.append((sound(text), sound(name), judged))
                case _:
                    expected = (
                        f'segment {place} to be {{"text", "speaker"?, "judged"?}} (a text, a name or number, true or '
                        "false)"
                    )
                    raise self._error(line, expected, _json(item))
        return Entry(self._number, line, id, *columns_of(read), whole=False)


class _Recoded:
    """Lines of a file in UTF-8; in UTF-16 a byte 0x0A need not be the end of one."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding=encoding, newline="\n")

    def readline(self, most: int) -> bytes:
        """The next line, or the beginning of a longer one."""
        return self._text.readline(most).encode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Close the file."""
        self._text.close()


def _json(value: Any) -> str:
    return shown(json.dumps(value, ensure_ascii=False))
