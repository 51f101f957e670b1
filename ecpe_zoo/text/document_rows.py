"""Documents as rows of tokens for a token encoder, in one pass or clause by clause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.errors import ZooError
from ecpe_zoo.options import ReadAs
from ecpe_zoo.text.clause_batch import ClauseGold, gold_of
from ecpe_zoo.text.prompts import shortened
from ecpe_zoo.text.sources import mark, no_source
from ecpe_zoo.text.tokenizers import Tokenizer

SPECIAL = -1
"""`clause_of` of [CLS], [SEP] and padding."""


class DocumentRows(NamedTuple):
    """B documents of at most N clauses as R rows of at most T tokens.

    In one pass, a row is a document, `[CLS] clause_1 [SEP] [CLS] clause_2 [SEP] ...`. Clause by clause, a row
    is a clause, `[CLS] clause [SEP]`, clause after clause of all documents.
    """

    ids: tuple[str, ...]
    tokens: Tensor
    """(R, T) token ids, padded at the end."""
    clause_of: Tensor
    """(R, T) number of the token's clause within its row, `SPECIAL` for special tokens and padding."""
    types: Tensor
    """(R, T) 0 and 1, alternating by clause."""
    starts: Tensor
    """(R, clauses of a row) position of each clause's [CLS]; 0 after a row's last clause."""
    lengths: tuple[int, ...]
    """Tokens of each row."""
    sizes: tuple[int, ...]
    """Number of clauses of each document, including those not read."""
    cut: tuple[int, ...]
    """Number of clauses of each document that are truncated or not read."""
    segment_mask: Tensor
    """(B, N) True for clauses that are read."""
    clause_tokens: Tensor
    """(B, N) tokens of each clause, without special ones; 0 on padding."""
    gold: ClauseGold


def sources(batch: DocumentRows) -> Tensor:
    """Document, clause and number of each token (R, T, 3); see `text.sources`."""
    found = no_source(batch.tokens.shape)
    places = batch.segment_mask.nonzero().tolist()
    # a row a document, or a row a clause; the two are alike if each document has one clause
    by_document = len(batch.lengths) == len(batch.ids)
    for row, clauses in enumerate(batch.clause_of.tolist()):
        document, first = (row, 0) if by_document else places[row]
        mark(found, row, ((at, document, first + clause) for at, clause in enumerate(clauses) if clause >= 0))
    return found


def tagged(batch: DocumentRows, tag: Callable[[Tensor, Tensor], Tensor]) -> DocumentRows:
    """The batch with other token ids, made of its own and their sources."""
    return batch._replace(tokens=tag(batch.tokens, sources(batch)))


class DocumentCollator:
    """Batches documents into `DocumentRows`; caches token ids of texts, since every epoch needs them again.

    A document that is too long for the encoder is truncated by length alone: its longest clauses are shortened to one
    common length. If even one token per clause is too much, its last clauses are not read.

    Args:
        tokenizer: Tokenizer of the texts.
        max_tokens: Maximum tokens of a row; None for no limit.
        read: Whether there is one pass per document or per clause.

    Raises:
        ZooError: The encoder's limit leaves no room for a token.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int | None, read: ReadAs) -> None:
        if max_tokens is not None and max_tokens < 3:
            raise ZooError(f"Expected an encoder that takes at least 3 tokens, but got {max_tokens}.")
        self.tokenizer, self.max_tokens, self.read = tokenizer, max_tokens, read
        self.known: dict[str, list[int]] = {}

    def _encoded(self, text: str) -> list[int]:
        if text not in self.known:  # a text without tokens is still a clause
            self.known[text] = self.tokenizer.encode(text) or [self.tokenizer.mask_id]
        return self.known[text]

    def clauses(self, document: Document) -> list[list[int]]:
        """Token ids of the clauses that are read, truncated to what fits."""
        whole = [self._encoded(segment.text) for segment in document.segments]
        if self.max_tokens is None:
            return whole
        if self.read == "clause":
            return [clause[: self.max_tokens - 2] for clause in whole]
        most = self.max_tokens
        lengths = shortened([len(clause) for clause in whole], lambda kept: sum(kept) + 2 * len(kept) <= most)
        if lengths is None:
            return [clause[:1] for clause in whole[: most // 3]]
        return [clause[:length] for clause, length in zip(whole, lengths, strict=True)]

    def slots(self, document: Document) -> int:
        """Number of tokens of a document, special ones included."""
        return sum(len(clause) + 2 for clause in self.clauses(document))

    def __call__(self, documents: Sequence[Document]) -> DocumentRows:
        """Build the batch."""
        read = [self.clauses(document) for document in documents]
        rows = read if self.read == "document" else [[clause] for clauses in read for clause in clauses]
        laid = [self._lay_out(row) for row in rows]
        width, most = max(len(row[0]) for row in laid), max(map(len, rows))
        counts = torch.tensor([len(clauses) for clauses in read])
        size = int(counts.max())

        def table(column: int, fill: int, width: int) -> Tensor:
            # torch.tensor reads nested lists six times more slowly
            padded = [row[column] + [fill] * (width - len(row[column])) for row in laid]
            return torch.from_numpy(np.array(padded, dtype=np.int64))

        return DocumentRows(
            ids=tuple(document.id for document in documents),
            tokens=table(0, self.tokenizer.pad_id, width),
            clause_of=table(1, SPECIAL, width),
            types=table(2, 0, width),
            starts=table(3, 0, most),
            lengths=tuple(len(row[0]) for row in laid),
            sizes=tuple(len(document) for document in documents),
            cut=tuple(
                self._cut(document, clauses) for document, clauses in zip(documents, read, strict=True)
            ),
            segment_mask=torch.arange(size) < counts[:, None],
            clause_tokens=torch.tensor(
                [[*map(len, clauses)] + [0] * (size - len(clauses)) for clauses in read]
            ),
            gold=gold_of(documents, max(map(len, documents))).cut_to(size),
        )

    def _cut(self, document: Document, read: Sequence[list[int]]) -> int:
        whole = [self._encoded(segment.text) for segment in document.segments]
        shortened = sum(len(kept) < len(clause) for kept, clause in zip(read, whole, strict=False))
        return len(whole) - len(read) + shortened

    def _lay_out(self, clauses: Sequence[list[int]]) -> tuple[list[int], list[int], list[int], list[int]]:
        tokens: list[int] = []
        clause_of: list[int] = []
        types: list[int] = []
        starts: list[int] = []
        for index, clause in enumerate(clauses):
            starts.append(len(tokens))
            tokens += [self.tokenizer.cls_id, *clause, self.tokenizer.sep_id]
            clause_of += [SPECIAL, *[index] * len(clause), SPECIAL]
            types += [index % 2] * (len(clause) + 2)
        return tokens, clause_of, types, starts
