"""What a corpus holds, and what in it misleads: text shared by parts, gold that differs, altered files."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.fetch import difference
from ecpe_zoo.corpora.overlap import Overlap, text_overlap, together
from ecpe_zoo.corpora.readers.lines import Reader, Reading
from ecpe_zoo.corpora.registry import SPLITS, Corpus, LoadedCorpus, Split, check_ids
from ecpe_zoo.corpora.splits import bare, near_duplicates, partition, running_text
from ecpe_zoo.errors import CorpusError

Place = tuple[int, Split]
"""A fold and one of its parts."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file that a corpus should have.

    Args:
        path: where it is looked for.
        optional: nothing needs it.
        problem: "missing", or how it differs from the pinned one; None if it is as it should be.
    """

    path: Path
    optional: bool
    problem: str | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"file": self.path.name, "optional": self.optional, "problem": self.problem}


@dataclass(frozen=True, slots=True)
class Part:
    """Counts of one file or of one part of a fold.

    Args:
        name: of the file or the part.
        documents: how many.
        segments: clauses or utterances.
        candidates: possible pairs, the sum of squared lengths.
        annotated: pair rows as the files have them.
        distinct: pairs without repetitions: what a scorer counts.
        too_long: documents over the token limit.
    """

    name: str
    documents: int
    segments: int
    candidates: int
    annotated: int
    distinct: int
    too_long: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How a length is spread: the middle one, what 95 % do not exceed, and the greatest."""

    median: int
    most: int
    greatest: int

    @classmethod
    def of(cls, values: Iterable[int]) -> Spread:
        """The spread of these lengths; nearest ranks, so that each is one of them.

        >>> Spread.of([1, 2, 3, 40])
        Spread(median=2, most=40, greatest=40)
        """
        ordered = sorted(values) or [0]
        ranks = (0.5, 0.95, 1.0)
        return cls(*(ordered[max(0, math.ceil(rank * len(ordered)) - 1)] for rank in ranks))


@dataclass(frozen=True, slots=True)
class Emotions:
    """Labels, speakers and lengths of one part.

    Args:
        part: its name.
        judged: segments that should have a label and have one: those that are learned and scored.
        unlabelled: segments that should have a label and have none.
        context: segments that are context only.
        labels: how many segments have each label of the corpus.
        together: how many segments have both labels, the most frequent first, as `one + other`.
        speakers: how many utterances everyone has, the most frequent first.
        segments: in a document.
        words: in a segment.
    """

    part: str
    judged: int
    unlabelled: int
    context: int
    labels: dict[str, int]
    together: dict[str, int]
    speakers: dict[str, int]
    segments: Spread
    words: Spread


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a user of the corpus should know.

    Args:
        what: in words.
        count: how often.
        listed: the documents, or the pairs of documents as `one/other`.
    """

    what: str
    count: int
    listed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that `ecpe-zoo data check` prints of one corpus.

    Args:
        corpus: its name.
        tokens: the token limit.
        parts: the file with all documents first, if there is one.
        offsets: number of distinct pairs by how far the cause is after the emotion (negative: before it).
        findings: also those that found nothing, with a count of 0.
        pairs: it is annotated with emotion-cause pairs.
        emotions: of the parts of a corpus for emotion recognition.
        overlap: test texts that `strict` trains on too, by length, summed over folds.
        refused: why the files cannot be trained on, although each can be read.
    """

    corpus: str
    tokens: int
    parts: tuple[Part, ...]
    offsets: dict[int, int]
    findings: tuple[Finding, ...]
    pairs: bool = True
    emotions: tuple[Emotions, ...] = ()
    overlap: tuple[Overlap, ...] = ()
    refused: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def finding(self, start: str) -> Finding:
        """The finding whose words start like this."""
        return next(finding for finding in self.findings if finding.what.startswith(start))


def file_states(corpus: Corpus, root: Path | None = None) -> list[FileState]:
    """Which files of a corpus are missing or altered; files of the user's own can only be missing."""
    folder = corpus.folder(root)
    states = []
    if corpus.own:
        paths = [folder / name for name in corpus.needed()]
        return [FileState(path, False, None if path.is_file() else "missing") for path in paths]
    for file in corpus.files:
        path = folder / file.name
        states.append(FileState(path, file.optional, difference(path, file) if path.is_file() else "missing"))
    return states


def token_length(document: Document) -> int:
    """About how many tokens a BERT sees when each segment has its own two marks.

    Chinese: one for each character, an upper bound. English: one for each word, a lower bound.
    """
    if document.language == "zh":
        return len(running_text(document)) + 2 * len(document)
    return sum(len(segment.words) + 2 for segment in document.segments)


def audit(corpus: Corpus, root: Path | None = None, tokens: int = 512) -> Audit:
    """Read all files of a corpus and look at them together.

    Args:
        corpus: its files must be there.
        root: see `registry.data_root`.
        tokens: what a model takes; longer documents are listed.

    Raises:
        CorpusError: a file that does not follow its format.
    """
    folder = corpus.folder(root)
    readings: dict[tuple[str, Reader], Reading] = {}  # two parts may be read from one file

    def read(files: Mapping[str, Reader]) -> list[Reading]:
        for name, reader in files.items():
            if (name, reader) not in readings:
                readings[name, reader] = reader(folder / name)
        return [readings[name, reader] for name, reader in files.items()]

    whole = read(corpus.whole)
    places: dict[Place, list[Reading]] = {}
    refused: list[str] = []
    for fold in range(1, corpus.folds + 1):
        splits = corpus.splits(fold)
        for split, files in splits.items():
            places[fold, split] = read(files)
        try:
            check_ids(
                folder,
                {split: dict(zip(splits[split], places[fold, split], strict=True)) for split in splits},
            )
        except CorpusError as error:
            refused.append(str(error))
    parts = [_part(", ".join(corpus.whole), whole, tokens)] if whole else []
    if corpus.folds == 1:
        parts.append(
            _part("all parts", [reading for listed in places.values() for reading in listed], tokens)
        )
    for (fold, split), listed in places.items():
        parts.append(_part(f"fold {fold} {split}" if corpus.folds > 1 else split, listed, tokens))

    base = _Base(corpus, whole, places)
    offsets = Counter(
        cause - emotion
        for document in (base.whole or base.documents).values()
        for emotion, cause in document.pairs or ()
    )
    findings = [
        *base.memberships(),
        *base.duplicates(),
        *base.contents(tokens),
        *_reader_counts(corpus, readings),
    ]
    emotions = []
    if corpus.labelled:
        everything = [reading for listed in places.values() for reading in listed]
        emotions.append(_emotions(corpus, "all parts", everything))
        emotions += [_emotions(corpus, split, listed) for (_, split), listed in places.items()]
    return Audit(
        corpus.id,
        tokens,
        tuple(parts),
        dict(sorted(offsets.items())),
        tuple(findings),
        corpus.paired,
        tuple(emotions),
        _overlap(corpus, places),
        tuple(refused),
    )


class _Base:
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

    def contents(self, tokens: int) -> Iterable[Finding]:
        """Documents that need care."""
        kind = "characters" if "zh" in self.corpus.languages else "words"
        listed = [
            f"{name} ({length})"
            for name, document in self.documents.items()
            if (length := token_length(document)) > tokens
        ]
        yield _finding(f"documents over {tokens} tokens ({kind} and 2 for each segment)", listed)
        if self.corpus.paired:
            bare = [name for name, document in self.documents.items() if not document.pairs]
            yield _finding("documents without a pair", bare)

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


def _part(name: str, readings: Iterable[Reading], tokens: int) -> Part:
    readings = list(readings)
    documents = [document for reading in readings for document in reading.documents]
    return Part(
        name,
        len(documents),
        sum(len(document) for document in documents),
        sum(len(document) ** 2 for document in documents),
        sum(reading.counts["annotated_pairs"] for reading in readings),
        sum(len(document.pairs or ()) for document in documents),
        sum(token_length(document) > tokens for document in documents),
    )


def _gold(document: Document) -> frozenset[tuple[str, str]]:
    """The gold as texts, so that documents with other borders between clauses can be compared.

    Pairs of an emotion and a cause if the corpus has them, else of a text and a label.
    """
    texts = [bare(segment.text) for segment in document.segments]
    if document.pairs is None:
        rows = zip(texts, document.segments, strict=True)
        return frozenset((text, label) for text, segment in rows for label in segment.emotions)
    return frozenset((texts[emotion], texts[cause]) for emotion, cause in document.pairs or ())


def _emotions(corpus: Corpus, name: str, readings: Iterable[Reading]) -> Emotions:
    labels: Counter[str] = Counter()
    together: Counter[str] = Counter()
    speakers: Counter[str] = Counter()
    judged, unlabelled, context = 0, 0, 0
    segments: list[int] = []
    words: list[int] = []
    for document in (document for reading in readings for document in reading.documents):
        segments.append(len(document))
        for segment in document.segments:
            judged += segment.has_gold
            unlabelled += segment.judged and not segment.has_gold
            context += not segment.judged
            labels.update(segment.emotions)
            if len(segment.emotions) > 1:
                ordered = sorted(segment.emotions, key=corpus.labels.index)
                together.update(f"{one} + {other}" for one, other in combinations(ordered, 2))
            if segment.speaker is not None:
                speakers[segment.speaker] += 1
            words.append(len(segment.words))
    return Emotions(
        name,
        judged,
        unlabelled,
        context,
        {label: labels[label] for label in corpus.labels},
        dict(together.most_common()),
        dict(speakers.most_common()),
        Spread.of(segments),
        Spread.of(words),
    )


def _overlap(corpus: Corpus, places: Mapping[Place, list[Reading]]) -> tuple[Overlap, ...]:
    """Test texts that the training part of `strict` holds too, by length, over all folds."""
    rows: list[tuple[Overlap, ...]] = []
    for fold in range(1, corpus.folds + 1):
        train, validation, test = (
            tuple(document for reading in places.get((fold, split), ()) for document in reading.documents)
            for split in SPLITS
        )
        official = validation if (fold, "validation") in places else None
        parts = partition(LoadedCorpus(corpus.id, fold, train, official, test, {}, {}))
        rows.append(text_overlap(parts.train, parts.test))
    return tuple(together(same[0].words, same) for same in zip(*rows, strict=True))


_ALWAYS = ("empty_texts", "mended_texts")
"""Counts of texts that are shown even if they are 0."""
_NAMED = {"quoted_texts": "texts in double quotes: set `quoted: true` in the format"}


def _reader_counts(corpus: Corpus, readings: Mapping[tuple[str, Reader], Reading]) -> Iterable[Finding]:
    """What the readers counted beside the documents, by file."""
    reasons = {reason for reading in readings.values() for reason in reading.counts} - {"annotated_pairs"}
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
