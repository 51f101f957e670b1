"""The coarser label sets of GoEmotions, as its authors publish them (Demszky et al., ACL 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers import OnError, Reader, Reading
from ecpe_zoo.errors import ZooError, unknown_choice

Grouping = Literal["ekman", "sentiment"]
_POSITIVE = (
    "admiration",
    "amusement",
    "approval",
    "caring",
    "desire",
    "excitement",
    "gratitude",
    "joy",
    "love",
    "optimism",
    "pride",
    "relief",
)
_SURPRISE = ("confusion", "curiosity", "realization", "surprise")
_SADNESS = ("disappointment", "embarrassment", "grief", "remorse", "sadness")
_ANGER = ("anger", "annoyance", "disapproval")
_FEAR = ("fear", "nervousness")

GROUPINGS: Mapping[Grouping, Mapping[str, tuple[str, ...]]] = {
    "ekman": {
        "anger": _ANGER,
        "disgust": ("disgust",),
        "fear": _FEAR,
        "joy": _POSITIVE,
        "sadness": _SADNESS,
        "surprise": _SURPRISE,
        "neutral": ("neutral",),
    },
    "sentiment": {
        "positive": _POSITIVE,
        "negative": (*_ANGER, "disgust", *_FEAR, *_SADNESS),
        "ambiguous": _SURPRISE,
        "neutral": ("neutral",),
    },
}
"""The labels of each group, by grouping; the groups in the order in which methods number them."""


@cache
def _group_of(grouping: Grouping) -> Mapping[str, str]:
    return {label: group for group, labels in GROUPINGS[grouping].items() for label in labels}


def group_labels(documents: Iterable[Document], grouping: Grouping) -> tuple[Document, ...]:
    """The documents with the group of each label in its place.

    A group has the greatest of the strengths of its labels.

    Raises:
        ZooError: an unknown grouping, or a label that is not one of GoEmotions.

    >>> from ecpe_zoo.corpora.document import Document, Segment
    >>> comment = Document("1", (Segment("Thanks, I love it", emotions=("gratitude", "love")),))
    >>> group_labels([comment], "ekman")[0].segments[0].emotions
    ('joy',)
    """
    if grouping not in GROUPINGS:
        raise unknown_choice("a grouping", grouping, GROUPINGS)
    groups = _group_of(grouping)
    order = {group: number for number, group in enumerate(GROUPINGS[grouping])}

    def strongest(strengths: Mapping[str, float] | None) -> dict[str, float] | None:
        if strengths is None:
            return None
        found: dict[str, float] = {}
        for label, value in strengths.items():
            found[groups[label]] = max(value, found.get(groups[label], 0.0))
        return found

    def regrouped(name: str, segment: Segment) -> Segment:
        try:
            emotions = sorted({groups[label] for label in segment.emotions}, key=order.__getitem__)
            intensities = strongest(segment.intensities)
            reported = strongest(segment.reported)
        except KeyError as error:
            raise ZooError(
                f"document {name}: expected labels of GoEmotions ({', '.join(groups)}), but got {error}."
            ) from None
        return replace(segment, emotions=tuple(emotions), intensities=intensities, reported=reported)

    return tuple(
        replace(document, segments=tuple(regrouped(document.id, segment) for segment in document.segments))
        for document in documents
    )


@dataclass(frozen=True, slots=True)
class Grouped:
    """A reader whose labels are grouped.

    Args:
        reader: gives documents with the labels of GoEmotions.
        grouping: see `GROUPINGS`.
    """

    reader: Reader
    grouping: Grouping

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read the file; see the reader."""
        reading = self.reader(path, on_error)
        return Reading(group_labels(reading.documents, self.grouping), reading.counts)
