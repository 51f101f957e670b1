"""The folder of a run, and the loggers that name it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from ecpe_zoo.corpora.corpus import ENDINGS
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.methods.base import Method


def predictions_folder(trainer: Trainer) -> Path:
    """Where a run's predictions are; every rank has to call it, since finding the folder is collective."""
    return Path(trainer.log_dir or trainer.default_root_dir) / "predictions"


def run_loggers(
    options: Any, ckpt_path: str | None, command: str, method: Method, data: EmotionDataModule, seed: int
) -> list[Logger]:
    """The CSV log first, so that its folder is the run's; then the user's loggers, or W&B.

    Args:
        options: Options of the trainer, instantiated.
        ckpt_path: Checkpoint that `fit` resumes from, if any.
        command: One of fit, validate, test and predict.
        method: Method, whose id names the folder.
        data: Data module, whose corpus, fold and protocol name the folder.
        seed: Seed of the run.
    """
    root = Path(options.default_root_dir or "runs")
    own = Path(data.corpus).suffix in ENDINGS  # a description of the user's own files
    corpus = Path(data.corpus).stem if own else data.corpus
    name = f"{method.id}/{corpus}-fold{data.fold}-{data.protocol}-seed{seed}"
    csv = CSVLogger(root, name=name)
    if command == "fit" and (resumed := _unfinished_run(ckpt_path)) is not None:
        # the same folder: elsewhere Lightning forgets which epoch was the best before the break
        csv = CSVLogger(resumed.parent, name="", version=resumed.name)
        _set_log_aside(resumed)
    given = options.logger
    others = given if isinstance(given, list) else [given] if isinstance(given, Logger) else []
    if not others and given is not False and command == "fit" and not options.fast_dev_run:
        others = _wandb(name, method.id, csv.root_dir)
    return [csv, *others]


def _wandb(name: str, group: str, folder: str) -> list[Logger]:
    """W&B without an account: offline unless WANDB_MODE says otherwise."""
    mode = os.environ.get("WANDB_MODE", "offline")
    if mode == "disabled":
        return []
    os.environ.setdefault("WANDB_SILENT", "true")
    offline = mode != "online"
    logger = WandbLogger(project="ecpe-zoo", name=name, group=group, save_dir=folder, offline=offline)
    logger._wandb_init.pop("anonymous", None)  # wandb warns of this argument even if it is None
    return [logger]


def _unfinished_run(checkpoint: str | Path | None) -> Path | None:
    """The run's folder that a checkpoint is in, if that run has no record yet."""
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
