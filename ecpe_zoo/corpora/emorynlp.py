"""EmoryNLP as conversation papers use it (Zahiri and Choi, 2018): scenes in a CSV file, one utterance a row.

    Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time
    "Yeah, right!","['Joey Tribbiani']",Neutral,1,2,1,2,00:00:04.504,00:00:07.548

`Speaker` is a Python list literal, read as a literal and never evaluated; several speakers of one utterance
are joined with " and ". A conversation is the run of rows of one season, episode and scene. Labels are
lower-cased, as label words are in all other corpora.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Segment
from ecpe_zoo.corpora.readers.conversations import Conversations
from ecpe_zoo.corpora.readers.lines import OnError, Reading, shown
from ecpe_zoo.corpora.readers.mending import mended
from ecpe_zoo.corpora.readers.rows import Row, table_rows

LABELS = ("joyful", "mad", "peaceful", "neutral", "sad", "powerful", "scared")
"""In the order of the published baselines."""
_SCENE = ("Season", "Episode", "Scene_ID")


def read_emorynlp(path: Path, on_error: OnError = "raise") -> Reading:
    """Read scenes: an utterance is a segment with a speaker and one emotion; ids are `season-episode-scene`.

    Raises:
        CorpusError: The file does not follow its format.
    """
    columns = ("Utterance", "Speaker", "Emotion", "Utterance_ID", *_SCENE)
    return _SCENES.read(path, on_error, table_rows(path, columns, loose=True))


def _utterance(row: Row, counts: Counter[str]) -> Segment | None:
    emotion = row.label(row.fields["Emotion"].strip().lower(), LABELS)
    text = row.mended("Utterance", counts)
    if not text:
        return None
    return Segment(text, speaker=_speaker(row, counts), emotions=(emotion,))


def _speaker(row: Row, counts: Counter[str]) -> str:
    literal = row.text("Speaker", "a list of speakers")
    expected = "a list of names like ['Joey Tribbiani'] in column Speaker"
    try:
        listed = ast.literal_eval(literal)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise row.error(expected, shown(literal)) from None
    if not (isinstance(listed, list) and listed):
        raise row.error(expected, shown(literal))
    names = [mended(name)[0].strip() for name in listed if isinstance(name, str)]
    if len(names) < len(listed) or not all(names):
        raise row.error(expected, shown(literal))
    counts["utterances_of_several"] += len(names) > 1
    return " and ".join(names)


_SCENES = Conversations(
    key=_SCENE,
    name=lambda row: "-".join(str(row.number(column)) for column in _SCENE),
    utterance=_utterance,
    unit="scene",
    number="Utterance_ID",
)

CORPORA = (
    Corpus(
        id="emorynlp",
        description="Friends scenes with an emotion of each utterance (EmoryNLP, Zahiri and Choi 2018)",
        languages=("en",),
        tasks=("erc",),
        licence="Apache-2.0 (EmoryNLP)",
        splits=one_file_each(
            read_emorynlp,
            "emorynlp_train_final.csv",
            "emorynlp_test_final.csv",
            "emorynlp_dev_final.csv",
            renumbered=True,
        ),
        labels=LABELS,
        repository="declare-lab/MELD",
        commit="2d2011b409d3ca2d7e94460cd007d434b1d0a102",
    ),
)
