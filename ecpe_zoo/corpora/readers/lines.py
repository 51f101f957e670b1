"""What the line formats share: decoding, cutting into blocks of one document, the pair line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ecpe_zoo.corpora.document import Document, Pair
from ecpe_zoo.errors import CorpusError

OnError = Literal["raise", "skip"]

_PAIR = r"\(\s*([0-9]+)\s*,\s*([0-9]+)\s*\)"
_PAIRS = re.compile(rf"\s*(?:{_PAIR}(?:\s*,\s*{_PAIR})*)?\s*")


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


class Lines:
    """The lines of a file, decoded one by one so that bad bytes have a line number too.

    Lines end with a line feed alone: `str.splitlines` would also cut at characters that stand inside texts.
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

        A document starts at a line of two fields, or at the line before a pair line where that is no segment
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
    """A piece of a file in an error message: quoted, and cut where it is long.

    >>> shown("x" * 100, most=5)
    "'xxxxx...'"
    """
    return repr(text if len(text) <= most else text[:most] + "...")


def header(lines: Lines, index: int, unit: str) -> tuple[str, int]:
    """The document's id and how many segments it has, from its first line.

    Raises:
        CorpusError: not two numbers, or no segment.
    """
    line = lines[index]
    fields = line.split()
    if len(fields) != 2:
        expected = f"`document_id number_of_{unit}s`, two fields"
        raise lines.error(index, expected, f"{len(fields)} in {shown(line)}")
    for field, name in zip(fields, ("document id", f"number of {unit}s"), strict=True):
        if not (field.isascii() and field.isdigit()):
            raise lines.error(index, f"a numeric {name}", shown(field))
    if int(fields[1]) == 0:
        raise lines.error(index, f"at least one {unit}", "0")
    return fields[0], int(fields[1])


def pair_line(lines: Lines, index: int, size: int, unit: str, counts: Counter[str]) -> frozenset[Pair]:
    """The distinct pairs of a line like ` (7,9), (7,8)`, 0-based. The line is matched, never evaluated.

    Raises:
        CorpusError: another form, or a pair beyond the document.
    """
    if index >= len(lines):
        raise lines.error(len(lines) - 1, "a pair line", "the end of the file; it may be truncated")
    line = lines[index]
    if not _PAIRS.fullmatch(line):
        raise lines.error(index, f"pairs of {unit} numbers like `(7,9), (7,8)`", shown(line))
    listed = [(int(emotion) - 1, int(cause) - 1) for emotion, cause in re.findall(_PAIR, line)]
    for emotion, cause in listed:
        if not (0 <= emotion < size and 0 <= cause < size):
            expected = f"pairs within the document, {unit}s 1 to {size}"
            raise lines.error(index, expected, f"({emotion + 1},{cause + 1})")
    pairs = frozenset(listed)
    counts["annotated_pairs"] += len(listed)
    counts["duplicate_pairs"] += len(listed) - len(pairs)
    return pairs


def numbered(lines: Lines, index: int, fields: Sequence[str], number: int, unit: str) -> None:
    """Check that a segment line starts with its 1-based number.

    Raises:
        CorpusError: it starts with something else.
    """
    if fields[0].strip() != str(number):
        raise lines.error(index, f"{unit} number {number}", shown(fields[0].strip()))


def read_blocks(
    path: Path,
    on_error: OnError,
    separator: str,
    unit: str,
    parse: Callable[[Lines, range, Counter[str]], Document],
) -> Reading:
    """Read a file of one block of lines a document.

    Args:
        path: the file.
        on_error: stop at the first malformed document, or leave it out and count it.
        separator: what every segment line holds and no header does.
        unit: what the format calls a segment, for messages.
        parse: one block to a Document; it adds to the counts.

    Raises:
        CorpusError: a malformed document, an id that occurs twice, or a file without documents.
    """
    lines = Lines(path)
    documents: dict[str, Document] = {}
    counts: Counter[str] = Counter()
    first_seen: dict[str, int] = {}
    for block in lines.blocks(separator):
        added: Counter[str] = Counter()
        try:
            document = parse(lines, block, added)
            if document.id in documents:
                found = f"{document.id} again, as in line {first_seen[document.id] + 1}"
                raise lines.error(block.start, "every document id once", found)
        except CorpusError:
            if on_error == "raise":
                raise
            counts["skipped_documents"] += 1
            continue
        counts += added
        documents[document.id], first_seen[document.id] = document, block.start
    if not documents:
        found = "a file without one" if not counts else f"{counts['skipped_documents']} malformed ones only"
        raise CorpusError(path, None, f"documents of numbered {unit}s", found)
    return Reading(tuple(documents.values()), counts)


def segment_lines(lines: Lines, block: range, size: int, unit: str) -> range:
    """The lines of a block's segments, behind its header and its pair line.

    Raises:
        CorpusError: more or fewer lines than the header announces.
    """
    first = block.start + 2
    if block.stop > first + size:
        extra = shown(lines[first + size])
        raise lines.error(first + size, f"the next document after {size} {unit}s", extra)
    if block.stop < first + size:
        missing = max(block.stop, first)
        expected = f"{unit} {missing - first + 1} of {size}"
        if missing >= len(lines):  # named at the last line that is there, so that an editor can jump to it
            raise lines.error(len(lines) - 1, expected, "the end of the file; it may be truncated")
        raise lines.error(missing, expected, shown(lines.rough(missing)))
    return range(first, first + size)
