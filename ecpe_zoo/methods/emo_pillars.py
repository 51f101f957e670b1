"""Emo Pillars: classifiers of 28 emotions distilled from synthesized text (arXiv 2504.16856, 2025).

A large model writes utterances for characters of narratives and judges them softly (`ecpe-zoo synthesize`); a
RoBERTa learns its judgements. Two regimes: context-less, where the text is all that is read, and context-aware,
where the context and the character are read before the utterance, and only the utterance is judged. What was
learned from the first training set is then tuned on a second one (`init_from`), with the same head or a new one.

What we know of it is the abstract, the model cards and a summary; no training code is public. Open points are
filled as follows:
- Targets are the teacher's strengths as they are; thresholded ones (`targets: hard`, from 0.3 on) are an ablation.
- A pair is encoded as the encoder was trained to read two texts; the context loses its oldest tokens first, and
  the utterance none before the context is gone. [SEP] separates the turns of the context, and `speaker: ` precedes
  every turn whose speaker is known.
- A new head's bias starts from the label frequencies of the training part (`head_bias`), not from the library's 0.
- Sets with one label a text (ISEAR, EmoContext) get a softmax (`single_label`) and are scored by the highest
  emotion. The authors' models keep 28 sigmoids there.

Without the authors' synthesized texts no number of ours stands under the paper's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.distributed import mean_over_processes
from ecpe_zoo.layers.dropout import Dropout, use_cheap_dropout
from ecpe_zoo.layers.optimisation import make_optimiser
from ecpe_zoo.layers.text_networks import Pooling, TransformerText, new_linear
from ecpe_zoo.methods.base import labels_of
from ecpe_zoo.methods.loading import read_checkpoint
from ecpe_zoo.methods.texts import HeadBias, TextMethod
from ecpe_zoo.options import EMBEDDED, RECURRENT, EncoderSettings, OptimiserSettings
from ecpe_zoo.tasks import EMOTIONS, ERC, Task
from ecpe_zoo.text.encoders import Vocabulary, make_encoder, make_encoder_vocabulary
from ecpe_zoo.text.texts import TextBatch, TextReader, targets_of

MAX_TOKENS = {"context-less": 128, "context-aware": 512}
"""Regime -> tokens of a row where none are given; 512 is RoBERTa's limit."""

SHAPING = ("size", "layers", "heads", "vector_size")
"""Options of the encoder that a second training must share with the first; with the same head also `pooling`."""


def shaping(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of a method's arguments, those that shape its weights."""
    encoder = options["encoder"]
    return {name: encoder[name] for name in ("name", *SHAPING)} | {"pooling": options["pooling"]}


class EmoPillars(TextMethod):
    """Emo Pillars' classifier.

    Args:
        regime: `context-less` reads the judged text alone, `context-aware` also the segments before it.
        encoder: Token encoder (model cards: RoBERTa-large).
        pooling: The first token after a dense layer with tanh (RoBERTa's own head), or the mean of the utterance's
            tokens (without its context).
        dropout: On both sides of the dense layer (RoBERTa's head: 0.1).
        head_bias: Bias of a new head: `frequencies`, the best constant answer to the training targets (log odds of each
            label, log frequencies for softmax), or `zero`. The same head of a first training keeps its own.
        targets: `soft` learns strengths where a corpus has them, `hard` learns which of them reach `least`. Texts
            without strengths have their labels either way.
        least: Share of full strength from which on a label is one, for `hard` (second-hand: 0.3).
        single_label: Each text has one emotion: softmax, and the highest score decides.
        init_from: A checkpoint of an earlier training, whose encoder is tuned on; its tokenizer is taken over, and the
            encoder's own options must be the same.
        head: With `init_from`, begin with a `new` head, or with the `same`, which needs the same labels.
        max_tokens: Of a row; 128 context-less and 512 context-aware where not given.
        threshold: An emotion is predicted above it (model cards: 0.5; 0.36 on GoEmotions).
        optimiser: Optimiser (ours for RoBERTa-large: rate 1e-5).
        token_slots: Most token slots that are run at once in evaluation; of speed and memory only.
    """

    id: ClassVar[str] = "emo_pillars"
    ablations: ClassVar[frozenset[str]] = frozenset(
        {"regime", "targets", "init_from", "head", "single_label"}
    )

    def __init__(
        self,
        regime: Literal["context-less", "context-aware"] = "context-less",
        encoder: EncoderSettings = EncoderSettings("roberta-large"),
        pooling: Pooling = "first",
        dropout: float = 0.1,
        head_bias: HeadBias = "frequencies",
        targets: Literal["soft", "hard"] = "soft",
        least: float = 0.3,
        single_label: bool = False,
        init_from: str | None = None,
        head: Literal["new", "same"] = "new",
        max_tokens: int | None = None,
        threshold: float = 0.5,
        optimiser: OptimiserSettings = OptimiserSettings(warmup_share=0.06),
        token_slots: int = 16384,
    ) -> None:
        super().__init__()
        if not 0 < least <= 1:
            raise ZooError(f"Expected --model.least above 0 and at most 1, but got {least}.")
        if head == "same" and init_from is None:
            raise ZooError("Expected --model.init_from CHECKPOINT with --model.head same, but got none.")
        # of a class elsewhere; here of what is trained
        self.task = self.task_of({"single_label": single_label})  # type: ignore[misc]
        self.settings = EncoderSettings.of(self.hparams.encoder)
        self.optimiser = OptimiserSettings.of(self.hparams.optimiser)
        self.context = regime == "context-aware"
        self.max_tokens = max_tokens or MAX_TOKENS[regime]
        self.pooling, self.dropout, self.single_label = pooling, dropout, single_label
        self.least = least if targets == "hard" else 0.0
        self.init_from, self.head_kind = init_from, head
        self.head_bias: HeadBias = head_bias
        self.threshold, self.token_slots = threshold, token_slots

    @classmethod
    def task_of(cls, options: Mapping[str, Any]) -> Task:
        """With one emotion a text the highest score decides, and there is no threshold to tune."""
        return ERC if options.get("single_label") else cls.task

    @property
    def annotations(self) -> frozenset[str]:
        """Those of texts, whatever is decided of them."""
        return EMOTIONS.annotations

    def label_names(self, documents: Sequence[Document]) -> list[str]:
        """The labels, and emotions whose strength never suffices for a label: they are learned too."""
        return labels_of(documents, strengths=not self.single_label)

    def make_vocabulary(self, documents: Sequence[Document]) -> Vocabulary:
        """See `make_encoder_vocabulary`; with `init_from` that of the first training."""
        if self.init_from is not None:
            vocabulary: Vocabulary = self._first_training()["ecpe_zoo"]["vocabulary"]
            return vocabulary
        segments = [segment for document in documents for segment in document.segments]
        texts = [segment.text for segment in segments]
        if self.context:
            texts += [f"{segment.speaker}:" for segment in segments if segment.speaker]
        return make_encoder_vocabulary(self.settings, texts, [])

    def build(self, from_checkpoint: bool) -> None:
        """See `Method.build`."""
        assert self.vocabulary is not None
        second = self.init_from is not None and not from_checkpoint
        encoder = make_encoder(self.settings, self.vocabulary, from_checkpoint or second)
        use_cheap_dropout(encoder)
        self.network = TransformerText(encoder, self.pooling, self.dropout)
        self.reader = TextReader(encoder.tokenizer, self.row_limit(self.max_tokens), self.context)
        self.head = nn.Sequential(Dropout(self.dropout), new_linear(encoder.hidden_size, len(self.labels)))
        if second:
            self._take_over()

    # --- the second training

    def _first_training(self) -> dict[str, Any]:
        """The checkpoint of the first training.

        Raises:
            ZooError: It cannot be read, or is of another method or another encoder.
        """
        assert self.init_from is not None
        stored = read_checkpoint(self.init_from)
        if stored["ecpe_zoo"]["method"] != self.id:
            raise ZooError(
                f"{self.init_from}: expected a checkpoint of {self.id!r}, but got one of "
                f"{stored['ecpe_zoo']['method']!r}."
            )
        theirs, mine = (shaping(options) for options in (stored["hyper_parameters"], self.hparams))
        if self.head_kind == "new":
            theirs["pooling"] = mine["pooling"]
        kinds = [
            name if name in (EMBEDDED, RECURRENT) else "pretrained" for name in (theirs["name"], mine["name"])
        ]
        if kinds[0] == kinds[1]:
            theirs["name"] = mine["name"]
        differing = [name for name, value in mine.items() if theirs[name] != value]
        if differing:
            told = "; ".join(f"{name} {theirs[name]!r} there, {mine[name]!r} here" for name in differing)
            raise ZooError(
                f"Expected the options of the first training ({self.init_from}), whose network is tuned on, but "
                f"these differ: {told}. Give the same."
            )
        return stored

    def _take_over(self) -> None:
        """Take the weights of the first training: of the encoder, or of the whole with the same head.

        Raises:
            ZooError: The same head with other labels.
        """
        stored = self._first_training()
        weights = {
            name: value for name, value in stored["state_dict"].items() if name.startswith("network.encoder.")
        }
        if self.head_kind == "same":
            theirs = tuple(stored["ecpe_zoo"]["facts"]["labels"])
            if theirs != self.labels:
                only = {
                    "there": sorted(set(theirs) - set(self.labels)),
                    "here": sorted(set(self.labels) - set(theirs)),
                }
                told = "; ".join(
                    f"only {where}: {', '.join(names)}" for where, names in only.items() if names
                )
                raise ZooError(
                    f"Expected the labels of {self.init_from} for --model.head same, but the training documents "
                    f"have others ({told}). Give --model.head new."
                )
            weights = {
                n: value for n, value in stored["state_dict"].items() if n.startswith(("network.", "head."))
            }
        missing = self.load_state_dict(weights, strict=False).missing_keys
        left = [name for name in missing if name.startswith("network.encoder.")]
        assert not left, left

    # --- targets, losses, scores

    def target(self, segment: Segment) -> list[float] | None:
        """Strengths or labels as shares of 1; with one label a text, which it is."""
        if not self.single_label:
            return targets_of(segment, self.labels, soft=True, least=self.least)
        return targets_of(segment, self.labels, soft=False) if segment.emotions else None

    def best_constant(self, means: Tensor) -> Tensor:
        """Log odds; log frequencies with one label a text."""
        return means.log() if self.single_label else torch.logit(means)

    def start(self, documents: Sequence[Document]) -> None:
        """See `TextMethod.start`; the same head of a first training keeps its own bias."""
        if self.head_kind == "new":
            super().start(documents)

    def losses(self, batch: TextBatch) -> dict[str, Tensor]:
        """Binary cross-entropy of soft targets, mean over texts and labels; cross-entropy with one label a text."""
        logits = self(batch)  # (R, C)
        if self.single_label:
            rows = F.cross_entropy(logits, batch.targets.argmax(dim=1), reduction="none")
            return {"cross_entropy": mean_over_processes(rows)}
        cells = F.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none")
        return {"cross_entropy": mean_over_processes(cells)}

    def scores(self, logits: Tensor) -> Tensor:
        """Sigmoid; softmax with one label a text."""
        return logits.softmax(dim=-1) if self.single_label else torch.sigmoid(logits)

    def configure_optimizers(self) -> Any:
        """AdamW, linear warm-up and decline."""
        return make_optimiser(self, self.optimiser, self, self.network.encoder, fused=True)
