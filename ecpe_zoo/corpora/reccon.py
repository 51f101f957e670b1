"""RECCON's original annotation (Poria et al., 2021): conversations, read as emotion-cause pair extraction.

    {"conversation id": [[{"turn": 1, "speaker": "A", "utterance": "...", "emotion": "happiness",
                           "expanded emotion cause evidence": [1, 3, "b"]}, ...]]}

The evidence lists 1-based turns. `"b"` is a cause in the background, which is no utterance, and a turn may
lie outside of the conversation: both are left out and counted. The values are taken one by one from the text,
so that an error in the middle of a conversation has its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Document, Pair, Segment
from ecpe_zoo.corpora.readers.json_text import Cursor, Item
from ecpe_zoo.corpora.readers.lines import Collector, OnError, Reading, distinct_pairs, shown

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
        CorpusError: The file does not follow its format. Where the JSON itself is broken, `skip` raises too:
            nothing after the break can be read.
    """
    cursor = Cursor.of(path)
    collector = Collector(path, on_error, "conversation id")
    for _ in cursor.items("{", "}", "conversations"):
        id = Item(path, cursor.line(), cursor.value("a conversation id in quotes"))
        cursor.take(":", f"`:` after the conversation id {id.value!r}")
        utterances = list(_utterances(cursor))
        collector.add(partial(_document, id, utterances), id.line)
    cursor.end("conversation")
    return collector.reading("conversations")


def _utterances(cursor: Cursor) -> Iterator[Item]:
    """The utterances of a conversation: a list of them, in a list."""
    if cursor.peek() != "[":
        cursor.value("a list of utterances")  # taken, so that the next conversation can still be read
        return
    for _ in cursor.items("[", "]", "a list of utterances"):
        if cursor.peek() == "[":
            yield from cursor.listed("utterances", "an utterance")
        else:
            yield Item(cursor.path, cursor.line(), cursor.value("an utterance"))


def _document(id: Item, utterances: list[Item], counts: Counter[str]) -> Document:
    name = id.value
    if not (isinstance(name, str) and name.strip()):
        raise id.error("a conversation id in quotes", shown(str(name)))
    if not utterances:
        raise id.error(f"utterances in conversation {name}", "none")
    segments: list[Segment] = []
    pairs: list[Pair] = []
    for index, item in enumerate(utterances):
        where = f"of utterance {index + 1} of conversation {name}"
        utterance = item.mapping(f"an object as utterance {index + 1} of conversation {name}")
        if utterance.get("turn") != index + 1:
            raise item.error(f"{index + 1} as turn {where}", repr(utterance.get("turn")))
        speaker, text, named = (_text(item, key, where) for key in ("speaker", "utterance", "emotion"))
        emotion = _SPELLING.get(named, named)
        if emotion not in LABELS:
            raise item.error(f"one of {', '.join(LABELS)} as emotion {where}", shown(emotion))
        counts["respelled_emotions"] += emotion != named
        segments.append(Segment(text, speaker=speaker, emotions=(emotion,)))
        evidence = utterance.get(_EVIDENCE, [])
        if not isinstance(evidence, list):
            raise item.error(f"a list as {_EVIDENCE} {where}", shown(str(evidence)))
        for cause in evidence:
            if cause == "b":
                counts["background_causes"] += 1
            elif not isinstance(cause, int) or isinstance(cause, bool):
                raise item.error(f'turns or "b" as {_EVIDENCE} {where}', repr(cause))
            elif not 1 <= cause <= len(utterances):
                counts["outside_causes"] += 1
            else:
                pairs.append((index, cause - 1))
    return Document(name, tuple(segments), distinct_pairs(pairs, counts), "en")


def _text(item: Item, key: str, where: str) -> str:
    value = item.value.get(key)
    if not isinstance(value, str) or not value.strip():
        raise item.error(f"text as {key} {where}", repr(value))
    return value.strip()


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
