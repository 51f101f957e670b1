"""RECCON's original annotation (Poria et al., 2021): conversations, read as emotion-cause pair extraction.

    {"conversation id": [[{"turn": 1, "speaker": "A", "utterance": "...", "emotion": "happiness",
                           "expanded emotion cause evidence": [1, 3, "b"]}, ...]]}

The evidence lists 1-based turns. `"b"` is a cause in the background, which is no utterance, and a turn may
lie outside of the conversation: both are left out and counted. The values are taken one by one from the text,
so that an error in the middle of a conversation has its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Document, Pair, Segment
from ecpe_zoo.corpora.readers.json_text import Cursor
from ecpe_zoo.corpora.readers.lines import Collector, OnError, Reading, shown

LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""In DailyDialog's order."""

# Spelling variants in the published files; the nouns are what the paper lists.
_SPELLING = {
    "happy": "happiness",
    "happines": "happiness",
    "excited": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "angry": "anger",
}
_EVIDENCE = "expanded emotion cause evidence"


def read_reccon(path: Path, on_error: OnError = "raise") -> Reading:
    """Read conversations: an utterance is a segment with a speaker and one emotion, `neutral` among them.

    Raises:
        CorpusError: the file does not follow its format. Where the JSON itself is broken, `skip` raises too:
            nothing after the break can be read.
    """
    cursor = Cursor(path)
    collector = Collector(path, on_error, "conversation id")
    for _ in cursor.items("{", "}", "conversations"):
        cursor.peek()
        start = cursor.at
        name = cursor.value("a conversation id in quotes")
        cursor.take(":", f"`:` after the conversation id {name!r}")
        utterances = _utterances(cursor)
        collector.add(partial(_document, cursor, start, name, utterances), cursor.line(start))
    cursor.end("conversation")
    return collector.reading("conversations")


def _utterances(cursor: Cursor) -> list[tuple[int, Any]]:
    """The utterances of a conversation, each with its position in the text."""
    if cursor.peek() != "[":
        cursor.value("a list of utterances")  # taken, so that the next conversation can still be read
        return []
    utterances: list[tuple[int, Any]] = []
    for _ in cursor.items("[", "]", "a list of utterances"):
        if cursor.peek() == "[":
            utterances += cursor.listed("utterances", "an utterance")
        else:
            utterances.append((cursor.at, cursor.value("an utterance")))
    return utterances


def _document(
    cursor: Cursor, start: int, name: Any, utterances: list[tuple[int, Any]], counts: Counter[str]
) -> Document:
    if not (isinstance(name, str) and name.strip()):
        raise cursor.error("a conversation id in quotes", shown(str(name)), start)
    if not utterances:
        raise cursor.error(f"utterances in conversation {name}", "none", start)
    segments: list[Segment] = []
    pairs: list[Pair] = []
    for index, (at, utterance) in enumerate(utterances):
        where = f"of utterance {index + 1} of conversation {name}"
        if not isinstance(utterance, Mapping):
            raise cursor.error(
                f"an object as utterance {index + 1} of conversation {name}", shown(str(utterance)), at
            )
        if utterance.get("turn") != index + 1:
            raise cursor.error(f"{index + 1} as turn {where}", repr(utterance.get("turn")), at)
        texts: dict[str, str] = {}
        for key in ("speaker", "utterance", "emotion"):
            value = utterance.get(key)
            if not isinstance(value, str) or not value.strip():
                raise cursor.error(f"text as {key} {where}", repr(value), at)
            texts[key] = value.strip()
        emotion = _SPELLING.get(texts["emotion"], texts["emotion"])
        if emotion not in LABELS:
            raise cursor.error(f"one of {', '.join(LABELS)} as emotion {where}", shown(emotion), at)
        counts["respelled_emotions"] += emotion != texts["emotion"]
        segments.append(Segment(texts["utterance"], speaker=texts["speaker"], emotions=(emotion,)))
        evidence = utterance.get(_EVIDENCE, [])
        if not isinstance(evidence, list):
            raise cursor.error(f"a list as {_EVIDENCE} {where}", shown(str(evidence)), at)
        for cause in evidence:
            if cause == "b":
                counts["background_causes"] += 1
            elif not isinstance(cause, int) or isinstance(cause, bool):
                raise cursor.error(f'turns or "b" as {_EVIDENCE} {where}', repr(cause), at)
            elif not 1 <= cause <= len(utterances):
                counts["outside_causes"] += 1
            else:
                pairs.append((index, cause - 1))
    counts["annotated_pairs"] += len(pairs)
    counts["duplicate_pairs"] += len(pairs) - len(set(pairs))
    return Document(name, tuple(segments), frozenset(pairs), "en")


CORPORA = (
    Corpus(
        id="reccon",
        description="DailyDialog conversations with causes of emotions (RECCON, Poria et al. 2021)",
        languages=("en",),
        tasks=("ecpe", "erc"),
        licence="none stated; released for research",
        splits=one_file_each(
            read_reccon, "dailydialog_train.json", "dailydialog_test.json", "dailydialog_valid.json"
        ),
        labels=LABELS,
        repository="declare-lab/RECCON",
        commit="579ea8a726f6705f7a3a02f7535b8f5595ec35aa",
    ),
)
