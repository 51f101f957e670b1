"""Utterances with their preceding turns, as rows of tokens that end in a mask."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document, Language, Segment
from ecpe_zoo.errors import ZooError
from ecpe_zoo.text.sources import NO_SOURCE, Source, no_source, sources_in
from ecpe_zoo.text.tokenizers import Tokenizer

KEPT_TEXTS = 65536
"""Number of texts whose token ids are cached: more than any corpus has, and a bound for streamed texts."""

T = TypeVar("T")


class Frame(NamedTuple):
    """The words around an utterance, following the paper's prompt.

    Args:
        turn: Words before the text of an earlier turn, with `{speaker}`.
        head: Words before the judged text.
        tail: Words between the judged text and the mask.
        nobody: Name for an unknown speaker.
    """

    turn: str
    head: str
    tail: str
    nobody: str


FRAMES: dict[Language, Frame] = {
    "en": Frame("{speaker} says:", "For utterance:", "{speaker} feels", "Somebody"),
    "zh": Frame(
        "{speaker} 说 ：", "对于 这 句 话 ：", "{speaker} 感到", "某人"
    ),  # ours: the paper is English
}
PROMPT_TEXTS = tuple(
    part.format(speaker=frame.nobody)
    for frame in FRAMES.values()
    for part in (frame.turn, frame.head, frame.tail, frame.nobody)
)
"""Texts whose words must be in a vocabulary counted from text."""

Speakers = Literal["given", "first-name", "by-order"]

ORDER_NAMES: dict[Language, tuple[str, ...]] = {
    "en": ("Alex", "Sam", "Robin", "Taylor", "Jamie", "Jordan", "Casey", "Morgan"),
    "zh": ("小明", "小红", "小华", "小丽", "小强", "小芳", "小军", "小燕"),
}
"""Speakers by order of appearance (ours: the name pool of the released code is not in its repository)."""


class Row(NamedTuple):
    """One judged utterance.

    Args:
        ids: `[CLS] turn [SEP] ... turn [SEP] head text tail [MASK] [SEP]`.
        mask_at: Position of the mask.
        cut: Whether the utterance's own text was truncated.
    """

    ids: list[int]
    mask_at: int
    cut: bool


class ConversationBatch(NamedTuple):
    """The judged utterances of some conversations.

    Args:
        ids: Ids of the documents.
        sizes: Number of segments of each document.
        cut: Number of judged segments of each document whose own text was truncated.
        places: (document in the batch, segment) of each row.
        keys: Hash of each row's ids: rows with equal keys are the same, in any document.
        tokens: Token ids (R, T), padded at the end.
        lengths: Number of tokens of each row.
        mask_at: Position (R,) of the mask.
        labels: Index (R,) of the gold label, -1 if there is none.
    """

    ids: list[str]
    sizes: list[int]
    cut: list[int]
    places: list[tuple[int, int]]
    keys: list[str]
    tokens: Tensor
    lengths: list[int]
    mask_at: Tensor
    labels: Tensor


def with_speakers(document: Document, speakers: Speakers) -> Document:
    """Name the speakers of a conversation.

    Idempotent, for an entire conversation and for a part of it.

    Args:
        document: Conversation; segments without a speaker stay without one.
        speakers: `given` keeps the names; `first-name` keeps the first name of the first of several speakers joined by
            "and"; `by-order` gives the n-th person to speak the n-th of `ORDER_NAMES` (after the last, `Alex 2` ...),
            unless all have such names already.

    >>> from ecpe_zoo.corpora.document import document_from_texts as build
    >>> names = ["Ross Geller", "Joey Tribbiani and Ross Geller"]
    >>> document = build("c", ["Hi", "Hello"], speakers=names, language="en")
    >>> [segment.speaker for segment in with_speakers(document, "first-name").segments]
    ['Ross', 'Joey']
    >>> [segment.speaker for segment in with_speakers(document, "by-order").segments]
    ['Alex', 'Sam']
    """
    given = dict.fromkeys(segment.speaker for segment in document.segments if segment.speaker)
    names: dict[str, str]
    match speakers:
        case "given":
            return document
        case "first-name":
            names = {name: (name.split(" and ")[0].split() or [name])[0] for name in given}
        case "by-order":
            pool = ORDER_NAMES[document.language]
            if all(name.rstrip("0123456789 ") in pool for name in given):
                return document
            rounds = [divmod(number, len(pool)) for number in range(len(given))]
            ordered = [f"{pool[place]} {turn + 1}" if turn else pool[place] for turn, place in rounds]
            names = dict(zip(given, ordered, strict=True))
    segments = (
        replace(segment, speaker=names[segment.speaker]) if segment.speaker else segment
        for segment in document.segments
    )
    return replace(document, segments=tuple(segments))


def unit_of(document: Document, index: int, context: int) -> Document:
    """One judged utterance with its preceding turns, as its own document.

    >>> from ecpe_zoo.corpora.document import document_from_texts as build
    >>> unit = unit_of(build("c", ["Hi", "Hello", "How are you"]), 2, context=1)
    >>> unit.id, [(segment.text, segment.judged) for segment in unit.segments]
    ('c#2', [('Hello', False), ('How are you', True)])
    """
    before = tuple(
        Segment(segment.text, segment.speaker, judged=False)
        for segment in document.segments[max(0, index - context) : index]
    )
    return Document(f"{document.id}#{index}", (*before, document.segments[index]), None, document.language)


class ConversationReader:
    """Builds rows with one tokenizer.

    The turns before an utterance are truncated from the left, oldest first, then the utterance itself from its left:
    the start mark, the prompt and the mask are always kept.

    Args:
        tokenizer: Tokenizer of the texts.
        context: Maximum number of earlier turns.
        max_tokens: Maximum tokens of a row.
        speakers: How speakers are named; see `with_speakers`.

    Raises:
        ZooError: Rows have no room for the prompt and a word.
    """

    def __init__(
        self, tokenizer: Tokenizer, context: int, max_tokens: int, speakers: Speakers = "given"
    ) -> None:
        self.tokenizer, self.context, self.max_tokens = tokenizer, context, max_tokens
        self.speakers = speakers
        # each text is in up to 1 + context rows; the space is for byte-level tokenizers, which encode a word at the
        # start of a text differently
        self._encode = lru_cache(KEPT_TEXTS)(lambda text: tokenizer.encode(" " + text))
        least = max(len(self._frame(document, Segment("x"))[0]) + 16 for document in ("en", "zh"))  # type: ignore[arg-type]
        if max_tokens < least:
            raise ZooError(f"Expected --model.max_tokens of at least {least}, but got {max_tokens}.")

    def _frame(self, language: Language, segment: Segment) -> tuple[list[int], list[int]]:
        frame = FRAMES[language]
        speaker = segment.speaker or frame.nobody
        return self._encode(frame.head), self._encode(frame.tail.format(speaker=speaker))

    def pieces(self, text: str) -> list[str]:
        """The tokens of a turn's text as written."""
        return [piece.strip() or piece for piece in self.tokenizer.pieces(" " + text)]

    def _introduction(self, language: Language, segment: Segment) -> list[int]:
        frame = FRAMES[language]
        return self._encode(frame.turn.format(speaker=segment.speaker or frame.nobody))

    def row(self, document: Document, index: int) -> Row:
        """The row of one utterance, with the speakers' names from the document."""
        segments, language = document.segments, document.language

        def turn(at: int) -> list[int]:
            speaker = self._introduction(language, segments[at])
            return [*speaker, *self._encode(segments[at].text), self.tokenizer.sep_id]

        head, tail = self._frame(language, segments[index])
        body, cut = self._lay_out(index, turn, self._encode(segments[index].text), head, tail)
        ids = [self.tokenizer.cls_id, *body, self.tokenizer.mask_id, self.tokenizer.sep_id]
        return Row(ids, len(ids) - 2, cut)

    def sources(self, documents: Sequence[Document], batch: ConversationBatch) -> Tensor:
        """Document, turn and number of each token (R, T, 3); see `text.sources`."""
        found = no_source(batch.tokens.shape)
        for row, (place, index) in enumerate(batch.places):
            body = self._sources(place, with_speakers(documents[place], self.speakers), index)
            found[row, 1 : 1 + len(body)] = torch.tensor(body)  # after [CLS]
        return found

    def _sources(self, place: int, document: Document, index: int) -> list[Source]:
        segments, language = document.segments, document.language

        def text(at: int) -> list[Source]:
            return sources_in(place, at, len(self._encode(segments[at].text)))

        def turn(at: int) -> list[Source]:
            return [*[NO_SOURCE] * len(self._introduction(language, segments[at])), *text(at), NO_SOURCE]

        head, tail = ([NO_SOURCE] * len(ids) for ids in self._frame(language, segments[index]))
        return self._lay_out(index, turn, text(index), head, tail)[0]

    def _lay_out(
        self, index: int, turn: Callable[[int], list[T]], whole: list[T], head: list[T], tail: list[T]
    ) -> tuple[list[T], bool]:
        """A row between [CLS] and the mask, and whether the utterance was truncated."""
        room = self.max_tokens - 3 - len(head) - len(tail)  # [CLS], mask, [SEP]
        text = whole[-room:] if room < len(whole) else whole
        room -= len(text)
        before: list[T] = []
        for at in reversed(range(max(0, index - self.context), index)):
            before = turn(at) + before
            if len(before) >= room:
                before = before[len(before) - room :]
                break
        return [*before, *head, *text, *tail], len(text) < len(whole)

    def tokens(self, document: Document) -> int:
        """Tokens of all rows of a document."""
        document = with_speakers(document, self.speakers)
        judged = [index for index, segment in enumerate(document.segments) if segment.judged]
        return sum(len(self.row(document, index).ids) for index in judged) or 1

    def batch(self, documents: Sequence[Document], labels: Sequence[str]) -> ConversationBatch:
        """Batch all judged utterances.

        Args:
            documents: At least one document, with gold labels if known.
            labels: Label names that `ConversationBatch.labels` indexes.
        """
        number = {label: index for index, label in enumerate(labels)}
        rows: list[Row] = []
        gold: list[int] = []
        places: list[tuple[int, int]] = []
        cut = [0] * len(documents)
        for place, given in enumerate(documents):
            document = with_speakers(given, self.speakers)
            for index, segment in enumerate(document.segments):
                if segment.judged:
                    rows.append(self.row(document, index))
                    gold.append(number.get(segment.emotions[0], -1) if segment.emotions else -1)
                    places.append((place, index))
                    cut[place] += rows[-1].cut
        lengths = [len(row.ids) for row in rows]
        tokens = torch.full((len(rows), max(lengths, default=0)), self.tokenizer.pad_id)
        for position, row in enumerate(rows):
            tokens[position, : len(row.ids)] = torch.tensor(row.ids)
        return ConversationBatch(
            [document.id for document in documents],
            [len(document) for document in documents],
            cut,
            places,
            [_key(row.ids) for row in rows],
            tokens,
            lengths,
            torch.tensor([row.mask_at for row in rows], dtype=torch.long),
            torch.tensor(gold, dtype=torch.long),
        )


def _key(ids: list[int]) -> str:
    return hashlib.blake2b(array("l", ids).tobytes(), digest_size=16).hexdigest()
