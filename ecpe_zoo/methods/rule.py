"""A rule without training, which every method for emotion-cause pairs has to beat.

A clause with an emotion keyword of the training documents is an emotion clause; its cause is the clause before
it, or the clause itself if it is the first. A clause scores as high as its best keyword, and a keyword as high as the
share of emotion clauses among the training clauses that contain it: the threshold on that share is the rule's only
choice, and is tuned on validation as for every method.

Nothing is learned by gradients: one epoch is enough, and all seeds give the same run. The single parameter is unused;
it exists because a fit needs something to optimise. See `ecpe_zoo.corpora.rule` for a version with a fixed cut-off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.methods.base import Method


class RuleBatch(NamedTuple):
    """Documents as the rule sees them."""

    ids: tuple[str, ...]
    emotion: tuple[Tensor, ...]
    """Highest share of the keywords of each clause (N,) in [0, 1], for each document."""


class Rule(Method):
    """Emotion keywords, and the clause before.

    Args:
        threshold: Share, 0 to 1, of the training clauses with a keyword that must be emotion clauses.
        offset: Offset of the cause from its emotion, in clauses.
    """

    id: ClassVar[str] = "rule"
    seedless: ClassVar[bool] = True
    ablations: ClassVar[frozenset[str]] = frozenset({"offset"})
    sort_by: Literal["tokens", "segments"] = "segments"

    def __init__(self, threshold: float = 0.5, offset: int = -1) -> None:
        super().__init__()
        self.threshold, self.offset = threshold, offset

    def make_vocabulary(self, documents: Sequence[Document]) -> list[str]:
        """The gold keywords of the training documents; their shares become facts."""
        clauses = [segment for document in documents for segment in document.segments]
        keywords = sorted({clause.keyword for clause in clauses if clause.keyword})
        held: Counter[str] = Counter()
        gold: Counter[str] = Counter()
        for clause in clauses:
            for word in keywords:
                if word in clause.text:
                    held[word] += 1
                    gold[word] += bool(clause.emotions)
        words = [word for word in keywords if held[word]]
        self.facts["shares"] = [gold[word] / held[word] for word in words]
        return words

    def build(self, from_checkpoint: bool) -> None:
        """Create only the unused parameter that a fit needs."""
        self.nothing = nn.Parameter(torch.zeros(1))

    def tokens(self, document: Document) -> int:
        """Clauses."""
        return len(document)

    def collator(self, training: bool) -> Callable[[Sequence[Document]], RuleBatch]:
        """A collator that looks for keywords; one for training and evaluation, since it reads no gold."""
        assert self.vocabulary is not None
        return _Collator(dict(zip(self.vocabulary, self.facts["shares"], strict=True)))

    def losses(self, batch: RuleBatch) -> dict[str, Tensor]:
        """Zero."""
        return {"nothing": 0 * self.nothing.sum()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """An optimiser with learning rate 0."""
        return torch.optim.SGD(self.parameters(), lr=0.0)

    def decode(self, batch: RuleBatch) -> list[Prediction]:
        """The pair of each clause with the one before it, with the clause's emotion score."""
        predictions = []
        for id, scores in zip(batch.ids, batch.emotion, strict=True):
            emotion = scores.cpu().numpy()
            effects = np.arange(len(emotion))
            causes = np.clip(effects + self.offset, 0, len(emotion) - 1)
            pair = np.zeros((len(emotion), len(emotion)), dtype=np.float32)
            pair[effects, causes] = emotion
            cause = pair.max(axis=0)
            predictions.append(Prediction(id, {"pair": pair, "emotion": emotion, "cause": cause}))
        return predictions


class _Collator:
    def __init__(self, shares: dict[str, float]) -> None:
        self.shares = shares

    def __call__(self, documents: Sequence[Document]) -> RuleBatch:
        return RuleBatch(
            tuple(document.id for document in documents),
            tuple(
                torch.tensor(
                    [self._share(segment.text) for segment in document.segments], dtype=torch.float32
                )
                for document in documents
            ),
        )

    def _share(self, text: str) -> float:
        return max((share for word, share in self.shares.items() if word in text), default=0.0)
