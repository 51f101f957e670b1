"""The engine of training: one `Trainer.fit` per stage, for the command and for Python alike."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, RichProgressBar
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.loading import read_checkpoint
from ecpe_zoo.methods.stages import FIT, Between, Stage
from ecpe_zoo.options import EMBEDDED, RECURRENT, WORDS, flat
from ecpe_zoo.training.checkpoints import BestCheckpoint, LastCheckpoint, best_checkpoint, refuse_test_fold
from ecpe_zoo.training.folders import predictions_folder, run_loggers
from ecpe_zoo.training.memory import BoundMemory
from ecpe_zoo.training.pictures import draw_views
from ecpe_zoo.training.process import new_trainer, warn_of_slow_bf16
from ecpe_zoo.training.recorder import Recorder
from ecpe_zoo.training.scorer import Scorer, gather_over_ranks
from ecpe_zoo.training.seeding import SeedEachEpoch
from ecpe_zoo.training.stopping import PatientStopping

METRIC_BOUND = ("min_delta", "stopping_threshold", "divergence_threshold")
"""Options of early stopping that are in the unit of the config's metric: a stage with a metric of its own has none."""


class Progress(RichProgressBar):
    """Lightning's bar without the number of the run's folder."""

    def get_metrics(self, *args: Any) -> Any:
        """The metrics to show."""
        return {name: value for name, value in super().get_metrics(*args).items() if name != "v_num"}


class Run:
    """One command over a method and its data: a trainer, and for `fit` one for each stage.

    Args:
        command: One of fit, validate, test and predict.
        parser: Parser of the options; it writes `config.yaml` into the run's folder.
        config: Options as parsed: values, no objects.
        init: The same, instantiated.
        recorded: Config that the record holds.
        method: Method, new for `fit`; with the weights of its checkpoint once another command has loaded them.
        data: Data module with the corpus, fold and protocol.
    """

    def __init__(
        self,
        command: str,
        parser: LightningArgumentParser,
        config: Namespace,
        init: Namespace,
        recorded: dict[str, Any],
        method: Method,
        data: EmotionDataModule,
    ) -> None:
        self.command, self.parser, self.config, self.init = command, parser, config, init
        self.method, self.data = method, data
        self.seed = int(os.environ["PL_GLOBAL_SEED"])
        self.loggers = run_loggers(init.trainer, config.get("ckpt_path"), command, method, data, self.seed)
        self.scorer: Scorer = init.scorer
        self.recorder = Recorder(recorded, self.seed, self.scorer)
        self.given = self._given_callbacks()
        self.stages = method.stages() if command == "fit" else (Stage(FIT),)
        # later stages begin with callbacks that remember nothing
        self.unused = copy.deepcopy(self.given) if len(self.stages) > 1 else []
        self.trainer = self._trainer_of(self.stages[0])

    # --- trainers

    def _given_callbacks(self) -> list[Callback]:
        """The user's own callbacks.

        Raises:
            ZooError: one stops on test documents under `strict`, or saves although saving is switched off.
        """
        options = self.init.trainer
        given = options.callbacks or []
        callbacks: list[Callback] = given if isinstance(given, list) else [given]
        if self.command == "fit":
            option = "the monitor of an EarlyStopping in --trainer.callbacks"
            for callback in callbacks:
                if isinstance(callback, EarlyStopping):
                    refuse_test_fold(self.data.protocol, {option: callback.monitor})
        if options.enable_checkpointing is False:
            for callback in callbacks:
                if isinstance(callback, Checkpoint):
                    raise ZooError(
                        "Expected no checkpoint callback under --trainer.enable_checkpointing false, but got "
                        f"{type(callback).__name__} in --trainer.callbacks. Leave one of the two out."
                    )
        return callbacks

    def _trainer_of(self, stage: Stage, folder: Path | None = None) -> Trainer:
        """The trainer of a stage, with callbacks that remember nothing of another one.

        Args:
            stage: Stage, which may have its own epochs and monitor.
            folder: Folder of the checkpoints; None for the first stage, whose folder Lightning finds.
        """
        first, options = folder is None, self.init.trainer
        own = [
            *(self.given if first else copy.deepcopy(self.unused)),
            self.scorer,
            self._checkpoint(stage, folder),
            self._stopping(stage),
            # the first stage's name is not in its seed, as in all stored results
            SeedEachEpoch(self.seed, FIT if first else stage.name),
            # the state of the last epoch is saved after its best one: else a resumed run would not know it
            LastCheckpoint(folder),
            self.recorder,
            BoundMemory(),
        ]
        if options.enable_checkpointing is False:  # Lightning would refuse ours; the last weights are tested
            own = [callback for callback in own if not isinstance(callback, Checkpoint)]
        if options.enable_progress_bar is not False:
            own.append(Progress(leave=False))
        if not options.fast_dev_run:
            own.append(SaveConfigCallback(self.parser, self.config, overwrite=True))
        limits = {} if stage.max_epochs is None else {"max_epochs": stage.max_epochs, "max_steps": -1}
        return new_trainer(**{**options, "logger": self.loggers, "callbacks": own, **limits})

    def _checkpoint(self, stage: Stage, folder: Path | None) -> BestCheckpoint:
        options = self.config.checkpoint.as_dict()
        if folder is not None:
            options["dirpath"] = options["dirpath"] or str(folder)
            options["filename"] = (options["filename"] or "").replace("best-", f"best-{stage.name}-")
        if stage.monitor is not None:
            options |= {"monitor": stage.monitor, "mode": stage.mode}
        return BestCheckpoint(**options)

    def _stopping(self, stage: Stage) -> PatientStopping:
        options = self.config.early_stopping.as_dict()
        if stage.monitor is not None:
            options = {name: value for name, value in options.items() if name not in METRIC_BOUND}
            options |= {"monitor": stage.monitor, "mode": stage.mode}
        return PatientStopping(**options)

    # --- stages

    def fit(self) -> None:
        """Train, one `Trainer.fit` per stage, each from the best weights of the one before.

        A checkpoint of a later stage skips those before it.

        Raises:
            ZooError: the method is not new, or has no such stage as the checkpoint's.
        """
        path, method, data = self.config.ckpt_path, self.method, self.data
        if method.built:
            raise ZooError(
                f"Expected a new method, but this {method.id} has weights already, of a training or a checkpoint. Make "
                "a new one; to resume a run, give `ckpt_path`."
            )
        self._say_what_counts()
        warn_of_slow_bf16(self.trainer)
        first = self._first_stage(path)
        data.check_task(method)  # before files are missed that would not serve
        data.trainer = None  # what an earlier run left
        data.replace_training(None)
        data.tests = bool(self.config.test)
        data.setup("fit")
        for number, stage in enumerate(self.stages[first:], start=first):
            resumed = number == first and path is not None
            if number and not resumed:
                self._take_best_weights()
                method.enter(stage.name)
            between = self._between(stage.name, resumed)
            method.prepare(between)
            if number:
                self.trainer = self._trainer_of(stage, between.folder / "checkpoints")
                method.train()
                rank_zero_info(f"Stage {number + 1} of {len(self.stages)}: {stage.name}")
            self.trainer.fit(
                method,
                datamodule=data,
                ckpt_path=path if resumed else None,
                weights_only=self.config.weights_only,
            )
            if not self.finished:  # interrupted
                return

    def _say_what_counts(self) -> None:
        """Say when scores say nothing about the method, or an encoder of random weights will not learn."""
        if self.data.corpus.startswith("bundled"):
            rank_zero_info(
                f"NOTE: the corpus {self.data.corpus!r} is invented text that shows that the zoo runs; its scores say "
                "nothing about the method."
            )
        options = flat(self.method.hparams)
        name, rate, lr = (options.get(f) for f in ("encoder.name", "optimiser.encoder_lr", "optimiser.lr"))
        if name in (EMBEDDED, RECURRENT, WORDS) and rate is not None and lr is not None and rate < lr / 10:
            rank_zero_warn(
                f"The encoder {name!r} starts from random weights and hardly moves at its learning rate of {rate:g}, "
                f"which suits pretrained ones. Give --model.optimiser.encoder_lr {lr:g}."
            )
        if name == EMBEDDED:
            rank_zero_info(
                "NOTE: the 'embedded' encoder is a small transformer with random weights; without pretrained "
                "weights the scores say nothing about the method."
            )

    def _first_stage(self, path: str | None) -> int:
        """The stage that training begins with: a checkpoint's, whose weights the method then has."""
        if path is None or not Path(path).is_file():
            return 0
        stored = read_checkpoint(path)
        names = [stage.name for stage in self.stages]
        began = stored["ecpe_zoo"].get("stage", FIT)
        if began not in names:
            raise unknown_choice(f"the stage of {path}, with the options given,", began, names)
        first = names.index(began)
        if first:
            self.method.on_load_checkpoint(stored)
            self.method.load_state_dict(stored["state_dict"])
        return first

    @property
    def finished(self) -> bool:
        """Whether the trainer came to its end, and nothing interrupted it."""
        return bool(self.trainer.state.status == "finished")

    @property
    def folder(self) -> Path:
        """The run's folder; every process has to call this."""
        return predictions_folder(self.trainer).parent

    @property
    def best_path(self) -> str | None:
        """The file of the `checkpoint` option, whatever other callbacks saved; None if it saved none."""
        best = best_checkpoint(self.trainer)
        return (best.best_model_path or None) if best is not None else None

    def _take_best_weights(self) -> None:
        """Put the weights of the last stage's best epoch back; they stay as they are if none was chosen."""
        if self.best_path is not None:
            self.trainer.strategy.barrier("best weights are written")
            self.method.load_state_dict(read_checkpoint(self.best_path, finite=False)["state_dict"])

    def _between(self, stage: str, resumed: bool = False) -> Between:
        names = [stage.name for stage in self.method.stages()]
        earlier = tuple(names[: names.index(stage)])
        return Between(stage, earlier, self.data, self.folder, self._predict, resumed)

    def _predict(self, documents: Sequence[Document]) -> list[Prediction]:
        """The method's present predictions, gathered over processes; they are neither scored nor written."""
        options = {
            **self.init.trainer,
            "logger": False,
            "callbacks": [BoundMemory()],
            "enable_checkpointing": False,
        }
        trainer = new_trainer(**{**options, "fast_dev_run": False})
        self.data.asked = documents
        try:
            batches = trainer.predict(self.method, datamodule=self.data, return_predictions=True)
        finally:
            self.data.asked = None
        return gather_over_ranks([prediction for batch in batches or [] for prediction in batch])

    # --- after the last stage

    def complete(self, show: Callable[[], None] | None = None) -> None:
        """Put the best weights back, let the method leave its files, then test and draw.

        Args:
            show: Function that prints the scores, in the first process.
        """
        trainer = self.trainer
        if trainer.fast_dev_run or not self.finished:
            return
        self._take_best_weights()
        self.method.finish(self._between(self.method.stage))
        if not self.config.test:
            return
        path = self.best_path
        if path is None:
            rank_zero_warn("No checkpoint was saved: the test documents are scored with the last weights.")
        trainer.test(self.method, datamodule=self.data, ckpt_path=path, verbose=False)
        if show is not None and trainer.is_global_zero:
            show()
        self.draw()

    def draw(self) -> None:
        """Draw pictures of the test; all processes ask the method, which may predict once more."""
        between = self._between(self.method.stage)
        views, folder = self.method.views(between), between.folder
        views = [*self.method.task.pictures(self.scorer.tested, self.scorer.gold), *views]
        if self.trainer.is_global_zero and views:
            draw_views(folder / "pictures", views)
            rank_zero_info(f"pictures:    {folder / 'pictures'}")


def plain(parser: LightningArgumentParser, config: Namespace) -> dict[str, Any]:
    """A parsed config as the values of a JSON file."""
    found: dict[str, Any] = json.loads(parser.dump(config, skip_none=False, format="json"))
    return found
