"""What makes two runs the same: the options of a config that decide a result, and the files that they name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ecpe_zoo.files import file_sha256
from ecpe_zoo.options import flat

INPUTS = ("vectors", "encoder.name", "encoder.vectors", "init_from", "labels_from")
"""Arguments of methods that name a file or folder on which a result depends."""


@dataclass(frozen=True, order=True)
class RunName:
    """Name of a run among others.

    Args:
        method: Id of the method.
        variant: What is changed in it; may be empty.
        corpus: Id of the corpus.
        protocol: Strict or paper.
        fold: 1-based.
        seed: Seed of the run.
    """

    method: str
    variant: str
    corpus: str
    protocol: str
    fold: int
    seed: int

    @property
    def group(self) -> str:
        """The folder of its records: the method and the variant."""
        return f"{self.method}-{self.variant}" if self.variant else self.method

    def __str__(self) -> str:
        return f"{self.group}/{self.corpus}-fold{self.fold}-{self.protocol}-seed{self.seed}"


def input_hashes(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of the files and folders that a method's arguments name (see `INPUTS`), by the last part of their names.

    A folder (a pretrained encoder) is hashed by the names and contents of its files. What is no path on this
    machine, such as a name on a hub, is left out.
    """
    given = flat(arguments)
    values = (given.get(name) for name in INPUTS)
    paths = (Path(value).absolute() for value in values if isinstance(value, str) and value)
    return dict(_input_hash(path, _newest(path)) for path in paths if path.exists())


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _newest(path: Path) -> int:
    return max((file.stat().st_mtime_ns for file in _files(path)), default=0)


@cache
def _input_hash(path: Path, changed: int) -> tuple[str, str]:
    """Name and hash; cached, since every cell of a suite names the same large files."""
    if path.is_file():
        return path.name, file_sha256(path)
    parts = "".join(f"{file.relative_to(path)} {file_sha256(file)}\n" for file in _files(path))
    return path.resolve().name, hashlib.sha256(parts.encode()).hexdigest()


def portable(config: dict[str, Any]) -> dict[str, Any]:
    """The config without the places of one machine: of absolute paths only the last part stays.

    A file that decides a result is known by its hash, in `RunRecord.inputs`.

    >>> portable({"model": {"vectors": "/home/me/w2v.txt"}, "config": ["/home/me/c.yaml"]})
    {'model': {'vectors': 'w2v.txt'}}
    """

    def stripped(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: stripped(item) for name, item in value.items()}
        if isinstance(value, list):
            return [stripped(item) for item in value]
        return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value

    return {name: stripped(value) for name, value in config.items() if name != "config"}


IRRELEVANT = frozenset({
    "data.root", "data.num_workers", "data.predict_split", "data.eval_batch_size", "data.eval_batch_tokens",
    "trainer.accelerator", "trainer.barebones", "trainer.benchmark", "trainer.default_root_dir",
    "trainer.detect_anomaly", "trainer.deterministic", "trainer.enable_autolog_hparams",
    "trainer.enable_model_summary", "trainer.enable_progress_bar", "trainer.inference_mode",
    "trainer.log_every_n_steps", "trainer.logger", "trainer.model_registry", "trainer.num_sanity_val_steps",
    "trainer.profiler", "early_stopping.strict", "early_stopping.verbose", "early_stopping.log_rank_zero_only",
})  # fmt: skip
"""Options that change no number: paths, what is shown, how evaluation is cut into batches."""

SHOW_OR_SAVE = frozenset(
    f"lightning.pytorch.callbacks.{name}"
    for name in (
        "DeviceStatsMonitor",
        "LearningRateMonitor",
        "ModelSummary",
        "OnExceptionCheckpoint",
        "ProgressBar",
        "RichModelSummary",
        "RichProgressBar",
        "TQDMProgressBar",
        "ThroughputMonitor",
    )
)
"""Callbacks that change no number: a run with them is the same as one without. Any other callback may change one, and
counts. (A second `ModelCheckpoint` too: before version 3 of the record its file was the one that was tested.)"""

_CHECKPOINT = {  # option -> its default
    "mode": "max",
    "every_n_train_steps": None,
    "every_n_epochs": None,
    "train_time_interval": None,
    "save_on_train_epoch_end": None,
}


_ADDED = {"data.lexicon": "none", "data.truncation": "lengths"}
"""Options that were added later, at the value that leaves a run as it was before them."""


def decisive(config: dict[str, Any]) -> dict[str, Any]:
    """The options of a config that decide a result, flat: `model.init_args.lr` -> 0.001.

    Left out are paths, `IRRELEVANT` options, callbacks that only show or save, null options, and `_ADDED` ones that
    change nothing: a record from before an option was added is the same as one that leaves it alone. Which checkpoint
    is tested counts if it is not the default one, that of the highest value of the metric that early stopping reads
    too.
    """
    plain = json.loads(json.dumps(portable(config), default=str))
    kept = {
        name: plain.get(name) for name in ("seed_everything", "model", "data", "trainer", "early_stopping")
    }
    if kept["trainer"]:
        kept["trainer"] = _trainer_options(kept["trainer"])
    given = plain.get("checkpoint") or {}
    checkpoint = {name: given.get(name) for name, usual in _CHECKPOINT.items() if given.get(name) != usual}
    if given.get("monitor") != (plain.get("early_stopping") or {}).get("monitor"):
        checkpoint["monitor"] = given.get("monitor") or "none"
    if given.get("save_top_k") == 0:  # any other number keeps the best
        checkpoint["save_top_k"] = 0
    return {
        name: value
        for name, value in flat(kept | {"checkpoint": checkpoint}).items()
        if value is not None
        and ".".join(name.split(".")[:2]) not in IRRELEVANT
        and not (name in _ADDED and _ADDED[name] == value)
    }


def _trainer_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The trainer's options without callbacks that change nothing and without switches at their default."""
    kept = dict(options)
    if kept.get("enable_checkpointing") is not False:
        kept.pop("enable_checkpointing", None)
    if kept.get("use_distributed_sampler") is not True:
        kept.pop("use_distributed_sampler", None)
    given = kept.pop("callbacks", None) or []
    callbacks = [
        callback
        for callback in (given if isinstance(given, list) else [given])
        if not isinstance(callback, Mapping) or callback.get("class_path") not in SHOW_OR_SAVE
    ]
    return kept | ({"callbacks": callbacks} if callbacks else {})


def config_hash(config: dict[str, Any]) -> str:
    """Hash of what decides a result; see `decisive`."""
    return hashlib.sha256(json.dumps(decisive(config), sort_keys=True).encode()).hexdigest()
