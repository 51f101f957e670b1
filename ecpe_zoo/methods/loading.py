"""Load a trained method from its checkpoint.

Checkpoints are untrusted data: nothing in them is executed, and the class that one names is used only if it is a
method of this package, or if the caller names it too.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import torch

from ecpe_zoo.declared import declared
from ecpe_zoo.errors import ZooError
from ecpe_zoo.escaping import is_class_path, visible
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.exported import local, read_folder
from ecpe_zoo.methods.stored import fitting
from ecpe_zoo.options import flat_default, nested
from ecpe_zoo.settings import shown
from ecpe_zoo.text.profile import wrong_profile

OWN = "ecpe_zoo.methods."
"""Prefix of the class paths of this package's methods."""


def read_checkpoint(path: Path | str, *, finite: bool = True) -> dict[str, Any]:
    """Read a checkpoint of the zoo, without importing or executing anything it names.

    Args:
        path: Path of the file.
        finite: Whether NaN or infinite weights are an error.

    Raises:
        ZooError: The file is missing or damaged, comes from another program, or has weights that are NaN or infinite.
    """
    if not Path(path).is_file():
        found = "a folder" if Path(path).is_dir() else "no such file"
        raise ZooError(
            f"{path}: expected a checkpoint file of `ecpe-zoo fit`, but got {found}. Check --ckpt_path."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about other programs' pickles, which are refused below
            checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make the unpickler fail in any way
        reason = visible((str(error).splitlines() or [type(error).__name__])[0])
        if not is_zipfile(path):
            reason = (
                "it is no archive of torch. Give best-*.ckpt or last.ckpt of a run, or a folder of export."
            )
        elif isinstance(error, UnpicklingError):  # torch's own words suggest what would run the file's code
            reason = "it holds more than plain values and weights, and nothing in it is executed."
        raise ZooError(f"{path}: expected a complete checkpoint, but it cannot be read: {reason}") from error
    if not isinstance(checkpoint, dict) or "ecpe_zoo" not in checkpoint:
        raise ZooError(f"{path}: expected a checkpoint of ecpe-zoo, but got one of another program.")
    return _checked(path, checkpoint, finite)


def read_stored(path: Path | str) -> dict[str, Any]:
    """Read a trained method: a checkpoint of `fit`, or a folder of `ecpe-zoo export`.

    Args:
        path: Of the file or folder, or `hf://USER/NAME[@REVISION]`.

    Raises:
        ZooError: see `read_checkpoint`, and `exported.read_folder`.
    """
    place = local(path)
    return _checked(path, read_folder(place), True) if place.is_dir() else read_checkpoint(place)


def _checked(path: Path | str, checkpoint: dict[str, Any], finite: bool) -> dict[str, Any]:
    """What was read, its options in groups.

    Raises:
        ZooError: a part is not as `fit` writes it.
    """
    if problem := _wrong_part(checkpoint, finite):
        raise ZooError(
            f"{path}: expected {problem}. The file is damaged, or was not written by `ecpe-zoo fit`."
        )
    class_path = checkpoint["ecpe_zoo"]["class_path"]
    if is_own(class_path):
        try:
            options = nested(checkpoint["hyper_parameters"], arguments_of(class_path), class_path)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ZooError(
                f"{path}: expected the options of {class_path}, but got others: {error}"
            ) from error
        checkpoint["hyper_parameters"] = options
    return checkpoint


def _wrong_part(checkpoint: dict[str, Any], finite: bool) -> str | None:
    """Describe the first part of a checkpoint that differs from what `fit` writes; None if there is none."""
    stored = checkpoint["ecpe_zoo"]
    if not isinstance(stored, Mapping):
        return f"`ecpe_zoo` to be a mapping, but got {shown(stored)}"
    for name in ("method", "class_path"):
        if not isinstance(stored.get(name), str):
            return f"the string `{name}` in `ecpe_zoo`, but got {shown(stored.get(name))}"
    if not is_class_path(stored["class_path"]):
        return f"a class path, package.module.Class, but got {shown(stored['class_path'])}"
    if wrong_text := wrong_profile(stored.get("texts")):
        return wrong_text
    if missing := [name for name in ("vocabulary", "facts") if name not in stored]:
        return f"`{missing[0]}` in `ecpe_zoo`, but got none"
    if not isinstance(stored["facts"], Mapping) or not isinstance(stored.get("stage", ""), str):
        return "`facts` and `stage` in `ecpe_zoo` to be a mapping and a string, but got something else"
    options = checkpoint.setdefault("hyper_parameters", {})
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        return f"options by name as `hyper_parameters`, but got {shown(options)}"
    weights = checkpoint.get("state_dict")
    if not isinstance(weights, Mapping) or not all(
        isinstance(item, torch.Tensor) for item in weights.values()
    ):
        return f"weights by name as `state_dict`, but got {shown(type(weights).__name__)}"
    # a mask may contain -inf, and a threshold that was never tuned is NaN
    wrong = [
        name
        for name, value in weights.items()
        if finite
        and value.dim()
        and value.is_floating_point()
        and (value.isnan() | (value == torch.inf)).any()
    ]
    if wrong:
        return f"weights that are numbers, but {len(wrong)} of {len(weights)} tensors contain NaN or inf: {wrong[0]}"
    return None


def is_own(class_path: str) -> bool:
    """Whether a class path names a class in a methods module of this package; nothing is imported.

    >>> is_own("ecpe_zoo.methods.mgcl.MGCL"), is_own("ecpe_zoo.methods.mgcl.os"), is_own("os.path.join")
    (True, False, False)
    """
    return class_path.startswith(OWN) and is_class_path(class_path) and declared(class_path) is not None


def class_path_of(method: type[Method]) -> str:
    """The full class path of a method."""
    return f"{method.__module__}.{method.__qualname__}"


def method_class(class_path: str) -> type[Method]:
    """Import a method by its full class path, given by the user.

    Raises:
        ZooError: The name does not exist or is not a method.
    """
    module, _, name = class_path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except SyntaxError as error:
        where = f"{error.filename}:{error.lineno}"
        raise ZooError(f"{where}: expected Python, but got: {error.msg}.") from error
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # TypeError: a relative path
        raise ZooError(
            f"Expected the class path of a method, but got {class_path!r}: {error}. Install a module of your own, or "
            "put its folder into PYTHONPATH."
        ) from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ZooError(f"Expected the class path of a method, but {class_path!r} is not a method.")
    return found


def arguments_of(class_path: str) -> Mapping[str, Any]:
    """The arguments of a method with their defaults, flattened: `encoder.size` -> None.

    Raises:
        ZooError: See `method_class`.
    """
    parameters = inspect.signature(method_class(class_path)).parameters
    found: dict[str, Any] = {}
    for name, parameter in parameters.items():
        found |= flat_default(name, parameter.annotation, parameter.default)
    return found


def _class_of(path: Path | str, class_path: str, method: type[Method] | str | None) -> type[Method]:
    """The class that a checkpoint is loaded into.

    Raises:
        ZooError: The caller names another class, or no class although it is not of this package.
    """
    if method is None:
        if not is_own(class_path):
            raise ZooError(
                f"{path}: expected a method of ecpe_zoo, but the checkpoint names {class_path!r}, whose code would "
                f"run. If you trust it, name it too: --model {class_path}, or load_method(..., method={class_path!r})."
            )
        return method_class(class_path)
    given = method if isinstance(method, str) else class_path_of(method)
    if given != class_path:
        raise ZooError(f"{path}: expected a checkpoint of {given}, but got one of {class_path}.")
    return method_class(method) if isinstance(method, str) else method


def load_method(path: Path | str, method: type[Method] | str | None = None) -> Method:
    """The trained method of a checkpoint, on the CPU and in evaluation mode, with thresholds and vocabulary.

    Args:
        path: Checkpoint of `fit`, folder of `ecpe-zoo export`, or hf://USER/NAME[@REVISION].
        method: Class or class path of a method of your own. Not needed for methods of this package; other code is never
            imported merely because a checkpoint names it.

    Raises:
        ZooError: See `read_stored`; or the class differs from the checkpoint's.
    """
    stored = read_stored(path)
    found = _class_of(path, stored["ecpe_zoo"]["class_path"], method)
    known = inspect.signature(found).parameters
    options = {name: value for name, value in stored["hyper_parameters"].items() if name in known}
    try:
        # not with Lightning's `load_from_checkpoint`, which imports functions named in a checkpoint's options
        with fitting(class_path_of(found)):
            loaded = found(**options)
            loaded.on_load_checkpoint(stored)
            loaded.load_state_dict(stored["state_dict"])
    except ZooError as error:
        raise ZooError(f"{path}: {error}") from error
    loaded.eval()
    return loaded
