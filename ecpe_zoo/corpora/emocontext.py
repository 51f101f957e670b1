"""EmoContext (SemEval-2019 task 3): three turns of a chat, the emotion of the last one.

    id	turn1	turn2	turn3	label
    1	When did I?	saw many times i think -_-	No. I never saw you	angry

Two people take turns, so that the first and the third turn have one speaker. The first two turns have no
label: they are context only (`Segment.judged`). Quotes are characters like any other.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.lines import OnError, Reading
from ecpe_zoo.corpora.readers.rows import Row, single_rows, table_rows

LABELS = ("happy", "sad", "angry", "others")
_TURNS = ("turn1", "turn2", "turn3")


def read_emocontext(path: Path, on_error: OnError = "raise") -> Reading:
    """Read chats of three turns by the speakers A, B and A.

    Raises:
        CorpusError: The file does not follow its format.
    """
    rows = table_rows(path, ("id", *_TURNS, "label"), delimiter="\t", quoted=False)
    return single_rows(path, on_error, rows, _document, "rows of three turns")


def _document(row: Row, counts: Counter[str]) -> Document:
    name = str(row.number("id"))
    label = row.label(row.fields["label"].strip(), LABELS, "a label")
    first, second, third = (row.text(turn, "text") for turn in _TURNS)
    segments = (
        Segment(first, speaker="A", judged=False),
        Segment(second, speaker="B", judged=False),
        Segment(third, speaker="A", emotions=(label,)),
    )
    return Document(name, segments, language="en")


CORPORA = (
    Corpus(
        id="emocontext",
        description="Chats of three turns, the emotion of the last (EmoContext, SemEval-2019 task 3)",
        languages=("en",),
        tasks=("erc", "emotions"),
        licence="MIT repository; SemEval-2019 task 3",
        splits=one_file_each(read_emocontext, "train.txt", "test.txt", "valid.txt", renumbered=True),
        labels=LABELS,
        official="micro_f1_without_others",  # Chatterjee et al. 2019, section 5: happy, sad and angry
        repository="declare-lab/conv-emotion",
        commit="6128ca20e9c736605cce7e99d5d95db0356c35f5",
    ),
)
