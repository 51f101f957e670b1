"""EQN: Expansion Quantization Network for several emotions per text, with intensities (arXiv 2411.06160, 2024).

A text is annotated with the emotions that somebody noticed, but says nothing of the others. CoEQN learns full
labels by regression: 10 if annotated, 0 otherwise. EQN then has the trained model predict its training set,
replaces every 0 by the prediction, keeps every 10, and trains a second model with new weights on these
intensities.

Our sources are a summary and a repository without training code (yeaso/Expansion-Quantization-Network-EQN).
Departures, and how gaps are filled:
- Everything is computed on a scale of 0 to 1 and reported times ten: the squared error on the paper's scale is a
  hundred times larger, with the same optimum.
- A relabelled 0 stays within 0 and 9 (`cap`), so that annotated labels stay on top.
- By default, a text is relabelled by a model that was not trained on it: a model that memorised a text's zeros
  repeats them. `relabel: in-sample` follows the paper.
- Only the training part is relabelled: otherwise predictions would become gold.
- The sizes of the smaller host networks, rates and epochs are ours.
- The head's bias starts from the label frequencies (`head_bias`), for cross-entropy and squared error alike: with
  the library's 0, cross-entropy starts at a probability of 0.5 for each of 28 labels and spends its first epochs
  unlearning it, while squared error starts near its best constant. `head_bias: zero` follows the library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.relabelled import (
    Relabelled,
    read_intensities,
    rounded,
    with_intensities,
    write_intensities,
)
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.distributed import mean_over_processes
from ecpe_zoo.layers.dropout import Dropout, use_cheap_dropout
from ecpe_zoo.layers.optimisation import make_optimiser
from ecpe_zoo.layers.text_networks import Pooling, TransformerText, WordNetwork, new_linear
from ecpe_zoo.methods.labels import labels_of
from ecpe_zoo.methods.out_of_fold import (
    fold_stages,
    learned_in,
    predicting_stages,
    scores_so_far,
    stage_seed,
)
from ecpe_zoo.methods.stages import FIT, Between, Stage
from ecpe_zoo.methods.texts import HeadBias, TextMethod
from ecpe_zoo.options import WORDS, EncoderSettings, OptimiserSettings
from ecpe_zoo.text.encoders import Vocabulary, make_encoder, make_encoder_vocabulary
from ecpe_zoo.text.texts import TextBatch, TextReader, targets_of
from ecpe_zoo.views import Heatmap, View

COEQN, FINAL = "coeqn", "final"
"""Stages of in-sample EQN; out-of-fold, `fold-1`, `fold-2` ... replace `coeqn`."""

RELABELLED = "relabelled.jsonl"
"""File in a run's folder with the labels that the last stage learns."""


def relabel(documents: Sequence[Document], predictions: Sequence[Prediction], cap: float) -> Relabelled:
    """Label regression: annotated labels get 10, others the prediction, clipped to 0 and the cap.

    Args:
        documents: Documents with gold.
        predictions: One prediction per document, with scores from 0 to 1.
        cap: Highest intensity, 0 to 10.
    """
    found = {prediction.id: prediction for prediction in predictions}
    relabelled: Relabelled = {}
    for document in documents:
        prediction = found[document.id]
        for index, segment in enumerate(document.segments):
            if segment.judged and segment.emotions:
                values = np.clip(10 * prediction.scores["emotions"][index], 0, cap).tolist()
                row = dict(zip(prediction.labels, values, strict=True))
                relabelled[document.id, index] = rounded(row | dict.fromkeys(segment.emotions, 10.0))
    return relabelled


def smoothed(
    documents: Sequence[Document], relabelled: Relabelled, labels: Sequence[str], by: Literal["all", "class"]
) -> Relabelled:
    """Label smoothing with the same total strength as relabelling: an ablation.

    Args:
        documents: Documents with gold.
        relabelled: Relabelled intensities of their segments.
        labels: Names of the C labels.
        by: Whether a label that is not annotated gets the mean of all such cells, or of those of its class.
    """
    cells: dict[str, list[float]] = {label: [] for label in labels}
    annotated: dict[tuple[str, int], tuple[str, ...]] = {}
    for document in documents:
        for index, segment in enumerate(document.segments):
            if (document.id, index) in relabelled:
                annotated[document.id, index] = segment.emotions
                row = relabelled[document.id, index]
                for label in set(labels) - set(segment.emotions):
                    cells[label].append(row.get(label, 0.0))
    means = {label: float(np.mean(values)) if values else 0.0 for label, values in cells.items()}
    if by == "all":
        every = [value for values in cells.values() for value in values]
        means = dict.fromkeys(labels, float(np.mean(every)) if every else 0.0)
    return {key: rounded(means | dict.fromkeys(emotions, 10.0)) for key, emotions in annotated.items()}


RELABELLING = frozenset({"relabel", "folds", "cap"})
TRANSFORMER = frozenset(
    {"pooling", *(f"encoder.{name}" for name in ("name", "size", "layers", "heads", "dropout"))}
)
"""Options that a network over words does not use."""


class EQN(TextMethod):
    """Expansion Quantization Network.

    Args:
        objective: `eqn` (train, relabel, retrain), `coeqn` (its first model alone: 10 or 0, linear output, squared
            error; it writes `relabelled.jsonl` too, so that one such run can serve several others), or
            `cross-entropy` (the baseline: the same network with a sigmoid).
        relabel: `out-of-fold` relabels each text by a model not trained on it; `in-sample` by a model that was (the
            paper's choice).
        folds: Number of models that relabel out-of-fold; each trains on the texts of the other folds.
        cap: Highest intensity of a label that is not annotated, 0 to 10.
        smoothing: Ablation of `eqn`: labels not annotated get the mean of their relabelled intensities, over
            `all` cells or for each `class`, so that only the differences between texts are lost.
        labels_from: A `relabelled.jsonl` of an earlier run on the same training texts: it is used directly, and
            the earlier stages are skipped.
        network: `transformer`, or a network over words: `ann`, `cnn`, `textcnn`, `lstm`.
        encoder: Token encoder of `transformer`; for networks over words, only its word vectors.
        pooling: For `transformer`: the first token after a dense layer with tanh (the paper's pooler), or the mean.
        hidden: Size of a network over words; `textcnn` has a third of it per kernel width.
        dropout: Dropout before the head, and on word vectors (paper: 0.1).
        head_bias: Bias of a new head: `frequencies`, the best constant prediction of the targets (log odds of each
            label for cross-entropy, mean target for squared error), or `zero`.
        max_tokens: Maximum tokens of a text (repository: 128).
        threshold: Score that a predicted emotion exceeds (GoEmotions baseline: 0.3). Half of the scale is too high for
            squared error, which pulls rare labels towards their frequency.
        optimiser: Optimiser; the schedule runs within each stage.
        token_slots: Maximum number of token slots per evaluation pass; affects speed and memory only.
    """

    id: ClassVar[str] = "eqn"
    ablations: ClassVar[frozenset[str]] = frozenset(
        {"objective", "relabel", "labels_from", "network", "smoothing"}
    )

    def __init__(
        self,
        objective: Literal["eqn", "coeqn", "cross-entropy"] = "eqn",
        relabel: Literal["out-of-fold", "in-sample"] = "out-of-fold",
        folds: int = 2,
        cap: float = 9.0,
        smoothing: Literal["none", "all", "class"] = "none",
        labels_from: str | None = None,
        network: Literal["transformer", "ann", "cnn", "textcnn", "lstm"] = "transformer",
        encoder: EncoderSettings = EncoderSettings("bert-base-cased"),
        pooling: Pooling = "first",
        hidden: int = 300,
        dropout: float = 0.1,
        head_bias: HeadBias = "frequencies",
        max_tokens: int = 128,
        threshold: float = 0.3,
        optimiser: OptimiserSettings = OptimiserSettings(lr=3e-5),
        token_slots: int = 16384,
    ) -> None:
        super().__init__()
        if folds < 2:
            raise ZooError(
                f"Expected --model.folds of at least 2, but got {folds}. For one model use --model.relabel in-sample."
            )
        if not 0 <= cap <= 10:
            raise ZooError(f"Expected --model.cap from 0 to 10, but got {cap}.")
        self.settings = EncoderSettings.of(self.hparams.encoder)
        if network != "transformer":
            self.settings = replace(self.settings, name=WORDS)
        self.optimiser = OptimiserSettings.of(self.hparams.optimiser)
        self.objective, self.relabel, self.folds, self.cap = objective, relabel, folds, cap
        self.smoothing, self.labels_from = smoothing, labels_from
        self.kind, self.pooling, self.hidden, self.dropout = network, pooling, hidden, dropout
        self.head_bias: HeadBias = head_bias
        self.max_tokens, self.threshold, self.token_slots = max_tokens, threshold, token_slots

    def make_vocabulary(self, documents: Sequence[Document]) -> Vocabulary:
        """See `make_encoder_vocabulary`."""
        texts = [segment.text for document in documents for segment in document.segments]
        return make_encoder_vocabulary(self.settings, texts, [])

    def build(self, from_checkpoint: bool) -> None:
        """See `Method.build`."""
        assert self.vocabulary is not None
        encoder = make_encoder(self.settings, self.vocabulary, from_checkpoint)
        if self.kind == "transformer":
            use_cheap_dropout(encoder)
            self.network = TransformerText(encoder, self.pooling, pretrained=True)
        else:
            self.network = WordNetwork(encoder, self.kind, self.hidden, self.dropout)
        self.reader = TextReader(encoder.tokenizer, self.row_limit(self.max_tokens))
        self.head = nn.Sequential(Dropout(self.dropout), new_linear(self.network.size, len(self.labels)))

    @classmethod
    def idle(cls, options: Mapping[str, Any]) -> frozenset[str]:
        """Options of relabelling if nothing is relabelled or a file is given, and of a transformer if there is none."""
        words = options.get("network", "transformer") != "transformer"
        idle = TRANSFORMER if words else frozenset()
        if options.get("labels_from") is not None:
            return idle | RELABELLING
        return idle | RELABELLING | {"smoothing"} if options.get("objective", "eqn") != "eqn" else idle

    # --- targets and losses

    @property
    def soft(self) -> bool:
        """Whether intensities are learned instead of binary labels."""
        return self.labels_from is not None or self.stage == FINAL

    def target(self, segment: Segment) -> list[float] | None:
        """Full labels, 1 or 0; relabelled intensities in the last stage."""
        return targets_of(segment, self.labels, self.soft)

    def best_constant(self, means: Tensor) -> Tensor:
        """Log odds for cross-entropy, the mean itself for squared error."""
        return torch.logit(means) if self.objective == "cross-entropy" else means

    def losses(self, batch: TextBatch) -> dict[str, Tensor]:
        """Mean squared error over texts and labels, on the scale 0 to 1; cross-entropy for the baseline."""
        logits = self(batch)  # (R, C)
        if self.objective == "cross-entropy":
            cells = F.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none")
            return {"cross_entropy": mean_over_processes(cells)}
        return {"squared_error": mean_over_processes((logits - batch.targets).square())}

    def scores(self, logits: Tensor) -> Tensor:
        """The linear output clipped to 0 and 1; never clipped inside the loss."""
        return logits.sigmoid() if self.objective == "cross-entropy" else logits.clamp(0, 1)

    def configure_optimizers(self) -> Any:
        """AdamW; the rate rises and falls within each stage."""
        return make_optimiser(self, self.optimiser, self, self.network.encoder)

    # --- stages

    def stages(self) -> tuple[Stage, ...]:
        """One stage; or models that relabel, then the model that learns their labels."""
        if self.objective != "eqn":
            return (Stage(FIT),)
        if self.labels_from is not None:
            return (Stage(FINAL),)
        if self.relabel == "in-sample":
            return Stage(COEQN), Stage(FINAL)
        return *(Stage(name, watched=False) for name in fold_stages(self.folds)), Stage(FINAL)

    def prepare(self, between: Between) -> None:
        """Relabel with the trained models, start from new weights, and set the training documents.

        Raises:
            ZooError: The file of intensities is missing or does not fit the training documents.
        """
        documents = between.data.documents("train")
        first = self.stages()[0].name
        out_of_fold = first in fold_stages(self.folds)
        by = dict.fromkeys((document.id for document in documents), first)
        if out_of_fold:
            by = predicting_stages(documents, self.folds)
        if between.earlier:
            predictions = scores_so_far(between, documents, by)
            if not between.resumed:
                self.renew(stage_seed(between.stage))
            if between.stage == FINAL:
                self._leave(between, relabelled := relabel(documents, predictions, self.cap))
                between.data.replace_training(self._with_intensities(documents, relabelled))
        elif self.labels_from is not None:
            read = read_intensities(Path(self.labels_from))
            between.data.replace_training(self._with_intensities(documents, read))
        if out_of_fold and between.stage != FINAL:
            between.data.replace_training(learned_in(between.stage, documents, by))

    def _leave(self, between: Between, relabelled: Relabelled) -> None:
        """Write the labels that the last stage learns to the run's folder."""
        ordered = dict(sorted(relabelled.items()))
        between.leave(between.folder / RELABELLED, lambda path: write_intensities(path, ordered))

    def _with_intensities(self, documents: Sequence[Document], relabelled: Relabelled) -> list[Document]:
        """The training documents with intensities, smoothed in that ablation."""
        labels = labels_of(documents)
        if self.smoothing != "none":
            relabelled = smoothed(documents, relabelled, labels, self.smoothing)
        return with_intensities(documents, relabelled, labels)

    def finish(self, between: Between) -> None:
        """For CoEQN alone: write its relabelled training documents, for `labels_from` of another run."""
        if self.objective == "coeqn" and self.labels_from is None:
            documents = between.data.documents("train")
            self._leave(between, relabel(documents, between.predict_all(documents), self.cap))

    def views(self, between: Between) -> list[View]:
        """Mean intensities that relabelling gave the other labels in texts of each label, if this run relabelled."""
        path = between.folder / RELABELLED
        if not path.is_file():
            return []
        relabelled = read_intensities(path)
        rows, gold = [], []
        for document in between.data.documents("train"):
            for index, segment in enumerate(document.segments):
                if (row := relabelled.get((document.id, index))) is not None:
                    rows.append([row.get(label, 0.0) for label in self.labels])
                    gold.append([float(label in segment.emotions) for label in self.labels])
        if not rows:
            return []
        counts = np.sum(gold, axis=0)[:, None]
        sums = np.transpose(gold) @ np.array(rows)  # (C, C)
        means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
        title = "Mean intensity in texts of a label (row)"
        return [Heatmap("relabelled", title, means.astype(np.float32), self.labels, 0.0, 10.0)]
