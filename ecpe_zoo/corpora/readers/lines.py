"""What all readers share: decoded lines, collecting documents, and the format of one block of lines a document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from ecpe_zoo.corpora.document import Document, Language, Pair, Segment
from ecpe_zoo.errors import CorpusError

OnError = Literal["raise", "skip"]

_PAIR = r"\(\s*([0-9]+)\s*,\s*([0-9]+)\s*\)"
_PAIRS = re.compile(rf"\s*(?:{_PAIR}(?:\s*,\s*{_PAIR})*\s*,?)?\s*")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in one file.

    Args:
        documents: in the order of the file.
        counts: how much of the file is not in them, by reason; a reason that never applied is absent.
    """

    documents: tuple[Document, ...]
    counts: Counter[str]


class Reader(Protocol):
    """A file to Documents."""

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read the file.

        Raises:
            CorpusError: the file does not follow its format.
        """


@dataclass(slots=True)
class Collector:
    """Collects the documents of a file, one at a time.

    Args:
        path: the file.
        on_error: stop at the first malformed document, or leave it out and count it.
        id: what the format calls the id of a document, for messages.
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
            build: gives the document, None if nothing is left of it; it adds to the counts.
            line: 1-based, where it starts.

        Returns:
            False if it was skipped.

        Raises:
            CorpusError: it is malformed, or its id occurs twice.
        """
        added: Counter[str] = Counter()
        try:
            document = build(added)
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

    def reading(self, expected: str) -> Reading:
        """Everything that was collected.

        Raises:
            CorpusError: it is nothing.
        """
        if not self.documents:
            raise CorpusError(self.path, None, expected, "a file without one that can be read")
        return Reading(tuple(self.documents), self.counts)


class Lines:
    """The lines of a file, decoded one by one so that bad bytes have a line number too.

    Lines end with a line feed alone: `str.splitlines` would also cut at characters inside texts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
        if raw and not raw[-1]:
            raw.pop()  # the end of the last line, not a line
        self._raw = [line.removesuffix(b"\r") for line in raw]

    def __len__(self) -> int:
        return len(self._raw)

    def error(self, index: int, expected: str, found: str, hint: str = "") -> CorpusError:
        """An error at the line with this 0-based index."""
        return CorpusError(self.path, index + 1, expected, found, hint)

    def __getitem__(self, index: int) -> str:
        try:
            return self._raw[index].decode()
        except UnicodeDecodeError as error:
            byte = self._raw[index][error.start]
            expected, found = "UTF-8 text", f"the byte 0x{byte:02x} at column {error.start + 1}"
            raise self.error(index, expected, found, "Save the file as UTF-8.") from None

    def rough(self, index: int) -> str:
        """The line with bad bytes replaced: enough to see where a document starts."""
        return self._raw[index].decode(errors="replace") if index < len(self) else ""

    def escaped(self, index: int) -> str:
        """The line with bad bytes as lone surrogates, from which `mending` makes what they were."""
        return self._raw[index].decode(errors="surrogateescape")

    def blocks(self, separator: str) -> Iterator[range]:
        """The ranges of lines that hold one document each.

        A document starts at a line of two fields, or at the line before a pair line if that is no segment
        line (then its header is malformed, and only that document is lost).

        Args:
            separator: what every segment line holds and no header does.
        """
        starts = [0]
        for index in range(len(self)):
            line = self.rough(index).strip()
            if separator in line or not line or line.startswith("("):
                continue
            if len(line.split()) == 2 or self.rough(index + 1).strip().startswith("("):
                starts.append(index)
        for start, stop in zip(starts, [*starts[1:], len(self)], strict=True):
            while stop > start and not self.rough(stop - 1).strip():
                stop -= 1
            if stop > start:
                yield range(start, stop)


def shown(text: str, most: int = 60) -> str:
    """A piece of a file in an error message: quoted, and cut if it is long.

    >>> shown("x" * 100, most=5)
    "'xxxxx...'"
    """
    return repr(text if len(text) <= most else text[:most] + "...")


@dataclass(frozen=True, slots=True)
class Blocks:
    """A format of one block of lines a document: header, pair line, segment lines.

    Args:
        unit: what the format calls a segment, for messages.
        separator: what every segment line holds and no header does.
        segment: reads a segment line: the lines, the 0-based index of this one, and the number of the segment.
        language: of the documents.
        outside: pairs beyond the document are left out and counted; otherwise they are an error.
    """

    unit: str
    separator: str
    segment: Callable[[Lines, int, int], Segment]
    language: Language
    outside: bool = False

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read a file.

        Raises:
            CorpusError: a malformed document, an id that occurs twice, or a file without documents.
        """
        lines = Lines(path)
        collector = Collector(path, on_error, "document id")
        for block in lines.blocks(self.separator):
            collector.add(partial(self._document, lines, block), block.start + 1)
        return collector.reading(f"documents of numbered {self.unit}s")

    def _document(self, lines: Lines, block: range, counts: Counter[str]) -> Document:
        name, size = self._header(lines, block.start)
        pairs = self._pairs(lines, block.start + 1, size, counts)
        numbered = enumerate(self._segment_lines(lines, block, size), start=1)
        segments = tuple(self.segment(lines, index, number) for number, index in numbered)
        return Document(name, segments, pairs, self.language)

    def _header(self, lines: Lines, index: int) -> tuple[str, int]:
        """The document's id and how many segments it has, from its first line."""
        fields = lines[index].split()
        if len(fields) != 2:
            expected = f"`document_id number_of_{self.unit}s`, two fields"
            raise lines.error(index, expected, f"{len(fields)} in {shown(lines[index])}")
        for value, name in zip(fields, ("document id", f"number of {self.unit}s"), strict=True):
            if not (value.isascii() and value.isdigit()):
                raise lines.error(index, f"a numeric {name}", shown(value))
        if int(fields[1]) == 0:
            raise lines.error(index, f"at least one {self.unit}", "0")
        return fields[0], int(fields[1])

    def _pairs(self, lines: Lines, index: int, size: int, counts: Counter[str]) -> frozenset[Pair]:
        """The distinct pairs of a line like ` (7,9), (7,8)`, 0-based. The line is matched, never evaluated.

        A comma at its end is allowed: some corpora have one.
        """
        if index >= len(lines):
            raise lines.error(len(lines) - 1, "a pair line", "the end of the file; it may be truncated")
        line = lines[index]
        if not _PAIRS.fullmatch(line):
            raise lines.error(index, f"pairs of {self.unit} numbers like `(7,9), (7,8)`", shown(line))
        listed: list[Pair] = []
        for emotion, cause in re.findall(_PAIR, line):
            if 1 <= int(emotion) <= size and 1 <= int(cause) <= size:
                listed.append((int(emotion) - 1, int(cause) - 1))
            elif self.outside:
                counts["outside_pairs"] += 1
            else:
                expected = f"pairs within the document, {self.unit}s 1 to {size}"
                raise lines.error(index, expected, f"({int(emotion)},{int(cause)})")
        pairs = frozenset(listed)
        counts["annotated_pairs"] += len(listed)
        counts["duplicate_pairs"] += len(listed) - len(pairs)
        return pairs

    def _segment_lines(self, lines: Lines, block: range, size: int) -> range:
        """The lines of a block's segments, after its header and its pair line."""
        first = block.start + 2
        if block.stop > first + size:
            extra = shown(lines[first + size])
            raise lines.error(first + size, f"the next document after {size} {self.unit}s", extra)
        if block.stop < first + size:
            missing = max(block.stop, first)
            expected = f"{self.unit} {missing - first + 1} of {size}"
            if missing >= len(
                lines
            ):  # named at the last line that is there, so that an editor can jump to it
                raise lines.error(len(lines) - 1, expected, "the end of the file; it may be truncated")
            raise lines.error(missing, expected, shown(lines.rough(missing)))
        return range(first, first + size)


def numbered(lines: Lines, index: int, field: str, number: int, unit: str) -> None:
    """Check that a segment line starts with its 1-based number.

    Raises:
        CorpusError: it starts with something else.
    """
    if field.strip() != str(number):
        raise lines.error(index, f"{unit} number {number}", shown(field.strip()))
