"""Narratives from a file or a folder, read one at a time."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecpe_zoo.errors import CorpusError, ZooError

_FORMAT = 'an object {"id": ..., "text": ...}'
_BORDERS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?。！？])\s*"), re.compile(r"\s+"))


@dataclass(frozen=True, slots=True)
class Narrative:
    """A story, a plot summary or a scene.

    Args:
        id: unique in its file.
        text: not empty.
    """

    id: str
    text: str

    @property
    def key(self) -> int:
        """64 bits of the hash of its words: the same for two narratives that differ in spaces and case only."""
        words = " ".join(self.text.lower().split())
        return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8])


def read_narratives(path: Path) -> Iterator[Narrative]:
    """Read narratives in the order of the file, or of the names in a folder.

    Args:
        path: JSONL with an id and a text a line, a .txt file, or a folder of .txt files (the name is the id).

    Raises:
        ZooError: there is no such file, or a folder without .txt files.
        CorpusError: a line that is no narrative, with its number.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.txt"))
        if not files:
            raise ZooError(
                f"Expected .txt files in {path}, but found none. A JSONL file of {_FORMAT} does as well."
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
            if not raw.strip():
                continue
            narrative = _parse(path, number, raw)
            name = int.from_bytes(hashlib.sha256(narrative.id.encode()).digest()[:8])
            if name in seen:
                found = f"{narrative.id!r} again, as in line {seen[name]}"
                raise CorpusError(path, number, "every id once", found)
            seen[name] = number
            yield narrative
    if not seen:
        raise CorpusError(path, None, f"{_FORMAT} on each line", "an empty file")


def _parse(path: Path, number: int, raw: bytes) -> Narrative:
    try:
        value: Any = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise CorpusError(path, number, "UTF-8 text", f"{error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        found = f"{raw.decode(errors='replace').strip()[:60]!r} ({error.msg} at column {error.colno})"
        raise CorpusError(path, number, _FORMAT, found) from None
    if not isinstance(value, dict):
        raise CorpusError(path, number, _FORMAT, f"a JSON {type(value).__name__}")
    for name in ("id", "text"):
        if name not in value:
            raise CorpusError(path, number, _FORMAT, f"no {name!r} among: {', '.join(value) or 'no fields'}")
    if isinstance(value["id"], bool) or not isinstance(value["id"], str | int) or value["id"] == "":
        raise CorpusError(path, number, "a text or an integer as 'id'", repr(value["id"]))
    if not isinstance(value["text"], str) or not value["text"].strip():
        raise CorpusError(path, number, "a text that is not empty as 'text'", repr(value["text"])[:60])
    return Narrative(str(value["id"]), value["text"].strip())


def passages(text: str, longest: int) -> list[str]:
    r"""Cut a text into passages of at most that many characters, at the widest border that serves.

    Borders are empty lines, line ends, sentence ends, spaces; failing all, between two characters. Short pieces
    are put together again.

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
