"""The format of RECCON's original annotation (Poria et al., 2021), read as emotion-cause pair extraction.

    {"conversation id": [[{"turn": 1, "speaker": "A", "utterance": "...", "emotion": "happiness",
                           "expanded emotion cause evidence": [1, 3, "b"]}, ...]]}

The evidence lists 1-based turns. `"b"` is a cause in the background, which is no utterance, and a turn may
lie outside of the conversation: both are left out and counted. The values are taken one by one from the text,
so that an error in the middle of a conversation has its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ecpe_zoo.corpora.document import Document, Pair, Segment
from ecpe_zoo.corpora.readers.json_text import Cursor
from ecpe_zoo.corpora.readers.lines import OnError, Reading, shown
from ecpe_zoo.errors import CorpusError

RECCON_LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
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
            nothing behind the break can be told apart.
    """
    cursor = Cursor(path)
    documents: dict[str, Document] = {}
    counts: Counter[str] = Counter()
    for _ in cursor.items("{", "}", "conversations"):
        cursor.peek()
        start = cursor.at
        name = cursor.value("a conversation id in quotes")
        cursor.take(":", f"`:` after the conversation id {name!r}")
        utterances, places = _conversation(cursor)
        added: Counter[str] = Counter()
        try:
            if not (isinstance(name, str) and name.strip()):
                raise cursor.error("a conversation id in quotes", shown(str(name)), start)
            if name in documents:
                raise cursor.error("every conversation id once", f"{name} again", start)
            if not utterances:
                raise cursor.error(f"utterances in conversation {name}", "none", start)
            document = _document(name, utterances, added, partial(cursor.error_in, places))
        except CorpusError:
            if on_error == "raise":
                raise
            counts["skipped_documents"] += 1
            continue
        counts += added
        documents[name] = document
    if cursor.peek():
        raise cursor.syntax("the end of the file after the last conversation")
    if not documents:
        raise CorpusError(path, None, "conversations", "a file without one that can be read")
    return Reading(tuple(documents.values()), counts)


def _conversation(cursor: Cursor) -> tuple[list[Any], list[int]]:
    """The utterances of a conversation, and where in the text each stands."""
    if cursor.peek() != "[":
        cursor.value("a list of utterances")  # taken, so that the next conversation can still be read
        return [], []
    utterances: list[Any] = []
    places: list[int] = []
    for _ in cursor.items("[", "]", "a list of utterances"):
        if cursor.peek() != "[":
            places.append(cursor.at)
            utterances.append(cursor.value("an utterance"))
            continue
        for _ in cursor.items("[", "]", "utterances"):
            cursor.peek()
            places.append(cursor.at)
            utterances.append(cursor.value("an utterance"))
    return utterances, places


def _document(
    name: str,
    utterances: list[Any],
    counts: Counter[str],
    error: Callable[[str, str, int], CorpusError],
) -> Document:
    segments: list[Segment] = []
    pairs: list[Pair] = []
    for index, utterance in enumerate(utterances):
        where = f"of utterance {index + 1} of conversation {name}"
        if not isinstance(utterance, Mapping):
            raise error(
                f"an object as utterance {index + 1} of conversation {name}", shown(str(utterance)), index
            )
        if utterance.get("turn") != index + 1:
            raise error(f"{index + 1} as turn {where}", repr(utterance.get("turn")), index)
        texts: dict[str, str] = {}
        for key in ("speaker", "utterance", "emotion"):
            value = utterance.get(key)
            if not isinstance(value, str) or not value.strip():
                raise error(f"text as {key} {where}", repr(value), index)
            texts[key] = value.strip()
        emotion = _SPELLING.get(texts["emotion"], texts["emotion"])
        if emotion not in RECCON_LABELS:
            raise error(f"one of {', '.join(RECCON_LABELS)} as emotion {where}", shown(emotion), index)
        counts["respelled_emotions"] += emotion != texts["emotion"]
        segments.append(Segment(texts["utterance"], speaker=texts["speaker"], emotions=(emotion,)))
        evidence = utterance.get(_EVIDENCE, [])
        if not isinstance(evidence, list):
            raise error(f"a list as {_EVIDENCE} {where}", shown(str(evidence)), index)
        for cause in evidence:
            if cause == "b":
                counts["background_causes"] += 1
            elif not isinstance(cause, int) or isinstance(cause, bool):
                raise error(f'turns or "b" as {_EVIDENCE} {where}', repr(cause), index)
            elif not 1 <= cause <= len(utterances):
                counts["outside_causes"] += 1
            else:
                pairs.append((index, cause - 1))
    counts["annotated_pairs"] += len(pairs)
    counts["duplicate_pairs"] += len(pairs) - len(set(pairs))
    return Document(name, tuple(segments), frozenset(pairs), "en")
