"""`ecpe_zoo.fit`: the command `ecpe-zoo fit` from Python."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from jsonargparse import Namespace, get_loader
from lightning import seed_everything

from ecpe_zoo.configs import find_config
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.options import flat
from ecpe_zoo.results.record import RunRecord
from ecpe_zoo.training.options import grouped, parse, settle, take_stored_options
from ecpe_zoo.training.process import settings
from ecpe_zoo.training.staged import Run, plain


class Fitted(NamedTuple):
    """What `fit` returns.

    Args:
        method: Method with the weights of the last stage's best epoch and the tuned threshold, in evaluation mode.
        folder: Folder of the run: log, checkpoints, predictions, `config.yaml`, `record.json`.
        checkpoint: File of these weights; None if none was saved.
        record: Record of the run; None without a test, and in all processes but the first.
    """

    method: Method
    folder: Path
    checkpoint: Path | None
    record: RunRecord | None


def fit(
    method: Method | str | Path | Mapping[str, Any],
    data: EmotionDataModule | str | Mapping[str, Any] | None = None,
    *,
    model: Mapping[str, Any] | None = None,
    seed: int | None = None,
    trainer: Mapping[str, Any] | None = None,
    scorer: Mapping[str, Any] | None = None,
    checkpoint: Mapping[str, Any] | None = None,
    early_stopping: Mapping[str, Any] | None = None,
    test: bool | None = None,
    ckpt_path: str | Path | None = None,
) -> Fitted:
    """Train a method in all its stages and score the test documents, as `ecpe-zoo fit` does.

    The same options give the same weights and the same record. What is not given here is as the config says, else at
    the command's default.

    Args:
        method: A new method, or a config: its path or short name (`mgcl`, `paper/mgcl`), or its content.
        data: A data module, the name of a corpus, or options of `EmotionDataModule`.
        model: Arguments of the method that win over a config's.
        seed: Seed of the run (`--seed_everything`).
        trainer: Options of Lightning's `Trainer`. Callbacks and loggers may be objects; stages after the first get
            copies of the callbacks, made before training.
        scorer: Options of `Scorer`.
        checkpoint: Options of the checkpoint that is tested.
        early_stopping: Options of `PatientStopping`.
        test: Whether the test documents are scored at the end.
        ckpt_path: `last.ckpt` of a run that was killed, to resume it in its stage.

    Returns:
        The trained method, and where the run's files are.

    Raises:
        ZooError: a wrong option, a method that was trained before, or a corpus that does not fit the method.

    Example:
        EACL trains its representations, then its anchors:

        >>> import tempfile
        >>> import ecpe_zoo
        >>> from ecpe_zoo.methods.eacl import EACL
        >>> from ecpe_zoo.options import EncoderSettings
        >>> method = EACL(encoder=EncoderSettings("embedded", size=16, heads=2), adapt_epochs=1)
        >>> runs = tempfile.TemporaryDirectory()
        >>> fitted = ecpe_zoo.fit(
        ...     method,
        ...     data={"corpus": "bundled-conversations", "batch_size": 64, "eval_batch_size": 16},
        ...     trainer={
        ...         "max_epochs": 1,
        ...         "accelerator": "cpu",
        ...         "logger": False,
        ...         "enable_progress_bar": False,
        ...         "default_root_dir": runs.name,
        ...     },
        ... )
        >>> [stage.name for stage in fitted.record.stages]
        ['fit', 'anchors']
        >>> 0 <= fitted.record.metrics["erc.weighted_f1.v1"] <= 1
        True
    """
    if isinstance(method, Method) and model:
        raise ZooError(
            f"Expected `model` beside a config, but got a {method.id} that has its arguments already."
        )
    given = _described(method) if isinstance(method, Method) else _read(method)
    if model:
        class_path = given.get("model", {}).get("class_path", "")
        model = grouped({"model": {"class_path": class_path, "init_args": model}})["model"]["init_args"]
    own, objects = _parted(trainer or {})
    over = {
        "seed_everything": seed,
        "trainer": own,
        "model": model and {"init_args": model},
        "data": _arguments(data) if isinstance(data, EmotionDataModule) else data,
        "scorer": scorer,
        "checkpoint": checkpoint,
        "early_stopping": early_stopping,
        "test": test,
        "ckpt_path": ckpt_path and str(ckpt_path),
    }
    over["data"] = {"corpus": data} if isinstance(data, str) else over["data"]
    options = _merged(given, {name: value for name, value in over.items() if value is not None})
    with settings():
        parser, config = parse(options)
        settle(config, "fit")
        typed = set(flat(method.hparams if isinstance(method, Method) else model or {}))
        take_stored_options(config.model, config.ckpt_path, typed)
        config.seed_everything = seed_everything(config.seed_everything, workers=True)
        to_make = config.clone()
        if isinstance(method, Method):
            del to_make["model"]
        init = parser.instantiate_classes(to_make)
        recorded = plain(parser, config)
        _add_objects(init.trainer, recorded["trainer"], objects)
        mine = method if isinstance(method, Method) else init.model
        data = data if isinstance(data, EmotionDataModule) else init.data
        run = Run("fit", parser, config, init, recorded, mine, data)
        run.fit()
        run.complete()
    run.method.eval()
    best = run.best_path
    return Fitted(run.method, run.folder, None if best is None else Path(best), run.recorder.written)


def _described(method: Method) -> dict[str, Any]:
    """A method as a config names it."""
    kind = type(method)
    return {
        "model": {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": dict(method.hparams)}
    }


def _arguments(data: EmotionDataModule) -> dict[str, Any]:
    """The arguments that a data module was made with."""
    return {name: getattr(data, name) for name in inspect.signature(EmotionDataModule).parameters}


def _read(config: str | Path | Mapping[str, Any]) -> Any:
    """The content of a config, its method's arguments in groups."""
    if isinstance(config, Mapping):
        return grouped(dict(config))
    try:
        text = Path(find_config(config)).read_text(encoding="utf-8")
    except OSError as error:
        raise ZooError(f"{config}: expected a config, but it cannot be read: {error.strerror}.") from error
    found = get_loader("yaml")(text)
    if not isinstance(found, dict):
        raise ZooError(f"{config}: expected sections of options, but got {type(found).__name__}.")
    return found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested options; those above win."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _parted(trainer: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Options of the trainer that a config could hold, and objects (callbacks, loggers, a strategy) by option."""
    values: dict[str, Any] = {}
    objects: dict[str, list[Any]] = {}
    for name, value in trainer.items():
        listed = value if isinstance(value, list) else [value]
        found = [
            one
            for one in listed
            if not isinstance(one, str | int | float | Mapping | Path | timedelta | None)
        ]
        if found:
            objects[name] = found
            rest = [one for one in listed if one not in found]
            if rest:
                values[name] = rest
        else:
            values[name] = value
    return values, objects


def _add_objects(trainer: Namespace, recorded: dict[str, Any], objects: Mapping[str, list[Any]]) -> None:
    """Give the trainer its objects, and name their classes in the record."""
    for name, found in objects.items():
        several = name in ("callbacks", "logger", "plugins")
        named = [{"class_path": f"{type(one).__module__}.{type(one).__qualname__}"} for one in found]
        trainer[name] = [*(trainer[name] or []), *found] if several else found[0]
        recorded[name] = [*(recorded[name] or []), *named] if several else named[0]
