"""The Python of README and docs runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.cli.main import main
from tests.conftest import ROOT
from tests.methods.contract import CONTRACT

BRIEF = {
    "max_epochs": 1,
    "limit_train_batches": 2,
    "limit_val_batches": 2,
    "limit_test_batches": 2,
    "enable_progress_bar": False,
}


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = [*CONTRACT["e2eecpe"][1], "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"]
    small += ["--trainer.enable_progress_bar", "false"]
    assert main(["fit", "--config", str(ROOT / "configs" / "e2eecpe.yaml"), *small]) == 0
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (best,) = tmp_path.glob("runs/*/*/*/checkpoints/best-*.ckpt")
    code = code.replace("runs/.../checkpoints/best-....ckpt", str(best))
    code = code.replace("runs/.../predictions", str(best.parents[1] / "predictions"))
    found: dict[str, object] = {}
    exec(code, found)
    assert isinstance(found["scores"], dict)
    assert found["scores"]["documents"] == 60


def test_the_python_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "training.md").read_text(), re.DOTALL)
    code = code.replace('{"max_epochs": 20}', str(BRIEF))
    found: dict[str, Any] = {}
    exec(code, found)
    record = found["fitted"].record
    assert record.method == "rankcp"
    assert record.config["model"]["init_args"]["pairs"]["window"] == 3
