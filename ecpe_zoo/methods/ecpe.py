"""Methods that score all pairs of clauses of a document at once, together with its emotion and cause clauses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.layers.decoding import top_pairs
from ecpe_zoo.layers.losses import masked_bce
from ecpe_zoo.layers.optimisation import make_optimiser
from ecpe_zoo.layers.pair_set import PairSet, RelativePosition
from ecpe_zoo.layers.segment_encoder import Encoded, SegmentEncoder
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.traces import Tag
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings
from ecpe_zoo.text import clause_batch
from ecpe_zoo.text.clause_batch import ClauseGold, gold_of
from ecpe_zoo.text.document_rows import DocumentCollator, DocumentRows, tagged
from ecpe_zoo.text.encoders import Vocabulary, make_encoder, make_encoder_vocabulary


class PairOutputs(Protocol):
    """Outputs of a clause-pair method for B documents of at most N clauses."""

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
    """Base of the methods with heads over clauses and pairs: `forward` returns `PairOutputs`.

    Attributes:
        masked: Whether padding is left out of the losses.
        reduction: How losses are reduced: summed over the entries of a document and averaged over documents (`sum`), or
            averaged over all entries of the batch (`mean`).
    """

    sort_by: Literal["tokens", "segments"] = "segments"

    masked: bool = True
    reduction: Literal["sum", "mean"] = "mean"

    def reduce(self, entries: Tensor, mask: Tensor) -> Tensor:
        """Reduce a loss with entries (B, ...) and their mask (B, ...)."""
        if not self.masked:
            mask = torch.ones_like(mask)
        total = (entries * mask).sum()
        return total / (mask.sum() if self.reduction == "mean" else len(entries))

    def clause_losses(self, outputs: PairOutputs, gold: ClauseGold, mask: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of emotion and cause clauses; mask (B, N)."""
        losses = {}
        for name, logits, labels in (
            ("emotion", outputs.emotion, gold.emotion),
            ("cause", outputs.cause, gold.cause),
        ):
            entries = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
            losses[name] = self.reduce(entries, mask)
        return losses

    def scores(self, outputs: PairOutputs) -> dict[str, Tensor]:
        """Probabilities of pairs (B, N, N), and of emotion and cause clauses (B, N) if the network has these heads."""
        scores = {"pair": outputs.pair}
        for name, logits in (("emotion", outputs.emotion), ("cause", outputs.cause)):
            if logits.shape[-1]:
                scores[name] = logits.softmax(-1)[..., 1]
        return scores

    def traced_scores(self, documents: Sequence[Document], tag: Tag) -> list[Tensor]:
        """See `Traceable.traced_scores`."""
        batch = self.batch_of(documents)
        if isinstance(batch, DocumentRows):
            batch = tagged(batch, tag)
        else:
            batch = batch._replace(words=tag(batch.words, clause_batch.sources(batch)))
        outputs: PairOutputs = self(batch)
        return list(outputs.pair)

    def decode(self, batch: Any) -> list[Prediction]:
        """See `scores`."""
        scores = self.scores(self(batch))
        arrays = {name: value.detach().cpu().numpy() for name, value in scores.items()}
        sizes: Sequence[int] = batch.document_clauses.tolist()
        return [
            Prediction(
                id, {name: value[row][(slice(n),) * (value.ndim - 1)] for name, value in arrays.items()}
            )
            for row, (id, n) in enumerate(zip(batch.ids, sizes, strict=True))
        ]


class PairLogits(NamedTuple):
    """Outputs of the heads over encoded documents."""

    pairs: PairSet
    """The P candidates."""
    pair: Tensor
    """(P,) logits."""
    emotion: Tensor | None = None
    """(B, N) logits; None for a method without this head."""
    cause: Tensor | None = None
    """(B, N) logits; None for a method without this head."""
    vectors: Tensor | None = None
    """(P, H) vectors of the candidates, for losses that need them."""


class EncodedPairMethod(Method):
    """Base of the methods that encode the clauses of a document and score emotions, causes and candidate pairs.

    A method provides `make_heads`, `score`, and whatever its losses need beyond the cross-entropies of its heads. Its
    arguments `encoder`, `reading`, `pairs` and `optimiser` are read here.

    Attributes:
        heads: Everything after the encoder. Its `pair_head`, a linear layer with one output, computes the pair logits.
    """

    settings: EncoderSettings
    reading: ReadingSettings
    pair_settings: PairSettings
    optimiser: OptimiserSettings
    encoder: SegmentEncoder
    heads: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.settings = EncoderSettings.of(self.hparams.encoder)
        self.reading = ReadingSettings.of(self.hparams.reading)
        self.pair_settings = PairSettings.of(self.hparams.pairs)
        self.optimiser = OptimiserSettings.of(self.hparams.optimiser)

    # --- what a method provides

    def make_heads(self, size: int) -> nn.Module:
        """The network over clause vectors of this size."""
        raise NotImplementedError(
            f"Expected {type(self).__name__} to have `make_heads`; see `methods/rankcp.py`."
        )

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        """Logits of the clauses and of the candidate pairs; mask (B, N)."""
        raise NotImplementedError(f"Expected {type(self).__name__} to have `score`; see `methods/rankcp.py`.")

    def further_losses(self, logits: PairLogits, batch: DocumentRows) -> dict[str, Tensor]:
        """Losses other than the cross-entropies, by name."""
        return {}

    # --- text to batch

    def make_vocabulary(self, documents: Sequence[Document]) -> Vocabulary:
        """See `make_encoder_vocabulary`."""
        return vocabulary_of(documents, self.settings)

    def build(self, from_checkpoint: bool) -> None:
        """See `Method.build`."""
        assert self.vocabulary is not None
        self.encoder, self.documents = make_readers(
            self.settings, self.reading, self.vocabulary, from_checkpoint
        )
        self.heads = self.make_heads(self.encoder.size)

    def tokens(self, document: Document) -> int:
        """Tokens of all clauses, special ones included."""
        return self.documents.slots(document)

    def collator(self, training: bool) -> DocumentCollator:
        """One collator for training and evaluation."""
        return self.documents

    # --- network

    def make_position(self, radius: int, size: int, smooth: bool = False) -> RelativePosition | None:
        """Distance embeddings up to the window (or `radius` without a window); None without `pairs.position`."""
        if not self.pair_settings.position:
            return None
        return RelativePosition(self.pair_settings.window or radius, size, smooth)

    def start(self, documents: Sequence[Document]) -> None:
        """Set the bias of the pair head to the logit of the share of gold pairs among the candidates.

        Gold pairs outside the window are reported.

        Raises:
            TypeError: See `pair_bias`.
        """
        gold = missed = candidates = 0
        for document in documents:
            pairs = PairSet.build(torch.ones(1, len(document), dtype=torch.bool), self.pair_settings.window)
            grid = gold_of([document], len(document)).pairs
            gold += int(pairs.flat(grid).sum())
            missed += int(pairs.missed(grid))
            candidates += len(pairs.document)
        if missed:
            rank_zero_info(
                f"The window of {self.pair_settings.window} clauses leaves out {missed:,} of {gold + missed:,} gold "
                "pairs of the training documents; those of the test documents count as missed."
            )
        if not self.pair_settings.prior:
            return
        share = torch.tensor(min(max(gold, 1) / max(candidates, 2), 0.5))
        with torch.no_grad():
            self.pair_bias().fill_(float(torch.logit(share)))

    def pair_bias(self) -> Tensor:
        """What is added last to each pair logit, (1,): the bias of the heads' `pair_head`.

        A method whose pair logits end in another form overrides it.

        Raises:
            TypeError: The heads have no `pair_head`.
        """
        head = getattr(self.heads, "pair_head", None)
        if not isinstance(head, nn.Linear) or head.out_features != 1 or head.bias is None:
            raise TypeError(
                f"Expected the heads of {type(self).__name__} to have `pair_head`, an nn.Linear with one output and a "
                f"bias that gives the pair logits, but got {head}. Its bias is set to the share of gold pairs; for "
                "another form override `pair_bias`."
            )
        return head.bias

    def forward(self, batch: DocumentRows) -> PairLogits:
        """Logits of a batch.

        Raises:
            TypeError: `score` returned anything else, or logits of other shapes.
        """
        pairs = PairSet.build(batch.segment_mask, self.pair_settings.window)
        found = self.score(self.encoder(batch), batch.segment_mask, pairs)
        self._check(found, len(pairs.document), tuple(batch.segment_mask.shape))
        return found

    def _check(self, found: object, candidates: int, clauses: tuple[int, ...]) -> None:
        said = f"Expected `score` of {type(self).__name__} to return"
        if not isinstance(found, PairLogits):
            raise TypeError(f"{said} `PairLogits`, but got {type(found).__name__}.")
        for name, values, shape in (
            ("pair", found.pair, (candidates,)),
            ("emotion", found.emotion, clauses),
            ("cause", found.cause, clauses),
        ):
            if values is not None and tuple(values.shape) != shape:
                raise TypeError(f"{said} {name} logits of shape {shape}, but got {tuple(values.shape)}.")

    def losses(self, batch: DocumentRows) -> dict[str, Tensor]:
        """Binary cross-entropy of pairs, emotion clauses and cause clauses, each a mean over the batch."""
        logits: PairLogits = self(batch)
        losses = {"pair": masked_bce(logits.pair, logits.pairs.flat(batch.gold.pairs))}
        for name, values, gold in (
            ("emotion", logits.emotion, batch.gold.emotion),
            ("cause", logits.cause, batch.gold.cause),
        ):
            if values is not None:
                losses[name] = masked_bce(values, gold, batch.segment_mask)
        return losses | self.further_losses(logits, batch)

    def configure_optimizers(self) -> Any:
        """AdamW; see `make_optimiser`."""
        return make_optimiser(self, self.optimiser, self, self.encoder.encoder)

    # --- predictions

    def traced_scores(self, documents: Sequence[Document], tag: Tag) -> list[Tensor]:
        """See `Traceable.traced_scores`."""
        logits: PairLogits = self(tagged(self.batch_of(documents), tag))
        return list(self._probabilities(logits))

    @staticmethod
    def _probabilities(logits: PairLogits) -> Tensor:
        """(B, N, N) probabilities of pairs, 0 for those that are no candidates."""
        return logits.pairs.grid(torch.sigmoid(logits.pair.float()))

    def decode(self, batch: DocumentRows) -> list[Prediction]:
        """Probabilities of pairs, and of emotion and cause clauses if the method has these heads."""
        logits: PairLogits = self(batch)
        probabilities, chosen = self._probabilities(logits), self.pair_settings
        scores = {"pair": top_pairs(probabilities, chosen.top, chosen.force_first)}
        for name, values in (("emotion", logits.emotion), ("cause", logits.cause)):
            if values is not None:
                scores[name] = torch.sigmoid(values.float())
        return predictions_of(batch, scores)


def vocabulary_of(documents: Sequence[Document], settings: EncoderSettings) -> Vocabulary:
    """See `make_encoder_vocabulary`."""
    texts = [segment.text for document in documents for segment in document.segments]
    return make_encoder_vocabulary(settings, texts, ())


def make_readers(
    settings: EncoderSettings, reading: ReadingSettings, vocabulary: Vocabulary, from_checkpoint: bool
) -> tuple[SegmentEncoder, DocumentCollator]:
    """The encoder of clauses, and the collator of its batches; see `make_encoder`."""
    encoder = make_encoder(settings, vocabulary, from_checkpoint)
    collator = DocumentCollator(encoder.tokenizer, encoder.max_tokens, reading.read)
    return SegmentEncoder(encoder, reading), collator


def predictions_of(batch: DocumentRows, scores: Mapping[str, Tensor]) -> list[Prediction]:
    """Predictions for all clauses of each document, with score 0 for clauses that were not read.

    Args:
        batch: Batch that was read.
        scores: Scores by name: (B, N) for clauses, or (B, N, N) for pairs, 0 on padding.
    """
    mask = batch.segment_mask
    arrays = {
        name: (value * mask if value.ndim == 2 else value).detach().cpu().numpy()
        for name, value in scores.items()
    }
    predictions = []
    for row, (id, size, cut) in enumerate(zip(batch.ids, batch.sizes, batch.cut, strict=True)):
        document = {name: _filled(value[row], size) for name, value in arrays.items()}
        predictions.append(Prediction(id, document, cut))
    return predictions


def _filled(scores: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """Scores of the first `size` clauses, along all axes, with 0 for clauses that were not read."""
    read = scores[(slice(size),) * scores.ndim]
    return np.pad(read, [(0, size - length) for length in read.shape])
