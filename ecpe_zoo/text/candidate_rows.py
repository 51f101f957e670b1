"""Documents with candidate pairs found earlier, for methods that learn from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ecpe_zoo.corpora.document import Document, Pair
from ecpe_zoo.text.document_rows import DocumentCollator, DocumentRows


class PairBatch(NamedTuple):
    """Training batch of stage two: B documents of at most N clauses."""

    ids: tuple[str, ...]
    rows: DocumentRows
    among: Tensor
    """(B, N, N) True for candidates."""


class PairCollator:
    """Batches documents into a `PairBatch`.

    Args:
        documents: Collator of the documents.
        found: Candidates by document id.
    """

    def __init__(self, documents: DocumentCollator, found: Mapping[str, Iterable[Pair]]) -> None:
        self.documents, self.found = documents, found

    def __call__(self, documents: Sequence[Document]) -> PairBatch:
        """Build the batch; clauses beyond the encoder's limit have no candidates."""
        rows = self.documents(documents)
        size = rows.segment_mask.shape[1]
        among = torch.zeros(len(documents), size, size, dtype=torch.bool)
        for row, document in enumerate(documents):
            for emotion, cause in self.found[document.id]:
                if max(emotion, cause) < size:
                    among[row, emotion, cause] = True
        return PairBatch(rows.ids, rows, among)
