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

    def error(self, expected: str, found: str, at: int | None = None) -> CorpusError:
        """An error at a position, or here."""
        at = self.at if at is None else at
        return CorpusError(self.path, self.text.count("\n", 0, at) + 1, expected, found)

    def error_in(self, places: list[int], expected: str, found: str, index: int) -> CorpusError:
        """An error in one of the values that start at these places."""
        return self.error(expected, found, places[index])

    def syntax(self, expected: str) -> CorpusError:
        """An error in the text itself, here: nothing behind it can be read."""
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
            CorpusError: another one stands there.
        """
        if self.peek() != character:
            raise self.syntax(expected)
        self.at += 1

    def value(self, expected: str) -> Any:
        """Take one value.

        Raises:
            CorpusError: none stands there.
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
