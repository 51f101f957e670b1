"""Errors meant for the user.

The command line prints them without a traceback and exits with status 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from ecpe_zoo.escaping import visible


class ZooError(Exception):
    """Something the user can fix: the message says what was expected, what was got, and the way out."""

    def __str__(self) -> str:
        """The message, with control characters quoted from a file escaped for the terminal."""
        return visible(super().__str__(), keep="\n")


class CorpusError(ZooError):
    """A corpus file that cannot be read in its format.

    Args:
        path: The file.
        line: Its 1-based line, or None if the error concerns the file in general.
        expected: What the format asks for.
        found: What the file has instead.
        hint: The way out, if there is one other than fixing the line.
    """

    def __init__(self, path: Path | str, line: int | None, expected: str, found: str, hint: str = "") -> None:
        self.path, self.line, self.expected, self.found, self.hint = Path(path), line, expected, found, hint
        where = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{where}: expected {expected}, but got {found}" + (f". {hint}" if hint else ""))

    def __reduce__(self) -> tuple[type[CorpusError], tuple[Path, int | None, str, str, str]]:
        """Make the error picklable: the default would call the class with the message alone."""
        return type(self), (self.path, self.line, self.expected, self.found, self.hint)


def first_few(names: Sequence[str], most: int = 5) -> str:
    """The first names in one line of a message, and the number of the rest."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "fold"), counted(10, "more fold")
    ('1 fold', '10 more folds')
    """
    return f"{number} {what}{'s' * (number != 1)}"


def at_least(option: str, value: float | None, least: float) -> None:
    """Check an option; None means that it was not given.

    Raises:
        ZooError: The value is below `least`, or no number.
    """
    if value is not None and not value >= least:  # NaN neither
        raise ZooError(f"Expected {option} to be at least {least}, but got {value}.")


ALIKE = 0.65
"""Lowest similarity at which one name may be a misspelling of another."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: suggests the most similar known name; "" if none is close.

    For options with groups, the last part must be similar: a common `--model.` says nothing.

    >>> did_you_mean("--trainer.max_epoch", ["--trainer.max_epochs", "--trainer.max_time"])
    ' Did you mean --trainer.max_epochs?'
    >>> did_you_mean("--model.betta", ["--model.rethink", "--model.encoder.name"])
    ''
    """

    def alike(name: str) -> tuple[float, float]:
        pairs = [(given.lower(), name.lower())]
        pairs.insert(0, (pairs[0][0].lstrip("-").split(".")[-1], pairs[0][1].lstrip("-").split(".")[-1]))
        last, full = (SequenceMatcher(None, *pair).ratio() for pair in pairs)
        return last, full

    ranked = max(((alike(name), name) for name in known), default=((0.0, 0.0), ""))
    return f" Did you mean {ranked[1]}?" if ranked[0][0] >= ALIKE else ""


def one_sentence(message: str, options: Iterable[str]) -> str:
    """A parser's message as a sentence; after unknown arguments it says what may have been meant.

    >>> one_sentence("unrecognized arguments: b.ckpt", [])
    'unrecognized arguments: b.ckpt. If a pattern such as *.ckpt matches several files, name one of them.'
    >>> one_sentence("unrecognized arguments: t.txt", ["--input"])
    'unrecognized arguments: t.txt. The file to read is given by --input.'
    >>> one_sentence("the following arguments are required: --input", ["--input"])
    'the following arguments are required: --input.'
    """
    hint = ""
    if unknown := re.match(r"unrecognized arguments: ([^ =]+)", message):
        options = list(options)
        if unknown[1].startswith("-"):
            hint = did_you_mean(unknown[1], options)
        elif "--input" in options and not unknown[1].endswith(".ckpt"):
            hint = " The file to read is given by --input."
        else:
            hint = " If a pattern such as *.ckpt matches several files, name one of them."
    return f"{message.rstrip('.')}.{hint}"


def unknown_choice(what: str, value: object, choices: object) -> ZooError:
    """An error for a value outside a fixed list of choices; it lists the choices and suggests the most similar one."""
    listed = [str(choice) for choice in choices]  # type: ignore[attr-defined]
    like = did_you_mean(value, listed) if isinstance(value, str) else ""
    return ZooError(f"Expected {what} to be one of: {', '.join(listed)}, but got {value!r}.{like}")
