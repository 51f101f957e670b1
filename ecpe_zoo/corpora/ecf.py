"""Emotion-Cause-in-Friends (Wang et al., 2023): conversations, read as emotion-cause pair extraction.

    document_id number_of_utterances
    (emotion,cause),(emotion,cause)
    1 | speaker | emotion | words of the utterance | clip

The pair line is empty in a conversation without pairs. An utterance may be caused by a later one.
"""

from __future__ import annotations

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Segment
from ecpe_zoo.corpora.readers.blocks import Blocks, numbered
from ecpe_zoo.corpora.readers.lines import Lines, shown

LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
"""In MELD's order: the utterances are the same."""


def _utterance(lines: Lines, index: int, number: int) -> Segment:
    fields = [field.strip() for field in lines[index].split("|")]
    if len(fields) != 5:
        expected = "5 fields `utterance | speaker | emotion | words | clip`"
        raise lines.error(index, expected, f"{len(fields)} in {shown(lines[index])}")
    numbered(lines, index, fields[0], number, "utterance")
    _, speaker, emotion, text, _ = fields
    for what, value in (("a speaker", speaker), ("an emotion", emotion), ("words", text)):
        if not value:
            raise lines.error(index, f"{what} in utterance {number}", "an empty field")
    if emotion not in LABELS:
        raise lines.error(index, f"an emotion of {', '.join(LABELS)}", shown(emotion))
    return Segment(text, speaker=speaker, emotions=(emotion,))


read_ecf = Blocks("utterance", "|", _utterance, "en")
"""Reads conversations: an utterance is a segment with a speaker and one emotion, `neutral` among them."""

CORPORA = (
    Corpus(
        id="ecf",
        description="Friends conversations with emotion-cause pairs (ECF, Wang et al. 2023)",
        languages=("en",),
        tasks=("ecpe", "erc"),
        licence="GPL-3.0 repository",
        splits=one_file_each(read_ecf, "train.txt", "test.txt", "dev.txt"),
        labels=LABELS,
        repository="NUSTM/MECPE",
        commit="359c97c74416aecd6b9e62738db10a37b4aa0104",
    ),
)
