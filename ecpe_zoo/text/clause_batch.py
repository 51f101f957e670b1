"""Documents as clauses of words, with the gold of emotion-cause pair extraction as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.text.sources import mark, no_source

PADDING, UNKNOWN, SPECIALS = 0, 1, 2
"""Special word ids; those of the vocabulary start at `SPECIALS`."""


class ClauseGold(NamedTuple):
    """Gold of B documents of at most N clauses; without gold (outside training) all entries are 0."""

    emotion: Tensor
    """(B, N) long, 1 for gold emotion clauses."""
    cause: Tensor
    """(B, N) long, 1 for gold cause clauses."""
    pairs: Tensor
    """(B, N, N) float, 1 if [b, i, j] is a gold (emotion, cause) pair."""

    def cut_to(self, size: int) -> ClauseGold:
        """The gold of the first `size` clauses."""
        return ClauseGold(self.emotion[:, :size], self.cause[:, :size], self.pairs[:, :size, :size])


class ClauseBatch(NamedTuple):
    """Documents as one sequence of words, without padding between clauses; B documents, at most N clauses, W words."""

    ids: tuple[str, ...]
    words: Tensor
    """(W,) word ids of all clauses, one after another."""
    clause_words: Tensor
    """(clauses of all documents,) number of word slots of each clause, at least the collator's `min_words`."""
    document_clauses: Tensor
    """(B,) on the CPU, where packing of sequences needs it."""
    segment_mask: Tensor
    """(B, N) True for real clauses."""
    gold: ClauseGold


def words_of(segment: Segment) -> list[str]:
    """Lower-cased words of a segment."""
    return [word.lower() for word in segment.words]


def gold_of(documents: Sequence[Document], size: int) -> ClauseGold:
    """The gold of documents, padded to N = `size` clauses."""
    emotion, cause = torch.zeros(2, len(documents), size, dtype=torch.long)
    pairs = torch.zeros(len(documents), size, size)
    for row, document in enumerate(documents):
        for e, c in document.pairs or ():
            pairs[row, e, c] = emotion[row, e] = cause[row, c] = 1
    return ClauseGold(emotion, cause, pairs)


def sources(batch: ClauseBatch) -> Tensor:
    """Document, clause and number of each word (W, 3); see `text.sources`."""
    found = no_source(batch.words.shape)
    ids, start = batch.words.tolist(), 0
    for (document, clause), words in zip(
        batch.segment_mask.nonzero().tolist(), batch.clause_words.tolist(), strict=True
    ):
        real = [at for at in range(start, start + words) if ids[at] != PADDING]
        mark(found[None], 0, ((at, document, clause) for at in real))
        start += words
    return found


class ClauseCollator:
    """Batches documents into a `ClauseBatch`; caches word ids of texts, since every epoch needs them again.

    Args:
        word_ids: Ids of the words, starting at `SPECIALS`.
        min_words: Minimum number of slots of a clause; shorter ones are padded.
    """

    def __init__(self, word_ids: Mapping[str, int], min_words: int = 1) -> None:
        self.word_ids, self.min_words = word_ids, min_words
        self.known: dict[str, list[int]] = {}

    def _ids(self, segment: Segment) -> list[int]:
        if segment.text not in self.known:
            ids = [self.word_ids.get(word, UNKNOWN) for word in words_of(segment)]
            self.known[segment.text] = ids + [PADDING] * (self.min_words - len(ids))
        return self.known[segment.text]

    def __call__(self, documents: Sequence[Document]) -> ClauseBatch:
        """Build the batch."""
        rows = [self._ids(segment) for document in documents for segment in document.segments]
        clauses = torch.tensor([len(document) for document in documents])
        size = int(clauses.max())
        return ClauseBatch(
            ids=tuple(document.id for document in documents),
            words=torch.tensor([word for row in rows for word in row]),
            clause_words=torch.tensor([len(row) for row in rows]),
            document_clauses=clauses,
            segment_mask=torch.arange(size) < clauses[:, None],
            gold=gold_of(documents, size),
        )
