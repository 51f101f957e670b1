"""The format of Emotion-Cause-in-Friends (Wang et al., 2023), read as emotion-cause pair extraction.

    document_id number_of_utterances
    (emotion,cause),(emotion,cause)
    1 | speaker | emotion | words of the utterance | clip

The pair line is empty in a conversation without pairs. An utterance may be caused by a later one.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.lines import (
    Lines,
    OnError,
    Reading,
    header,
    numbered,
    pair_line,
    read_blocks,
    segment_lines,
    shown,
)

ECF_LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
"""In MELD's order: the utterances are the same."""


def read_ecf(path: Path, on_error: OnError = "raise") -> Reading:
    """Read conversations: an utterance is a segment with a speaker and one emotion, `neutral` among them.

    Raises:
        CorpusError: the file does not follow its format.
    """
    return read_blocks(path, on_error, "|", "utterance", _document)


def _document(lines: Lines, block: range, counts: Counter[str]) -> Document:
    name, size = header(lines, block.start, "utterance")
    pairs = pair_line(lines, block.start + 1, size, "utterance", counts)
    utterances = segment_lines(lines, block, size, "utterance")
    segments = tuple(_utterance(lines, index, number) for number, index in enumerate(utterances, start=1))
    return Document(name, segments, pairs, "en")


def _utterance(lines: Lines, index: int, number: int) -> Segment:
    fields = [field.strip() for field in lines[index].split("|")]
    if len(fields) != 5:
        expected = "5 fields `utterance | speaker | emotion | words | clip`"
        raise lines.error(index, expected, f"{len(fields)} in {shown(lines[index])}")
    numbered(lines, index, fields, number, "utterance")
    _, speaker, emotion, text, _ = fields
    for what, value in (("a speaker", speaker), ("an emotion", emotion), ("words", text)):
        if not value:
            raise lines.error(index, f"{what} in utterance {number}", "an empty field")
    if emotion not in ECF_LABELS:
        raise lines.error(index, f"an emotion of {', '.join(ECF_LABELS)}", shown(emotion))
    return Segment(text, speaker=speaker, emotions=(emotion,))
