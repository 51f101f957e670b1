"""Explanations as static pages: one a text, and an index.

Pages load nothing from elsewhere and need no script. All texts, names and ids are escaped by the templates. Each value
that a shade shows is also a number, a bar or a line below the word, so that pages can be read without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from ecpe_zoo.annotation.explanation_text import score_text, short
from ecpe_zoo.annotation.explanations import Answer, Explanation, Token, strongest_words
from ecpe_zoo.errors import ZooError
from ecpe_zoo.escaping import visible
from ecpe_zoo.files import below, replaced_when_complete

LISTED = 20
"""Words of an answer in its table, the strongest ones."""

LEVELS = 4
"""Shades of a token, by its share of the strongest one."""

ROW = 34
"""Height of a clause's row beside the arcs, in pixels."""

MARGIN = 26
"""Width to the right of the arcs' lanes, in pixels."""


class Arc(NamedTuple):
    """A pair, drawn from its cause to its emotion.

    Args:
        path: Of the SVG.
        x: Place of the number of the answer, in pixels.
        y: Its height.
        number: Number of the answer, from 1.
        given: Whether the method gives the pair.
    """

    path: str
    x: int
    y: float
    number: int
    given: bool


class Made(NamedTuple):
    """A page that was written."""

    file: str
    id: str
    answers: int
    first: str


class Pages:
    """Writes pages into a folder.

    Args:
        folder: It is made if missing.
        overwrite: Whether it may hold files.

    Raises:
        ZooError: it holds files, or is none.
    """

    def __init__(self, folder: Path, overwrite: bool = False) -> None:
        if folder.exists() and not folder.is_dir():
            raise ZooError(f"Expected --html {folder} to be a folder, but it is a file. Give another one.")
        if folder.is_dir() and any(folder.iterdir()) and not overwrite:
            raise ZooError(
                f"Expected --html {folder} to be empty, but it holds files. Give another folder, or --overwrite."
            )
        self.folder = folder
        self.made: list[Made] = []
        self.environment = environment()

    def add(self, explanation: Explanation) -> Path:
        """Write the page of a text; its name is its number, whatever the id is."""
        name = f"{len(self.made) + 1:04}.html"
        path = self._write(name, page(explanation, self.environment))
        first = next((part.text for part in explanation.parts), "")
        self.made.append(Made(name, explanation.id, len(explanation.answers), first))
        return path

    def finish(self) -> Path:
        """Write the index."""
        template = self.environment.get_template("explanation_index.html")
        return self._write("index.html", template.render(made=self.made))

    def _write(self, name: str, text: str) -> Path:
        path = below(self.folder, name)
        with replaced_when_complete(path) as part:
            part.write_text(text, encoding="utf-8")
        return path


def environment() -> Environment:
    """The templates; styles are those of the leaderboard."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader("ecpe_zoo.annotation"), PackageLoader("ecpe_zoo.leaderboard")]),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["version"] = version("ecpe-zoo")
    made.filters |= {
        "visible": visible,
        "score_text": score_text,
        "short": short,
        "signed": lambda value: f"{value:+.4f}",
    }
    return made


def page(explanation: Explanation, templates: Environment | None = None) -> str:
    """The page of a text."""
    template = (templates or environment()).get_template("explanation.html")
    arcs, lanes = arcs_of(explanation.answers)
    measured = [clue for clue in explanation.clues if clue.segments is not None]
    return template.render(
        it=explanation,
        arcs=arcs,
        row=ROW,
        width=MARGIN + 18 * lanes,
        height=ROW * len(explanation.parts),
        answers=[
            (
                answer,
                _rows(explanation, answer),
                _words(explanation, answer.tokens),
                strongest_words(answer.tokens or (), LISTED),
            )
            for answer in explanation.answers
        ],
        clues=[(c.name, _words(explanation, c.tokens)) for c in explanation.clues if c.tokens is not None],
        measured=measured,
        rows=list(zip(*(clue.segments or () for clue in measured), strict=True)),
        labels={
            number: [answer for answer in explanation.answers if answer.segment == number]
            for number in range(1, len(explanation.parts) + 1)
        },
        levels=range(1, LEVELS + 1),
        worded=any(answer.tokens for answer in explanation.answers),
    )


def _rows(explanation: Explanation, answer: Answer) -> list[dict[str, Any]]:
    """What the table of an answer shows of each part."""
    changes = answer.changes or (None,) * len(explanation.parts)
    largest = max((abs(change) for change in changes if change is not None), default=0.0)
    return [
        {
            "number": number,
            "part": part,
            "own": explanation.segmented and number in answer.own,
            "change": change,
            "bar": round(100 * abs(change) / largest) if change is not None and largest else 0,
        }
        for number, (part, change) in enumerate(zip(explanation.parts, changes, strict=True), start=1)
    ]


def _words(
    explanation: Explanation, tokens: Sequence[Sequence[Token]] | None
) -> list[list[tuple[str, float | None, str]]] | None:
    """The text of each segment in tokens with their shades."""
    if tokens is None:
        return None
    between = " " if any(" " in part.text for part in explanation.parts) else ""
    texts = [
        between.join(part.text for part in explanation.parts if part.segment == number)
        for number in range(1, len(tokens) + 1)
    ]
    return [laid(text, segment) for text, segment in zip(texts, shaded(tokens), strict=True)]


def shaded(tokens: Sequence[Sequence[Token]]) -> list[list[tuple[str, float | None, str]]]:
    """Each token with its value and its class: `p1` to `p4` for values above 0, `n1` to `n4` below, else none.

    >>> shaded([[("a", 0.4), ("b", -0.1)], [("c", 0.0), ("d", None)]])
    [[('a', 0.4, 'p4'), ('b', -0.1, 'n1')], [('c', 0.0, ''), ('d', None, '')]]
    """
    largest = max((abs(value or 0.0) for segment in tokens for _, value in segment), default=0.0)

    def name(value: float) -> str:
        level = round(LEVELS * abs(value) / largest) if largest else 0
        return f"{'p' if value > 0 else 'n'}{level}" if level else ""

    return [[(text, value, name(value or 0.0)) for text, value in segment] for segment in tokens]


def laid(text: str, tokens: Sequence[tuple[str, float | None, str]]) -> list[tuple[str, float | None, str]]:
    """The tokens with the characters between them, which have no value; a token that the text lacks comes alone.

    >>> laid("I'm going.", [("I", 0.1, "p1"), ("go", 0.4, "p4"), ("ing", 0.0, "")])
    [('I', 0.1, 'p1'), ("'m ", None, ''), ('go', 0.4, 'p4'), ('ing', 0.0, ''), ('.', None, '')]
    """
    found: list[tuple[str, float | None, str]] = []
    at = 0
    for piece, value, name in tokens:
        start = text.find(piece, at)
        if start < 0:
            found += [(" ", None, ""), (piece, value, name), (" ", None, "")]
            continue
        found += [(text[at:start], None, ""), (piece, value, name)]
        at = start + len(piece)
    return [item for item in (*found, (text[at:], None, "")) if item[0]]


def arcs_of(answers: Sequence[Answer]) -> tuple[list[Arc], int]:
    """The pairs as arcs at the left of the clauses, each in a lane of its own if they overlap.

    Returns:
        The arcs, and the number of lanes.
    """
    pairs = [(n, a) for n, a in enumerate(answers, start=1) if a.emotion is not None and a.cause is not None]
    spans = {n: sorted((int(a.emotion or 0), int(a.cause or 0))) for n, a in pairs}
    lanes: list[list[int]] = []  # the numbers of the answers in each
    lane_of: dict[int, int] = {}
    for number, _ in sorted(pairs, key=lambda item: spans[item[0]][1] - spans[item[0]][0]):
        low, high = spans[number]
        free = (
            lane for lane, others in enumerate(lanes) if all(_apart(spans[o], (low, high)) for o in others)
        )
        lane = next(free, len(lanes))
        lanes[lane:] = lanes[lane:] or [[]]
        lanes[lane].append(number)
        lane_of[number] = lane
    right = MARGIN + 18 * len(lanes) - 8
    arcs = []
    for number, answer in pairs:
        start, end = (ROW * (int(place or 0) - 0.5) for place in (answer.cause, answer.emotion))
        if answer.emotion == answer.cause:
            start, end = start - 7, end + 7
        x = right - 18 * (lane_of[number] + 1)
        middle = (start + end) / 2
        there = f"M {right} {start:g} H {x + 6} Q {x} {start:g} {x} {middle:g}"
        path = f"{there} Q {x} {end:g} {x + 6} {end:g} H {right}"
        arcs.append(Arc(path, x, middle, number, answer.given))
    return arcs, len(lanes)


def _apart(one: Sequence[int], other: Sequence[int]) -> bool:
    return one[1] < other[0] or other[1] < one[0]
