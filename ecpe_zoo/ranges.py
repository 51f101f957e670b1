"""Ranges of the options of methods, by the last part of their names.

A negative learning rate trains away from the labels and says nothing; a negative width ends deep inside of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecpe_zoo.errors import ZooError, at_least

COUNTS = (
    "filters", "heads", "hidden", "max_tokens", "node", "pair_epochs", "size", "token_slots", "vector_size",
    "word_width",
)  # fmt: skip
"""At least 1."""

AMOUNTS = (
    "adapt_epochs", "adapt_lr", "angle_weight", "ask_more", "asymmetry", "beta", "ce_weight", "context", "contrastive",
    "encoder_lr", "layers", "lr", "margin", "negatives", "smoothing", "weight_decay",
)  # fmt: skip
"""At least 0."""

SHARES = (
    "ask_above",
    "clue_confidence",
    "consistency_warmup",
    "dropout",
    "position_factor",
    "random_masking",
)
"""From 0 to 1."""

TEMPERATURES = ("temperature", "confidence_temperature", "consistency_temperature")
"""Above 0: logits are divided by them."""


def check_ranges(options: Mapping[str, Any]) -> None:
    """Check the values of a method's options.

    Args:
        options: Name -> value, flat: `encoder.heads` -> 4. Null and names that are not listed here are passed over.

    Raises:
        ZooError: A value outside of its range.

    >>> check_ranges({"optimiser.lr": 1e-3, "encoder.size": None, "threshold": -1})
    >>> check_ranges({"optimiser.lr": -1e-3})
    Traceback (most recent call last):
    ecpe_zoo.errors.ZooError: Expected --model.optimiser.lr to be at least 0, but got -0.001.
    """
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        option, kind = f"--model.{name}", name.rpartition(".")[2]
        if kind in COUNTS:
            at_least(option, value, 1)
        elif kind in AMOUNTS:
            at_least(option, value, 0)
        elif kind in SHARES and not 0 <= value <= 1:
            raise ZooError(f"Expected {option} from 0 to 1, but got {value}.")
        elif kind in TEMPERATURES and not value > 0:
            raise ZooError(f"Expected {option} to be above 0, but got {value}.")
