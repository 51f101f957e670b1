"""Narratives from a file or a folder, read one at a time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ecpe_zoo.corpora.readers.json_text import Item, json_object
from ecpe_zoo.corpora.readers.lines import decoded
from ecpe_zoo.errors import CorpusError, ZooError

_FORMAT = 'an object {"id": ..., "text": ...}'
_BORDERS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?。！？])\s*"), re.compile(r"\s+"))


@dataclass(frozen=True, slots=True)
class Narrative:
    """A story, a plot summary or a scene.

    Args:
        id: Unique in its file.
        text: Not empty.
    """

    id: str
    text: str

    @property
    def key(self) -> int:
        """64 bits of the hash of its words: the same for two narratives that differ in spaces and case only."""
        return _hash(" ".join(self.text.lower().split()))


def read_narratives(path: Path) -> Iterator[Narrative]:
    """Read narratives in the order of the file, or of the names in a folder.

    Args:
        path: JSONL of objects with id and text, a .txt file, or a folder of .txt files (the name is the id).

    Raises:
        ZooError: there is no such file, or the folder has no .txt files.
        CorpusError: a line is no narrative.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.txt"))
        if not files:
            raise ZooError(
                f"Expected .txt files in {path}, but found none. Or give a JSONL file of {_FORMAT}."
            )
        for file in files:
            yield Narrative(file.relative_to(path).with_suffix("").as_posix(), _read_text(file))
    elif not path.is_file():
        raise ZooError(
            f"Expected narratives at {path}, but found nothing there. Give a JSONL file or a folder."
        )
    elif path.suffix == ".txt":
        yield Narrative(path.stem, _read_text(path))
    else:
        yield from _read_lines(path)


def _read_text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise CorpusError(path, None, "UTF-8 text", f"{error.reason} at byte {error.start}") from None
    if not text:
        raise CorpusError(path, None, "the text of a narrative", "an empty file", "Remove the file.")
    return text


def _read_lines(path: Path) -> Iterator[Narrative]:
    seen: dict[int, int] = {}  # 64 bits of each id, and its line
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            raw = raw.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").strip()
            if not raw:
                continue
            item = json_object(path, number, decoded(path, number, raw))
            narrative = _parse(item)
            name = _hash(narrative.id)
            if name in seen:
                raise item.error("every id once", f"{narrative.id!r} again, as in line {seen[name]}")
            seen[name] = number
            yield narrative
    if not seen:
        raise CorpusError(path, None, f"{_FORMAT} on each line", "an empty file")


def _parse(item: Item) -> Narrative:
    value = item.value
    for name in ("id", "text"):
        if name not in value:
            raise item.error(_FORMAT, f"no {name!r} among: {', '.join(value) or 'no fields'}")
    id, text = value["id"], value["text"]
    if isinstance(id, bool) or not isinstance(id, str | int) or id == "":
        raise item.error("a text or an integer as 'id'", repr(id))
    if not isinstance(text, str) or not text.strip():
        raise item.error("a text that is not empty as 'text'", repr(text)[:60])
    return Narrative(str(id), text.strip())


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def passages(text: str, longest: int) -> list[str]:
    r"""Cut a text into passages of at most `longest` characters, at the widest border that fits.

    Borders are empty lines, line ends, sentence ends, spaces, and at last any two characters. Short pieces are
    joined again.

    >>> passages("One. Two.\n\nThree.", longest=12)
    ['One. Two.', 'Three.']
    >>> passages("One. Two. Three.", longest=10)
    ['One. Two.', 'Three.']
    """
    return _cut(text.strip(), longest, 0)


def _cut(text: str, longest: int, level: int) -> list[str]:
    if len(text) <= longest:
        return [text] if text else []
    if level == len(_BORDERS):
        return [text[start : start + longest] for start in range(0, len(text), longest)]
    found: list[str] = []
    start, stop = 0, 0  # of the passage that is being filled
    ends = [match.start() for match in _BORDERS[level].finditer(text) if match.end() > 0] + [len(text)]
    for end in ends:
        if len(text[start:end].strip()) > longest:
            found += _cut(text[start:stop].strip(), longest, level + 1)
            start = stop
            if len(text[start:end].strip()) > longest:
                found += _cut(text[start:end].strip(), longest, level + 1)
                start = end
        stop = end
    return found + _cut(text[start:].strip(), longest, level + 1)
