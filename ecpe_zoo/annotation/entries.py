"""The unit of annotation: one text, conversation or segmented document, before it is cut and tokenised."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from ecpe_zoo.corpora.document import Document, Language
from ecpe_zoo.errors import CorpusError

Segment = tuple[str, str | None, bool]
"""Text, speaker, and whether it gets an answer."""


class Entry(NamedTuple):
    """One text, conversation or segmented document.

    Args:
        number: 1-based position among all entries.
        line: 1-based line where it starts.
        id: Id in the input; by default the line.
        texts: Texts of its segments, as written; some may be blank.
        speakers: Speaker of each segment.
        judged: Whether each segment gets an answer.
        whole: Whether it was given as one text, not as segments.
        language: Language, if known.
        problem: Why it cannot be read; it then has no texts.
        raw: Its line in the input if it cannot be read.
    """

    number: int
    line: int
    id: str
    texts: tuple[str, ...] = ()
    speakers: tuple[str | None, ...] = ()
    judged: tuple[bool, ...] = ()
    whole: bool = True
    language: Language | None = None
    problem: CorpusError | None = None
    raw: str = ""


def entry_of(number: int, text: str | Document) -> Entry:
    """An entry of a text or a Document."""
    if isinstance(text, str):
        return of_text(number, number, str(number), text)
    texts, speakers, judged = columns_of([(s.text, s.speaker, s.judged) for s in text.segments])
    return Entry(number, number, text.id, texts, speakers, judged, False, text.language)


def of_text(number: int, line: int, id: str, text: str) -> Entry:
    """An entry of one text."""
    return Entry(number, line, id, (sound(text),), (None,), (True,))


def columns_of(segments: list[Segment]) -> tuple[tuple[str, ...], tuple[str | None, ...], tuple[bool, ...]]:
    """The texts, the speakers, and which are judged."""
    texts, speakers, judged = zip(*segments, strict=True) if segments else ((), (), ())
    return texts, speakers, judged


def sound(text: str) -> str:
    """The text with half characters (JSON can write them) replaced: neither tokenizers nor UTF-8 take them."""
    with suppress(UnicodeEncodeError):
        text.encode()
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
