"""The settings of a training process come and go, and slow bf16 is noticed."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ecpe_zoo.training import process


def trainer(precision: str, device: str = "cpu") -> Any:
    return SimpleNamespace(precision=precision, strategy=SimpleNamespace(root_device=torch.device(device)))


def test_the_probe_leaves_the_generator_alone() -> None:
    state = torch.get_rng_state()
    assert process.bf16_slowness(size=32) > 0
    assert process.product_seconds(32, torch.float64) > 0
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("took", "products"), [(0.01, 3), (0.5, 1)])
def test_a_slow_product_is_not_repeated(took: float, products: int) -> None:
    times = [float(place // 2 + (place % 2) * took) for place in range(6)]
    left = iter(times)
    found = process.product_seconds(8, torch.float32, patience=0.1, clock=lambda: next(left))
    assert found == pytest.approx(took)
    assert len(list(left)) == len(times) - 2 * products


def test_bf16_without_its_instructions_warns_with_the_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "bf16_slowness", lambda: 97.4)
    with pytest.warns(UserWarning, match=r"--trainer.precision bf16-mixed .* takes 97 times as long"):
        process.warn_of_slow_bf16(trainer("bf16-mixed"))


@pytest.mark.parametrize(
    ("precision", "device", "slowness"),
    [("32-true", "cpu", None), ("bf16-mixed", "cuda", None), ("bf16-mixed", "cpu", 0.3)],
)
def test_no_other_run_warns(
    precision: str, device: str, slowness: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the ratio is None, it must not even be measured."""

    def measured() -> float:
        assert slowness is not None
        return slowness

    monkeypatch.setattr(process, "bf16_slowness", measured)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        process.warn_of_slow_bf16(trainer(precision, device))


def test_settings_end_with_the_run() -> None:
    before = torch.get_float32_matmul_precision(), list(warnings.filters)
    with process.settings():
        assert torch.get_float32_matmul_precision() == "high"
        assert len(warnings.filters) > len(before[1])
    assert (torch.get_float32_matmul_precision(), list(warnings.filters)) == before
