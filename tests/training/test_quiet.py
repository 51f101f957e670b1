"""A fit prints nothing that no user can act on."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import RichProgressBar
from transformers import AutoModel, BertConfig, BertForMaskedLM

from ecpe_zoo.training.folders import _wandb
from ecpe_zoo.training.process import SCORING, OncePerRun, settings
from ecpe_zoo.training.staged import Progress


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("", logging.INFO, "", 0, text, None, None)


def test_stages_do_not_repeat_what_devices_there_are() -> None:
    texts = [
        "GPU available: True (cuda), used: True",
        "TPU available: False, using: 0 TPU cores",
        "Epoch chosen.",
    ]
    shown = OncePerRun()
    assert [shown(record(text)) for text in (*texts, *texts)] == [True, False, True, False, False, True]
    for text in ("GPU available: False, used: False", "Restoring states from the checkpoint path at a.ckpt"):
        assert not OncePerRun()(record(text))
    assert not OncePerRun()(record("Loaded model weights from the checkpoint at a.ckpt"))
    assert OncePerRun()(record("Restored all states from the checkpoint at a.ckpt"))


@pytest.mark.parametrize(("lost", "reported"), [(None, False), ("encoder.layer.0.output.dense.weight", True)])
def test_a_load_report_is_shown_if_weights_of_the_encoder_are_missing(
    lost: str | None, reported: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertForMaskedLM(BertConfig(vocab_size=10, **size))
    weights: dict[str, torch.Tensor] = dict(model.state_dict())
    if lost:
        del weights[f"bert.{lost}"]
    model.save_pretrained(tmp_path, state_dict=weights)
    logger = logging.getLogger("transformers.modeling_utils")
    logger.addHandler(caplog.handler)  # transformers' loggers do not propagate
    try:
        AutoModel.from_pretrained(tmp_path)
        assert "LOAD REPORT" in caplog.text  # else this test would show nothing
        caplog.clear()
        with settings():
            AutoModel.from_pretrained(tmp_path)
    finally:
        logger.removeHandler(caplog.handler)
    assert ("LOAD REPORT" in caplog.text) == reported


def test_scoring_does_not_warn_that_the_run_of_a_checkpoint_is_not_continued() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        for muted in ((), SCORING):
            with settings(muted):
                warnings.warn("The dirpath has changed from 'a' to 'b', therefore ...", stacklevel=1)
    assert len(shown) == 1


def test_wandb_is_not_given_an_argument_that_it_warns_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    (logger,) = _wandb("a", "b", str(tmp_path))
    assert logger.name == "ecpe-zoo"
    assert "anonymous" not in logger._wandb_init  # type: ignore[attr-defined]


def test_the_bar_does_not_show_the_number_of_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = {"v_num": 3, "train/loss": 0.5}
    monkeypatch.setattr(RichProgressBar, "get_metrics", lambda self, *_: metrics)
    assert Progress().get_metrics(None, None) == {"train/loss": 0.5}
