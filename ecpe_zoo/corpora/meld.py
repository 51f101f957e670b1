"""MELD (Poria et al., ACL 2019): conversations in a CSV file with one utterance a row.

    Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime
    1,"You must’ve had your hands full.",The Interviewer,neutral,neutral,0,1,8,21,...

A conversation is the run of rows with one `Dialogue_ID`; ids start again in each file. Copies of these files
differ in how they were decoded: texts are put right and counted (`mended_texts`). An utterance without
text is left out and counted (`empty_texts`).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Segment
from ecpe_zoo.corpora.readers.conversations import Conversations
from ecpe_zoo.corpora.readers.lines import OnError, Reading
from ecpe_zoo.corpora.readers.mending import mended
from ecpe_zoo.corpora.readers.rows import Row, table_rows

LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
"""In the order of the published baselines."""


def read_meld(path: Path, on_error: OnError = "raise") -> Reading:
    """Read conversations: an utterance is a segment with a speaker and one emotion.

    Raises:
        CorpusError: The file does not follow its format.
    """
    columns = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
    return _DIALOGUES.read(path, on_error, table_rows(path, columns, loose=True))


def _utterance(row: Row, counts: Counter[str]) -> Segment | None:
    emotion = row.label(row.fields["Emotion"].strip(), LABELS)
    text = row.mended("Utterance", counts)
    if not text:
        return None
    speaker, _ = mended(row.text("Speaker", "a speaker"))
    return Segment(text, speaker=speaker, emotions=(emotion,))


_DIALOGUES = Conversations(
    key=("Dialogue_ID",),
    name=lambda row: str(row.number("Dialogue_ID")),
    utterance=_utterance,
    number="Utterance_ID",
)

CORPORA = (
    Corpus(
        id="meld",
        description="Friends conversations with an emotion of each utterance (MELD, Poria et al. 2019)",
        languages=("en",),
        tasks=("erc",),
        licence="GPL-3.0",
        splits=one_file_each(
            read_meld, "train_sent_emo.csv", "test_sent_emo.csv", "dev_sent_emo.csv", renumbered=True
        ),
        labels=LABELS,
        repository="declare-lab/MELD",
        commit="2d2011b409d3ca2d7e94460cd007d434b1d0a102",
    ),
)
