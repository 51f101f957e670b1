"""What the generators of the bundled corpora share: drawing words, the same on every Python version.

Only `Random.random` is used, whose sequence is promised.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

LONG = 5
"""Length in characters from which a text may occur only once in a corpus."""


def listed(text: str) -> tuple[str, ...]:
    """The parts of a text between bars.

    >>> listed("the radio | the piano")
    ('the radio', 'the piano')
    """
    return tuple(part.strip() for part in text.split("|"))


class Drawer:
    """Draws texts that occur nowhere else in a corpus.

    Args:
        slots: Words by the name that is written in braces for one of them.
        seed: Seed of everything that is drawn.
    """

    def __init__(self, slots: Mapping[str, Sequence[str]], seed: int) -> None:
        self.slots = slots
        self.random = random.Random(seed)
        self.used: set[str] = set()

    def pick(self, options: Sequence[str]) -> str:
        """One of the options, all equally likely."""
        return options[int(self.random.random() * len(options))]

    def weighted(self, weights: Mapping[str, float]) -> str:
        """One of the names, with probability proportional to its weight."""
        left = self.random.random() * sum(weights.values())
        for name, weight in weights.items():
            left -= weight
            if left < 0:
                return name
        return name

    def chance(self, share: float) -> bool:
        """True this often."""
        return self.random.random() < share

    def between(self, least: int, most: int) -> int:
        """A number from `least` to `most`, all equally likely."""
        return least + int(self.random.random() * (most - least + 1))

    def text(self, templates: Sequence[str], **bound: str) -> str:
        """A filled template, capitalised, that was not drawn before; a slot is filled anew each time."""
        while True:
            text = self.pick(templates)
            while slot := re.search(r"\{(\w+)\}", text):
                word = bound.get(slot[1]) or self.pick(self.slots[slot[1]])
                text = text[: slot.start()] + word + text[slot.end() :]
            text = text[:1].upper() + text[1:]
            characters = "".join(text.split()).lower()
            if len(characters) < LONG or characters not in self.used:
                self.used.add(characters)
                return text
