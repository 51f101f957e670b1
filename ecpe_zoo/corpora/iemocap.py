"""IEMOCAP (Busso et al., 2008) as conversation papers use it: a JSON list of dialogues.

    [[{"text": "Excuse me.", "speaker": "F", "label": "neu"}, {"text": "Do you", "speaker": "M"}, ...], ...]

The corpus needs a licence from its owner: the zoo reads files that the user has and ships nothing of it. A
turn without a label is context only (`Segment.judged`). `[LAUGHTER]` is taken out of texts, as EACL's code does, except
of a turn that has no other text: its label would be lost with it. The two actors of a dialogue are known as F and M;
they get names from a pool, another pair in each dialogue, since methods put speakers into a prompt (EACL).
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.json_text import Cursor, Item
from ecpe_zoo.corpora.readers.lines import Collector, OnError, Reading, shown

_WORDS = {
    "neu": "neutral",
    "exc": "excited",
    "fru": "frustrated",
    "sad": "sad",
    "hap": "happy",
    "ang": "angry",
}
LABELS = tuple(_WORDS.values())
"""In the order of EACL's code."""
_LAUGHTER = "[LAUGHTER]"
_NAMES = {
    "F": ("Mary", "Patricia", "Linda", "Barbara", "Susan", "Sarah", "Karen", "Nancy", "Lisa"),
    "M": ("James", "Robert", "John", "Michael", "David", "William", "Richard", "Thomas", "Mark", "Paul"),
}
"""Nine and ten: together 90 pairs before one comes again."""


def read_iemocap(path: Path, on_error: OnError = "raise") -> Reading:
    """Read dialogues, numbered from 0.

    Raises:
        CorpusError: The file does not follow its format. Where the JSON itself is broken, `skip` raises too:
            nothing after the break can be read.
    """
    cursor = Cursor.of(path)
    collector = Collector(path, on_error, "dialogue id")
    for number, _ in enumerate(cursor.items("[", "]", "dialogues")):
        line = cursor.line()
        utterances = list(cursor.listed(f"the utterances of dialogue {number}", "an utterance"))
        collector.add(partial(_document, Item(path, line, utterances), number), line)
    cursor.end("dialogue")
    return collector.reading("dialogues")


def _document(dialogue: Item, number: int, counts: Counter[str]) -> Document:
    taken = [_segment(utterance, number, counts) for utterance in dialogue.value]
    segments = tuple(segment for segment in taken if segment is not None)
    if not segments:
        raise dialogue.error(f"utterances in dialogue {number}", "none")
    counts["empty_texts"] += len(taken) - len(segments)
    return Document(str(number), segments, language="en")


def _segment(utterance: Item, number: int, counts: Counter[str]) -> Segment | None:
    value = utterance.mapping("an object with text, speaker and label")
    text, speaker, label = value.get("text"), value.get("speaker"), value.get("label")
    if not isinstance(text, str):
        raise utterance.error("text as text of the utterance", shown(repr(text)))
    actor = speaker.strip().upper() if isinstance(speaker, str) else ""
    if actor not in _NAMES:
        raise utterance.error("F or M as speaker of the utterance", shown(repr(speaker)))
    if label is not None and not (isinstance(label, str) and label in _WORDS):
        raise utterance.error(f"one of {', '.join(_WORDS)} or null as label", shown(repr(label)))
    if not text.strip():
        return None
    if _LAUGHTER in text:
        counts["laughter_marks"] += text.count(_LAUGHTER)
        text = " ".join(text.replace(_LAUGHTER, " ").split()) or _LAUGHTER
    pool = _NAMES[actor]
    name = pool[number % len(pool)]
    emotions = () if label is None else (_WORDS[label],)
    return Segment(text.strip(), speaker=name, emotions=emotions, judged=label is not None)


CORPORA = (
    Corpus(
        id="iemocap",
        description="Acted dialogues of two, an emotion of most utterances (IEMOCAP, Busso et al. 2008): own files",
        languages=("en",),
        tasks=("erc",),
        licence="needs a licence from its owner, the University of Southern California",
        splits=one_file_each(
            read_iemocap, "train_data.json", "test_data.json", "dev_data.json", renumbered=True
        ),
        labels=LABELS,
        own=True,
    ),
)
