"""GoEmotions (Demszky et al., ACL 2020): one comment per row, with several emotions at once.

    We need more boards.	8,20	ef4qmod

The fields are the text, the numbers of its labels in the lines of `labels.txt` in the same folder, and the id of
the comment. Quotes are characters like any other. Two coarser label sets are those that its authors publish.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.lines import Lines, OnError, Reader, Reading, shown
from ecpe_zoo.corpora.readers.rows import Row, line_rows, single_rows
from ecpe_zoo.errors import CorpusError, ZooError, unknown_choice

_GROUPS = {  # label: its group by Ekman's emotions, and by sentiment
    "admiration": ("joy", "positive"),
    "amusement": ("joy", "positive"),
    "anger": ("anger", "negative"),
    "annoyance": ("anger", "negative"),
    "approval": ("joy", "positive"),
    "caring": ("joy", "positive"),
    "confusion": ("surprise", "ambiguous"),
    "curiosity": ("surprise", "ambiguous"),
    "desire": ("joy", "positive"),
    "disappointment": ("sadness", "negative"),
    "disapproval": ("anger", "negative"),
    "disgust": ("disgust", "negative"),
    "embarrassment": ("sadness", "negative"),
    "excitement": ("joy", "positive"),
    "fear": ("fear", "negative"),
    "gratitude": ("joy", "positive"),
    "grief": ("sadness", "negative"),
    "joy": ("joy", "positive"),
    "love": ("joy", "positive"),
    "nervousness": ("fear", "negative"),
    "optimism": ("joy", "positive"),
    "pride": ("joy", "positive"),
    "realization": ("surprise", "ambiguous"),
    "relief": ("joy", "positive"),
    "remorse": ("sadness", "negative"),
    "sadness": ("sadness", "negative"),
    "surprise": ("surprise", "ambiguous"),
    "neutral": ("neutral", "neutral"),
}
LABELS = tuple(_GROUPS)
"""In the order of the published labels.txt."""

Grouping = Literal["ekman", "sentiment"]


def _grouping(column: int, *names: str) -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(lab for lab, groups in _GROUPS.items() if groups[column] == name) for name in names}


GROUPINGS: Mapping[Grouping, Mapping[str, tuple[str, ...]]] = {
    "ekman": _grouping(0, "anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"),
    "sentiment": _grouping(1, "positive", "negative", "ambiguous", "neutral"),
}
"""The labels of each group, by grouping; the groups in the order in which methods number them."""


def read_goemotions(
    path: Path,
    on_error: OnError = "raise",
    *,
    labels: Sequence[str] = LABELS,
    labels_file: str = "labels.txt",
) -> Reading:
    """Read comments: a document of one segment, its id that of the comment.

    Args:
        path: The file.
        on_error: Whether to stop at the first malformed row or to leave it out and count it.
        labels: Labels that the labels file must hold, in this order.
        labels_file: Name of a file in the same folder, with one label per line.

    Raises:
        CorpusError: A file does not follow its format.
    """
    known = read_labels(path.parent / labels_file)
    if known != tuple(labels):
        beside = path.parent / labels_file
        raise CorpusError(beside, None, f"the labels {', '.join(labels)}", ", ".join(known))

    def document(row: Row, counts: Counter[str]) -> Document | None:
        name = row.text("id", "a comment id")
        emotions = _emotions(row, known)
        text = row.fields["text"].strip()
        if not text:
            counts["empty_documents"] += 1
            return None
        return Document(name, (Segment(text, emotions=emotions),), language="en")

    return single_rows(path, on_error, line_rows(Lines(path), _fields), document, "rows of comments")


def read_labels(path: Path) -> tuple[str, ...]:
    """The lines of a labels file.

    Raises:
        CorpusError: There is none, or a label is empty or occurs twice.
    """
    if not path.is_file():
        raise CorpusError(path, None, "a file with one label per line", "no such file")
    lines = Lines(path)
    labels: list[str] = []
    for index in range(len(lines)):
        label = lines[index].strip()
        if not label:
            raise lines.error(index, "a label", "an empty line")
        if label in labels:
            raise lines.error(index, "every label once", f"{label!r} again")
        labels.append(label)
    return tuple(labels)


def _fields(lines: Lines, index: int) -> dict[str, str]:
    fields = lines[index].split("\t")
    if len(fields) != 3:
        expected = "3 fields `text, label numbers, comment id` between tabs"
        raise lines.error(index, expected, str(len(fields)))
    return dict(zip(("text", "labels", "id"), fields, strict=True))


def _emotions(row: Row, known: Sequence[str]) -> tuple[str, ...]:
    numbers = []
    for part in row.fields["labels"].split(","):
        if not (part.isascii() and part.isdigit() and int(part) < len(known)):
            expected = f"label numbers from 0 to {len(known) - 1} between commas ({', '.join(known)})"
            raise row.error(expected, shown(row.fields["labels"]))
        numbers.append(int(part))
    return tuple(known[number] for number in sorted(set(numbers)))


def group_labels(documents: Iterable[Document], grouping: Grouping) -> tuple[Document, ...]:
    """The documents with the group of each label in its place.

    A group has the greatest of the strengths of its labels.

    Raises:
        ZooError: An unknown grouping, or a label that is not one of GoEmotions.

    >>> comment = Document("1", (Segment("Thanks, I love it", emotions=("gratitude", "love")),))
    >>> group_labels([comment], "ekman")[0].segments[0].emotions
    ('joy',)
    """
    if grouping not in GROUPINGS:
        raise unknown_choice("a grouping", grouping, GROUPINGS)
    groups = {label: group for group, labels in GROUPINGS[grouping].items() for label in labels}
    order = list(GROUPINGS[grouping])

    def strongest(strengths: Mapping[str, float] | None) -> dict[str, float] | None:
        if strengths is None:
            return None
        found: dict[str, float] = {}
        for label, value in strengths.items():
            found[groups[label]] = max(value, found.get(groups[label], 0.0))
        return found

    def regrouped(segment: Segment) -> Segment:
        emotions = sorted({groups[label] for label in segment.emotions}, key=order.index)
        intensities, reported = strongest(segment.intensities), strongest(segment.reported)
        return replace(segment, emotions=tuple(emotions), intensities=intensities, reported=reported)

    made = []
    for document in documents:
        try:
            made.append(replace(document, segments=tuple(map(regrouped, document.segments))))
        except KeyError as error:
            raise ZooError(
                f"document {document.id}: expected labels of GoEmotions ({', '.join(groups)}), but got {error}."
            ) from None
    return tuple(made)


def _grouped(grouping: Grouping) -> Reader:
    def read(path: Path, on_error: OnError = "raise") -> Reading:
        reading = read_goemotions(path, on_error)
        return Reading(group_labels(reading.documents, grouping), reading.counts)

    return read


def _goemotions(grouping: Grouping | None, description: str) -> Corpus:
    return Corpus(
        id=f"goemotions-{grouping}" if grouping else "goemotions",
        description=description,
        languages=("en",),
        tasks=("emotions",),
        licence="Apache-2.0",
        splits=one_file_each(
            _grouped(grouping) if grouping else read_goemotions,
            "train.tsv",
            "test.tsv",
            "dev.tsv",
        ),
        labels=tuple(GROUPINGS[grouping]) if grouping else LABELS,
        repository="monologg/GoEmotions-pytorch",
        commit="b75f9d3a8b76bc1060687925b04ca98a1b8ea66b",
        beside=("labels.txt",),
        stored="goemotions" if grouping else "",
    )


CORPORA = (
    _goemotions(
        None, "Reddit comments with 27 emotions and neutral, many at once (GoEmotions, Demszky et al. 2020)"
    ),
    _goemotions("ekman", "GoEmotions with Ekman's six emotions and neutral"),
    _goemotions("sentiment", "GoEmotions as positive, negative, ambiguous and neutral"),
)
