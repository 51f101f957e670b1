"""EACL: Emotion-Anchored Contrastive Learning for emotion recognition in conversation (Yu et al., NAACL 2024).

An utterance is read after its preceding turns, in a prompt that ends in `speaker feels [MASK]`. Contrastive learning
pulls the mask's representation towards those of the same emotion and towards an anchor, the emotion's own word; an
angle loss pushes the anchors apart, so that similar emotions stay distinct. Stage two freezes the encoder and trains
only the anchors on the representations it produced. The nearest anchor is predicted.

Paper: arXiv 2403.20289; "code" is Yu-Fangxu/EACL at 32233d1. Departures from the code:
- The mask is found by the tokenizer's own id. The code looks for id 50265, which is the mask in no stock RoBERTa
  vocabulary, and then reads the first token (`read_at: first` does so).
- Stage two starts from the best weights. The code computes its anchors before it loads them, and cannot be run
  (it unpacks five values into four names).
- A row without a positive partner, such as the anchor of an emotion that is not in the batch, is left out of
  the mean. The code counts it with the constant 18.4 (`absent_anchors: count` does so).
- Rows are as long as the limit allows; the code counts the current utterance twice.
- The angle loss keeps its gradient when two anchors nearly coincide; the code's clamp zeroes it.
- Weight decay excludes embeddings and all norms. The code decays both the embeddings and the projection's LayerNorm,
  whose name does not match its list of exceptions.
- Anchor words, turns and prompts are encoded with a leading space, as words inside a sentence. The code has no space,
  which byte-level BPE (RoBERTa) encodes differently (`anchor_space: false` for the anchors), but one after the mask.
- Speakers are named as the corpus names them. The code takes the first name of the first speaker on EmoryNLP
  (`speakers: first-name`; the corpus has full names, our reader joins several with "and"). On IEMOCAP, where speakers
  are known as F and M, our reader picks a new pair of names for each dialogue; the code gives the same names, in
  order of appearance, in every dialogue (`speakers: by-order`; the code's own names are not published).
- The code's `--disable_emo_anchor`, off by default there too, is `contrast_anchors: false`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.optim import Adam

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.anchors import angle_loss, contrastive_loss, similarity, unit
from ecpe_zoo.layers.distributed import gather_objects, gather_rows, mean_over_processes
from ecpe_zoo.layers.dropout import Dropout, use_cheap_dropout
from ecpe_zoo.layers.optimisation import make_optimiser
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.stages import FIT, Between, Stage
from ecpe_zoo.methods.traces import Clues, Tag, by_segment
from ecpe_zoo.options import EncoderSettings, OptimiserSettings
from ecpe_zoo.tasks import ERC, Task
from ecpe_zoo.text.conversations import (
    PROMPT_TEXTS,
    ConversationBatch,
    ConversationReader,
    Speakers,
    unit_of,
    with_speakers,
)
from ecpe_zoo.text.encoders import Vocabulary, make_encoder, make_encoder_vocabulary
from ecpe_zoo.text.row_groups import chunk_rows
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.views import Heatmap, Points, View

ANCHORS = "anchors"
"""Name of stage two."""


class Reading(NamedTuple):
    """Outputs of the network for R utterances.

    Args:
        logits: Logits (R, C) of the classifier.
        vectors: Projected representations (R, H); (R, 0) without a projection.
    """

    logits: Tensor
    vectors: Tensor


class EACL(Method):
    """Emotion-Anchored Contrastive Learning.

    Args:
        encoder: Token encoder; the paper's is princeton-nlp/sup-simcse-roberta-large.
        objective: `eacl`, or `cross-entropy`: plain fine-tuning of the same network with its classifier alone.
        context: Maximum number of earlier turns to read (paper: 8).
        max_tokens: Maximum tokens of a row; earlier turns lose their oldest tokens first (paper: 256).
        read_at: Where to read: at the mask, or at the first token as the released code does by its wrong mask id.
        anchors: `words` encodes the labels' words once, with the encoder's initial weights; `re-encoded` encodes them
            again at each step; `random` draws constants; `learned` trains the drawn values.
        anchor_space: Whether to encode a label's word with a leading space; the released code has none. Only
            byte-level tokenizers make a difference.
        contrast_anchors: Whether anchors are rows of the contrastive loss, next to utterances. False is the released
            code's `--disable_emo_anchor`: they still enter the angle loss and the decision.
        speakers: How speakers are named in the prompt; see `with_speakers`. The released code: `first-name` on
            EmoryNLP, `by-order` on IEMOCAP, `given` on MELD.
        contrastive: Form of the contrastive loss; see `contrastive_loss`.
        absent_anchors: Whether rows without a positive partner are left out of the contrastive mean.
        temperature: Temperature of all similarities (run.sh: 0.1; the argument's default in the code is 0.5).
        ce_weight: Weight w in w CE + (1 - w) (contrastive + angle_weight angle) (run.sh: 0.1).
        angle_weight: Weight of the angle loss (run.sh: 0.1; default in the code: 1.0); 0 turns it off.
        decide_by: What predicts: the nearest anchor, or the classifier.
        adapt_epochs: Epochs of stage two (paper: 10); 0 skips it.
        adapt_lr: Learning rate of stage two (paper: 1e-4).
        optimiser: Optimiser of stage one (paper: rate 1e-5 for the encoder, 4e-4 for classifier and projection, decay
            0.01, halved after every epoch).
        token_slots: Maximum number of token slots per evaluation pass; affects speed and memory only.
    """

    id: ClassVar[str] = "eacl"
    task: ClassVar[Task] = ERC
    ablations: ClassVar[frozenset[str]] = frozenset(
        {"objective", "anchors", "contrast_anchors", "angle_weight", "ce_weight", "decide_by", "adapt_epochs"}
    )

    def __init__(
        self,
        encoder: EncoderSettings = EncoderSettings("princeton-nlp/sup-simcse-roberta-large"),
        objective: Literal["eacl", "cross-entropy"] = "eacl",
        context: int = 8,
        max_tokens: int = 256,
        read_at: Literal["mask", "first"] = "mask",
        anchors: Literal["words", "re-encoded", "random", "learned"] = "words",
        anchor_space: bool = True,
        contrast_anchors: bool = True,
        speakers: Speakers = "given",
        contrastive: Literal["log-of-sum", "supcon"] = "log-of-sum",
        absent_anchors: Literal["leave-out", "count"] = "leave-out",
        temperature: float = 0.1,
        ce_weight: float = 0.1,
        angle_weight: float = 0.1,
        decide_by: Literal["anchor", "classifier"] = "anchor",
        adapt_epochs: int = 10,
        adapt_lr: float = 1e-4,
        optimiser: OptimiserSettings = OptimiserSettings(4e-4, 1e-5, 0.01, 0.0, "halve"),
        token_slots: int = 16384,
    ) -> None:
        super().__init__()
        if anchors == "learned" and not contrast_anchors and not angle_weight:
            raise ZooError(
                "Expected a loss that trains learned anchors, but got --model.contrast_anchors false and "
                "--model.angle_weight 0. Choose another --model.anchors, or turn one of the two on."
            )
        self.settings = EncoderSettings.of(self.hparams.encoder)
        self.anchored = objective == "eacl"
        self.by_anchor = self.anchored and decide_by == "anchor"
        self.context, self.max_tokens, self.read_at = context, max_tokens, read_at
        self.anchor_space, self.contrast_anchors, self.speakers = anchor_space, contrast_anchors, speakers
        self.anchor_kind, self.form, self.count_absent = anchors, contrastive, absent_anchors == "count"
        self.temperature, self.ce_weight, self.angle_weight = temperature, ce_weight, angle_weight
        self.adapt_epochs, self.adapt_lr = adapt_epochs, adapt_lr
        self.optimiser, self.token_slots = OptimiserSettings.of(self.hparams.optimiser), token_slots
        self.encoder: TokenEncoder
        self.reader: ConversationReader
        self.kept: dict[str, Tensor] | None = None  # vectors by row, while the encoder is frozen

    def make_vocabulary(self, documents: Sequence[Document]) -> Vocabulary:
        """See `make_encoder_vocabulary`."""
        named = (with_speakers(document, self.speakers) for document in documents)
        segments = [segment for document in named for segment in document.segments]
        texts = [text for segment in segments for text in (segment.text, segment.speaker or "")]
        return make_encoder_vocabulary(self.settings, texts, [*PROMPT_TEXTS, *self.labels])

    def build(self, from_checkpoint: bool) -> None:
        """See `Method.build`."""
        assert self.vocabulary is not None
        self.encoder = make_encoder(self.settings, self.vocabulary, from_checkpoint)
        use_cheap_dropout(self.encoder)
        limit = min(self.max_tokens, self.encoder.max_tokens or self.max_tokens)
        self.reader = ConversationReader(self.encoder.tokenizer, self.context, limit, self.speakers)
        size, count = self.encoder.hidden_size, len(self.labels)
        self.classifier = nn.Sequential(Dropout(0.1), nn.Linear(size, count))
        if not self.anchored:
            return
        self.project = nn.Sequential(
            nn.Linear(size, size), nn.LayerNorm(size), nn.ReLU(), nn.Linear(size, size)
        )
        drawn = torch.randn(count, size)
        if self.anchor_kind == "learned":
            self.anchor_inputs = nn.Parameter(drawn)
        else:
            if self.anchor_kind != "random" and not from_checkpoint:
                self.encoder.eval()
                drawn = self._encode_labels().detach()
            self.register_buffer("anchor_inputs", drawn)
        self.adapted = nn.Parameter(torch.zeros(count, size))  # trained in stage two

    def tokens(self, document: Document) -> int:
        """Tokens of the rows of a document's judged utterances."""
        return self.reader.tokens(document)

    def training_units(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Each labelled utterance with the turns before it: a batch mixes many conversations."""
        return [
            unit_of(document, index, self.context)
            for document in (with_speakers(document, self.speakers) for document in documents)
            for index, segment in enumerate(document.segments)
            if segment.judged and segment.emotions
        ]

    def collator(self, training: bool) -> Any:
        """Documents to a `ConversationBatch`."""
        return lambda documents: self.reader.batch(documents, self.labels)

    # --- the network

    def _hidden(self, batch: ConversationBatch, rows: Sequence[int]) -> Tensor:
        """Representations (r, H) at the mask, in the encoder's precision."""
        index = torch.tensor(rows, device=self.device)
        width = max(batch.lengths[row] for row in rows)
        lengths = torch.tensor([batch.lengths[row] for row in rows], device=self.device)
        mask = torch.arange(width, device=self.device) < lengths[:, None]  # (r, T)
        hidden = self.encoder(batch.tokens[index, :width], mask)  # (r, T, H)
        at = batch.mask_at[index] if self.read_at == "mask" else torch.zeros_like(index)
        read: Tensor = hidden[torch.arange(len(rows), device=self.device), at]
        return read

    def read(self, batch: ConversationBatch) -> Reading:
        """Read all rows, in groups of similar length: training batches mix lengths, so that batch-mates vary."""
        slots = max(batch.lengths) * len(batch.lengths) if self.training else self.token_slots
        groups = chunk_rows(batch.lengths, slots)
        hidden = torch.cat([self._hidden(batch, group) for group in groups])
        order = torch.tensor([row for group in groups for row in group], device=self.device).argsort()
        hidden = hidden[order]
        vectors = self.project(hidden) if self.anchored else hidden[:, :0]
        return Reading(self.classifier(hidden).float(), vectors.float())

    def _encode_labels(self) -> Tensor:
        """(C, H) mean over all tokens of each label's word, special ones included (as in the code)."""
        tokenizer = self.encoder.tokenizer
        words = [" " + label if self.anchor_space else label for label in self.labels]
        rows = [torch.tensor([tokenizer.cls_id, *tokenizer.encode(word), tokenizer.sep_id]) for word in words]
        ids = pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_id).to(self.device)
        real = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(self.device).bool()
        hidden = self.encoder(ids, real).float()
        means: Tensor = (hidden * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True)
        return means

    def anchors(self) -> Tensor:
        """(C, H) anchors of the current stage, fp32."""
        return self.adapted if self.stage == ANCHORS else self.first_anchors()

    def first_anchors(self) -> Tensor:
        """(C, H) anchors of stage one: projected inputs, fp32.

        `re-encoded` anchors get the encoder's dropout in training mode, as utterances do.
        """
        inputs = self._encode_labels() if self.anchor_kind == "re-encoded" else self.anchor_inputs
        placed: Tensor = self.project(inputs).float()
        return placed

    # --- losses

    def losses(self, batch: ConversationBatch) -> dict[str, Tensor]:
        """Stage one: w CE + (1 - w) (contrastive + v angle). Stage two: cross-entropy of similarity to the anchors."""
        if self.stage == ANCHORS:
            scores = similarity(self._vectors(batch), self.adapted) / self.temperature
            return {"anchors": self._cross_entropy(scores, batch.labels)}
        reading = self.read(batch)
        cross_entropy = self._cross_entropy(reading.logits, batch.labels)
        if not self.anchored:
            return {"cross_entropy": cross_entropy}
        anchors = self.first_anchors()
        everyone, labels = gather_rows(reading.vectors), gather_rows(batch.labels)
        if self.contrast_anchors:
            everyone = torch.cat([everyone, anchors])
            labels = torch.cat([labels, torch.arange(len(anchors), device=self.device)])
        contrastive = contrastive_loss(everyone, labels, self.temperature, self.form, self.count_absent)
        rest = 1 - self.ce_weight
        losses = {"cross_entropy": self.ce_weight * cross_entropy, "contrastive": rest * contrastive}
        if self.angle_weight:
            losses["angle"] = rest * self.angle_weight * angle_loss(anchors)
        return losses

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the joint batch of all processes, which average their gradients."""
        return mean_over_processes(F.cross_entropy(logits, labels, reduction="none"))

    # --- stage two

    def stages(self) -> tuple[Stage, ...]:
        """The representations, then the anchors."""
        if not (self.by_anchor and self.adapt_epochs):
            return (Stage(FIT),)
        return Stage(FIT), Stage(ANCHORS, self.adapt_epochs)

    def on_stage(self, stage: str) -> None:
        """In stage two, train only the adapted anchors."""
        if self.anchored:
            if stage == ANCHORS:
                self.requires_grad_(False)
            self.adapted.requires_grad_(stage == ANCHORS)

    def prepare(self, between: Between) -> None:
        """Compute the vectors of all training and validation utterances once, and place the anchors."""
        if between.stage == ANCHORS:
            self._keep_vectors(
                between, [*between.data.train_documents, *between.data.documents("validation")]
            )
            if not between.resumed:
                with self._evaluating():
                    self.adapted.copy_(self.first_anchors())

    def _keep_vectors(self, between: Between, documents: Sequence[Document]) -> None:
        """Keep every vector computed from here on, and compute those of these documents now.

        Batches depend on the documents alone: batch-mates change the last digits, and a resumed stage
        must find the same vectors.
        """
        self.kept = {} if self.kept is None else self.kept
        between.predict(documents)  # each process computes its share
        for part in gather_objects(self.kept):
            self.kept |= part

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Evaluation mode, without gradients: the frozen encoder's outputs must not depend on dropout."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.train(training)

    def _vectors(self, batch: ConversationBatch) -> Tensor:
        """Vectors (R, H) of the frozen encoder; computed only once per row while they are kept."""
        kept = {} if self.kept is None else self.kept
        if any(key not in kept for key in batch.keys):
            with self._evaluating():
                vectors = self.read(batch).vectors.cpu()
            kept |= dict(zip(batch.keys, vectors, strict=True))
        return torch.stack([kept[key] for key in batch.keys]).to(self.device)

    def views(self, between: Between) -> list[View]:
        """Validation utterances among the anchors before and after stage two, and the similarity of the anchors."""
        if not self.anchored:
            return []
        documents = between.data.documents("validation")
        self._keep_vectors(between, documents)
        assert self.kept is not None
        batch = self.reader.batch(documents, self.labels)
        labelled = zip(batch.keys, batch.labels.tolist(), strict=True)
        known = [(key, label) for key, label in labelled if label >= 0 and key in self.kept]
        with self._evaluating():
            before, after = self.first_anchors().cpu(), self.anchors().detach().cpu()
        alike = (unit(after) @ unit(after).T).numpy()
        views: list[View] = [Heatmap("anchors", "Cosine between anchors", alike, self.labels, -1.0, 1.0)]
        if known:  # nothing is kept if the classifier predicts
            vectors = torch.stack([self.kept[key] for key, _ in known]).numpy()
            emotions = tuple(self.labels[label] for _, label in known)
            title = "Validation utterances and anchors"
            places = (vectors, emotions, before.numpy(), after.numpy())
            views.append(Points("representations", title, *places, self.labels))
        return views

    # --- predictions

    def configure_optimizers(self) -> Any:
        """AdamW in stage one, Adam in stage two."""
        if self.stage == ANCHORS:
            return Adam([self.adapted], lr=self.adapt_lr)
        return make_optimiser(self, self.optimiser, self, self.encoder)

    def token_texts(self, segment: Segment) -> list[str]:
        """See `Traceable.token_texts`."""
        return self.reader.pieces(segment.text)

    def traced_scores(self, documents: Sequence[Document], tag: Tag) -> list[Tensor]:
        """See `Traceable.traced_scores`."""
        batch: ConversationBatch = self.batch_of(documents)
        sources = self.reader.sources(documents, batch)
        rows = self._scores(batch._replace(tokens=tag(batch.tokens, sources))).softmax(dim=-1)
        return by_segment(rows, batch.places, batch.sizes)

    def decode(self, batch: ConversationBatch) -> list[Prediction]:
        """A probability for each emotion: softmax of the similarities to the anchors, or the classifier's."""
        scores = [np.full((size, len(self.labels)), np.nan, dtype=np.float32) for size in batch.sizes]
        if batch.places:
            rows = self._scores(batch).softmax(dim=-1).detach().cpu().numpy()
            for (document, segment), row in zip(batch.places, rows, strict=True):
                scores[document][segment] = row
        return [
            Prediction(id, {"emotions": score}, cut, self.labels)
            for id, score, cut in zip(batch.ids, scores, batch.cut, strict=True)
        ]

    def clues(self, document: Document) -> Clues | None:
        """The similarity of each judged utterance to each anchor; see `similarity`."""
        if not self.by_anchor:
            return None
        batch = self.batch_of([document])
        near = np.full((len(self.labels), len(document)), np.nan, dtype=np.float32)
        if batch.places:
            rows = similarity(self.read(batch).vectors, self.anchors()).detach().cpu().numpy()  # (R, C)
            for (_, segment), row in zip(batch.places, rows, strict=True):
                near[:, segment] = row
        names = (f"similarity to the anchor {label}" for label in self.labels)
        return Clues(segments=dict(zip(names, near, strict=True)))

    def _scores(self, batch: ConversationBatch) -> Tensor:
        """(R, C) logits used for prediction, fp32."""
        if not self.by_anchor:
            return self.read(batch).logits
        vectors = self._vectors(batch) if self.kept is not None else self.read(batch).vectors
        return similarity(vectors, self.anchors()) / self.temperature
