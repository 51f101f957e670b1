"""The unit of all tasks: a document is a sequence of segments.

A segment is a clause (emotion-cause pair extraction), an utterance (conversation) or a comment.
Indices are 0-based here and 1-based only in corpus files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Language = Literal["zh", "en"]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Segment:
    """One clause, utterance or comment.

    Args:
        text: The text as its corpus gives it; word-segmented Chinese has spaces between words.
        speaker: Who says it, in a conversation.
        emotions: Gold emotion labels; empty for a segment without an emotion or without annotation.
        keyword: Gold emotion keyword of an ECPE corpus; never an input of a model.
        intensities: Gold or relabelled strength of each label, 0.0 to 10.0: how far it applies.
        reported: How strongly the writer felt the emotions that apply, as reported, 0.0 to 10.0. Scores can be
            correlated with it; it is never a target, since a weak emotion applies as well.
        judged: Whether it should get a label. A turn that its corpus leaves without one is context only: it is read and
            not scored. This is no gold: a method may know it.
    """

    text: str
    speaker: str | None = None
    emotions: tuple[str, ...] = ()
    keyword: str | None = None
    intensities: Mapping[str, float] | None = None
    reported: Mapping[str, float] | None = None
    judged: bool = True

    @property
    def has_gold(self) -> bool:
        """Whether it is scored: it should have a label and has one. Intensities without a label say that none applies.

        >>> Segment("ok").has_gold, Segment("ok", intensities={}).has_gold
        (False, True)
        """
        return self.judged and (bool(self.emotions) or self.intensities is not None)

    @property
    def words(self) -> list[str]:
        """The whitespace-separated words of the text."""
        return self.text.split()


@dataclass(frozen=True, slots=True)
class Document:
    """A sequence of segments with optional gold annotation.

    Args:
        id: Unique within its corpus.
        segments: At least one.
        pairs: Distinct gold (emotion, cause) segment indices, 0-based; None if not annotated.
        language: Language, which decides prompts and how running text is cut.

    Raises:
        ValueError: No segment, an empty segment, or a pair beyond the document.

    >>> document = document_from_texts("1", ["I won", "and I am glad"], pairs=[(1, 0)], language="en")
    >>> document.without_gold().pairs
    """

    id: str
    segments: tuple[Segment, ...]
    pairs: frozenset[Pair] | None = None
    language: Language = "zh"

    def __post_init__(self) -> None:
        if not self.segments:
            raise ValueError(f"document {self.id}: expected at least one segment, but got none")
        for index, segment in enumerate(self.segments):
            if not segment.text.strip():
                raise ValueError(f"document {self.id}: expected text in segment {index}, but it is empty")
        for emotion, cause in self.pairs or ():
            if not (0 <= emotion < len(self.segments) and 0 <= cause < len(self.segments)):
                raise ValueError(
                    f"document {self.id}: expected pair indices from 0 to {len(self.segments) - 1}, "
                    f"but got ({emotion}, {cause})"
                )

    def __len__(self) -> int:
        return len(self.segments)

    @property
    def emotion_indices(self) -> frozenset[int]:
        """Gold emotion clauses: the first members of the gold pairs."""
        return frozenset(emotion for emotion, _ in self.pairs or ())

    @property
    def cause_indices(self) -> frozenset[int]:
        """Gold cause clauses: the second members of the gold pairs."""
        return frozenset(cause for _, cause in self.pairs or ())

    def without_gold(self) -> Document:
        """The document as a model may see it at evaluation: text and speakers only.

        The data module hands this to the collator outside of training, so that a gold label cannot reach an
        input, a truncation or a batch order by mistake.
        """
        bare = tuple(
            replace(segment, emotions=(), keyword=None, intensities=None, reported=None)
            for segment in self.segments
        )
        return replace(self, segments=bare, pairs=None)


def document_from_texts(
    id: str,
    texts: Iterable[str],
    *,
    speakers: Iterable[str | None] | None = None,
    pairs: Iterable[Pair] | None = None,
    language: Language = "zh",
) -> Document:
    """Build a document from plain text, for inference and tests.

    Args:
        id: Name of the document in the predictions.
        texts: One text for each segment.
        speakers: One for each segment, if known.
        pairs: Gold pairs (0-based), if known.
        language: "zh" or "en".

    Raises:
        ValueError: See `Document`; or as many speakers as segments were expected.
    """
    listed = list(texts)
    named = list(speakers) if speakers is not None else [None] * len(listed)
    if len(named) != len(listed):
        raise ValueError(f"document {id}: expected {len(listed)} speakers, but got {len(named)}")
    segments = tuple(Segment(text=text, speaker=speaker) for text, speaker in zip(listed, named, strict=True))
    return Document(id, segments, frozenset(pairs) if pairs is not None else None, language)
