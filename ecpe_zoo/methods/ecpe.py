"""Methods that score every pair of clauses of a document at once, beside its emotion and cause clauses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.methods.base import Method
from ecpe_zoo.text.clause_batch import ClauseGold


class PairOutputs(Protocol):
    """What the network of a clause-pair method gives for B documents of at most N clauses."""

    @property
    def emotion(self) -> Tensor:
        """(B, N, 2) logits; (B, N, 0) for a network without this head."""

    @property
    def cause(self) -> Tensor:
        """(B, N, 2) logits; (B, N, 0) for a network without this head."""

    @property
    def pair(self) -> Tensor:
        """(B, N, N) probabilities, 0 on padding."""


class ClausePairMethod(Method):
    """Base of the methods with heads over clauses and over pairs: `forward` gives `PairOutputs`.

    Attributes:
        masked: Padding stays out of the losses.
        reduction: Losses are summed over the entries of a document and averaged over documents (`sum`), or averaged
            over all entries of the batch (`mean`).
    """

    sort_by: ClassVar[Literal["tokens", "segments"]] = "segments"

    masked: bool = True
    reduction: Literal["sum", "mean"] = "mean"

    def reduce(self, entries: Tensor, mask: Tensor) -> Tensor:
        """A loss from entries (B, ...) and their mask (B, ...)."""
        if not self.masked:
            mask = torch.ones_like(mask)
        total = (entries * mask).sum()
        return total / (mask.sum() if self.reduction == "mean" else len(entries))

    def clause_losses(self, outputs: PairOutputs, gold: ClauseGold, mask: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the emotion and of the cause clauses; mask (B, N)."""
        losses = {}
        for name, logits, labels in (
            ("emotion", outputs.emotion, gold.emotion),
            ("cause", outputs.cause, gold.cause),
        ):
            entries = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
            losses[name] = self.reduce(entries, mask)
        return losses

    def decode(self, batch: Any) -> list[Prediction]:
        """Probabilities of pairs, and of emotion and cause clauses if the network has these heads."""
        outputs: PairOutputs = self(batch)
        scores = {"pair": outputs.pair}
        for name, logits in (("emotion", outputs.emotion), ("cause", outputs.cause)):
            if logits.shape[-1]:
                scores[name] = logits.softmax(-1)[..., 1]
        arrays = {name: value.detach().cpu().numpy() for name, value in scores.items()}
        sizes: Sequence[int] = batch.document_clauses.tolist()
        return [
            Prediction(
                id, {name: value[row][(slice(n),) * (value.ndim - 1)] for name, value in arrays.items()}
            )
            for row, (id, n) in enumerate(zip(batch.ids, sizes, strict=True))
        ]
