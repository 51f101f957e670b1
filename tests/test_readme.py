"""The README's Python runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ecpe_zoo.cli.main import main
from tests.conftest import ROOT
from tests.methods.contract import CONTRACT


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
