"""What methods share that score each text for each emotion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.layers.text_networks import TextNetwork, read_rows, whole
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.traces import Tag, by_segment
from ecpe_zoo.tasks import EMOTIONS, Task
from ecpe_zoo.text.row_groups import GROUP, chunk_rows
from ecpe_zoo.text.texts import TextBatch, TextReader, training_texts

HeadBias = Literal["frequencies", "zero"]


class TextMethod(Method):
    """Base of methods with a network over texts and a linear head; `build` creates these three.

    Attributes:
        reader: Converts documents to rows.
        network: Maps rows to vectors (R, H).
        head: Maps vectors to logits (R, C); its last layer has the bias.
        head_bias: Initial bias of a new head; see `start`.
        token_slots: Maximum number of token slots per evaluation pass.
    """

    task: ClassVar[Task] = EMOTIONS

    reader: TextReader
    network: TextNetwork
    head: nn.Sequential
    head_bias: HeadBias
    token_slots: int

    def target(self, segment: Segment) -> Sequence[float] | None:
        """Training target (C,) of a segment; None if it has no gold."""
        raise NotImplementedError

    def scores(self, logits: Tensor) -> Tensor:
        """Scores (R, C) in [0, 1] from logits (R, C)."""
        raise NotImplementedError

    def best_constant(self, means: Tensor) -> Tensor:
        """The constant logits (C,) with the lowest loss over all texts, from the mean targets (C,), fp64.

        `start` keeps the means half a text away from 0 and 1, so that logarithms are finite.
        """
        raise NotImplementedError

    def start(self, documents: Sequence[Document]) -> None:
        """Initialise the bias with `best_constant`, so that label frequencies need not be learned first."""
        if self.head_bias == "zero":
            return
        segments = (segment for document in documents for segment in document.segments if segment.judged)
        targets = [target for segment in segments if (target := self.target(segment)) is not None]
        means = torch.tensor(targets, dtype=torch.float64).mean(dim=0)  # (C,)
        half = 0.5 / len(targets)
        bias = self.best_constant(means.clamp(half, 1 - half))
        with torch.no_grad():
            last = self.head[-1]
            assert isinstance(last, nn.Linear)
            last.bias.copy_(bias)

    def row_limit(self, asked: int | None) -> int | None:
        """Maximum tokens of a row: the requested number, as far as the encoder allows."""
        limits = [limit for limit in (asked, self.network.encoder.max_tokens) if limit is not None]
        return min(limits, default=None)

    def tokens(self, document: Document) -> int:
        """Tokens of the rows of a document."""
        return self.reader.tokens(document)

    def training_units(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Documents with one text to learn from each."""
        return training_texts(documents, self.target, self.reader.context)

    def collator(self, training: bool) -> Any:
        """A function that batches documents into a `TextBatch`."""
        return lambda documents: self.reader.batch(documents, self.target if training else None)

    def forward(self, batch: TextBatch) -> Tensor:
        """Logits (R, C), fp32: for all rows at once in training, in groups of similar length in evaluation."""
        slots = max(batch.lengths) * len(batch.lengths) if self.training else self.token_slots
        groups = chunk_rows(batch.lengths, slots, overhead=slots if self.training else GROUP)
        return whole(self.head(read_rows(self.network, batch, groups)))

    def token_texts(self, segment: Segment) -> list[str]:
        """See `Traceable.token_texts`; with the speaker if the method reads it."""
        return self.reader.tokenizer.pieces(self.reader.written(segment))

    def traced_scores(self, documents: Sequence[Document], tag: Tag) -> list[Tensor]:
        """See `Traceable.traced_scores`."""
        batch: TextBatch = self.batch_of(documents)
        sources = self.reader.sources(documents, batch)
        rows = self.scores(self(batch._replace(tokens=tag(batch.tokens, sources))))
        return by_segment(rows, batch.places, batch.sizes)

    def decode(self, batch: TextBatch) -> list[Prediction]:
        """A score for each emotion of each judged segment."""
        scores = [np.full((size, len(self.labels)), np.nan, dtype=np.float32) for size in batch.sizes]
        if batch.places:
            rows = self.scores(self(batch)).detach().cpu().numpy()
            for (document, segment), row in zip(batch.places, rows, strict=True):
                scores[document][segment] = row
        return [
            Prediction(id, {"emotions": score}, cut, self.labels)
            for id, score, cut in zip(batch.ids, scores, batch.cut, strict=True)
        ]
