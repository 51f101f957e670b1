"""Near-duplicates, and texts that share word sequences with a test set."""

from __future__ import annotations

import hashlib
import math
import re
import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

from ecpe_zoo.errors import ZooError

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")
NEAR_WORDS = 3
SAMPLE = 500
"""Texts in which formulas are counted."""
_RARE = 2  # a word sequence in at most so many of them is no formula
OVERLAP_WORDS = 8
"""Long enough that two writers seldom use the same words by chance."""
FEWEST_WORDS = 4
"""Words of a test text shorter than `OVERLAP_WORDS` that counts as found if all of them occur in a row."""


def words(text: str) -> list[str]:
    """The words in lower case; each Chinese character is one.

    >>> words("Don't go! 我走了")
    ['don', 't', 'go', '我', '走', '了']
    """
    return _WORD.findall(text.lower())


def grams(tokens: Sequence[str], n: int) -> set[int]:
    """64-bit hashes of the n-grams, for a shorter text of all its words; the same in every process.

    >>> len(grams(words("one two three four"), 3)), len(grams(["one"], 3)), len(grams([], 3))
    (2, 1, 0)
    """
    if not tokens:
        return set()
    return {_hash(tokens[start : start + n]) for start in range(max(len(tokens) - n + 1, 1))}


def _hash(tokens: Sequence[str]) -> int:
    digest = hashlib.blake2b(" ".join(tokens).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


class NearDuplicates:
    """Finds, among the texts seen so far, one that shares most of its word 3-grams with a new one.

    The search is exact, not by sampled hashes: two sets with a Jaccard similarity of at least t share a member
    among the first `n - ceil(t n) + 1` of each, in any fixed order of all members, so that only these are
    indexed. The order puts formulas last, or every text with "that is how" would be compared with every other;
    formulas are counted in the first texts, and the index is then built anew. The index is a temporary database:
    memory does not grow.

    Args:
        threshold: Least similarity, above 0 and at most 1.

    >>> texts = NearDuplicates(0.5)
    >>> texts.add("a", "I never wanted to go there")
    >>> texts.add("b", "I never wanted to go there again")
    ('a', 0.8)
    """

    def __init__(self, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise ZooError(f"Expected a similarity above 0 and at most 1, but got {threshold}.")
        self.threshold = threshold
        self._base = sqlite3.connect("")
        self._base.execute("CREATE TABLE texts (number INTEGER PRIMARY KEY, id TEXT, grams BLOB)")
        self._base.execute("CREATE TABLE prefixes (gram INTEGER, size INTEGER, number INTEGER)")
        self._base.execute("CREATE INDEX by_gram ON prefixes (gram, size)")
        self._count = 0
        self._formulas: dict[int, int] = {}  # how many of the first texts have a frequent gram

    def add(self, id: str, text: str) -> tuple[str, float] | None:
        """Add a text, unless it is nearly the same as an earlier one: then that one's id and the similarity."""
        found = grams(words(text), NEAR_WORDS)
        if not found:
            return None
        size, least = len(found), self._least(len(found))
        most = math.floor(size / self.threshold + 1e-9)
        prefix = self._prefix(found)
        candidates: set[int] = set()
        query = "SELECT number FROM prefixes WHERE gram = ? AND size BETWEEN ? AND ?"
        for gram in prefix:
            candidates.update(number for (number,) in self._base.execute(query, (gram, least, most)))
        query = "SELECT id, grams FROM texts WHERE number = ?"
        for number in sorted(candidates):
            other, raw = self._base.execute(query, (number,)).fetchone()
            theirs = array("q", raw)
            shared = len(found.intersection(theirs))
            similarity = shared / (size + len(theirs) - shared)
            if similarity >= self.threshold - 1e-9:
                return other, similarity
        blob = array("q", sorted(found)).tobytes()
        self._base.execute("INSERT INTO texts VALUES (?, ?, ?)", (self._count, id, blob))
        self._index(self._count, size, prefix)
        self._count += 1
        if self._count == SAMPLE:
            self._learn_formulas()
        return None

    def _least(self, size: int) -> int:
        """Fewest members that a set of that size shares with a near-duplicate."""
        return math.ceil(self.threshold * size - 1e-9)

    def _prefix(self, members: Iterable[int]) -> list[int]:
        ordered = sorted(members, key=lambda gram: (self._formulas.get(gram, 0), gram))
        return ordered[: len(ordered) - self._least(len(ordered)) + 1]

    def _index(self, number: int, size: int, prefix: Iterable[int]) -> None:
        rows = ((gram, size, number) for gram in prefix)
        self._base.executemany("INSERT INTO prefixes VALUES (?, ?, ?)", rows)

    def _learn_formulas(self) -> None:
        rows = self._base.execute("SELECT number, grams FROM texts")
        texts = [(number, array("q", raw)) for number, raw in rows]
        counts = Counter(gram for _, members in texts for gram in members)
        self._formulas = {gram: count for gram, count in counts.items() if count > _RARE}
        self._base.execute("DELETE FROM prefixes")
        for number, members in texts:
            self._index(number, len(members), self._prefix(members))


class Overlap:
    """Word sequences of a test set.

    Args:
        texts: Texts of the test set.

    >>> test = Overlap(["What a day.", "Nobody told me that the shop was closed on Mondays"])
    >>> test.shared("he said nobody told me that the shop was closed")
    1
    >>> test.shared("what a day")
    0
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = 0
        self._holders: dict[int, list[int]] = {}  # the test texts that contain a gram
        self._lengths: set[int] = set()
        self._touched: set[int] = set()
        for text in texts:
            tokens = words(text)
            if len(tokens) >= FEWEST_WORDS:
                length = min(len(tokens), OVERLAP_WORDS)
                self._lengths.add(length)
                for gram in grams(tokens, length):
                    self._holders.setdefault(gram, []).append(self.texts)
            self.texts += 1

    def shared(self, text: str) -> int:
        """The number of test texts with which a text shares a sequence; they count as touched."""
        tokens = words(text)
        found: set[int] = set()
        for length in self._lengths:
            for gram in grams(tokens, length) if len(tokens) >= length else ():
                found.update(self._holders.get(gram, ()))
        self._touched |= found
        return len(found)

    @property
    def touched(self) -> int:
        """Test texts that share a sequence with any text so far."""
        return len(self._touched)
