"""Train-test overlap in single texts: the scored texts that training holds too.

`strict` leaves out training documents that resemble held-out ones and says nothing of single lines. A shared "ok"
gives little away; a shared text of ten words may.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.splits import bare

LONG = 5
"""Words from which on a shared text is rarely a formula: a record counts the texts that have so many."""
_ROWS = {1: "1", 2: "2", 3: "3-4", LONG: "5-9", 10: "10+"}  # fewest words -> name


@dataclass(frozen=True, slots=True)
class Overlap:
    """Scored texts of some length, and those of them that training holds.

    Args:
        words: The length, for people: `3-4`.
        least: The fewest words that a text has.
        texts: Scored texts, each as often as it occurs.
        held: Those that are also the text of a judged training segment; blanks and letter case aside.
        same_case: Those that agree in letter case too, as `strict` compares documents.
    """

    words: str
    least: int
    texts: int
    held: int
    same_case: int

    @property
    def share(self) -> float:
        """`held` of `texts`, 0.0 to 1.0."""
        return self.held / self.texts if self.texts else 0.0


def text_overlap(train: Iterable[Document], scored: Iterable[Document]) -> tuple[Overlap, ...]:
    """Count the scored texts that training holds: of 1, of 2, of 3 or 4, of 5 to 9, and of 10 words or more.

    Only judged segments count, on both sides: a training turn that is context only teaches no label.

    >>> from ecpe_zoo.corpora.document import document_from_texts as build
    >>> train = [build("1", ["Ok", "So glad that you came"], language="en")]
    >>> rows = text_overlap(train, [build("2", ["ok", "Ok", "So sad that you left"], language="en")])
    >>> [(row.words, row.texts, row.held, row.same_case) for row in rows if row.texts]
    [('1', 2, 2, 1), ('5-9', 1, 0, 0)]
    """
    same_case = {bare(segment.text) for _, segment in _judged(train)}
    any_case = {text.lower() for text in same_case}
    texts: Counter[int] = Counter()
    held: Counter[int] = Counter()
    same: Counter[int] = Counter()
    for document, segment in _judged(scored):
        words, text = _words(document, segment), bare(segment.text)
        row = max(least for least in _ROWS if least <= words)
        texts[row] += 1
        held[row] += text.lower() in any_case
        same[row] += text in same_case
    return tuple(Overlap(name, row, texts[row], held[row], same[row]) for row, name in _ROWS.items())


def together(words: str, rows: Iterable[Overlap]) -> Overlap:
    """The sum of some rows (at least one), under this name."""
    _, least, *counts = zip(*(astuple(row) for row in rows), strict=True)
    return Overlap(words, min(least), *map(sum, counts))


def long_texts(rows: Iterable[Overlap]) -> Overlap:
    """The rows of `LONG` words and more as one."""
    return together(f"{LONG}+", (row for row in rows if row.least >= LONG))


def _judged(documents: Iterable[Document]) -> Iterator[tuple[Document, Segment]]:
    return ((document, segment) for document in documents for segment in document.segments if segment.judged)


def _words(document: Document, segment: Segment) -> int:
    """Words as blanks separate them, punctuation included if the corpus has blanks around it.

    A Chinese document without any blank is not segmented into words: two characters count as one.
    """
    if document.language == "zh" and all(len(other.words) == 1 for other in document.segments):
        return math.ceil(len(segment.words[0]) / 2)
    return len(segment.words)
