"""The forms in which tables hold labels: names, numbers, lists written as text, rows of 0 and 1, strengths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING

from ecpe_zoo.corpora.readers.lines import shown
from ecpe_zoo.corpora.readers.rows import Row
from ecpe_zoo.errors import ZooError, did_you_mean

if TYPE_CHECKING:
    from ecpe_zoo.corpora.readers.table import TableFormat

FULL = 10.0  # the greatest intensity of a Document
JOINT = "\x1f"
"""Between the items of a JSON list, in one field."""
EMPTY_LIST = "[]"
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_ITEM = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|([^,'"]*[^,'"\s]))\s*(?:,|$|(?=['"]))""")
_WHOLE = re.compile(r"([0-9]+)(?:\.0*)?")  # pandas makes 3.0 of 3 in a column with gaps
_BOOLEAN = {"true": 1.0, "false": 0.0}

Synonyms = tuple[tuple[str, str], ...]
"""Spellings, each with the label that it stands for."""
Labels = tuple[tuple[str, ...] | None, dict[str, float] | None]
"""The labels of a row, None if it is not annotated, and their intensities."""


def labels_of(row: Row, format: TableFormat) -> Labels:
    """The labels of a row.

    Raises:
        CorpusError: The row is malformed, or has several labels if methods learn one.
    """
    if format.unlabelled:
        return None, None
    emotions, intensities = _in_column(row, format) if format.label else _in_columns(row, format)
    if format.single and emotions is not None and len(emotions) != 1:
        if not emotions:
            return None, None
        expected = "one label, since methods for `tasks: [erc]` learn one for each text"
        hint = "Give `tasks: [emotions]` in the description for texts with several"
        raise row.error(expected, ", ".join(emotions), hint)
    return emotions, intensities


@dataclass(frozen=True, slots=True)
class Names:
    """The names of labels as files spell them.

    Args:
        known: All labels; empty: any.
        synonyms: Spellings, each with its label.
        any_case: Letter case does not count.

    >>> Names(("joy",), (("happy", "joy"),), any_case=True).find("Happy")
    'joy'
    """

    known: tuple[str, ...] = ()
    synonyms: Synonyms = ()
    any_case: bool = False

    def check(self) -> None:
        """Check the spellings.

        Raises:
            ZooError: There are some and no labels, a synonym is of no label, or a spelling is of two.
        """
        if (self.synonyms or self.any_case) and not self.known:
            option = "synonyms" if self.synonyms else "any_case"
            raise ZooError(f"Expected labels for the option {option}, but got none.")
        _spellings(self.known, self.synonyms, self.any_case)

    def find(self, given: str) -> str | None:
        """The label that this is a spelling of; None if there is none."""
        if not self.known:
            return given
        return _spellings(self.known, self.synonyms, self.any_case).get(
            given.casefold() if self.any_case else given
        )

    def hint(self, given: str) -> str:
        """The option by which an unknown label may become a known one."""
        if given.casefold() in (label.casefold() for label in self.known) and not self.any_case:
            return "Letter case differs: set `any_case: true` in the format"
        return f"Other spellings go into `synonyms` in the format.{did_you_mean(given, self.known)}"


ANY = Names()


@cache
def _spellings(known: tuple[str, ...], synonyms: Synonyms = (), any_case: bool = False) -> Mapping[str, str]:
    """All spellings of the labels, lower-cased if case does not count.

    Raises:
        ZooError: A synonym of no label, or a spelling of two.
    """
    found: dict[str, str] = {}
    for spelled, label in (*((label, label) for label in known), *synonyms):
        if label not in known:
            raise ZooError(f"Expected synonyms of {', '.join(known)}, but got {spelled!r} for {label!r}.")
        key = spelled.strip().casefold() if any_case else spelled.strip()
        if found.setdefault(key, label) != label:
            case = " under `any_case: true`" if any_case else ""
            raise ZooError(f"Expected each spelling for one label{case}, but got {spelled!r} for two.")
    return found


def label_of(row: Row, given: str, format: TableFormat) -> str:
    """The label that this is a name, a spelling or the number of.

    Raises:
        CorpusError: It is none of them.
    """
    known = format.known
    if format.numbers_from is not None:
        first = format.numbers_from
        whole = _WHOLE.fullmatch(given)
        digits = whole[1].lstrip("0") or "0" if whole else ""
        if digits and len(digits) < 6 and first <= int(digits) < first + len(known):
            return known[int(digits) - first]
        expected = f"a label number from {first} to {first + len(known) - 1} ({', '.join(known)})"
        raise row.error(expected, shown(given))
    label = format.names.find(given)
    if label is None:
        raise row.error(f"a label of {', '.join(known)}", shown(given), _hint(given, format.names))
    return label


def _hint(given: str, names: Names) -> str:
    """The option by which a field may hold known labels."""
    if _WHOLE.fullmatch(given):
        return "If labels are numbers in the order of `labels`, set `numbers_from: 0` (or 1) in the format"
    for separator in ";|,/&":
        parts = [part.strip() for part in given.split(separator)]
        if len(parts) > 1 and all(names.find(part) for part in parts):
            return f"If a field holds several labels, set `separator: {separator!r}` in the format"
    return names.hint(given)


def _in_column(row: Row, format: TableFormat) -> Labels:
    field = row.fields[format.label].strip()
    if not field:
        return None, None
    if format.multi_hot:
        found = _multi_hot(row, field, format)
    else:
        parts = _items(row, field, format)
        found = {label_of(row, part, format) for part in parts}
        if not found and field != EMPTY_LIST and field[0] not in _BRACKETS:
            return None, None
    emotions = tuple(label for label in format.known if label in found)
    return emotions, None if emotions else {}  # annotated: none applies


def _items(row: Row, field: str, format: TableFormat) -> list[str]:
    """The labels in a field: one, several between separators, or a list that is written as text."""
    if field[0] in _BRACKETS and field[-1] == _BRACKETS[field[0]] and field not in format.known:
        parts, place, inner = [], 0, field[1:-1].strip().removesuffix(",")
        while place < len(inner):
            item = _ITEM.match(inner, place)
            if item is None or item.end() == place:
                raise row.error("a list of labels like ['joy', 'anger']", shown(field))
            parts.append(next(part for part in item.groups() if part is not None).strip())
            place = item.end()
        return [part for part in parts if part]
    parts = [part.strip() for part in field.split(JOINT)]
    if format.separator:
        parts = [piece.strip() for part in parts for piece in part.split(format.separator)]
    return [part for part in parts if part]


def _multi_hot(row: Row, field: str, format: TableFormat) -> set[str]:
    """The labels of a field with a 0 or 1 for each: `0,1,0`, `[0, 1, 0]` or `010`."""
    bare = field.replace(JOINT, ",").strip("[](){} ")
    parts = (
        [part for part in re.split(r"[\s,;|]+", bare) if part] if re.search(r"[\s,;|]", bare) else list(bare)
    )
    if len(parts) == len(format.known):
        values = [truth(part) for part in parts]
        if None not in values:
            return {label for label, value in zip(format.known, values, strict=True) if value}
    expected = f"{len(format.known)} times 0 or 1, for {', '.join(format.known)}"
    raise row.error(expected, shown(field))


def truth(field: str) -> float | None:
    """0 or 1, also as written by programs: `1.0`, `True`, `FALSE`; None if it is something else.

    >>> truth("TRUE"), truth("0.0"), truth("2")
    (1.0, 0.0, None)
    """
    text = field.strip().casefold()
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value in (0.0, 1.0) else None


def _in_columns(row: Row, format: TableFormat) -> Labels:
    fields = {label: row.fields[label].strip() for label in format.columns}
    if not any(fields.values()):
        return None, None
    values = {label: _number(row, label, fields[label], format.scale) for label in format.known}
    if not format.scale:
        emotions = tuple(label for label, value in values.items() if value)
        return emotions, None if emotions else {}  # annotated: none applies
    emotions = tuple(label for label, value in values.items() if value >= format.least * format.scale)
    return emotions, {label: FULL * value / format.scale for label, value in values.items()}


def _number(row: Row, label: str, field: str, scale: float) -> float:
    gap = "Write 0 where the label does not apply" if field.lower() in ("", "nan") else ""
    if not scale:
        if (value := truth(field)) is None:
            hint = gap or "If the numbers are strengths, give the greatest as scale"
            raise row.error(f"0 or 1 in column {label}", shown(field), hint)
        return value
    try:
        strength = float(field)
    except ValueError:
        strength = float("nan")
    if not (isfinite(strength) and 0 <= strength <= scale):
        raise row.error(f"a number from 0 to {scale:g} in column {label}", shown(field), gap)
    return strength
