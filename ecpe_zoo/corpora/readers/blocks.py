"""Formats of one block of lines for each document: header, pair line, segment lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.document import Document, Language, Pair, Segment
from ecpe_zoo.corpora.readers.lines import UTF8, Collector, Lines, OnError, Reading, distinct_pairs, shown
from ecpe_zoo.errors import CorpusError

_PAIR = r"\(\s*([0-9]+)\s*,\s*([0-9]+)\s*\)"
_PAIRS = re.compile(rf"\s*(?:{_PAIR}(?:\s*,\s*{_PAIR})*\s*,?)?\s*")
_END = "the end of the file; it may be truncated"


@dataclass(frozen=True, slots=True)
class Blocks:
    """A reader of such a format.

    Args:
        unit: Name of a segment in the format, for messages.
        separator: Text that is in every segment line and in no header.
        segment: Function that reads a segment line, given the lines, its 0-based index, and the segment's number.
        language: Language of the documents.
        numeric: Ids are numbers; otherwise they are words without the separator.
        malformed: Ids of documents that are known to be malformed: they are left out and counted.
        encoding: Encoding of the text.
    """

    unit: str
    separator: str
    segment: Callable[[Lines, int, int], Segment]
    language: Language
    numeric: bool = True
    malformed: tuple[str, ...] = ()
    encoding: str = UTF8

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read a file.

        Raises:
            CorpusError: A malformed document, an id that occurs twice, or a file without documents.
        """
        lines = Lines(path, self.encoding)
        collector = Collector(path, on_error, "document id")
        for block in self._blocks(lines):
            collector.add(partial(self._document, lines, block), block.start + 1)
        return collector.reading(f"documents of numbered {self.unit}s")

    def annotated(self, path: Path) -> dict[str, list[Pair]]:
        """All annotated pairs of each document, 0-based, with those that its pair line gives again.

        Raises:
            CorpusError: A malformed document that is not known as such.
        """
        lines, found = Lines(path, self.encoding), {}
        for block in self._blocks(lines):
            name, size = self._header(lines, block.start)
            if name not in self.malformed:
                found[name] = self._listed(lines, block.start + 1, size)
        return found

    def _blocks(self, lines: Lines) -> Iterator[range]:
        """The ranges of lines that hold one document each.

        A document starts at a line of two fields, or at the line before a pair line if that is no segment
        line (then its header is malformed, and only that document is lost).
        """
        starts = [0]
        for index in range(len(lines)):
            line = lines.rough(index).strip()
            if self.separator in line or not line or line.startswith("("):
                continue
            if len(line.split()) == 2 or lines.rough(index + 1).strip().startswith("("):
                starts.append(index)
        for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
            while stop > start and not lines.rough(stop - 1).strip():
                stop -= 1
            if stop > start:
                yield range(start, stop)

    def _document(self, lines: Lines, block: range, counts: Counter[str]) -> Document | None:
        name, size = self._header(lines, block.start)
        try:
            pairs = self._pairs(lines, block.start + 1, size, counts)
            numbered = enumerate(self._segment_lines(lines, block, size), start=1)
            segments = tuple(self.segment(lines, index, number) for number, index in numbered)
        except CorpusError:
            if name not in self.malformed:
                raise
            counts.clear()
            counts["known_malformed"] += 1
            return None
        return Document(name, segments, pairs, self.language)

    def _header(self, lines: Lines, index: int) -> tuple[str, int]:
        """The document's id and how many segments it has, from its first line."""
        fields = lines[index].split()
        if len(fields) != 2:
            expected = f"`document_id number_of_{self.unit}s`, two fields"
            raise lines.error(index, expected, f"{len(fields)} in {shown(lines[index])}")
        names = ("document id", f"number of {self.unit}s")
        for value, name in list(zip(fields, names, strict=True))[not self.numeric :]:
            if not (value.isascii() and value.isdigit()):
                raise lines.error(index, f"a numeric {name}", shown(value))
        if int(fields[1]) == 0:
            raise lines.error(index, f"at least one {self.unit}", "0")
        return fields[0], int(fields[1])

    def _pairs(self, lines: Lines, index: int, size: int, counts: Counter[str]) -> frozenset[Pair]:
        """The distinct pairs of a pair line, 0-based."""
        return distinct_pairs(self._listed(lines, index, size), counts)

    def _listed(self, lines: Lines, index: int, size: int) -> list[Pair]:
        """The pairs of a line like ` (7,9), (7,8)`, 0-based. The line is matched, never evaluated.

        A comma at its end is allowed: some corpora have one.
        """
        if index >= len(lines):
            raise lines.error(len(lines) - 1, "a pair line", _END)
        line = lines[index]
        if not _PAIRS.fullmatch(line):
            raise lines.error(index, f"pairs of {self.unit} numbers like `(7,9), (7,8)`", shown(line))
        listed = [(int(emotion), int(cause)) for emotion, cause in re.findall(_PAIR, line)]
        for pair in listed:
            if not all(1 <= number <= size for number in pair):
                expected = f"pairs within the document, {self.unit}s 1 to {size}"
                raise lines.error(index, expected, f"({pair[0]},{pair[1]})")
        return [(emotion - 1, cause - 1) for emotion, cause in listed]

    def _segment_lines(self, lines: Lines, block: range, size: int) -> range:
        """The lines of a block's segments, after its header and its pair line."""
        first = block.start + 2
        if block.stop > first + size:
            extra = shown(lines[first + size])
            raise lines.error(first + size, f"the next document after {size} {self.unit}s", extra)
        if block.stop < first + size:
            missing = max(block.stop, first)
            expected = f"{self.unit} {missing - first + 1} of {size}"
            if missing >= len(lines):  # named at the last line, so that an editor can jump to it
                raise lines.error(len(lines) - 1, expected, _END)
            raise lines.error(missing, expected, shown(lines.rough(missing)))
        return range(first, first + size)


def numbered(lines: Lines, index: int, field: str, number: int, unit: str) -> None:
    """Check that a segment line starts with its 1-based number.

    Raises:
        CorpusError: It starts with something else.
    """
    if field.strip() != str(number):
        raise lines.error(index, f"{unit} number {number}", shown(field.strip()))
