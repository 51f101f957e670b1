"""Emo Pillars: classifiers of 28 emotions distilled from synthesized text (arXiv 2504.16856, 2025).

A large model writes utterances for characters of narratives and labels them softly (`ecpe-zoo synthesize`); a RoBERTa
learns these labels. There are two regimes: context-less, which reads the text alone, and context-aware,
which reads the context and the character before the utterance and classifies only the utterance. The model trained
on the first training set is then fine-tuned on a second one (`init_from`), with the same head or a new one.

Our sources are the abstract, the model cards and a summary; no training code is public. Open points are filled as
follows:
- Targets are the teacher's strengths, unchanged; thresholded ones (`targets: hard`, from 0.3 on) are an ablation.
- A pair of texts is encoded as in the encoder's pretraining; the context loses its oldest tokens first, and
  the utterance loses none until the context is gone. [SEP] separates the turns of the context, and `speaker: `
  precedes every turn whose speaker is known.
- A new head's bias starts from the label frequencies of the training part (`head_bias`), not from the library's 0.
- Corpora with one label per text (ISEAR, EmoContext) get a softmax (`single_label`) and are scored by the highest
  emotion. The authors' models keep 28 sigmoids there.

Without the authors' synthesized texts, none of our figures is reported as the paper's.
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
from ecpe_zoo.methods.labels import labels_of
from ecpe_zoo.methods.loading import read_checkpoint
from ecpe_zoo.methods.texts import HeadBias, TextMethod
from ecpe_zoo.options import EMBEDDED, RECURRENT, EncoderSettings, OptimiserSettings
from ecpe_zoo.tasks import EMOTIONS, ERC, Task
from ecpe_zoo.text.encoders import Vocabulary, make_encoder, make_encoder_vocabulary
from ecpe_zoo.text.texts import TextBatch, TextReader, targets_of

MAX_TOKENS = {"context-less": 128, "context-aware": 512}
"""Regime -> default number of tokens of a row; 512 is RoBERTa's limit."""

SHAPING = ("size", "layers", "heads", "vector_size")
"""Encoder options that a second training must share with the first; with the same head also `pooling`."""


def shaping(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a method that shape its weights."""
    encoder = options["encoder"]
    return {name: encoder[name] for name in ("name", *SHAPING)} | {"pooling": options["pooling"]}


class EmoPillars(TextMethod):
    """The classifier of Emo Pillars.

    Args:
        regime: `context-less` reads the classified text alone, `context-aware` also the segments before it.
        encoder: Token encoder (model cards: RoBERTa-large).
        pooling: Vector of a text: the first token after a dense layer with tanh (RoBERTa's own head), or the mean of
            the utterance's tokens (without its context).
        dropout: Dropout on both sides of the dense layer (RoBERTa's head: 0.1).
        head_bias: Bias of a new head: `frequencies`, the best constant prediction of the targets (log odds of each
            label, log frequencies for softmax), or `zero`. A head kept from a first training keeps its bias.
        targets: `soft` learns strengths if the corpus has them, `hard` learns which of them reach `least`. Texts
            without strengths have their labels either way.
        least: Share of full strength from which a label counts, for `hard` (second-hand: 0.3).
        single_label: Whether each text has exactly one emotion: softmax, and the highest score decides.
        init_from: Checkpoint of an earlier training whose encoder is fine-tuned further; its tokenizer is kept, and
            the encoder's own options must be the same.
        head: Whether `init_from` starts with a `new` head or with the `same`, which needs the same labels.
        max_tokens: Maximum tokens of a row; 128 context-less and 512 context-aware if not given.
        threshold: Score that a predicted emotion exceeds (model cards: 0.5; 0.36 on GoEmotions).
        optimiser: Optimiser (ours for RoBERTa-large: rate 1e-5).
        token_slots: Maximum number of token slots per evaluation pass; affects speed and memory only.
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
        # a class attribute elsewhere; here it depends on the arguments
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
        """The conversation task if each text has one emotion: the highest score decides, and no threshold is tuned."""
        return ERC if options.get("single_label") else cls.task

    @property
    def annotations(self) -> frozenset[str]:
        """The tasks for texts, however emotions are predicted."""
        return EMOTIONS.annotations

    def label_names(self, documents: Sequence[Document]) -> list[str]:
        """The labels, including emotions whose strength never suffices for a label: they are learned too."""
        return labels_of(documents, strengths=not self.single_label)

    def make_vocabulary(self, documents: Sequence[Document]) -> Vocabulary:
        """See `make_encoder_vocabulary`; with `init_from`, that of the first training."""
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
        """Read the checkpoint of the first training.

        Raises:
            ZooError: It cannot be read, or has another method or encoder.
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
                f"Expected the options of the first training ({self.init_from}), whose network is trained further, but "
                f"these differ: {told}. Use the same options."
            )
        return stored

    def _take_over(self) -> None:
        """Copy the weights of the first training: the encoder's, or all of them with the same head.

        Raises:
            ZooError: The same head is requested, but the labels differ.
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
                    f"differ ({told}). Use --model.head new."
                )
            weights = {
                n: value for n, value in stored["state_dict"].items() if n.startswith(("network.", "head."))
            }
        missing = self.load_state_dict(weights, strict=False).missing_keys
        left = [name for name in missing if name.startswith("network.encoder.")]
        assert not left, left

    # --- targets, losses, scores

    def target(self, segment: Segment) -> list[float] | None:
        """Strengths or labels as shares of 1; with one label per text, its index."""
        if not self.single_label:
            return targets_of(segment, self.labels, soft=True, least=self.least)
        return targets_of(segment, self.labels, soft=False) if segment.emotions else None

    def best_constant(self, means: Tensor) -> Tensor:
        """Log odds; log frequencies with one label per text."""
        return means.log() if self.single_label else torch.logit(means)

    def start(self, documents: Sequence[Document]) -> None:
        """See `TextMethod.start`; a head kept from a first training keeps its bias."""
        if self.head_kind == "new":
            super().start(documents)

    def losses(self, batch: TextBatch) -> dict[str, Tensor]:
        """Binary cross-entropy with soft targets, mean over texts and labels; cross-entropy with one label per text."""
        logits = self(batch)  # (R, C)
        if self.single_label:
            rows = F.cross_entropy(logits, batch.targets.argmax(dim=1), reduction="none")
            return {"cross_entropy": mean_over_processes(rows)}
        cells = F.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none")
        return {"cross_entropy": mean_over_processes(cells)}

    def scores(self, logits: Tensor) -> Tensor:
        """Sigmoid; softmax with one label per text."""
        return logits.softmax(dim=-1) if self.single_label else torch.sigmoid(logits)

    def configure_optimizers(self) -> Any:
        """AdamW with linear warm-up and decay."""
        return make_optimiser(self, self.optimiser, self, self.network.encoder)
