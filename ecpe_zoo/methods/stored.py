"""Checks that a method can be built from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ecpe_zoo.errors import ZooError, first_few
from ecpe_zoo.escaping import visible


@contextmanager
def fitting(method: str) -> Iterator[None]:
    """Context in which a method is built from the content of a checkpoint.

    Args:
        method: Id of the method, for messages.

    Raises:
        ZooError: The content does not fit: the file was changed, or written by another version of the method.
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:  # whatever a constructor raises; transformers has classes of errors of its own
        reason = visible((str(error).splitlines() or [""])[0])
        raise ZooError(
            f"Expected a checkpoint whose content fits {method}, but got {type(error).__name__}: {reason}. The file "
            "was changed, or comes from another version of the method."
        ) from error


def check_weights(own: Mapping[str, Any], stored: Mapping[str, Any], strict: bool = True) -> None:
    """Check names and shapes of stored weights.

    Args:
        own: Weights of the method.
        stored: Weights of the checkpoint.
        strict: Whether both must have exactly the same names.

    Raises:
        ZooError: A weight has another shape (an option that changes shapes differs from the checkpoint's), is
            missing, or does not belong to the method.
    """
    other = [
        f"{name} {tuple(value.shape)} in the checkpoint, {tuple(own[name].shape)} in the method"
        for name, value in stored.items()
        if isinstance(own.get(name), Tensor) and own[name].shape != value.shape
    ]
    if other:
        raise ZooError(
            f"Expected the shapes of the checkpoint's weights, but {len(other)} differ: {other[0]}. An option "
            "given on the command line changes them: leave it out, or train again."
        )
    missing, foreign = sorted(own.keys() - stored.keys()), sorted(stored.keys() - own.keys())
    if strict and (missing or foreign):
        words = [f"{len(missing)} are missing ({first_few(missing, 3)})"] if missing else []
        words += (
            [f"{len(foreign)} are not the method's ({visible(first_few(foreign, 3))})"] if foreign else []
        )
        raise ZooError(
            f"Expected a checkpoint with the {len(own)} weights of the method, but {' and '.join(words)}. An option "
            "given on the command line may change them: leave it out. If there is none, the file is damaged or comes "
            "from another version of the method."
        )
