"""JSON as small language models write it: found in the text around it, mended, and kept as far as it is complete.

Only unambiguous faults are mended, and each kind is reported. The package json-repair does neither: it completes
strings and numbers that were cut, reads bare words as strings, drops the first of two objects, and does not report
trailing commas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LINE_BREAK = "line break in a string"
INVALID_ESCAPE = "invalid escape"
UNESCAPED_QUOTE = "unescaped quotation mark"
TRAILING_COMMA = "trailing comma"
CUT = "cut answer"

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_FIELD_END = re.compile(r"\s*+(?:[,}]|\Z)")
_SURE_FIELD_END = re.compile(r'(?<!\\)"(?=\s*+(?:\}|,\s*+"[^"\\]*+"\s*+:))')
_ESCAPED_OR_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_BARE = re.compile(r"[-+.\w]+")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,99})(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_CLOSING = {dict: "}", list: "]"}
_DEEPEST = 50  # brackets within brackets; no answer needs as many
_BACKTRACK = 4  # times the text's length: after so many characters, text that failed is not searched again

Container = dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A JSON object or list in a text.

    Args:
        value: Its value.
        mended: Kinds of faults that were mended.
        partial: Top-level field whose list was cut; empty if there is none.
    """

    value: Container
    mended: frozenset[str] = field(default_factory=frozenset)
    partial: str = ""


def find_json(text: str) -> Iterator[Found]:
    r"""Every outermost JSON object or list in a text.

    Strings may hold raw line breaks and escapes that JSON does not know, those of an object also quotation marks
    without a backslash, and a comma may precede a closing bracket. If the text ends early, the complete fields of
    the outermost object are kept, and of a list in it (or of an outermost list) the complete elements. The time is
    linear in the length of the text.

    >>> [found.value for found in find_json('Sure! ```json {"a": {"b": 1,}} ``` and ["c\n"], {broken')]
    [{'a': {'b': 1}}, ['c\n']]
    >>> next(find_json('{"a": 1, "b": [{"c": 2}, {"c": 3, "d": "and th')).value
    {'a': 1, 'b': [{'c': 2}]}
    """
    start, left = _next_bracket(text, 0), _BACKTRACK * len(text)
    while start >= 0:
        scan = _Scan(text, start)
        found = scan.run()
        if found is not None:
            yield found
        end = scan.position
        if found is None or CUT in found.mended:
            left -= end - start
            end = start + 1 if left > 0 else max(end, start + 1)
        start = _next_bracket(text, end)


_BRACKET = re.compile(r"[{\[]")


def _next_bracket(text: str, start: int) -> int:
    match = _BRACKET.search(text, start)
    return match.start() if match else -1


class _NoJson(Exception):  # noqa: N818 - it reads as what happened
    """Text that cannot be mended."""


class _End(Exception):  # noqa: N818
    """The text ends within a value."""


class _Scan:
    """A pass from an opening bracket to its closing one, with a stack instead of recursion.

    Args:
        text: The text.
        start: Position of the bracket.
    """

    def __init__(self, text: str, start: int) -> None:
        self.text, self.position = text, start
        self.stack: list[tuple[Container, str]] = []  # open containers, each with the field that it will fill
        self.mended: set[str] = set()

    def run(self) -> Found | None:
        """The value; None if the text is no JSON, or nothing of it is complete."""
        try:
            return Found(self._outermost(), frozenset(self.mended))
        except _NoJson:
            return None
        except _End:
            return self._salvaged()

    def _outermost(self) -> Container:
        self._open("")
        after_comma = False
        while True:
            container, _ = self.stack[-1]
            closing = _CLOSING[type(container)]
            if self._take(closing):
                if after_comma:
                    self.mended.add(TRAILING_COMMA)
            else:
                name = self._name() if isinstance(container, dict) else ""
                if self._peek() in "{[":
                    self._open(name)
                    after_comma = False
                    continue
                _attach(container, name, self._scalar(in_object=isinstance(container, dict)))
                if after_comma := self._take(","):
                    continue
                self._expect(closing)
            while True:  # a container is complete, and perhaps the one around it
                value, name = self.stack.pop()
                if not self.stack:
                    return value
                container, _ = self.stack[-1]
                _attach(container, name, value)
                if after_comma := self._take(","):
                    break
                self._expect(_CLOSING[type(container)])

    def _salvaged(self) -> Found | None:
        self.position = len(self.text)
        root, partial = self.stack[0][0], ""
        if len(self.stack) > 1 and isinstance(root, dict) and isinstance(self.stack[1][0], list):
            cut, partial = self.stack[1]
            root[partial] = cut
        return Found(root, frozenset({*self.mended, CUT}), partial) if root else None

    def _open(self, name: str) -> None:
        if len(self.stack) == _DEEPEST:
            raise _NoJson
        container: Container = {} if self._peek() == "{" else []
        self.stack.append((container, name))
        self.position += 1

    def _peek(self) -> str:
        """The next character that is no white space."""
        match = _SPACE.match(self.text, self.position)
        assert match is not None
        self.position = match.end()
        if self.position == len(self.text):
            raise _End
        return self.text[self.position]

    def _take(self, character: str) -> bool:
        if self._peek() != character:
            return False
        self.position += 1
        return True

    def _expect(self, character: str) -> None:
        if not self._take(character):
            raise _NoJson

    def _name(self) -> str:
        if self._peek() != '"':
            raise _NoJson
        name = self._string()
        self._expect(":")
        return name

    def _scalar(self, in_object: bool) -> Any:
        if self._peek() == '"':
            return self._string(in_object)
        match = _BARE.match(self.text, self.position)
        if match is None:
            raise _NoJson
        if match.end() == len(self.text):
            raise _End  # more digits may have followed
        if match[0] not in _WORDS and not _NUMBER.fullmatch(match[0]):
            raise _NoJson
        self.position = match.end()
        return json.loads(match[0])

    def _string(self, in_object: bool = False) -> str:
        match = _STRING.match(self.text, self.position)
        if match is None:
            raise _End
        body, end = match[1], match.end()
        if in_object and not _FIELD_END.match(self.text, end):
            # a quotation mark within the string: it ends where the next field begins, or the object ends
            last = _SURE_FIELD_END.search(self.text, end)
            if last is None:
                raise _End
            body, end = self.text[self.position + 1 : last.start()], last.end()
            body = _ESCAPED_OR_QUOTE.sub(lambda one: one[0] if len(one[0]) > 1 else '\\"', body)
            self.mended.add(UNESCAPED_QUOTE)
        self.position = end
        if _CONTROL.search(body):
            self.mended.add(LINE_BREAK)
        if "\\" not in body:
            return body
        text: str = json.loads(f'"{_ESCAPE.sub(self._escape, body)}"', strict=False)
        return text

    def _escape(self, match: re.Match[str]) -> str:
        if len(match[1]) > 1 or match[1] in '"\\/bfnrt':
            return match[0]
        self.mended.add(INVALID_ESCAPE)
        return match[1]


def _attach(container: Container, name: str, value: Any) -> None:
    if isinstance(container, dict):
        container[name] = value
    else:
        container.append(value)
