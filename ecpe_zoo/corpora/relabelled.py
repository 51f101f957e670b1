"""Intensities of a corpus' labels in a file of their own, without a text.

    {"id": "ef4qmod", "segment": 0, "intensities": {"desire": 10.0, "optimism": 4.7302}}

One line for each judged segment of a document of the corpus; strengths run from 0.0 to 10.0, and a label that is
left out has 0.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.readers.json_text import json_line
from ecpe_zoo.corpora.readers.lines import Lines
from ecpe_zoo.errors import CorpusError, ZooError, first_few
from ecpe_zoo.files import replaced_when_complete

Relabelled = dict[tuple[str, int], dict[str, float]]
"""Document id and segment -> label -> intensity, 0.0 to 10.0."""

DIGITS = 4
"""Decimals of an intensity: those of the rarest labels are near 0.02."""


def rounded(intensities: Mapping[str, float]) -> dict[str, float]:
    """Intensities as a file holds them, so that what is used before and after a resume is the same.

    >>> rounded({"joy": 10.0, "love": 3.14159265, "fear": 0.00001})
    {'joy': 10.0, 'love': 3.1416}
    """
    values = {label: round(float(value), DIGITS) for label, value in intensities.items()}
    return {label: value for label, value in values.items() if value}


def write_intensities(path: Path, relabelled: Mapping[tuple[str, int], Mapping[str, float]]) -> None:
    """Write intensities in the order given; the file appears when it is complete."""
    with replaced_when_complete(path) as part, part.open("w", encoding="utf-8") as file:
        for (id, segment), intensities in relabelled.items():
            row = {"id": id, "segment": segment, "intensities": rounded(intensities)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_intensities(path: Path) -> Relabelled:
    """Read what `write_intensities` wrote.

    Raises:
        CorpusError: No such file, or a line that does not follow the format; the message has its number.
    """
    if not path.is_file():
        raise CorpusError(
            path, None, "a file of intensities", "no such file", "EQN writes one: see its help."
        )
    expected = 'a line like {"id": "a", "segment": 0, "intensities": {"joy": 10.0}}'
    found: Relabelled = {}
    lines = Lines(path)
    for index in range(len(lines)):
        item = json_line(lines, index)
        try:
            key = str(item.value["id"]), int(item.value["segment"])
            values = {str(label): float(value) for label, value in item.value["intensities"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise item.error(expected, f"{type(error).__name__} {error}") from None
        if wrong := [value for value in values.values() if not 0 <= value <= 10]:
            raise item.error("intensities from 0.0 to 10.0", str(wrong[0]))
        if key in found:
            raise item.error("every segment once", f"{key[0]}, segment {key[1]}, again")
        found[key] = values
    return found


def with_intensities(
    documents: Iterable[Document],
    relabelled: Mapping[tuple[str, int], Mapping[str, float]],
    labels: Sequence[str] | None = None,
) -> list[Document]:
    """The documents with intensities as `Segment.intensities`; their labels stay.

    Args:
        documents: Documents of the corpus.
        relabelled: Result of `read_intensities`; segments of other documents are passed over.
        labels: Those that may occur; None for any.

    Raises:
        ZooError: A labelled segment without intensities, or a label that does not occur in `labels`.
    """
    if labels is not None:
        strange = sorted({label for row in relabelled.values() for label in row} - set(labels))
        if strange:
            raise ZooError(
                f"Expected intensities of the labels {', '.join(labels)}, but got also {', '.join(strange)}: the "
                "file is of another corpus."
            )
    missing: list[str] = []
    made: list[Document] = []
    for document in documents:
        segments = list(document.segments)
        for index, segment in enumerate(segments):
            if (document.id, index) in relabelled:
                segments[index] = replace(segment, intensities=relabelled[document.id, index])
            elif segment.judged and segment.emotions:
                missing.append(document.id)
        made.append(replace(document, segments=tuple(segments)))
    if missing:
        raise ZooError(
            f"Expected intensities of all labelled training documents, but {len(missing)} have none: "
            f"{first_few(missing)}. The file must come from the same corpus, fold and protocol."
        )
    return made
