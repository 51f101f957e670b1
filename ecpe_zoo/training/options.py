"""The options of a run, the same on the command line and in Python."""

from __future__ import annotations

import os
import random
import re
from argparse import ArgumentError
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace, get_loader, set_loader
from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from ecpe_zoo.configs import find_config, find_method
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError, did_you_mean
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.loading import arguments_of, method_class, read_checkpoint
from ecpe_zoo.options import first_of, flat, nested, place_of
from ecpe_zoo.training.checkpoints import BestCheckpoint, epoch_metric, refuse_test_fold
from ecpe_zoo.training.config_lines import given_at
from ecpe_zoo.training.scorer import Scorer
from ecpe_zoo.training.stopping import PatientStopping

AUTO = "auto"
"""A monitor that becomes the metric of `epoch_metric`."""

STATE = {
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}
"""What Lightning reads from a checkpoint, and its types."""

BATCH_SIZE = 8
"""Documents per batch if no option limits the batches."""

UNBUILT = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What YAML's classes raise at values that they cannot build."""

SEED = 0
"""Of a run that is given none."""

MAX_SEED = 2**32 - 1
"""The largest seed that numpy takes."""

TRAINER_DEFAULTS = {
    "use_distributed_sampler": False,  # ours is rank-aware, and evaluation never repeats a document
    "enable_model_summary": False,
    "log_every_n_steps": 10,
}


def add_options(parser: LightningArgumentParser) -> None:
    """Options of the callbacks that every run has, and of the test after a fit."""
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


def parse(options: Mapping[str, Any]) -> tuple[LightningArgumentParser, Namespace]:
    """Options of `fit` from Python, checked and completed by the rules of the command line.

    Args:
        options: Section -> name -> value, as in a config file.

    Returns:
        The parser, and what it made of the options.

    Raises:
        ZooError: an option that `fit` does not have, or a value of another type.
    """
    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_argument("--seed_everything", type=int, default=SEED)
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})
    parser.add_lightning_class_args(Method, "model", subclass_mode=True)
    parser.add_lightning_class_args(EmotionDataModule, "data")
    add_options(parser)
    skipped: set[str | int] = {"model", "train_dataloaders", "val_dataloaders", "datamodule"}
    parser.add_method_arguments(Trainer, "fit", skip=skipped)
    try:
        return parser, parser.parse_object(grouped(dict(options)))
    except ArgumentError as error:
        raise ZooError(str(error)) from error


def settle(config: Namespace, command: str, typed: Sequence[str] = ()) -> None:
    """Put the metric that chooses the epoch for `auto`, a seed for `false` and a batch size for none.

    The saved config then names them.

    Args:
        config: Options of the command; changed in place.
        command: Training command.
        typed: Its arguments, by which messages name file and line.

    Raises:
        ZooError: A section has no options, the seed is none of a generator, or `fit` would choose or stop by test
            documents under `strict`.
    """
    for name in ("trainer", "data", "scorer", "checkpoint", "early_stopping"):
        if not isinstance(config[name], Namespace):
            raise ZooError(
                f"{given_at(name, typed)}Expected options by name in the section {name!r} of the config, but got "
                f"{config[name]!r}."
            )
    if not 0 <= config.seed_everything <= MAX_SEED:
        raise ZooError(
            f"{given_at('seed_everything', typed)}Expected --seed_everything from 0 to {MAX_SEED}, but got "
            f"{config.seed_everything}."
        )
    if config.data.corpus is None:
        raise ZooError("Expected --data.corpus NAME, but got none. See `ecpe-zoo data list` for the names.")
    if config.seed_everything is False:
        config.seed_everything = _drawn_seed()
    if config.data.batch_size is None and config.data.batch_tokens is None:
        config.data.batch_size = BATCH_SIZE
    encoder = (config.model.get("init_args") or {}).get("encoder")
    if isinstance(encoder, Namespace) and encoder.get("vectors") == "None":
        encoder["vectors"] = None  # jsonargparse reads `--model.encoder.vectors=null` as a text
    task = method_class(config.model.class_path).task_of(config.model.get("init_args") or {})
    metric = f"val/{epoch_metric(config.data.corpus, task)}"
    for callback in (config.checkpoint, config.early_stopping):
        if callback.monitor == AUTO:
            callback.monitor = metric
    if command == "fit":
        monitors = {f"--{name}.monitor": config[name].monitor for name in ("checkpoint", "early_stopping")}
        refuse_test_fold(config.data.protocol, monitors)


def _drawn_seed() -> int:
    """A seed at random, the same in all processes of a run: without one no run could be repeated."""
    if "LOCAL_RANK" in os.environ and "PL_GLOBAL_SEED" in os.environ:  # a process that the first one started
        return int(os.environ["PL_GLOBAL_SEED"])
    seed = random.SystemRandom().randrange(2**31)
    rank_zero_info(
        f"--seed_everything false: the seed {seed} was drawn at random; the config and the record name it."
    )
    return seed


def take_stored_options(model: Namespace, path: str | Path | None, typed: set[str]) -> None:
    """Put a checkpoint's hyper-parameters over the config's, but under what the user typed.

    Lightning's own version puts them over everything, silently.

    Args:
        model: The method's class path and arguments; changed in place.
        path: Path of the checkpoint, if any.
        typed: Names of the arguments that the user typed.

    Raises:
        ZooError: the checkpoint is of another method, or cannot be read.
    """
    if path is None or path in ("last", "best", "hpc", "registry"):
        return
    checkpoint = read_checkpoint(path)
    for name, kind in STATE.items():
        if not isinstance(checkpoint.get(name), kind):
            raise ZooError(
                f"{path}: expected a complete checkpoint of `ecpe-zoo fit`, but {name!r} is missing in it."
            )
    stored = checkpoint["ecpe_zoo"]
    if model.class_path != stored["class_path"]:
        raise ZooError(
            f"{path}: expected a checkpoint of {model.class_path}, as the config says, but got one of "
            f"{stored['class_path']}."
        )
    changed, taken = [], []
    for name, value in flat(checkpoint["hyper_parameters"]).items():
        mine = model.init_args.get(name)
        if mine == value:
            continue
        if name in typed:
            changed.append(f"{name}: {value} in the checkpoint, {mine} on the command line")
        else:
            model.init_args[name] = value
            taken.append(f"{name}: {value} in the checkpoint, {mine} in the config")
    if taken:
        rank_zero_info("The checkpoint's hyper-parameters win over the config: " + "; ".join(taken))
    if changed:
        rank_zero_warn("The command line wins over the checkpoint's hyper-parameters: " + "; ".join(changed))


def spelled(args: Sequence[str]) -> list[str]:
    """Arguments of the command line with options of groups in one spelling, as the method named there takes them.

    >>> spelled(["--model", "ecpe_zoo.methods.mgcl.MGCL", "--model.encoder", "recurrent", "--model.lr=0.1"])[2:]
    ['--model.encoder.name', 'recurrent', '--model.optimiser.lr=0.1']
    """
    args = _found(args)
    takes = _takes(_class_path(args))
    found = []
    for argument, following in zip(args, [*args[1:], ""], strict=True):
        match = re.fullmatch(r"--model\.(?:init_args\.)?(\w+)(=.*)?", argument, re.DOTALL)
        if match:
            name, value = match[1], match[2] or ""
            group, option = place_of(name, takes)
            given = (value.removeprefix("=") or following).strip()
            if not option and not given.startswith("{") and not (given == "null" and name in takes):
                option = first_of(name, takes)
            if option:
                argument = f"--model.{group}.{option}{value}"
        elif nested := re.match(r"--model\.(?:init_args\.)?(\w+)\.(\w+)", argument):
            _check_group(nested[1], nested[2], takes)
        found.append(argument)
    return found


def _check_group(group: str, option: str, takes: Collection[str]) -> None:
    """Refuse an option that a group does not have; the parser would take `--model.optimiser.l` for `lr`.

    Raises:
        ZooError: The group has no such option.
    """
    known = [f"--model.{name}" for name in takes if name.startswith(f"{group}.")]
    given = f"--model.{group}.{option}"
    if known and given not in known:
        raise ZooError(
            f"Expected an option of the group {group} ({', '.join(known)}), but got {given}."
            + did_you_mean(given, known)
        )


NAMED = {
    "--config": find_config,
    "-c": find_config,
    "--model": find_method,
    "--model.class_path": find_method,
    "--model.help": find_method,
}
"""Options whose values may be short names, and what finds them."""


def _found(args: Sequence[str]) -> list[str]:
    """Arguments with paths in place of the short names of configs and methods.

    >>> _found(["--model=MGCL", "--data.fold", "1"])
    ['--model=ecpe_zoo.methods.mgcl.MGCL', '--data.fold', '1']
    """
    found = list(args)
    for index, argument in enumerate(args):
        option, sign, value = argument.partition("=")
        if option in NAMED and sign:
            found[index] = f"{option}={NAMED[option](value)}"
        elif option in NAMED and index + 1 < len(args):
            found[index + 1] = NAMED[option](args[index + 1])
    return found


def _class_path(args: Sequence[str]) -> str:
    """The class path of the method that a command line or the last config on it names."""
    found = ""
    for option, value in (
        argument.split("=", 1) if "=" in argument else (argument, following)
        for argument, following in zip(args, [*args[1:], ""], strict=True)
    ):
        if option in ("--model", "--model.class_path"):
            found = value
        elif option in ("--config", "-c") and Path(value).is_file():
            with suppress(OSError, yaml.YAMLError, *UNBUILT):  # the parser says what is wrong with it
                config = yaml.safe_load(Path(value).read_text(encoding="utf-8"))
                model = config.get("model") if isinstance(config, dict) else None
                found = str(model.get("class_path", found)) if isinstance(model, dict) else found
    return found


def _takes(class_path: str) -> Collection[str]:
    """The arguments of a method; none for a class path that the parser will refuse."""
    try:
        return arguments_of(class_path)
    except ZooError:
        return ()


def grouped(value: Any) -> Any:
    """A config with the arguments of its method in groups; see `options.nested`."""
    model = value.get("model") if isinstance(value, dict) else None
    if isinstance(model, dict) and isinstance(model.get("init_args"), dict):
        class_path = str(model.get("class_path", ""))
        arguments = nested(model["init_args"], _takes(class_path), class_path)
        return value | {"model": model | {"init_args": arguments}}
    return value


_load_yaml = get_loader("yaml")


def _load(text: str) -> Any:
    """Values in YAML; those that cannot be built (`!!int x`, the 99th of a month) are errors of the text too.

    So are values inside themselves, through an alias of an anchor around it: the parser would never end.
    """
    try:
        value = _load_yaml(text)
        if _holds_itself(value, frozenset(), set()):
            raise yaml.YAMLError("a value inside itself: an alias stands within what its anchor names")
        return grouped(value)
    except UNBUILT as error:
        raise yaml.YAMLError(f"values that cannot be read ({type(error).__name__}: {error})") from None


def _holds_itself(value: Any, around: frozenset[int], done: set[int]) -> bool:
    """Whether a list or mapping contains one of those around it.

    Args:
        value: Any value.
        around: Ids of the lists and mappings around it.
        done: Ids of those that were searched: one that many aliases name is searched once.
    """
    if not isinstance(value, dict | list) or id(value) in done:
        return False
    if id(value) in around:
        return True
    inside = value.values() if isinstance(value, dict) else value
    found = any(_holds_itself(one, around | {id(value)}, done) for one in inside)
    done.add(id(value))
    return found


set_loader("yaml", _load, (yaml.YAMLError,))
