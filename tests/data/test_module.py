"""The data module's options; what it does with documents is seen where methods train."""

from __future__ import annotations

from typing import Any

import pytest

from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("batch_size", 0, "to be at least 1, but got 0"),
        ("batch_tokens", -5, "to be at least 1, but got -5"),
        ("eval_batch_size", 0, "to be at least 1, but got 0"),
        ("eval_batch_tokens", 0, "to be at least 1, but got 0"),
        ("batch_spread", float("nan"), "to be at least 0, but got nan"),
        ("num_workers", -1, "to be at least 0, but got -1"),
        ("validation_share", 0.0, "above 0 and below 1, but got 0.0"),
        ("validation_share", 1.0, "above 0 and below 1, but got 1.0"),
    ],
)
def test_a_number_out_of_its_range_is_refused(option: str, value: Any, expected: str) -> None:
    with pytest.raises(ZooError, match=rf"^Expected --data\.{option} {expected}\.$"):
        EmotionDataModule(**{option: value})
