"""The format of GoEmotions (Demszky et al., ACL 2020): a comment a row, several emotions at once.

    We need more boards.	8,20	ef4qmod

The fields are the text, the numbers of its labels in the lines of `labels.txt` beside the file, and the id of
the comment. Quotes are characters like any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.lines import Lines, OnError, Reading, shown
from ecpe_zoo.corpora.readers.rows import Row, single_rows, split_rows
from ecpe_zoo.errors import CorpusError

GOEMOTIONS_LABELS = (
    "admiration",
    "amusement",
    "anger",
    "annoyance",
    "approval",
    "caring",
    "confusion",
    "curiosity",
    "desire",
    "disappointment",
    "disapproval",
    "disgust",
    "embarrassment",
    "excitement",
    "fear",
    "gratitude",
    "grief",
    "joy",
    "love",
    "nervousness",
    "optimism",
    "pride",
    "realization",
    "relief",
    "remorse",
    "sadness",
    "surprise",
    "neutral",
)
"""In the order of the published labels.txt."""


def read_goemotions(
    path: Path,
    on_error: OnError = "raise",
    *,
    labels: Sequence[str] = GOEMOTIONS_LABELS,
    labels_file: str = "labels.txt",
) -> Reading:
    """Read comments: a document of one segment, its id that of the comment.

    Args:
        path: the file.
        on_error: stop at the first malformed row, or leave it out and count it.
        labels: what the labels file must hold, so that numbers mean what the corpus says they mean.
        labels_file: beside the file, a label a line.

    Raises:
        CorpusError: a file does not follow its format.
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

    return single_rows(path, on_error, _rows(path), document, "rows of comments")


def read_labels(path: Path) -> tuple[str, ...]:
    """The lines of a labels file.

    Raises:
        CorpusError: there is none, or a label is empty or stands there twice.
    """
    if not path.is_file():
        raise CorpusError(path, None, "a file with a label a line", "no such file")
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


def _rows(path: Path) -> Iterator[Row]:
    for line, fields in split_rows(Lines(path), "\t", quoted=False):
        if isinstance(fields, CorpusError):
            yield Row(path, line, {}, fields)
        elif len(fields) != 3:
            expected, found = "3 fields `text, label numbers, comment id` between tabs", f"{len(fields)}"
            yield Row(path, line, {}, CorpusError(path, line, expected, found))
        else:
            yield Row(path, line, {"text": fields[0], "labels": fields[1], "id": fields[2]})


def _emotions(row: Row, known: Sequence[str]) -> tuple[str, ...]:
    numbers = []
    for part in row.fields["labels"].split(","):
        if not (part.isascii() and part.isdigit() and int(part) < len(known)):
            expected = f"label numbers from 0 to {len(known) - 1} between commas ({', '.join(known)})"
            raise row.error(expected, shown(row.fields["labels"]))
        numbers.append(int(part))
    return tuple(known[number] for number in sorted(set(numbers)))
