"""What `ecpe-zoo data check` says of a corpus: altered files, counts of its parts, and what misleads in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.fetch import difference
from ecpe_zoo.corpora.findings import Finding, Holdings, Place, reader_counts
from ecpe_zoo.corpora.overlap import Overlap, text_overlap, together
from ecpe_zoo.corpora.readers.lines import Reader, Reading
from ecpe_zoo.corpora.registry import SPLITS, Corpus, LoadedCorpus, check_ids
from ecpe_zoo.corpora.splits import partition, running_text
from ecpe_zoo.errors import CorpusError


@dataclass(frozen=True, slots=True)
class FileState:
    """A file that a corpus should have; its problem begins with "missing", or is how it differs from the pinned one."""

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
        candidates: Possible pairs, the sum of squared lengths.
        annotated: Pairs as the files have them.
        distinct: Pairs without repetitions: what a scorer counts.
        too_long: Documents over the token limit.
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
        judged: Segments that should have a label and have one: those that are learned and scored.
        unlabelled: Segments that should have a label and have none.
        context: Segments that are context only.
        labels: Number of segments with each label of the corpus.
        together: Number of segments with both labels, the most frequent first, as `one + other`.
        speakers: Number of utterances of each speaker, the most frequent first.
        segments: Number of segments of a document.
        words: Number of words of a segment.
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
class Audit:
    """Everything that `ecpe-zoo data check` prints of one corpus.

    Args:
        tokens: The limit that documents are held against.
        parts: The file with all documents first, if there is one.
        offsets: Number of distinct pairs by how far the cause is after the emotion (negative: before it).
        findings: Also those that found nothing, with a count of 0.
        emotions: Labels and lengths of each part, in a corpus for emotion recognition.
        overlap: Test texts that `strict` trains on too, by length, summed over folds.
        refused: Why the files cannot be trained on, although each can be read.
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
    if corpus.own:
        paths = [folder / name for name in corpus.needed()]
        return [FileState(path, False, None if path.is_file() else _absent(path)) for path in paths]
    states = []
    for file in corpus.files:
        path = folder / file.name
        problem = difference(path, file) if path.is_file() else _absent(path)
        states.append(FileState(path, file.optional, problem))
    return states


def _absent(path: Path) -> str:
    return "missing: a folder is in its place" if path.is_dir() else "missing"


def token_length(document: Document) -> int:
    """About how many tokens a BERT sees when each segment has its own two marks.

    Chinese: one for each character, an upper bound. English: one for each word, a lower bound.
    """
    if document.language == "zh":
        return len(running_text(document)) + 2 * len(document)
    return sum(len(segment.words) + 2 for segment in document.segments)


def audit(corpus: Corpus, root: Path | None = None, tokens: int = 512) -> Audit:
    """Read all files of a corpus, which must be there, and look at them together.

    Args:
        corpus: Registered or described.
        root: See `registry.data_root`.
        tokens: Length that a model takes; longer documents are listed.

    Raises:
        CorpusError: A file that does not follow its format.
    """
    folder = corpus.folder(root)
    readings: dict[tuple[str, Reader], Reading] = {}  # two parts may be read from one file

    def read(files: Mapping[str, Reader]) -> dict[str, Reading]:
        for name, reader in files.items():
            if (name, reader) not in readings:
                readings[name, reader] = reader(folder / name)
        return {name: readings[name, reader] for name, reader in files.items()}

    whole = list(read(corpus.whole).values())
    places: dict[Place, list[Reading]] = {}
    refused: list[str] = []
    for fold in range(1, corpus.folds + 1):
        parts = {split: read(files) for split, files in corpus.splits(fold).items()}
        places |= {(fold, split): list(part.values()) for split, part in parts.items()}
        try:
            check_ids(folder, parts)
        except CorpusError as error:
            refused.append(str(error))
    everything = [reading for listed in places.values() for reading in listed]
    named = {", ".join(corpus.whole): whole} if whole else {}
    if corpus.folds == 1:
        named["all parts"] = everything
    for (fold, split), listed in places.items():
        named[f"fold {fold} {split}" if corpus.folds > 1 else split] = listed

    holdings = Holdings(corpus, whole, places)
    offsets = Counter(
        cause - emotion
        for document in (holdings.whole or holdings.documents).values()
        for emotion, cause in document.pairs or ()
    )
    overlap, left_out = _under_strict(corpus, places)
    findings = [
        *holdings.memberships(),
        *holdings.duplicates(),
        left_out,
        *holdings.contents(
            {name: token_length(document) for name, document in holdings.documents.items()}, tokens
        ),
        *(holdings.suspicions() if corpus.own else ()),
        *reader_counts(corpus, readings),
    ]
    emotions = []
    if corpus.labelled:
        emotions.append(_emotions(corpus, "all parts", everything))
        emotions += [_emotions(corpus, split, listed) for (_, split), listed in places.items()]
    return Audit(
        corpus.id,
        tokens,
        tuple(_part(name, listed, tokens) for name, listed in named.items()),
        dict(sorted(offsets.items())),
        tuple(findings),
        corpus.paired,
        tuple(emotions),
        overlap,
        tuple(refused),
    )


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


def _emotions(corpus: Corpus, name: str, readings: Iterable[Reading]) -> Emotions:
    documents = [document for reading in readings for document in reading.documents]
    segments = [segment for document in documents for segment in document.segments]
    labels = Counter(label for segment in segments for label in segment.emotions)
    both: Counter[str] = Counter()
    for segment in segments:
        if len(segment.emotions) > 1:
            ordered = sorted(segment.emotions, key=corpus.labels.index)
            both.update(f"{one} + {other}" for one, other in combinations(ordered, 2))
    speakers = Counter(segment.speaker for segment in segments if segment.speaker is not None)
    return Emotions(
        name,
        judged=sum(segment.has_gold for segment in segments),
        unlabelled=sum(segment.judged and not segment.has_gold for segment in segments),
        context=sum(not segment.judged for segment in segments),
        labels={label: labels[label] for label in corpus.labels},
        together=dict(both.most_common()),
        speakers=dict(speakers.most_common()),
        segments=Spread.of(len(document) for document in documents),
        words=Spread.of(len(segment.words) for segment in segments),
    )


def _under_strict(
    corpus: Corpus, places: Mapping[Place, list[Reading]]
) -> tuple[tuple[Overlap, ...], Finding]:
    """Test texts that the training part of `strict` holds, by length over all folds; and what it leaves out."""
    rows: list[tuple[Overlap, ...]] = []
    listed: list[str] = []
    count = 0
    for fold in range(1, corpus.folds + 1):
        train, validation, test = (
            tuple(document for reading in places.get((fold, split), ()) for document in reading.documents)
            for split in SPLITS
        )
        official = validation if (fold, "validation") in places else None
        parts = partition(LoadedCorpus(corpus.id, fold, train, official, test, {}, {}))
        rows.append(text_overlap(parts.train, parts.test))
        twins, near = len(parts.twins_left_out), len(parts.near_left_out)
        if twins + near:
            count += twins + near
            trained = {running_text(document) for document in train}
            tested = sum(running_text(document) in trained for document in test)
            where = f"fold {fold}: " if corpus.folds > 1 else ""
            listed.append(
                f"{where}{twins} twins and {near} near-duplicates "
                f"({tested} of {len(test)} test documents had a twin in training)"
            )
    what = "documents that strict leaves out, as they resemble test or validation documents"
    overlap = tuple(together(same[0].words, same) for same in zip(*rows, strict=True))
    return overlap, Finding(what, count, tuple(listed))
