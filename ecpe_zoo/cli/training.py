"""fit, validate, test and predict: LightningCLI with the zoo's defaults."""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only, rank_zero_warn
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ecpe_zoo.callbacks.checkpoints import (
    BestCheckpoint,
    best_checkpoint,
    epoch_metric,
    metric_of,
    refuse_test_fold,
)
from ecpe_zoo.callbacks.pictures import draw_scores, draw_views
from ecpe_zoo.callbacks.recorder import Recorder
from ecpe_zoo.callbacks.scorer import Scorer, gather_over_ranks, predictions_folder
from ecpe_zoo.callbacks.seeding import SeedEachEpoch
from ecpe_zoo.callbacks.stopping import PatientStopping
from ecpe_zoo.cli.report import show_results
from ecpe_zoo.corpora.corpus import ENDINGS
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError, unknown_choice
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.loading import method_class, read_checkpoint
from ecpe_zoo.methods.stages import FIT, Between, Stage

TRAINING_COMMANDS = ("fit", "validate", "test", "predict")

ENDED_BY_SIGTERM = 143
"""Exit status, 128 and the signal's number as shells have it."""

AUTO = "auto"
"""A monitor that becomes the metric of `epoch_metric`."""

TRAINER_DEFAULTS = {
    "use_distributed_sampler": False,  # ours is rank-aware, and evaluation never repeats a document
    "enable_model_summary": False,
    "log_every_n_steps": 10,
}


class LastCheckpoint(ModelCheckpoint):
    """The state at the end of every epoch, from which a killed run resumes."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(
            dirpath=folder, filename="last", save_top_k=1, save_on_train_epoch_end=True,
            enable_version_counter=False,
        )  # fmt: skip

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say how to go on after an interrupt or an error."""
        super().on_exception(trainer, pl_module, exception)
        if self.best_model_path:
            config = Path(self.best_model_path).parents[1] / "config.yaml"
            rank_zero_info(f"To go on: ecpe-zoo fit --config {config} --ckpt_path {self.best_model_path}")


class ZooCLI(LightningCLI):
    """Adds the scorer, checkpoints, seeding, the log and the closing test; everything else is Lightning's."""

    datamodule: EmotionDataModule
    model: Method
    trainer: Trainer

    def __init__(self, args: list[str]) -> None:
        self.typed = args  # before Lightning parses: what the user typed wins over a checkpoint
        super().__init__(
            Method,
            EmotionDataModule,
            subclass_mode_model=True,
            seed_everything_default=0,
            trainer_defaults=TRAINER_DEFAULTS,
            save_config_kwargs={"overwrite": True},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=args,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Options of the callbacks that every run has."""
        parser.add_lightning_class_args(Scorer, "scorer")
        parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
        parser.set_defaults(
            {
                "checkpoint.monitor": AUTO,
                "checkpoint.mode": "max",
                "checkpoint.filename": "best-epoch{epoch:03d}-step{step}",
                "checkpoint.auto_insert_metric_name": False,  # the slash in the name would make a folder
            }
        )
        parser.add_lightning_class_args(PatientStopping, "early_stopping")
        parser.set_defaults(
            {
                "early_stopping.monitor": AUTO,
                "early_stopping.mode": "max",
                "early_stopping.patience": 1000,
                "early_stopping.strict": False,  # without validation there is nothing to stop by
            }
        )
        parser.add_argument(
            "--test",
            type=bool,
            default=True,
            help="fit: score the test documents with the best checkpoint at the end",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, without Lightning's warning about arguments that do not come from `sys.argv`."""
        self.config = parser.parse_args(args)
        config = self.config[self.config.subcommand]
        options = config.model.get("init_args") or {}
        task = method_class(config.model.class_path).task_of(options)
        metric = f"val/{epoch_metric(config.data.corpus, task)}"
        for callback in (config.checkpoint, config.early_stopping):
            if callback.monitor == AUTO:  # now, so that the saved config says what it was
                callback.monitor = metric
        if self.config.subcommand == "fit":
            monitors = {
                f"--{name}.monitor": config[name].monitor for name in ("checkpoint", "early_stopping")
            }
            refuse_test_fold(config.data.protocol, monitors)

    def _parse_ckpt_path(self) -> None:
        """Put a checkpoint's hyper-parameters over the config's, but under what the user typed.

        Lightning's own version puts them over everything, silently.
        """
        config = self.config[self.config.subcommand]
        path = config.get("ckpt_path")
        if path is None or path in ("last", "best", "hpc", "registry"):
            return
        checkpoint = read_checkpoint(path)
        stored = checkpoint["ecpe_zoo"]
        if config.model.class_path != stored["class_path"]:
            raise ZooError(
                f"{path}: expected a checkpoint of {config.model.class_path}, as the config says, but got one of "
                f"{stored['class_path']}."
            )
        typed = typed_model_options(self.typed)
        changed, taken = [], []
        for name, value in checkpoint["hyper_parameters"].items():
            mine = config.model.init_args.get(name)
            if mine == value:
                continue
            if name in typed:
                changed.append(f"{name}: {value} in the checkpoint, {mine} on the command line")
            else:
                config.model.init_args[name] = value
                taken.append(f"{name}: {value} in the checkpoint, {mine} in the config")
        if taken:
            rank_zero_info("The checkpoint's hyper-parameters win over the config: " + "; ".join(taken))
        if changed:
            rank_zero_warn(
                "The command line wins over the checkpoint's hyper-parameters: " + "; ".join(changed)
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Name the run's folder; add the log, the callbacks that are no options, and the progress bar."""
        config = self.config_init[self.subcommand]
        seed = int(os.environ["PL_GLOBAL_SEED"])
        data = self.datamodule
        root = Path(config.trainer.default_root_dir or "runs")
        own = Path(data.corpus).suffix in ENDINGS  # a description of the user's own files
        corpus = Path(data.corpus).stem if own else data.corpus
        name = f"{self.model.id}/{corpus}-fold{data.fold}-{data.protocol}-seed{seed}"
        csv = CSVLogger(root, name=name)
        if self.subcommand == "fit" and (resumed := _unfinished_run(config.ckpt_path)) is not None:
            # the same folder: elsewhere Lightning forgets which epoch was the best before the break
            csv = CSVLogger(resumed.parent, name="", version=resumed.name)
            _set_log_aside(resumed)
        self.scorer = config.scorer
        plain = self.parser.dump(self.config, skip_none=False, format="json")
        self.recorder = Recorder(json.loads(plain)[str(self.subcommand)], seed, self.scorer)
        given = config.trainer.logger
        others = given if isinstance(given, list) else [given] if isinstance(given, Logger) else []
        self.loggers: list[Logger] = [csv, *others]  # first, so that its folder is the run's
        if not others and given is not False and self.subcommand == "fit" and not config.trainer.fast_dev_run:
            self.loggers.extend(self._wandb(name, csv))
        callbacks = self._given_callbacks(config.trainer)
        # later stages begin with callbacks that remember nothing
        self.unused = copy.deepcopy((config.checkpoint, config.early_stopping, callbacks))
        watching = [config.scorer, config.checkpoint, config.early_stopping]
        return self._trainer_with(watching, callbacks, self._own_callbacks(FIT), kwargs)

    def _given_callbacks(self, options: Any) -> list[Callback]:
        """The user's own callbacks.

        Raises:
            ZooError: one stops on test documents under `strict`, or saves where saving is switched off.
        """
        given = options.callbacks or []
        callbacks: list[Callback] = given if isinstance(given, list) else [given]
        if self.subcommand == "fit":
            option = "the monitor of an EarlyStopping in --trainer.callbacks"
            for callback in callbacks:
                if isinstance(callback, EarlyStopping):
                    refuse_test_fold(self.datamodule.protocol, {option: callback.monitor})
        if options.enable_checkpointing is False:
            for callback in callbacks:
                if isinstance(callback, Checkpoint):
                    raise ZooError(
                        "Expected no checkpoint callback under --trainer.enable_checkpointing false, but got "
                        f"{type(callback).__name__} in --trainer.callbacks. Leave one of the two out."
                    )
        return callbacks

    def _trainer_with(
        self,
        watching: list[Callback],
        given: list[Callback],
        own: list[Callback],
        options: dict[str, Any],
    ) -> Trainer:
        """A trainer by the config, with other options and these callbacks.

        The state of the last epoch is saved after its best one: else a resumed run would not know it.
        """
        config = {**self.config_init[self.subcommand].trainer, "logger": self.loggers, **options}
        if (
            config["enable_checkpointing"] is False
        ):  # Lightning would refuse ours; the last weights are tested
            watching, own = (
                [callback for callback in callbacks if not isinstance(callback, Checkpoint)]
                for callbacks in (watching, own)
            )
        return self._instantiate_trainer({**config, "callbacks": [*given, *watching]}, own)

    def _own_callbacks(self, stage: str, folder: Path | None = None) -> list[Callback]:
        """What every run has and no option names."""
        seeding = SeedEachEpoch(int(os.environ["PL_GLOBAL_SEED"]), stage)
        callbacks: list[Callback] = [seeding, LastCheckpoint(folder), self.recorder]
        if self.config_init[self.subcommand].trainer.enable_progress_bar is not False:
            callbacks.append(RichProgressBar(leave=False))
        return callbacks

    # --- stages

    def fit(self, model: Method, **options: Any) -> None:
        """Train, one `Trainer.fit` a stage, each from the best weights of the one before.

        A checkpoint of a later stage skips those before it.
        """
        path = options.pop("ckpt_path", None)
        stages = model.stages()
        names = [stage.name for stage in stages]
        first = 0
        if path is not None and Path(path).is_file():
            stored = read_checkpoint(path)
            began = stored["ecpe_zoo"].get("stage", FIT)
            if began not in names:
                raise unknown_choice(f"the stage of {path}, with the options given,", began, names)
            first = names.index(began)
            if first:
                model.on_load_checkpoint(stored)
                model.load_state_dict(stored["state_dict"])
        self.datamodule.setup("fit")
        for number, stage in enumerate(stages[first:], start=first):
            resumed = number == first and path is not None
            if number and not resumed:
                self._take_best_weights(model)
                model.enter(stage.name)
            folder = predictions_folder(self.trainer).parent
            model.prepare(self._between(stage.name, folder, resumed))
            if number:
                self.trainer = self._trainer_of(stage, folder / "checkpoints")
                model.train()
                rank_zero_info(f"Stage {number + 1} of {len(stages)}: {stage.name}")
            self.trainer.fit(model, ckpt_path=path if resumed else None, **options)
            if self.trainer.state.status != "finished":  # interrupted
                return

    def _take_best_weights(self, model: Method) -> None:
        """Put the weights of the last stage's best epoch back; they stay as they are where none was chosen."""
        best = self._best_path()
        if best is not None:
            self.trainer.strategy.barrier("best weights are written")
            model.load_state_dict(read_checkpoint(best)["state_dict"])

    def _best_path(self) -> str | None:
        """The file of the `checkpoint` option, whatever other callbacks saved; None where it saved none."""
        best = best_checkpoint(self.trainer)
        return (best.best_model_path or None) if best is not None else None

    def _between(self, stage: str, folder: Path, resumed: bool) -> Between:
        return Between(stage, self.datamodule, folder, self._predict, resumed)

    def _trainer_of(self, stage: Stage, folder: Path) -> Trainer:
        """A trainer for a later stage: the options of the first, the loggers, and fresh callbacks."""
        checkpoint, stopping, given = copy.deepcopy(self.unused)
        checkpoint.dirpath = checkpoint.dirpath or str(folder)
        checkpoint.filename = (checkpoint.filename or "").replace("best-", f"best-{stage.name}-")
        if stage.monitor is not None:
            checkpoint, stopping = (
                type(old)(monitor=stage.monitor, mode=stage.mode, **options)
                for old, options in (
                    (checkpoint, {"dirpath": checkpoint.dirpath, "filename": checkpoint.filename,
                                  "auto_insert_metric_name": False}),
                    (stopping, {"patience": stopping.patience, "counts_from": stopping.counts_from, "strict": False}),
                )
            )  # fmt: skip
        limits = {} if stage.max_epochs is None else {"max_epochs": stage.max_epochs, "max_steps": -1}
        own = self._own_callbacks(stage.name, folder)
        return self._trainer_with([self.scorer, checkpoint, stopping], given, own, limits)

    def _predict(self, documents: Sequence[Document]) -> list[Prediction]:
        """What the method says of documents now, gathered over processes; nothing of it is scored or written."""
        config = self.config_init[self.subcommand].trainer
        plain = self._instantiate_trainer(
            {
                **config,
                "logger": False,
                "callbacks": [],
                "enable_checkpointing": False,
                "fast_dev_run": False,
            },
            [],
        )
        self.datamodule.asked = documents
        try:
            batches = plain.predict(self.model, datamodule=self.datamodule, return_predictions=True)
        finally:
            self.datamodule.asked = None
        return gather_over_ranks([prediction for batch in batches or [] for prediction in batch])

    def _wandb(self, name: str, csv: CSVLogger) -> list[Logger]:
        """W&B without an account: offline unless WANDB_MODE asks otherwise."""
        mode = os.environ.get("WANDB_MODE", "offline")
        if mode == "disabled":
            return []
        os.environ.setdefault("WANDB_SILENT", "true")
        return [
            WandbLogger(
                project="ecpe-zoo",
                name=name,
                group=self.model.id,
                save_dir=csv.root_dir,
                offline=mode != "online",
            )
        ]

    # --- around the commands

    def before_instantiate_classes(self) -> None:
        """Nothing stands in the way of two runs on one machine: libraries must not start threads in workers."""
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    def before_fit(self) -> None:
        """Say where the numbers of this run do not reach."""
        if self.datamodule.corpus.startswith("bundled"):
            rank_zero_info(
                f"NOTE: the corpus {self.datamodule.corpus!r} is invented text that shows that the zoo runs; its "
                "scores say nothing about the method."
            )
        if self.model.hparams.get("encoder") == "embedded":
            rank_zero_info(
                "NOTE: the 'embedded' encoder is a small transformer with random weights; without pretrained "
                "weights the scores say nothing about the method."
            )

    def after_fit(self) -> None:
        """Test the checkpoint of the `checkpoint` option, or else the last weights, and show everything."""
        config = self.config[self.subcommand]
        trainer = self.trainer
        if trainer.fast_dev_run:
            return
        path = self._best_path()
        finished = trainer.state.status == "finished"
        if finished:
            self._take_best_weights(self.model)
            self.model.finish(self._between(self.model.stage, predictions_folder(trainer).parent, False))
        if config.test and finished:
            if path is None:
                rank_zero_warn(
                    "No checkpoint was saved: the test documents are scored with the last weights."
                )
            trainer.test(self.model, datamodule=self.datamodule, ckpt_path=path, verbose=False)
            if trainer.is_global_zero:
                show_results(self.scorer, self.model, self.datamodule, self.recorder)
            self._draw()
        folder = predictions_folder(trainer).parent
        rank_zero_info(f"checkpoint:  {path or 'none'}")
        rank_zero_info(f"log:         {folder / 'metrics.csv'}")
        rank_zero_info(f"predictions: {folder / 'predictions'}")

    def before_validate(self) -> None:
        """A method without weights cannot be scored."""
        self._demand_checkpoint()

    def before_test(self) -> None:
        """A method without weights cannot be scored; our table stands for Lightning's."""
        self._demand_checkpoint()
        self.config_init[self.subcommand]["verbose"] = False

    def before_predict(self) -> None:
        """A method without weights cannot predict."""
        self._demand_checkpoint()

    def after_test(self) -> None:
        """Show the scores."""
        if self.trainer.is_global_zero:
            path = Path(self.config[self.subcommand].ckpt_path)
            show_results(self.scorer, self.model, self.datamodule, metric_of(read_checkpoint(path), path))
        self._draw()

    def _draw(self) -> None:
        """Pictures beside the scores; all processes ask the method, which may predict once more."""
        folder = predictions_folder(self.trainer).parent
        views = self.model.views(self._between(self.model.stage, folder, resumed=False))
        if self.trainer.is_global_zero and self.model.task != "ecpe":
            draw_scores(folder / "pictures", self.model.task, self.scorer.tested, self.scorer.gold)
            draw_views(folder / "pictures", views)
            rank_zero_info(f"pictures:    {folder / 'pictures'}")

    def _demand_checkpoint(self) -> None:
        if not self.config[self.subcommand].ckpt_path:
            raise ZooError(
                f"Expected --ckpt_path FILE for {self.subcommand!r}, but got none: train with 'fit' first."
            )


def _unfinished_run(checkpoint: str | Path | None) -> Path | None:
    """The run's folder that a checkpoint lies in, if that run left no record yet."""
    if checkpoint is None:
        return None
    run = Path(checkpoint).absolute().parents[1]
    return run if (run / "config.yaml").is_file() and not (run / "record.json").exists() else None


@rank_zero_only
def _set_log_aside(run: Path) -> None:
    """Keep the log of the time before the break: the logger deletes a `metrics.csv` that it finds."""
    log = run / "metrics.csv"
    if log.is_file():
        number = len(list(run.glob("metrics-before-resume-*.csv"))) + 1
        log.rename(run / f"metrics-before-resume-{number}.csv")


def typed_model_options(args: list[str]) -> set[str]:
    """Names of the method's arguments that stand on a command line.

    >>> sorted(typed_model_options(["--model.lr", "1", "--model.init_args.beta=2", "--data.fold", "1"]))
    ['beta', 'lr']
    """
    names = set()
    for argument in args:
        if argument.startswith("--model."):
            names.add(
                argument.removeprefix("--model.").removeprefix("init_args.").split("=")[0].split(".")[0]
            )
    return names


def run(args: list[str]) -> int:
    """Run a training command.

    Returns:
        0, or 143 where SIGTERM ended it (a cluster's preemption): Lightning's own exception would say 0. Errors are
        raised (`ZooError`) or leave through `SystemExit` (a wrong option).
    """
    torch.set_float32_matmul_precision("high")  # TF32 where the device has it; the CPU is not touched
    # advertising, a deprecation inside Lightning, and a caution that our sampler meets
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda line: "litlogger" not in line.getMessage()
    )
    for message in (
        ".*Checkpoint directory .* exists and is not empty.*",  # later stages and resumed runs share the folder
        ".*Experiment logs directory .* exists and is not empty.*",  # its log was set aside
        ".*LeafSpec.*",
        ".*does not have many workers.*",
        ".*custom batch sampler.*",
        ".*number of training batches.*",
    ):
        warnings.filterwarnings("ignore", message=message)
    try:
        ZooCLI(args)
    except SIGTERMException:
        return ENDED_BY_SIGTERM
    return 0
