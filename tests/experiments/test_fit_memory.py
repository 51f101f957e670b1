"""The measurement of the memory of a fit, on few batches."""

from __future__ import annotations

import json
from pathlib import Path

from experiments.fit_memory import main
from tests.conftest import ROOT
from tests.methods.contract import CONTRACT


def test_both_runs_are_measured(tmp_path: Path) -> None:
    fit = ["--config", str(ROOT / "configs" / "emo_pillars.yaml"), *CONTRACT["emo_pillars"][1]]
    short = [
        "--trainer.max_epochs",
        "1",
        "--trainer.limit_train_batches",
        "2",
        "--trainer.limit_val_batches",
        "0",
    ]
    rest = ["--test", "false", "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    assert main(["--output", str(tmp_path), "--", *fit, *short, *rest]) == 0
    found = json.loads((tmp_path / "fit_memory.json").read_text(encoding="utf-8"))
    before, after = found["runs"]
    assert (before["run"], before["without"], before["trims"]) == ("before", ["trim", "kernels", "widths"], 0)
    assert (after["run"], after["without"]) == ("after", [])
    assert after["trims"] > 0
    for run in found["runs"]:
        assert run["status"] == 0
        assert run["peak"] > 0
        assert run["seconds"] > 0
