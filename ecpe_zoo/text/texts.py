"""Single texts, and texts after their context, as padded rows of tokens."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.errors import ZooError
from ecpe_zoo.text.conversations import unit_of
from ecpe_zoo.text.sources import NO_SOURCE, Source, no_source, sources_in
from ecpe_zoo.text.tokenizers import Tokenizer

KEPT_TEXTS = 65536
"""Number of texts whose token ids are cached (about 20 MB): all of goemotions, and a bound for streamed texts."""

WORTH_READING = 8
"""Minimum number of tokens of its own text that a row must have room for."""

T = TypeVar("T")

Target = Callable[[Segment], Sequence[float] | None]
"""The targets (C,) of an annotated segment; None if there is nothing to learn."""


class TextRow(NamedTuple):
    """One judged text.

    Args:
        ids: `[CLS] text [SEP]`, or `[CLS] turn [SEP] ... turn [SEP] text [SEP]` (two [SEP] before the text if the
            tokenizer's model was trained so). With context, `speaker: ` precedes the texts whose speaker is known.
        second: Position where the second text begins; the length of the row if there is only one text.
        cut: Whether the row's own text was truncated.
    """

    ids: list[int]
    second: int
    cut: bool


class TextBatch(NamedTuple):
    """The judged texts of some documents.

    Args:
        ids: Ids of the documents.
        sizes: Number of segments of each document.
        cut: Number of judged segments of each document whose own text was truncated.
        places: (document in the batch, segment) of each row.
        lengths: Number of tokens of each row.
        tokens: Token ids (R, T), padded at the end.
        types: Token types (R, T) in {0, 1}: first and second text of a pair.
        targets: Targets (R, C) in [0, 1]; a row of NaN if a text has none; (R, 0) outside training.
    """

    ids: list[str]
    sizes: list[int]
    cut: list[int]
    places: list[tuple[int, int]]
    lengths: list[int]
    tokens: Tensor
    types: Tensor
    targets: Tensor


class _Turns(NamedTuple, Generic[T]):
    """What a row is made of: token ids, or their sources.

    Args:
        of: Index of a segment -> its tokens.
        cls: [CLS].
        sep: [SEP].
    """

    of: Callable[[int], Sequence[T]]
    cls: T
    sep: T


class TextReader:
    """Builds rows with one tokenizer.

    A text that is too long loses its end, as in plain truncation, and is counted. A context loses its oldest
    tokens, and is dropped entirely before the text loses one. [SEP] separates its turns: byte-level tokenizers would
    otherwise join the last word of one with the first of the next.

    Args:
        tokenizer: Tokenizer of the texts.
        max_tokens: Maximum tokens of a row; None for no limit.
        context: Whether the segments before a judged one are read, as the first text of a pair.

    Raises:
        ZooError: Rows have too little room for a text.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int | None, context: bool = False) -> None:
        self.tokenizer, self.max_tokens, self.context = tokenizer, max_tokens, context
        least = 2 + tokenizer.pair_separators + WORTH_READING
        if max_tokens is not None and max_tokens < least:
            raise ZooError(f"Expected --model.max_tokens of at least {least}, but got {max_tokens}.")
        # shared by the collator and the data module's length computation
        self._encode = lru_cache(KEPT_TEXTS)(lambda text: array("l", tokenizer.encode(text)))

    def row(self, document: Document, index: int) -> TextRow:
        """The row of one segment."""

        def turn(at: int) -> Sequence[int]:
            return self._encode(self.written(document.segments[at]))

        return TextRow(*self._lay_out(_Turns(turn, self.tokenizer.cls_id, self.tokenizer.sep_id), index))

    def sources(self, documents: Sequence[Document], batch: TextBatch) -> Tensor:
        """Document, segment and number of each token (R, T, 3); see `text.sources`."""
        found = no_source(batch.tokens.shape)
        for row, (place, index) in enumerate(batch.places):
            laid = self._sources(place, documents[place], index)
            found[row, : len(laid)] = torch.tensor(laid)
        return found

    def _sources(self, place: int, document: Document, index: int) -> list[Source]:
        def turn(at: int) -> list[Source]:
            return sources_in(place, at, len(self._encode(self.written(document.segments[at]))))

        return self._lay_out(_Turns(turn, NO_SOURCE, NO_SOURCE), index)[0]

    def written(self, segment: Segment) -> str:
        """A segment as it is read: after its speaker, with context."""
        return f"{segment.speaker}: {segment.text}" if self.context and segment.speaker else segment.text

    def _lay_out(self, turns: _Turns[T], index: int) -> tuple[list[T], int, bool]:
        """A row, where its second text begins, and whether its own text was truncated."""
        whole = turns.of(index)
        text = whole if self.max_tokens is None else whole[: self.max_tokens - 2]  # [CLS] and [SEP]
        between = [turns.sep] * self.tokenizer.pair_separators
        before = self._before(turns, index, 2 + len(between) + len(text)) if self.context else []
        first = [turns.cls, *before, *between] if before else [turns.cls]
        row = [*first, *text, turns.sep]
        return row, len(first) if before else len(row), len(text) < len(whole)

    def _before(self, turns: _Turns[T], index: int, taken: int) -> list[T]:
        """The last tokens of the segments before one, as many as fit in addition to the tokens taken."""
        room = None if self.max_tokens is None else self.max_tokens - taken
        tokens: list[T] = []
        for at in reversed(range(index)):
            if room is not None and len(tokens) >= room:
                break
            between = [turns.sep] if tokens else []
            tokens = [*turns.of(at), *between, *tokens]
        kept = tokens if room is None else tokens[max(len(tokens) - room, 0) :]
        return kept[1:] if kept and kept[0] == turns.sep else kept

    def tokens(self, document: Document) -> int:
        """Tokens of all rows of a document."""
        judged = (index for index, segment in enumerate(document.segments) if segment.judged)
        return sum(len(self.row(document, index).ids) for index in judged) or 1

    def batch(self, documents: Sequence[Document], target: Target | None = None) -> TextBatch:
        """Batch all judged segments.

        Args:
            documents: At least one document.
            target: Function that gives training targets from gold; texts without a target are left out. None outside
                training.
        """
        rows: list[TextRow] = []
        places: list[tuple[int, int]] = []
        targets: list[Sequence[float]] = []
        cut = [0] * len(documents)
        for place, document in enumerate(documents):
            for index, segment in enumerate(document.segments):
                wanted = () if target is None else target(segment)
                if segment.judged and wanted is not None:
                    rows.append(self.row(document, index))
                    places.append((place, index))
                    targets.append(wanted)
                    cut[place] += rows[-1].cut
        lengths = [len(row.ids) for row in rows]
        shape = len(rows), max(lengths, default=0)
        tokens: npt.NDArray[np.int64] = np.full(shape, self.tokenizer.pad_id, dtype=np.int64)
        types = np.zeros(shape, dtype=np.int64)
        for position, row in enumerate(rows):
            tokens[position, : len(row.ids)] = row.ids
            types[position, row.second : len(row.ids)] = 1
        return TextBatch(
            [document.id for document in documents],
            [len(document) for document in documents],
            cut,
            places,
            lengths,
            torch.from_numpy(tokens),
            torch.from_numpy(types),
            torch.tensor(targets, dtype=torch.float32).reshape(len(rows), len(targets[0]) if targets else 0),
        )


def training_texts(documents: Sequence[Document], target: Target, context: bool = False) -> list[Document]:
    """Training units: documents with one judged text that has a target.

    Documents with several judged segments are split, so that a batch mixes texts of many documents.

    Args:
        documents: Documents with gold.
        target: Function that gives targets; see `TextReader.batch`.
        context: Whether to keep the segments before a text.
    """
    units: list[Document] = []
    for document in documents:
        judged = [index for index, segment in enumerate(document.segments) if segment.judged]
        for index in judged:
            if target(document.segments[index]) is not None:
                whole = len(judged) == 1
                units.append(document if whole else unit_of(document, index, index if context else 0))
    return units


def targets_of(segment: Segment, labels: Sequence[str], soft: bool, least: float = 0.0) -> list[float] | None:
    """Targets of an annotated segment, None for any other.

    Args:
        segment: Segment with gold.
        labels: Names of the C labels; others are ignored.
        soft: Whether to use strengths, if any, as shares of 10; otherwise 1 for each label.
        least: Share of 10 from which strengths become 1, and others 0; 0 keeps them unchanged.

    Returns:
        (C,) in [0, 1].

    >>> joyful = Segment("Hurray", emotions=("joy",), intensities={"joy": 8.0, "pride": 2.5})
    >>> targets_of(joyful, ["fear", "joy", "pride"], soft=True)
    [0.0, 0.8, 0.25]
    >>> targets_of(joyful, ["fear", "joy", "pride"], soft=True, least=0.2)
    [0.0, 1.0, 1.0]
    >>> targets_of(joyful, ["fear", "joy", "pride"], soft=False)
    [0.0, 1.0, 0.0]
    """
    if soft and segment.intensities is not None:
        shares = [segment.intensities.get(label, 0.0) / 10.0 for label in labels]
        return [float(share >= least) for share in shares] if least else shares
    if not segment.emotions and segment.intensities is None:
        return None
    return [float(label in segment.emotions) for label in labels]
