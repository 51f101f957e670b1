"""JSON taken value by value, so that an error in the middle of a file has its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecpe_zoo.corpora.readers.lines import Lines, shown
from ecpe_zoo.errors import CorpusError


class Cursor:
    """A position in JSON text that takes one value at a time and knows its line."""

    def __init__(self, path: Path) -> None:
        lines = Lines(path)
        self.path, self.at = path, 0
        self.text = "\n".join(lines[index] for index in range(len(lines)))
        self._decoder = json.JSONDecoder()

    def line(self, at: int) -> int:
        """The 1-based line of a position."""
        return self.text.count("\n", 0, at) + 1

    def error(self, expected: str, found: str, at: int | None = None) -> CorpusError:
        """An error at a position, or here."""
        return CorpusError(self.path, self.line(self.at if at is None else at), expected, found)

    def syntax(self, expected: str) -> CorpusError:
        """An error in the text itself, here: nothing after it can be read."""
        rest = self.text[self.at :].split("\n", 1)[0].strip()
        at = min(self.at, len(self.text.rstrip()))
        end = "the end of the file; it may be truncated"
        return self.error(expected, shown(rest) if self.at < len(self.text.rstrip()) else end, at)

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, character: str, expected: str) -> None:
        """Step over a character.

        Raises:
            CorpusError: there is another one.
        """
        if self.peek() != character:
            raise self.syntax(expected)
        self.at += 1

    def value(self, expected: str) -> Any:
        """Take one value.

        Raises:
            CorpusError: there is none.
        """
        self.peek()
        try:
            value, self.at = self._decoder.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            self.at = error.pos
            raise self.syntax(f"{expected} ({error.msg.lower()})") from None
        return value

    def items(self, opening: str, closing: str, what: str) -> Iterator[None]:
        """Stop before each item between the brackets; the caller takes it."""
        self.take(opening, f"`{opening}` before {what}")
        if self.peek() == closing:
            self.at += 1
            return
        while True:
            yield
            if self.peek() == closing:
                self.at += 1
                return
            self.take(",", f"`,` or `{closing}` after {what}")

    def listed(self, what: str, item: str) -> list[tuple[int, Any]]:
        """Take a list: its values, each with its position.

        Raises:
            CorpusError: there is none.
        """
        values = []
        for _ in self.items("[", "]", what):
            self.peek()
            values.append((self.at, self.value(item)))
        return values

    def end(self, last: str) -> None:
        """Check that nothing follows.

        Raises:
            CorpusError: there is more.
        """
        if self.peek():
            raise self.syntax(f"the end of the file after the last {last}")
