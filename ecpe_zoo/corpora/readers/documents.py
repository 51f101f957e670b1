"""The user's own documents with emotion-cause pairs, in JSON.

    {"id": "a", "segments": [{"text": "He lost his purse"}, {"text": "and was sad", "emotions": ["sadness"]}],
     "pairs": [[2, 1]]}

A file is a list of such documents (JSON), or has one in each line (JSONL). `pairs` holds the numbers of an emotion
segment and of a segment that causes it, counted from 1; a document without a pair has an empty list. A segment
may have a `speaker` and `emotions`. A text may be a list of words. Other fields are passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

from ecpe_zoo.corpora.document import Document, Language, Pair, Segment
from ecpe_zoo.corpora.readers.json_text import Cursor, Item, json_line
from ecpe_zoo.corpora.readers.labels import ANY, Names
from ecpe_zoo.corpora.readers.lines import UTF8, Collector, Lines, OnError, Reading, distinct_pairs, shown
from ecpe_zoo.corpora.readers.mending import mended


@dataclass(frozen=True, slots=True)
class DocumentReader:
    """A reader of such files.

    Args:
        lines: A document in each line; otherwise a list of them.
        language: Language of the texts.
        names: Names of all emotions.
        labelled: Emotions are learned too: a segment without `emotions` is context only.
        single: One emotion at most for each segment.
        unlabelled: The files have no pairs and emotions, or these are not read.
        encoding: Encoding of the text.
    """

    lines: bool
    language: Language
    names: Names = ANY
    labelled: bool = False
    single: bool = False
    unlabelled: bool = False
    encoding: str = UTF8

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read a file.

        Raises:
            CorpusError: A malformed document, an id that occurs twice, or a file without documents. In a list
                that is no JSON, `skip` raises too: nothing after the break can be read.
        """
        collector = Collector(path, on_error, "document id")
        if self.lines:
            lines = Lines(path, self.encoding)
            for index in range(len(lines)):
                if lines.rough(index).strip():
                    collector.add(partial(self._line, lines, index), index + 1)
        else:
            cursor = Cursor.of(path, self.encoding)
            for item in cursor.listed("a list of documents", "a document"):
                collector.add(partial(self._document, item), item.line)
            cursor.end("document")
        return collector.reading("documents with `id`, `segments` and `pairs`")

    def _line(self, lines: Lines, index: int, counts: Counter[str]) -> Document:
        return self._document(json_line(lines, index), counts)

    def _document(self, item: Item, counts: Counter[str]) -> Document:
        value = item.mapping("a document: an object with `id`, `segments` and `pairs`")
        name = value.get("id")
        if isinstance(name, bool) or not isinstance(name, str | int | float) or not str(name).strip():
            raise item.error("a name or a number as `id` of the document", shown(repr(name)))
        name = str(name).strip()
        given = value.get("segments")
        if not (isinstance(given, list) and given):
            raise item.error(f"a list of segments as `segments` of document {name}", shown(repr(given)))
        segments = [
            self._segment(Item(item.path, item.line, segment), f"segment {number} of document {name}", counts)
            for number, segment in enumerate(given, start=1)
        ]
        pairs = None if self.unlabelled else distinct_pairs(_pairs(item, name, len(segments)), counts)
        return Document(name, tuple(segments), pairs, self.language)

    def _segment(self, item: Item, where: str, counts: Counter[str]) -> Segment:
        value = item.mapping(f"an object with `text` as {where}")
        given, speaker = value.get("text"), value.get("speaker")
        listed = [given] if isinstance(given, str) else given
        text, wrong = mended(" ".join(listed)) if _texts(listed) else ("", 0)
        if not text.strip():
            raise item.error(f"text as `text` of {where}", shown(repr(given)))
        counts["mended_texts"] += wrong > 0
        if isinstance(speaker, int | float) and not isinstance(speaker, bool):
            speaker = str(speaker)
        if speaker is not None and not (isinstance(speaker, str) and speaker.strip()):
            raise item.error(f"a name or a number as `speaker` of {where}", shown(repr(speaker)))
        emotions = None if self.unlabelled else self._emotions(item, where)
        annotated = emotions is not None and (bool(emotions) or not self.single)
        return Segment(
            text.strip(),
            speaker and speaker.strip(),
            emotions or (),
            intensities={} if self.labelled and annotated and not emotions else None,
            judged=annotated or self.unlabelled or not self.labelled,
        )

    def _emotions(self, item: Item, where: str) -> tuple[str, ...] | None:
        """The emotions of a segment; None if it is not annotated."""
        given = item.value.get("emotions")
        if given is None:
            return None
        if not _texts(given) and given != []:
            raise item.error(f"a list of texts as `emotions` of {where}", shown(repr(given)))
        found = {emotion.strip(): self.names.find(emotion.strip()) for emotion in given}
        if strange := [spelled for spelled, emotion in found.items() if emotion is None]:
            hint = f"`labels` in the description lists all emotions. {self.names.hint(strange[0])}"
            raise item.error(f"emotions of {', '.join(self.names.known)} in {where}", shown(strange[0]), hint)
        emotions = tuple(dict.fromkeys(emotion for emotion in found.values() if emotion is not None))
        if self.single and len(emotions) > 1:
            hint = "Methods for `tasks: [erc]` learn one emotion for each segment"
            raise item.error(f"one emotion in {where}", ", ".join(emotions), hint)
        return emotions


def _texts(value: Any) -> TypeGuard[list[str]]:
    """Whether it is a list of at least one text."""
    return isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value)


def _pairs(item: Item, name: str, size: int) -> Iterator[Pair]:
    pairs = item.value.get("pairs")
    if not isinstance(pairs, list):
        hint = "A document without a pair has an empty list"
        raise item.error(f"a list of pairs as `pairs` of document {name}", shown(repr(pairs)), hint)
    for pair in pairs:
        numbers = pair if isinstance(pair, list) and len(pair) == 2 else [None]
        if not all(type(number) is int and 1 <= number <= size for number in numbers):
            expected = f"pairs [emotion, cause] of segment numbers from 1 to {size} in document {name}"
            raise item.error(expected, shown(repr(pair)), "Segments are counted from 1")
        yield pair[0] - 1, pair[1] - 1
