"""What all readers share: decoded lines, and collecting documents."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from ecpe_zoo.corpora.document import Document, Pair
from ecpe_zoo.errors import CorpusError, ZooError

OnError = Literal["raise", "skip"]

UTF8 = "utf-8"
PACKED = ".gz"
_NO_CHARACTER_SETS = (
    "utf-7",
    "unicode-escape",
    "raw-unicode-escape",
    "idna",
    "punycode",
)
"""Encodings of text in text, which may give half characters."""

_UNEXPECTED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code that builds a document raises at a value of another kind. A CorpusError is none of them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in one file.

    Args:
        documents: In the order of the file.
        counts: What is not in them, by reason; a reason that never applied is absent.
    """

    documents: tuple[Document, ...]
    counts: Counter[str]


class Reader(Protocol):
    """A file to Documents."""

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read the file.

        Raises:
            CorpusError: The file does not follow its format.
        """


@dataclass(slots=True)
class Collector:
    """Collects the documents of a file, one at a time.

    Args:
        path: The file.
        on_error: Whether to stop at the first malformed document or to leave it out and count it.
        id: Name of a document's id in the format, for messages.
    """

    path: Path
    on_error: OnError
    id: str = "id"
    documents: list[Document] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _lines: dict[str, int] = field(default_factory=dict)

    def add(self, build: Callable[[Counter[str]], Document | None], line: int) -> bool:
        """Build one document.

        Args:
            build: Function that gives the document, None if nothing is left of it; it adds to the counts.
            line: 1-based, where it starts.

        Returns:
            False if it was skipped.

        Raises:
            CorpusError: It is malformed, or its id occurs twice.
        """
        added: Counter[str] = Counter()
        try:
            document = self._built(build, added, line)
            if document is not None and document.id in self._lines:
                found = f"{document.id} again, as in line {self._lines[document.id]}"
                raise CorpusError(self.path, line, f"every {self.id} once", found)
        except CorpusError:
            if self.on_error == "raise":
                raise
            self.counts["skipped_documents"] += 1
            return False
        if added:
            self.counts += added
        if document is not None:
            self.documents.append(document)
            self._lines[document.id] = line
        return True

    def _built(
        self, build: Callable[[Counter[str]], Document | None], added: Counter[str], line: int
    ) -> Document | None:
        """A document; whatever its values do to the code that builds it is an error of that line."""
        try:
            return build(added)
        except _UNEXPECTED as error:
            found = f"{type(error).__name__}: {shown(str(error))}"
            raise CorpusError(self.path, line, "values as the format has them", found) from error

    def reading(self, expected: str) -> Reading:
        """Everything that was collected.

        Raises:
            CorpusError: It is nothing.
        """
        if not self.documents:
            raise CorpusError(self.path, None, expected, "a file without one that can be read")
        return Reading(tuple(self.documents), self.counts)


class Lines:
    """The lines of a file, decoded one by one so that bad bytes have a line number too.

    Lines end with a line feed alone: `str.splitlines` would also cut at characters inside texts.

    Args:
        path: File; one whose name ends in .gz is unpacked.
        encoding: Encoding of its text.

    Raises:
        CorpusError: The file cannot be read or unpacked, or not be cut into lines in this encoding.
    """

    def __init__(self, path: Path, encoding: str = UTF8) -> None:
        self.path = path
        content = file_bytes(path)
        if not cut_at_line_feeds(encoding):  # UTF-16, for one
            content, encoding = _as_utf8(path, content, encoding), UTF8
        self.encoding = encoding
        raw = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
        if raw and not raw[-1]:
            raw.pop()  # the end of the last line, not a line
        self._raw = [line.removesuffix(b"\r") for line in raw]

    def __len__(self) -> int:
        return len(self._raw)

    def error(self, index: int, expected: str, found: str, hint: str = "") -> CorpusError:
        """An error at the line with this 0-based index."""
        return CorpusError(self.path, index + 1, expected, found, hint)

    def __getitem__(self, index: int) -> str:
        return decoded(self.path, index + 1, self._raw[index], self.encoding)

    def rough(self, index: int) -> str:
        """The line with bad bytes replaced: enough to see where a document starts."""
        return self._raw[index].decode(self.encoding, errors="replace") if index < len(self) else ""

    def escaped(self, index: int) -> str:
        """The line with bad bytes as lone surrogates, from which `mending` makes what they were."""
        return self._raw[index].decode(errors="surrogateescape")


def file_bytes(path: Path) -> bytes:
    """The content of a file, unpacked if its name ends in .gz.

    Raises:
        CorpusError: It cannot be read or unpacked.
    """
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix.lower() == PACKED else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        hint = "Pack it again, or give it a name without .gz if it is not packed"
        raise CorpusError(
            path, None, "a complete gzip file, as its name ends in .gz", str(error), hint
        ) from None
    except OSError as error:
        raise CorpusError(path, None, "a file that can be read", str(error.strerror or error)) from None


def unpacked_name(name: str) -> str:
    """The name without .gz.

    >>> unpacked_name("a/train.csv.gz")
    'a/train.csv'
    """
    return name[: -len(PACKED)] if name.lower().endswith(PACKED) else name


def check_encoding(name: str) -> None:
    """Check the name of an encoding.

    Raises:
        ZooError: Python knows no text encoding of that name.
    """
    try:
        "a".encode(name)
        known = codecs.lookup(name).name.replace("_", "-") not in _NO_CHARACTER_SETS
    except (LookupError, UnicodeError):
        known = False
    if not known:
        examples = "utf-8, utf-16, cp1252, latin-1, gb18030, big5"
        raise ZooError(f"Expected an encoding that Python knows, such as {examples}, but got {name!r}.")


def cut_at_line_feeds(encoding: str) -> bool:
    """Whether each byte 0x0A is the end of a line."""
    return "\n".encode(encoding) == b"\n"


def _as_utf8(path: Path, content: bytes, encoding: str) -> bytes:
    try:
        return content.decode(encoding).encode()
    except UnicodeError as error:
        before = content[: getattr(error, "start", 0)].decode(encoding, errors="replace")
        reason = f"bytes that are none ({getattr(error, 'reason', error)})"
        raise CorpusError(path, before.count("\n") + 1, f"{encoding} text", reason, _OTHER_ENCODING) from None


_OTHER_ENCODING = "Save the file as UTF-8, or name its encoding"


def decoded(path: Path | str, line: int, raw: bytes, encoding: str = UTF8) -> str:
    """A line as text.

    Raises:
        CorpusError: It is not text in this encoding.
    """
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        found = f"the byte 0x{raw[error.start]:02x} at column {error.start + 1}"
        wide = line == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        hint = f"{_OTHER_ENCODING} (it looks like utf-16)" if wide else _OTHER_ENCODING
        name = "UTF-8" if encoding == UTF8 else encoding
        raise CorpusError(path, line, f"{name} text", found, f"{hint}.") from None


def shown(text: str, most: int = 60) -> str:
    """A piece of a file in an error message: quoted, and cut if it is long.

    >>> shown("x" * 100, most=5)
    "'xxxxx...'"
    """
    return repr(text if len(text) <= most else text[:most] + "...")


def distinct_pairs(pairs: Iterable[Pair], counts: Counter[str]) -> frozenset[Pair]:
    """The pairs of a document once each; counts how many were annotated, and how many of them again."""
    listed = list(pairs)
    distinct = frozenset(listed)
    counts["annotated_pairs"] += len(listed)
    counts["duplicate_pairs"] += len(listed) - len(distinct)
    return distinct
