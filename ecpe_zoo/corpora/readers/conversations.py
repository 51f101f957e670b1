"""Formats of conversations whose rows are utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.document import Document, Language, Segment
from ecpe_zoo.corpora.readers.lines import Collector, OnError, Reading
from ecpe_zoo.corpora.readers.rows import Row
from ecpe_zoo.errors import CorpusError


@dataclass(slots=True)
class _Group:
    """The rows of one conversation, in the order of the file; or why they cannot be read."""

    key: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    problem: CorpusError | None = None

    def spoil(self, problem: CorpusError) -> None:
        """Note why it cannot be read; the first reason stays."""
        self.problem = self.problem or problem


def _alternating(rows: Iterable[Row], key: Sequence[str]) -> list[_Group]:
    """The conversations of a file whose rows come in any order, by their first rows.

    Raises:
        CorpusError: A malformed row, which may be of any conversation.
    """
    groups: dict[tuple[str, ...], _Group] = {}
    for row in rows:
        name = tuple(row.fields[column].strip() for column in key)
        groups.setdefault(name, _Group(name)).rows.append(row)
    return list(groups.values())


def _grouped(rows: Iterable[Row], key: Sequence[str], unit: str, hint: str) -> list[_Group]:
    """The conversations of a file that keeps their rows together.

    A malformed row cannot be assigned to a conversation: it spoils the one before it, and the one after it if
    that is another. A conversation in two pieces is malformed.
    """
    groups: list[_Group] = []
    first: dict[tuple[str, ...], _Group] = {}
    carried: CorpusError | None = None
    for row in rows:
        if isinstance(row.found, CorpusError):
            if not groups:
                groups.append(_Group(()))
            groups[-1].spoil(row.found)
            carried = row.found
            continue
        name = tuple(row.fields[column].strip() for column in key)
        if not groups or groups[-1].key != name:
            group = _Group(name, problem=carried)
            groups.append(group)
            seen = first.setdefault(name, group)
            if seen is not group:
                found = f"{' '.join(name)} again, as in line {seen.rows[0].line}"
                group.problem = row.error(f"every {unit} in one piece", found, hint)
                seen.spoil(group.problem)
        carried = None
        groups[-1].rows.append(row)
    return groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """Builds the conversations of a file.

    Args:
        key: The columns that are the same in all rows of a conversation.
        name: The id of a conversation, from its first row.
        utterance: One row to a Segment, None if its text is empty; it adds to the counts.
        unit: Name of a conversation in the format, for messages.
        number: A column whose numbers must rise; gaps are allowed, as published files have them.
        language: Language of the texts.
        interleaved: Rows of several conversations alternate.
        hint: The way out if they do and should not.
    """

    key: Sequence[str]
    name: Callable[[Row], str]
    utterance: Callable[[Row, Counter[str]], Segment | None]
    unit: str = "conversation"
    number: str = ""
    language: Language = "en"
    interleaved: bool = False
    hint: str = ""

    def read(self, path: Path, on_error: OnError, rows: Iterable[Row]) -> Reading:
        """Build a document of each conversation.

        Args:
            path: The file.
            on_error: Whether to stop at the first malformed conversation or to leave it out and count it.
            rows: Rows of the file.

        Raises:
            CorpusError: A malformed conversation, or a file without one that can be read.
        """
        collector = Collector(path, on_error, "conversation id")
        skipped: set[tuple[str, ...]] = set()
        groups = (
            _alternating(rows, self.key)
            if self.interleaved
            else _grouped(rows, self.key, self.unit, self.hint)
        )
        for group in groups:
            first = group.rows[0].line if group.rows else 1
            if not collector.add(partial(self._document, group), first):
                # the pieces of one conversation count once
                collector.counts["skipped_documents"] -= group.key in skipped
                skipped.add(group.key)
        return collector.reading("rows of conversations")

    def _document(self, group: _Group, counts: Counter[str]) -> Document | None:
        if group.problem is not None:
            raise group.problem
        name = self.name(group.rows[0])
        segments: list[Segment] = []
        last = -1
        for row in group.rows:
            if self.number:
                value = row.number(self.number)
                if value <= last:
                    raise row.error(f"a number above {last} in column {self.number}", str(value))
                last = value
            segment = self.utterance(row, counts)
            if segment is None:
                counts["empty_texts"] += 1
            else:
                segments.append(segment)
        if not segments:
            counts["empty_documents"] += 1
            return None
        return Document(name, tuple(segments), language=self.language)
