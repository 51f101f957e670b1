"""JSON with line numbers: values of a text taken one by one, so that an error in the middle of a file has its line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ecpe_zoo.corpora.readers.lines import UTF8, Lines, shown
from ecpe_zoo.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Item:
    """A value and where its text starts.

    Args:
        path: The file.
        line: 1-based.
        value: As JSON has it.
    """

    path: Path
    line: int
    value: Any

    def error(self, expected: str, found: str, hint: str = "") -> CorpusError:
        """An error in this value."""
        return CorpusError(self.path, self.line, expected, found, hint)

    def mapping(self, expected: str) -> Mapping[str, Any]:
        """The value as an object.

        Raises:
            CorpusError: It is none.
        """
        if not isinstance(self.value, Mapping):
            raise self.error(expected, shown(str(self.value)))
        return self.value


class Cursor:
    """A position in JSON text that takes one value at a time and knows its line.

    Args:
        path: File, for messages.
        text: Its text.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text, self.at = path, text, 0
        self._decoder = json.JSONDecoder()
        self._counted = (0, 1)  # a position and its line

    @classmethod
    def of(cls, path: Path, encoding: str = UTF8) -> Self:
        """The start of a file.

        Raises:
            CorpusError: It cannot be read.
        """
        lines = Lines(path, encoding)
        return cls(path, "\n".join(lines[index] for index in range(len(lines))))

    def line(self) -> int:
        """The 1-based line of the next value."""
        self.peek()
        start, line = self._counted if self._counted[0] <= self.at else (0, 1)
        self._counted = (self.at, line + self.text.count("\n", start, self.at))
        return self._counted[1]

    def syntax(self, expected: str) -> CorpusError:
        """An error in the text itself, here: nothing after it can be read."""
        rest = self.text[self.at :].split("\n", 1)[0].strip()
        if self.at >= (end := len(self.text.rstrip())):
            self.at, rest = end, ""
        found = shown(rest) if rest else "the end of the file; it may be truncated"
        return CorpusError(self.path, self.text.count("\n", 0, self.at) + 1, expected, found)

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, character: str, expected: str) -> None:
        """Step over a character.

        Raises:
            CorpusError: There is another one.
        """
        if self.peek() != character:
            raise self.syntax(expected)
        self.at += 1

    def value(self, expected: str) -> Any:
        """Take one value.

        Raises:
            CorpusError: There is none.
        """
        self.peek()
        try:
            value, stop = self._decoder.raw_decode(self.text, self.at)
            _check_characters(self.text[self.at : stop], value)
        except (ValueError, RecursionError) as error:
            self.at = getattr(error, "pos", self.at)
            raise self.syntax(f"{expected} ({_wanted(error)})") from None
        self.at = stop
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

    def fields(self, what: str) -> Iterator[str]:
        """Stop before the value of each field of an object; the caller takes it.

        Raises:
            CorpusError: There is no object, or a field without a name.
        """
        for _ in self.items("{", "}", what):
            if self.peek() != '"':
                raise self.syntax("the name of a field in quotes")
            name = str(self.value("the name of a field"))
            self.take(":", f"`:` after {shown(name)}")
            yield name

    def listed(self, what: str, item: str) -> Iterator[Item]:
        """Take a list, value by value.

        Raises:
            CorpusError: There is none.
        """
        for _ in self.items("[", "]", what):
            yield Item(self.path, self.line(), self.value(item))

    def end(self, last: str) -> None:
        """Check that nothing follows.

        Raises:
            CorpusError: There is more.
        """
        if self.peek():
            raise self.syntax(f"the end of the file after the last {last}")


def json_line(lines: Lines, index: int) -> Item:
    """The object in one line of a JSONL file.

    Raises:
        CorpusError: There is none.
    """
    return json_object(lines.path, index + 1, lines[index])


def json_object(path: Path, line: int, text: str) -> Item:
    """The object in a line of JSON text.

    Raises:
        CorpusError: There is none.
    """
    try:
        item = Item(path, line, json.loads(text))
        _check_characters(text, item.value)
    except (ValueError, RecursionError) as error:
        raise CorpusError(path, line, f"a JSON object ({_wanted(error)})", shown(text)) from None
    item.mapping("a JSON object")
    return item


def _check_characters(text: str, value: Any) -> None:
    """A surrogate alone is half of a character, and no file can be written with it."""
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()


def _wanted(error: Exception) -> str:
    """What a text should have had to be JSON that can be read."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg.lower()
    if isinstance(error, UnicodeEncodeError):
        return r"whole characters: \ud800 to \udfff are halves"
    return (
        "fewer brackets in each other"
        if isinstance(error, RecursionError)
        else "a number of at most 4,300 digits"
    )
