"""Freed memory goes back at bounded cost, on a CPU alone, and no config shows it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from lightning import Trainer

from ecpe_zoo.cli.main import main
from ecpe_zoo.methods.rule import Rule
from ecpe_zoo.training import memory
from ecpe_zoo.training.memory import SPACING, BoundMemory
from tests.conftest import ROOT


@pytest.fixture
def trims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry a trim."""
    found: list[int] = []
    monkeypatch.setattr(memory, "give_back", lambda: found.append(1))
    return found


def trainer_on(device: str) -> Trainer:
    return cast(Trainer, SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(device))))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds."""
    now = [1000.0]
    monkeypatch.setattr(memory, "monotonic", lambda: now[0])
    return now


def test_trims_are_spaced_by_what_they_cost(
    trims: list[int], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    callback, trainer, method = BoundMemory(), trainer_on("cpu"), Rule()

    def slow() -> None:
        trims.append(1)
        clock[0] += 0.1

    monkeypatch.setattr(memory, "give_back", slow)
    hooks = [
        callback.on_train_batch_end,
        callback.on_validation_batch_end,
        callback.on_test_batch_end,
        callback.on_predict_batch_end,
    ]
    for hook in hooks:
        trims.clear()
        hook(trainer, method, None, None, 0)
        assert len(trims) == 1
        clock[0] += 0.1 * SPACING - 1
        hook(trainer, method, None, None, 1)
        assert len(trims) == 1
        clock[0] += 2
    started = clock[0]
    for index in range(10_000):
        clock[0] += 0.5
        callback.on_train_batch_end(trainer, method, None, None, index)
    spent = 0.1 * len(trims)
    assert 45 <= len(trims) <= 55
    assert 7 * spent < 0.01 * (clock[0] - started)


def test_on_a_gpu_nothing_is_trimmed(trims: list[int]) -> None:
    callback, trainer = BoundMemory(), trainer_on("cuda")
    for index in range(3):
        callback.on_train_batch_end(trainer, Rule(), None, None, index)
    assert not trims


def test_every_command_has_it_and_no_config_or_hash_shows_it(
    tmp_path: Path, trims: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    options = ["--config", str(ROOT / "configs" / "rule.yaml"), "--trainer.default_root_dir", str(tmp_path)]
    assert main(["fit", *options]) == 0
    assert trims
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "128"
    (checkpoint,) = tmp_path.rglob("best-*.ckpt")
    for command in ("validate", "test", "predict"):
        before = len(trims)
        assert main([command, *options, "--ckpt_path", str(checkpoint)]) == 0
        assert len(trims) > before, command
    (record,) = tmp_path.rglob("record.json")
    assert "BoundMemory" not in record.read_text(encoding="utf-8")
    assert json.loads(record.read_text(encoding="utf-8"))["config"]["trainer"]["callbacks"] is None
    (config,) = (path for path in tmp_path.rglob("config.yaml") if path.parent == record.parent)
    assert "BoundMemory" not in config.read_text(encoding="utf-8")
