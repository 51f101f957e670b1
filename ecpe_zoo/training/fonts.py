"""Label names in pictures, in any script: a font that has their characters, or numbers in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple
from unicodedata import east_asian_width

from matplotlib import font_manager

from ecpe_zoo.escaping import visible

USUAL = "DejaVu Sans"
"""The font that comes with matplotlib: Latin, Greek, Cyrillic, but no Chinese."""

LONGEST_SHOWN = 40
"""Letters of a label in a picture; the CSV beside it has all of them."""

PLAIN = {"parse_math": False}
"""For texts of the user: a dollar sign begins no formula."""


class Names(NamedTuple):
    """Label names as a picture can show them.

    Args:
        shown: A name each; its number, from 1, if no font has its characters.
        families: Fonts, in the order in which a character is looked for.
        numbered: Names that became numbers.
    """

    shown: tuple[str, ...]
    families: tuple[str, ...]
    numbered: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """A line for the user; "" if every name is shown."""
        if not self.numbered:
            return ""
        return (
            f"NOTE: no installed font has all characters of {', '.join(self.numbered)}. Pictures number these labels "
            "in the order of the CSV beside each; install a font of the script (such as Noto Sans CJK) to see names."
        )


def readable(names: Sequence[str]) -> Names:
    """How to show label names; those of more than `LONGEST_SHOWN` letters are cut."""
    plain = [shortened(visible(name)) for name in names]
    wanted = frozenset("".join(plain))
    missing = frozenset(wanted - _characters_of(USUAL))
    families = (USUAL, *_families_with(missing)) if missing else (USUAL,)
    there = frozenset().union(*map(_characters_of, families))
    lost = [not there.issuperset(name) for name in plain]
    shown = [
        str(place) if gone else name for place, (name, gone) in enumerate(zip(plain, lost, strict=True), 1)
    ]
    # matplotlib leaves names out of a legend that begin with an underscore
    shown = [f" {name}" if name.startswith("_") else name for name in shown]
    return Names(tuple(shown), families, tuple(name for name, gone in zip(plain, lost, strict=True) if gone))


def shortened(text: str) -> str:
    """The beginning of a long text: a picture grows with the square of its longest label.

    >>> shortened("joy"), len(shortened("a" * 5000)), shortened("a" * 5000)[-2:]
    ('joy', 40, 'a…')
    """
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def width(text: str) -> float:
    """Letters of a text, where those of East Asian scripts count as 1.6."""
    return sum(1.6 if east_asian_width(letter) in "WF" else 1 for letter in text)


@cache
def _families_with(wanted: frozenset[str]) -> tuple[str, ...]:
    """Installed fonts that have these characters together, as few as a greedy choice finds; [] for none of them."""
    chosen: list[str] = []
    left = set(wanted)
    found = {family: _characters_of(family) & wanted for family in _installed()}
    while left and found:
        best = max(found, key=lambda family: (len(found[family] & left), -len(family)))
        if not found[best] & left:
            break
        chosen.append(best)
        left -= found.pop(best)
    return tuple(chosen)


def _installed() -> Iterable[str]:
    return dict.fromkeys(entry.name for entry in font_manager.fontManager.ttflist)


@cache
def _characters_of(family: str) -> frozenset[str]:
    """The characters that a font has; none for one that cannot be drawn with."""
    return frozenset(_read_characters(family))


def _read_characters(family: str) -> Iterator[str]:
    try:
        path = next(entry.fname for entry in font_manager.fontManager.ttflist if entry.name == family)
        yield from map(chr, font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError, StopIteration, ValueError):  # absent, or emoji, which cannot be drawn
        return
