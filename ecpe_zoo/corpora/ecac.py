"""SemEval-2024 task 3 (ECAC, Wang et al. 2024): Friends conversations with emotion-cause pairs, as a JSON list.

    [{"conversation_ID": 1,
      "conversation": [{"utterance_ID": 1, "text": "Hi", "speaker": "Ann", "emotion": "joy"}, ...],
      "emotion-cause_pairs": [["3_surprise", "1_I realize I am"], ...]}, ...]

A pair holds the number of the utterance with an emotion, and that of a cause with the span of its text (subtask 1), or
its number alone (subtask 2). Spans are not read: two spans of one utterance are one pair, and the second is counted as
a duplicate. The published test files have neither emotions nor pairs. The files come from the task's organisers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ecpe_zoo.corpora.corpus import Corpus
from ecpe_zoo.corpora.document import Document, Language, Pair, Segment
from ecpe_zoo.corpora.readers.json_text import Cursor, Item
from ecpe_zoo.corpora.readers.labels import Names
from ecpe_zoo.corpora.readers.lines import UTF8, Collector, OnError, Reading, distinct_pairs, shown
from ecpe_zoo.corpora.readers.mending import mended

LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
"""In MELD's order: the utterances are from the same series."""
_NAMES = Names(LABELS)
_PAIRS = "emotion-cause_pairs"
_NUMBERED = re.compile(r"\s*([0-9]{1,6})(?:_(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ConversationReader:
    """A reader of this form.

    Args:
        names: Names of all emotions.
        unlabelled: The files have no emotions and pairs, or these are not read.
        encoding: Encoding of the text.
        language: Language of the conversations.
    """

    names: Names = _NAMES
    unlabelled: bool = False
    encoding: str = UTF8
    language: Language = "en"

    def __call__(self, path: Path, on_error: OnError = "raise") -> Reading:
        """Read conversations: an utterance is a segment with a speaker and one emotion, `neutral` among them.

        Raises:
            CorpusError: The file does not follow its format. If the JSON itself is broken, `skip` raises too: nothing
                after the break can be read.
        """
        cursor = Cursor.of(path, self.encoding)
        collector = Collector(path, on_error, "conversation_ID")
        for item in cursor.listed("a list of conversations", "a conversation"):
            collector.add(partial(self._document, item), item.line)
        cursor.end("conversation")
        return collector.reading("conversations with `conversation_ID` and `conversation`")

    def _document(self, item: Item, counts: Counter[str]) -> Document:
        value = item.mapping("a conversation: an object with `conversation_ID` and `conversation`")
        name = value.get("conversation_ID")
        if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
            raise item.error("a number or a name as `conversation_ID`", shown(repr(name)))
        name = str(name).strip()
        given = value.get("conversation")
        if not (isinstance(given, list) and given):
            raise item.error(f"a list of utterances as `conversation` of {name}", shown(repr(given)))
        segments = [
            self._utterance(Item(item.path, item.line, utterance), number, name, counts)
            for number, utterance in enumerate(given, start=1)
        ]
        pairs = None
        if not self.unlabelled:
            pairs = distinct_pairs(_pairs(item, name, len(segments)), counts)
        return Document(name, tuple(segments), pairs, self.language)

    def _utterance(self, item: Item, number: int, name: str, counts: Counter[str]) -> Segment:
        where = f"utterance {number} of conversation {name}"
        value = item.mapping(f"an object as {where}")
        if value.get("utterance_ID") not in (number, str(number)):
            raise item.error(f"{number} as `utterance_ID` of {where}", shown(repr(value.get("utterance_ID"))))
        text, speaker, emotion = (value.get(key) for key in ("text", "speaker", "emotion"))
        if not (isinstance(text, str) and text.strip()):
            raise item.error(f"text as `text` of {where}", shown(repr(text)))
        if not (isinstance(speaker, str) and speaker.strip()):
            raise item.error(f"a name as `speaker` of {where}", shown(repr(speaker)))
        text, wrong = mended(text)
        counts["mended_texts"] += wrong > 0
        if self.unlabelled:
            return Segment(text.strip(), mended(speaker)[0].strip())
        label = self.names.find(emotion.strip()) if isinstance(emotion, str) else None
        if label is None:
            hint = self.names.hint(emotion) if isinstance(emotion, str) else ""
            expected = f"one of {', '.join(self.names.known)} as `emotion` of {where}"
            raise item.error(expected, shown(repr(emotion)), hint)
        return Segment(text.strip(), mended(speaker)[0].strip(), (label,))


def _pairs(item: Item, name: str, size: int) -> Iterator[Pair]:
    listed = item.value.get(_PAIRS)
    if not isinstance(listed, list):
        hint = "If the file has none, it is a test file: set `unlabelled_test: true` in the description"
        raise item.error(f"a list as `{_PAIRS}` of conversation {name}", shown(repr(listed)), hint)
    for pair in listed:
        texts = pair if isinstance(pair, list) and len(pair) == 2 else ["", ""]
        matches = [_NUMBERED.fullmatch(text) if isinstance(text, str) else None for text in texts]
        numbers = [int(match[1]) for match in matches if match is not None]
        if len(numbers) < 2 or not all(1 <= number <= size for number in numbers):
            expected = f'pairs like ["3_joy", "1_text"] of utterances 1 to {size} in conversation {name}'
            raise item.error(expected, shown(repr(pair)))
        yield numbers[0] - 1, numbers[1] - 1


CORPORA = (
    Corpus(
        id="ecac",
        description="Friends conversations with emotion-cause pairs (SemEval-2024 task 3, subtask 1): own files",
        languages=("en",),
        tasks=("ecpe", "erc"),
        licence="comes from the organisers of SemEval-2024 task 3",
        splits=lambda fold: {
            "train": {"Subtask_1_train.json": ConversationReader()},
            "test": {"Subtask_1_test.json": ConversationReader(unlabelled=True)},
        },
        labels=LABELS,
        own=True,
        unlabelled_test=True,
    ),
)
