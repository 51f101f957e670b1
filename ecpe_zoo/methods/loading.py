"""Get a trained method back from its checkpoint."""

from __future__ import annotations

import importlib
import inspect
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.options import flat_default, nested


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint of the zoo, without executing anything that it holds.

    Raises:
        ZooError: no such file, a damaged file, or a checkpoint of another program.
    """
    if not Path(path).is_file():
        raise ZooError(f"{path}: expected a checkpoint, but there is no such file. Check --ckpt_path.")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise ZooError(f"{path}: expected a whole checkpoint, but it cannot be read: {reason}") from error
    if not isinstance(checkpoint, dict) or "ecpe_zoo" not in checkpoint:
        raise ZooError(f"{path}: expected a checkpoint of ecpe-zoo, but got one of another program.")
    class_path = checkpoint["ecpe_zoo"]["class_path"]
    options = checkpoint.get("hyper_parameters", {})
    checkpoint["hyper_parameters"] = nested(options, arguments_of(class_path), class_path)
    return checkpoint


def method_class(class_path: str) -> type[Method]:
    """Import a method by its full class path.

    Raises:
        ZooError: nothing of that name, or something that is no method.
    """
    module, _, name = class_path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ZooError(f"Expected the class path of a method, but got {class_path!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ZooError(f"Expected the class path of a method, but {class_path!r} is none.")
    return found


def arguments_of(class_path: str) -> Mapping[str, Any]:
    """The arguments of a method with their defaults, flat: `encoder.size` -> None.

    Raises:
        ZooError: see `method_class`.
    """
    parameters = inspect.signature(method_class(class_path)).parameters
    found: dict[str, Any] = {}
    for name, parameter in parameters.items():
        found |= flat_default(name, parameter.annotation, parameter.default)
    return found


def load_method(path: Path | str) -> Method:
    """The trained method of a checkpoint, on the CPU, in evaluation mode, thresholds and vocabulary included.

    Raises:
        ZooError: see `read_checkpoint`.
    """
    stored = read_checkpoint(path)
    method: Method = method_class(stored["ecpe_zoo"]["class_path"]).load_from_checkpoint(
        path, map_location="cpu", weights_only=True, **stored["hyper_parameters"]
    )
    method.eval()
    return method
