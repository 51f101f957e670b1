"""What in a corpus misleads: text shared by parts, documents that differ between files, what readers left out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.readers.lines import Reader, Reading
from ecpe_zoo.corpora.registry import Corpus, Split
from ecpe_zoo.corpora.splits import bare, near_duplicates, running_text

Place = tuple[int, Split]
"""A fold and one of its parts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a user of the corpus should know, how often, and the documents (pairs of them as `one/other`)."""

    what: str
    count: int
    listed: tuple[str, ...]


class Holdings:
    """Every document of a corpus once, and the parts that have it.

    In a corpus with folds an id is the same document in every file. Parts of other corpora may number
    their documents alike: then the part belongs to the name.
    """

    def __init__(self, corpus: Corpus, whole: list[Reading], places: Mapping[Place, list[Reading]]) -> None:
        self.corpus = corpus
        self.whole = {document.id: document for reading in whole for document in reading.documents}
        self.documents = dict(self.whole)
        self.places: defaultdict[str, list[Place]] = defaultdict(list)
        self.changed: list[str] = []
        ids = Counter(document.id for listed in places.values() for r in listed for document in r.documents)
        for place, listed in places.items():
            for document in (document for reading in listed for document in reading.documents):
                alike = corpus.folds == 1 and ids[document.id] > 1
                name = f"{place[1]} {document.id}" if alike else document.id
                self.places[name].append(place)
                if self.documents.setdefault(name, document) != document:
                    self.changed.append(f"{name} ({_place(place)})")
        self.names = list(self.documents)

    def memberships(self) -> Iterable[Finding]:
        """Documents that are not where a fold corpus should have them."""
        if self.corpus.folds == 1:
            return
        if self.whole:
            absent = [name for name in self.names if name not in self.whole]
            listed = [
                f"{name} (in {', '.join(_place(place) for place in self.places[name])})" for name in absent
            ]
            yield _finding(f"documents missing from {', '.join(self.corpus.whole)}", listed)
        odd = []
        for name in self.names:
            tested = [fold for fold, split in self.places[name] if split == "test"]
            trained = {fold for fold, split in self.places[name] if split != "test"}
            if len(tested) != 1:
                odd.append(f"{name} (tested in {len(tested)} folds)")
            elif trained != set(range(1, self.corpus.folds + 1)) - set(tested):
                odd.append(f"{name} (tested in fold {tested[0]}, trained on in fold {_numbers(trained)})")
        official = any(split == "validation" for places in self.places.values() for _, split in places)
        training = "training or validation files" if official else "training files"
        yield _finding(f"documents that are not in one test file and all other {training}", odd)
        yield _finding("documents that differ between files", self.changed)

    def duplicates(self) -> Iterable[Finding]:
        """Documents with the same or nearly the same text, and those of them that leak."""
        documents = list(self.documents.values())
        texts = [running_text(document) for document in documents]
        alike: defaultdict[str, list[int]] = defaultdict(list)
        for position, text in enumerate(texts):
            alike[text].append(position)
        golds = [_gold(document) for document in documents]
        near = near_duplicates(documents)
        same = [(one, other) for one, other in near if texts[one] == texts[other]]
        twins = [pair for pair in same if golds[pair[0]] == golds[pair[1]]]
        yield self._pairs("exact twins: same running text, same gold", twins)
        unlike = [pair for pair in same if golds[pair[0]] != golds[pair[1]]]
        yield self._pairs("pairs of documents with the same running text and different gold", unlike)
        yield self._pairs("near-duplicates: same text, or at least half of the longer clauses shared", near)
        across = [pair for pair in near if self._homes(pair[0]).isdisjoint(self._homes(pair[1]))]
        where = "test folds" if self.corpus.folds > 1 else "parts"
        apart = sorted({position for pair in across for position in pair})
        yield self._pairs(f"near-duplicates across {where} ({len(apart)} documents)", across)
        leaks = [
            leak for positions in alike.values() if len(positions) > 1 for leak in self._leaks(positions)
        ]
        yield _finding("test text in the training part", sorted(leaks))

    def contents(self, lengths: Mapping[str, int], tokens: int) -> Iterable[Finding]:
        """Documents that need care: those longer than `tokens`, without a pair, or known to be malformed."""
        kind = "characters" if "zh" in self.corpus.languages else "words"
        listed = [f"{name} ({length})" for name, length in lengths.items() if length > tokens]
        yield _finding(f"documents over {tokens} tokens ({kind} and 2 for each segment)", listed)
        if self.corpus.paired:
            bare = [name for name, document in self.documents.items() if not document.pairs]
            yield _finding("documents without a pair", bare)
        if self.corpus.malformed:
            known = [f"{name} ({why})" for name, why in self.corpus.malformed.items()]
            yield _finding("malformed documents that are known and left out", known)

    def suspicions(self) -> Iterable[Finding]:
        """Signs of a column or an option that was misread, in files of the user's own."""
        segments = [
            (name, segment.text) for name, document in self.documents.items() for segment in document.segments
        ]
        for what, signs in _SIGNS.items():
            yield _finding(what, dict.fromkeys(name for name, text in segments if signs(text.strip())))
        if not self.corpus.labelled:
            return
        given: defaultdict[str, set[str]] = defaultdict(set)
        for name, places in self.places.items():
            for _, split in places:
                given[split].update(label for s in self.documents[name].segments for label in s.emotions)
        listed = [f"{split}: {', '.join(labels)}" for split, labels in given.items() if len(labels) == 1]
        yield _finding("parts with one label only", listed)
        unused = [
            label for label in self.corpus.labels if not any(label in labels for labels in given.values())
        ]
        yield _finding("labels that no text has", unused if any(given.values()) else [])

    def _leaks(self, positions: Sequence[int]) -> Iterable[str]:
        """Documents with one text of which one trains and another tests; each test document at most once."""
        for tested in positions:
            for fold, split in self.places[self.names[tested]]:
                if split != "test":
                    continue
                trained = [
                    self.names[other]
                    for other in positions
                    if other != tested and (fold, "train") in self.places[self.names[other]]
                ]
                if trained:
                    where = f"fold {fold}: " if self.corpus.folds > 1 else ""
                    more = f" and {len(trained) - 1} more" if len(trained) > 1 else ""
                    yield f"{where}trains on {trained[0]}{more}, tests {self.names[tested]}"

    def _homes(self, position: int) -> set[Place]:
        """The parts that hold a document out; all parts that have it, in a corpus without folds."""
        places = self.places[self.names[position]]
        return {place for place in places if self.corpus.folds == 1 or place[1] == "test"}

    def _pairs(self, what: str, pairs: Iterable[tuple[int, int]]) -> Finding:
        return _finding(what, [f"{self.names[one]}/{self.names[other]}" for one, other in pairs])


_QUOTED = re.compile(r"""(["'“«]).*["'”»]""", re.DOTALL)
_LIST = re.compile(r"""\[.*\]|[({]\s*["'].*["']\s*[)}]""", re.DOTALL)
_NO_TEXT = ("nan", "null", "#name?", "#value!", "#n/a", "n/a")  # of pandas, JSON and spreadsheets
_SIGNS: Mapping[str, Callable[[str], bool]] = {
    "texts inside quotes": lambda text: len(text) > 1 and _QUOTED.fullmatch(text) is not None,
    "texts that look like lists": lambda text: _LIST.fullmatch(text) is not None,
    "texts that are numbers or stand for none: is `text` the right column?": lambda text: (
        text.lower() in _NO_TEXT or text.replace(".", "", 1).isdigit()
    ),
}


def _gold(document: Document) -> frozenset[tuple[str, str]]:
    """The gold as texts, so that documents with other borders between clauses can be compared.

    Pairs of an emotion and a cause if the corpus has them, else of a text and a label.
    """
    texts = [bare(segment.text) for segment in document.segments]
    if document.pairs is None:
        rows = zip(texts, document.segments, strict=True)
        return frozenset((text, label) for text, segment in rows for label in segment.emotions)
    return frozenset((texts[emotion], texts[cause]) for emotion, cause in document.pairs or ())


_SHOWN_ELSEWHERE = {"annotated_pairs", "known_malformed"}
_ALWAYS = ("empty_texts", "mended_texts")
"""Counts of texts that are shown even if they are 0."""
_NAMED = {"quoted_texts": "texts in double quotes: set `quoted: true` in the format"}


def reader_counts(corpus: Corpus, readings: Mapping[tuple[str, Reader], Reading]) -> Iterable[Finding]:
    """What the readers counted apart from documents and pairs, by file."""
    reasons = {reason for reading in readings.values() for reason in reading.counts} - _SHOWN_ELSEWHERE
    if not corpus.paired:
        reasons.update(_ALWAYS)
    for reason in sorted(reasons):
        by_file: Counter[str] = Counter()
        for (name, _), reading in readings.items():
            by_file[name] += reading.counts[reason]
        listed = tuple(f"{name}: {count}" for name, count in by_file.items() if count)
        what = _NAMED.get(reason, f"{reason.replace('_', ' ')}, summed over files")
        yield Finding(what, by_file.total(), listed)


def _finding(what: str, listed: Iterable[str]) -> Finding:
    listed = tuple(listed)
    return Finding(what, len(listed), listed)


def _place(place: Place) -> str:
    return f"fold {place[0]} {place[1]}"


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "none"
