"""RECCON's original annotation (Poria et al., 2021): conversations, read as emotion-cause pair extraction.

Its main part is from DailyDialog; 16 dialogues of IEMOCAP (`iemocap_test.json`) are a second test set.

    {"conversation id": [[{"turn": 1, "speaker": "A", "utterance": "...", "emotion": "happiness",
                           "expanded emotion cause evidence": [1, 3, "b"]}, ...]]}

The IEMOCAP part has other emotions. Its file is not fetched: whoever has IEMOCAP's licence gets it from RECCON's
repository. The question files of that repository (`is_impossible`) repeat parts of conversations, and are not read.

The evidence lists 1-based turns. `"b"` is a cause in the background, which is no utterance, and a turn may
lie outside of the conversation: both are left out and counted. The values are taken one by one from the text,
so that an error in the middle of a conversation has its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Document, Pair, Segment
from ecpe_zoo.corpora.readers.json_text import Cursor, Item
from ecpe_zoo.corpora.readers.lines import Collector, OnError, Reading, distinct_pairs, shown
from ecpe_zoo.errors import CorpusError

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
IEMOCAP_LABELS = ("neutral", "anger", "excited", "frustrated", "happiness", "sadness")
"""Emotions of the IEMOCAP part; those that DailyDialog has too are spelled as there."""

_IEMOCAP_SPELLING = {
    "neu": "neutral",
    "ang": "anger",
    "angry": "anger",
    "exc": "excited",
    "excitement": "excited",
    "fru": "frustrated",
    "frustration": "frustrated",
    "hap": "happiness",
    "happy": "happiness",
    "sad": "sadness",
}
_EVIDENCE = "expanded emotion cause evidence"


@dataclass(frozen=True, slots=True)
class CauseReader:
    """A reader of this form.

    Args:
        labels: Names of all emotions.
        spelling: Other spellings, and the names that they become.
    """

    labels: tuple[str, ...]
    spelling: Mapping[str, str] = field(hash=False)

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read conversations: an utterance is a segment with a speaker and one emotion, `neutral` among them.

        Raises:
            CorpusError: The file does not follow its format. If the JSON itself is broken, `skip` raises too: nothing
                after the break can be read.
        """
        cursor = Cursor.of(path)
        collector = Collector(path, on_error, "conversation id")
        if cursor.peek() == "[":
            expected = "an object of conversations by id"
            raise CorpusError(path, cursor.line(), expected, "a list", _ORIGINAL)
        for _ in cursor.items("{", "}", "conversations"):
            id = Item(path, cursor.line(), cursor.value("a conversation id in quotes"))
            cursor.take(":", f"`:` after the conversation id {id.value!r}")
            utterances = list(_utterances(cursor))
            collector.add(partial(self._document, id, utterances), id.line)
        cursor.end("conversation")
        return collector.reading("conversations")

    def _document(self, id: Item, utterances: list[Item], counts: Counter[str]) -> Document:
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
                raise item.error(f"{index + 1} as turn {where}", shown(repr(utterance.get("turn"))))
            speaker, text, named = (_text(item, key, where) for key in ("speaker", "utterance", "emotion"))
            emotion = self.spelling.get(named, named)
            if emotion not in self.labels:
                raise item.error(f"one of {', '.join(self.labels)} as emotion {where}", shown(emotion))
            counts["respelled_emotions"] += emotion != named
            segments.append(Segment(text, speaker=speaker, emotions=(emotion,)))
            evidence = utterance.get(_EVIDENCE, [])
            if not isinstance(evidence, list):
                raise item.error(f"a list as {_EVIDENCE} {where}", shown(str(evidence)))
            for cause in evidence:
                if cause == "b":
                    counts["background_causes"] += 1
                elif not isinstance(cause, int) or isinstance(cause, bool):
                    raise item.error(f'turns or "b" as {_EVIDENCE} {where}', shown(repr(cause)))
                elif not 1 <= cause <= len(utterances):
                    counts["outside_causes"] += 1
                else:
                    pairs.append((index, cause - 1))
        return Document(name, tuple(segments), distinct_pairs(pairs, counts), "en")


_ORIGINAL = "Question files are not read: take those of RECCON's folder data/original_annotation"

read_reccon = CauseReader(LABELS, _SPELLING)
"""Reads the DailyDialog part."""

read_reccon_iemocap = CauseReader(IEMOCAP_LABELS, _IEMOCAP_SPELLING)
"""Reads the IEMOCAP part."""


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


def _text(item: Item, key: str, where: str) -> str:
    value = item.value.get(key)
    if not isinstance(value, str) or not value.strip():
        raise item.error(f"text as {key} {where}", shown(repr(value)))
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
    Corpus(
        id="reccon-iemocap",
        description="RECCON trained on DailyDialog and tested on 16 dialogues of IEMOCAP: own file iemocap_test.json",
        languages=("en",),
        tasks=("ecpe",),
        licence="needs IEMOCAP's licence; the file is in declare-lab/RECCON, data/original_annotation",
        splits=lambda fold: {
            "train": {"dailydialog_train.json": read_reccon},
            "validation": {"dailydialog_valid.json": read_reccon},
            "test": {"iemocap_test.json": read_reccon_iemocap},
        },
        labels=tuple(dict.fromkeys((*LABELS, *IEMOCAP_LABELS))),
        own=True,
        stored="reccon",
    ),
)
