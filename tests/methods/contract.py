"""One line a method: a small instance, and the options that make its config small."""

from __future__ import annotations

from collections.abc import Callable

from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.e2eecpe import E2EECPE
from ecpe_zoo.methods.mgcl import MGCL

Options = dict[str, object]


def line(
    make: Callable[..., Method], small: Options, fast: Options
) -> tuple[Callable[[], Method], list[str]]:
    """A small instance (with rates at which it learns by heart), and the options that make its config small."""
    return lambda: make(**small, **fast), [f"--model.{name}={value}" for name, value in small.items()]


# fmt: off
CONTRACT = {
    "e2eecpe": line(E2EECPE, {"hidden": 16, "filters": 8}, {"word_width": 16, "node": 10, "dropout": 0.0}),
    "mgcl": line(MGCL, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2}, {"clause_dropout": 0.0}),
}
# fmt: on
