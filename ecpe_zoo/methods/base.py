"""What all methods share: the steps, the logging of losses, the vocabulary and the tuned threshold."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from lightning import LightningModule
from torch import Tensor

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.escaping import NAME, is_name
from ecpe_zoo.methods.labels import labels_of
from ecpe_zoo.methods.means import Means
from ecpe_zoo.methods.stages import FIT, Between, Stage
from ecpe_zoo.methods.stored import check_weights, fitting
from ecpe_zoo.methods.traces import Traceable
from ecpe_zoo.options import Options, flat, optional_group
from ecpe_zoo.ranges import check_ranges
from ecpe_zoo.tasks import ECPE, Task
from ecpe_zoo.text.encoders import Vocabulary
from ecpe_zoo.text.profile import Profile, TokenCounter, profile_of, token_counter
from ecpe_zoo.views import View


class Tuned(NamedTuple):
    """What validation chose after an epoch.

    Args:
        threshold: Threshold of the scores.
        f1: Headline metric at this threshold, on the validation documents.
        options: Other tuned decision values, by name; they are logged and kept in the history of the run.
        shown: Figures about them, which are logged and kept likewise.
    """

    threshold: float
    f1: float
    options: Mapping[str, float] = MappingProxyType({})
    shown: Mapping[str, float] = MappingProxyType({})


class Collator(Protocol):
    """Turns documents into a method's typed batch (a NamedTuple, so that it moves between devices)."""

    def __call__(self, documents: Sequence[Document]) -> Any:
        """Build the batch; outside training, the documents have no gold."""


def _check_class(method: type[Method]) -> None:
    """Refuse what would end a run when it writes its results.

    Raises:
        ZooError: No id, one that cannot name a folder, or an ablation that is no argument.
    """
    id = getattr(method, "id", None)
    if not is_name(id):
        raise ZooError(f"Expected {method.__name__} to have an `id`, a name ({NAME}), but got {id!r}.")
    arguments = inspect.signature(method).parameters
    for ablation in sorted(vars(method).get("ablations", ())):  # a base may have other arguments
        if ablation.partition(".")[0] not in arguments:
            raise unknown_choice(f"`ablations` of {method.__name__} among its arguments", ablation, arguments)


class Method(Traceable, LightningModule):
    """Base of all methods.

    A method is one file: it builds its network, turns documents into batches, returns its losses
    by name and decodes batches into predictions. It computes no metrics: the scorer callback does.

    The network is built late, by `build`, once the training documents are known (they may determine the
    vocabulary) or a checkpoint is loaded (which stores its vocabulary).
    """

    id: ClassVar[str]
    task: ClassVar[Task] = ECPE
    sort_by: Literal["tokens", "segments"] = "tokens"
    """The length by which documents of a batch are alike."""

    ablations: ClassVar[frozenset[str]] = frozenset()
    """Arguments that, unless at their defaults, make it a different method: results always name them, and are not
    compared with the paper's figure."""

    seedless: ClassVar[bool] = False
    """Whether every seed gives the same scores because nothing is drawn: one run counts for all seeds."""

    threshold: float = 0.5
    """Default threshold for pairs or emotions, used to choose the epoch. Unused if each segment gets exactly one
    emotion."""

    def __init__(self) -> None:
        super().__init__()
        _check_class(type(self))
        self.save_hyperparameters()  # the arguments of the subclass: Lightning walks up the frames
        # as plain values, since checkpoints load without executing anything
        for name, parameter in inspect.signature(type(self)).parameters.items():
            default = parameter.default
            if isinstance(default, Options):
                self.hparams[name] = asdict(default.of(self.hparams[name], default))
            elif isinstance(self.hparams[name], Options):  # an argument without a default
                self.hparams[name] = asdict(self.hparams[name])
            elif (group := optional_group(parameter.annotation, default)) and self.hparams[name] is not None:
                self.hparams[name] = asdict(group.of(self.hparams[name]))
        if type(self).__module__.startswith("ecpe_zoo.methods."):  # others may mean something else by a name
            check_ranges(flat(self.hparams))
        self._hparams_initial = copy.deepcopy(self._hparams)
        self.vocabulary: Vocabulary | None = None
        self.facts: dict[str, Any] = {}  # plain values that `build` needs in addition to the hyper-parameters
        self.built = False
        self.fresh = False  # weights are new, not yet changed by training or a checkpoint
        self.profile: Profile | None = None  # of the training texts; older checkpoints have none
        self.means = Means()  # of this epoch, logged at its end
        self._stage: str | None = None
        self.tuned_threshold: Tensor
        self.register_buffer("tuned_threshold", torch.tensor(float("nan")))

    # --- what a method provides

    @classmethod
    def task_of(cls, options: Mapping[str, Any]) -> Task:
        """The task that the method is scored on with these arguments: the class's task, unless one changes it."""
        return cls.task

    @classmethod
    def idle(cls, options: Mapping[str, Any]) -> frozenset[str]:
        """Those of its own arguments that have no effect, given the others: left out of names and groups of results."""
        return frozenset()

    def make_vocabulary(self, documents: Sequence[Document]) -> Vocabulary | None:
        """The words that the network has embeddings for, from training documents or files; None without such a list."""
        return None

    def build(self, from_checkpoint: bool) -> None:
        """Create the network. `self.vocabulary` is already set.

        Args:
            from_checkpoint: Whether the weights come from a checkpoint, so that no file of vectors or pretrained
                weights is read.
        """
        raise NotImplementedError

    def tokens(self, document: Document) -> int:
        """Token slots that the document fills in a batch, computed from the text alone."""
        raise NotImplementedError

    def token_counter(self) -> TokenCounter:
        """Counts tokens of a text and those that the network does not know; see `profile.token_counter`."""
        return token_counter(self.modules())

    def collator(self, training: bool) -> Collator:
        """The collator for training (documents with gold) or for evaluation (documents without)."""
        raise NotImplementedError

    def batch_of(self, documents: Sequence[Document]) -> Any:
        """A batch of documents without gold, on the method's device."""
        return self.transfer_batch_to_device(self.collator(False)(documents), self.device, 0)

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The losses by name, already weighted: their sum is minimised."""
        raise NotImplementedError

    @property
    def annotations(self) -> frozenset[str]:
        """The tasks of which a corpus must be annotated for at least one."""
        return self.task.annotations

    def training_units(self, documents: Sequence[Document]) -> Sequence[Document]:
        """The units of a training batch: entire documents, or the pieces that a method learns from.

        Pieces of different documents are shuffled like documents. Evaluation always reads entire documents.
        """
        return documents

    def stages(self) -> tuple[Stage, ...]:
        """The stages of training, in order; each is its own `Trainer.fit`, from the best weights of the one before."""
        return (Stage(FIT),)

    def on_stage(self, stage: str) -> None:
        """Switch the network to a stage: freeze, unfreeze, switch heads. The weights may not be loaded yet.

        Also called when a checkpoint of that stage is loaded.
        """

    def prepare(self, between: Between) -> None:
        """Prepare a stage: relabel documents, place anchors, fill caches, start from new weights (`renew`).

        The weights are loaded, except in the first stage, whose network is built after this call.
        """

    def start(self, documents: Sequence[Document]) -> None:
        """Fit new weights (such as a head's bias) to the documents of the stage, before its first step.

        Not called if the weights come from a checkpoint or the previous stage.

        Args:
            documents: Training documents with gold, relabelled if the stage replaced them.
        """

    def finish(self, between: Between) -> None:
        """Write files to the run's folder after the last stage, using the weights of its best epoch."""

    def views(self, between: Between) -> list[View]:
        """Pictures specific to this method, drawn after its last stage."""
        return []

    def decode(self, batch: Any) -> list[Prediction]:
        """The predictions of a batch."""
        raise NotImplementedError

    def tune(self, predictions: Sequence[Prediction], documents: Mapping[str, Document]) -> Tuned:
        """The best threshold on validation documents, and any other tuned values; changes nothing."""
        assert self.task.tune is not None, "the highest score decides"
        return Tuned(*self.task.tune(predictions, documents, self.threshold))

    def take(self, tuned: Tuned) -> None:
        """Use these values for decisions from now on; they are stored with the weights."""
        self.tuned_threshold.fill_(tuned.threshold)

    def decided(self, predictions: Sequence[Prediction], tuned: Tuned) -> Sequence[Prediction]:
        """Predictions made during training, converted to what `decode` would make them with these values."""
        return predictions

    @property
    def tuned_options(self) -> dict[str, float]:
        """Tuned values other than the threshold."""
        return {}

    # --- what every method inherits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Sum the losses, and count them for the means of the epoch."""
        losses = self.losses(batch)
        total = torch.stack(list(losses.values())).sum()
        self.means.add({**losses, "loss": total}, len(batch.ids))
        return total

    def on_train_start(self) -> None:
        """Forget the batches of a training that was interrupted."""
        self.means.clear()

    def on_train_epoch_end(self) -> None:
        """Log the means of the epoch, `train/loss` and each loss by its name."""
        finite = True
        for name, mean, weight in self.means.pop():
            self.log(f"train/{name}", mean, prog_bar=name == "loss", batch_size=weight, sync_dist=True)
            finite = finite and bool(mean.isfinite())
        if not finite:  # a loss alone may overflow in 16 bits: its step is skipped
            self._check_finite()

    def _check_finite(self) -> None:
        broken = [name for name, value in self.named_parameters() if not value.isfinite().all()]
        if broken:
            raise ZooError(
                f"Expected finite weights after epoch {self.current_epoch + 1}, but {len(broken)} tensors hold NaN or "
                f"inf, {broken[0]!r} first. Find the operation with --trainer.detect_anomaly true, or lower the "
                "learning rate."
            )

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> list[Prediction]:
        """Predict; the scorer gathers the predictions."""
        return self.decode(batch)

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> list[Prediction]:
        """Predict; the scorer gathers the predictions."""
        return self.decode(batch)

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> list[Prediction]:
        """Predict; the scorer writes the file."""
        return self.decode(batch)

    def setup(self, stage: str) -> None:
        """Build the network from the training documents, unless a checkpoint did, and fit new weights to them."""
        if stage != "fit":
            return
        data: EmotionDataModule = self.trainer.datamodule  # type: ignore[attr-defined]
        if not self.built:
            self.build_from(data.train_documents)
        if self.profile is None:
            assert data.loaded is not None
            parts = {part: data.documents(part) for part in ("train", "validation")}
            self.profile = profile_of(data.loaded.corpus, parts, self.token_counter())
        if self.fresh:
            self.start(data.learned_documents)
            self.fresh = False

    def build_from(self, documents: Sequence[Document]) -> None:
        """Build the network for training on these documents."""
        if self.task.labelled:
            self.facts["labels"] = self.label_names(documents)
        self.vocabulary = self.make_vocabulary(documents)
        self._build(from_checkpoint=False)

    def label_names(self, documents: Sequence[Document]) -> list[str]:
        """The emotions that the method learns to distinguish; see `labels_of`."""
        return labels_of(documents)

    def renew(self, seed: int) -> None:
        """Start with the weights of a new training, discarding what was learned.

        Args:
            seed: Seed of the initial weights, which depend on nothing drawn before.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self._build(from_checkpoint=False)
        self.tuned_threshold.fill_(float("nan"))

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that the method distinguishes: those of its training documents, by name."""
        return tuple(self.facts["labels"])

    @property
    def stage(self) -> str:
        """The stage that the network is in."""
        return self._stage or self.stages()[0].name

    def enter(self, stage: str) -> None:
        """Switch the network to a stage.

        Raises:
            ZooError: The method has no such stage with these options.
        """
        names = [stage.name for stage in self.stages()]
        if stage not in names:
            raise unknown_choice(f"the stage of {self.id} with these options", stage, names)
        if stage != self.stage or self._stage is None:
            self._stage = stage
            self.on_stage(stage)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store what the network is built from."""
        checkpoint["ecpe_zoo"] = {
            "method": self.id,
            "class_path": f"{type(self).__module__}.{type(self).__qualname__}",
            "vocabulary": self.vocabulary,
            "facts": self.facts,
            "stage": self.stage,
            "texts": self.profile,
        }

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Build the network before its weights are loaded."""
        stored = checkpoint.get("ecpe_zoo")
        if stored is None or stored["method"] != self.id:
            found = "a checkpoint of another program" if stored is None else f"one of {stored['method']!r}"
            raise ZooError(f"Expected a checkpoint of method {self.id!r}, but got {found}.")
        if not self.built or stored["vocabulary"] != self.vocabulary:
            self.vocabulary, self.facts = stored["vocabulary"], stored["facts"]
            with fitting(self.id):
                self._build(from_checkpoint=True)
        self.profile = stored.get("texts")
        self.enter(stored.get("stage", FIT))  # absent in checkpoints of early releases

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights.

        Raises:
            ZooError: See `check_weights`.
        """
        check_weights(self.state_dict(), state_dict, strict)
        return super().load_state_dict(state_dict, strict, assign)

    def _build(self, from_checkpoint: bool) -> None:
        self.build(from_checkpoint)
        self.on_stage(self.stage)
        self.train()  # pretrained encoders start in evaluation mode, and Lightning keeps modes
        self.built, self.fresh = True, not from_checkpoint

    @property
    def tuned(self) -> float | None:
        """The threshold that validation chose, if it did."""
        value = float(self.tuned_threshold)
        return None if value != value else round(value, 6)  # the exact value tried: the buffer is fp32
