"""Freed memory goes back at a bounded interval, on a CPU alone, and no config shows it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from lightning import Trainer

from ecpe_zoo.callbacks import memory
from ecpe_zoo.callbacks.memory import EVERY, BoundMemory
from ecpe_zoo.cli.main import main
from ecpe_zoo.methods.rule import Rule
from tests.conftest import ROOT


@pytest.fixture
def trims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry a trim."""
    found: list[int] = []
    monkeypatch.setattr(memory, "give_back", lambda: found.append(1))
    return found


def trainer_on(device: str) -> Trainer:
    return cast(Trainer, SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(device))))


def test_a_trim_every_so_many_batches_and_at_the_end_of_an_epoch(trims: list[int]) -> None:
    callback, trainer, method = BoundMemory(), trainer_on("cpu"), Rule()
    for index in range(EVERY - 1):
        callback.on_train_batch_end(trainer, method, None, None, index)
    assert not trims
    callback.on_validation_batch_end(trainer, method, None, None, 0)
    assert len(trims) == 1
    for index in range(EVERY):
        callback.on_predict_batch_end(trainer, method, None, None, index)
    for index in range(EVERY):
        callback.on_test_batch_end(trainer, method, None, None, index)
    assert len(trims) == 3
    for at_end in (
        callback.on_validation_epoch_end,
        callback.on_train_epoch_end,
        callback.on_test_epoch_end,
        callback.on_predict_epoch_end,
    ):
        at_end(trainer, method)
    assert len(trims) == 7


def test_on_a_gpu_nothing_is_trimmed(trims: list[int]) -> None:
    callback, trainer = BoundMemory(), trainer_on("cuda")
    for index in range(2 * EVERY):
        callback.on_train_batch_end(trainer, Rule(), None, None, index)
    callback.on_train_epoch_end(trainer, Rule())
    assert not trims


def test_every_command_has_it_and_no_config_or_hash_shows_it(
    tmp_path: Path, trims: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    options = ["--config", str(ROOT / "configs" / "rule.yaml"), "--trainer.default_root_dir", str(tmp_path)]
    assert main(["fit", *options]) == 0
    after_fit = len(trims)
    assert after_fit >= 3  # the ends of training, validation and test
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
