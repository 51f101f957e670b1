"""IEMOCAP (Busso et al., 2008) as conversation papers use it: a JSON list of dialogues.

    [[{"text": "Excuse me.", "speaker": "F", "label": "neu"}, {"text": "Do you", "speaker": "M"}, ...], ...]

The corpus needs a licence from its owner: the zoo reads files that the user has and ships nothing of it. A
turn without a label is context only (`Segment.judged`). The two actors of a dialogue are known as F and M;
they get names from a pool, another pair in each dialogue, since methods put speakers into a prompt (EACL).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.json_text import Cursor
from ecpe_zoo.corpora.readers.lines import OnError, Reading, shown
from ecpe_zoo.errors import CorpusError

_WORDS = {
    "neu": "neutral",
    "exc": "excited",
    "fru": "frustrated",
    "sad": "sad",
    "hap": "happy",
    "ang": "angry",
}
IEMOCAP_LABELS = tuple(_WORDS.values())
"""In the order of EACL's code."""
_NAMES = {
    "F": ("Mary", "Patricia", "Linda", "Barbara", "Susan", "Sarah", "Karen", "Nancy", "Lisa"),
    "M": ("James", "Robert", "John", "Michael", "David", "William", "Richard", "Thomas", "Mark", "Paul"),
}
"""Nine and ten: together 90 pairs before one comes again."""


def read_iemocap(path: Path, on_error: OnError = "raise") -> Reading:
    """Read dialogues, numbered from 0.

    Raises:
        CorpusError: the file does not follow its format. Where the JSON itself is broken, `skip` raises too:
            nothing behind the break can be told apart.
    """
    cursor = Cursor(path)
    documents: list[Document] = []
    counts: Counter[str] = Counter()
    for number, _ in enumerate(cursor.items("[", "]", "dialogues")):
        added: Counter[str] = Counter()
        problem: CorpusError | None = None
        segments: list[Segment] = []
        cursor.peek()
        start = cursor.at
        for _ in cursor.items("[", "]", f"the utterances of dialogue {number}"):
            cursor.peek()
            at = cursor.at
            value = cursor.value("an utterance")
            try:
                segment = _segment(cursor, at, value, number)
            except CorpusError as error:
                problem = problem or error
                continue
            if segment is None:
                added["empty_texts"] += 1
            else:
                segments.append(segment)
        if problem is None and not segments:
            problem = cursor.error(f"utterances in dialogue {number}", "none", start)
        if problem is not None:
            if on_error == "raise":
                raise problem
            counts["skipped_documents"] += 1
            continue
        counts += added
        documents.append(Document(str(number), tuple(segments), language="en"))
    if cursor.peek():
        raise cursor.syntax("the end of the file after the last dialogue")
    if not documents:
        raise CorpusError(path, None, "dialogues", "a file without one that can be read")
    return Reading(tuple(documents), counts)


def _segment(cursor: Cursor, at: int, value: Any, number: int) -> Segment | None:
    if not isinstance(value, Mapping):
        raise cursor.error("an object with text, speaker and label", shown(str(value)), at)
    text, speaker, label = value.get("text"), value.get("speaker"), value.get("label")
    if not isinstance(text, str):
        raise cursor.error("text as text of the utterance", repr(text), at)
    if speaker not in _NAMES:
        raise cursor.error("F or M as speaker of the utterance", repr(speaker), at)
    if label is not None and label not in _WORDS:
        raise cursor.error(f"one of {', '.join(_WORDS)} or null as label", repr(label), at)
    if not text.strip():
        return None
    pool = _NAMES[speaker]
    name = pool[number % len(pool)]
    emotions = () if label is None else (_WORDS[label],)
    return Segment(text.strip(), speaker=name, emotions=emotions, judged=label is not None)
