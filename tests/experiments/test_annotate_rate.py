"""The measurement of `ecpe-zoo annotate`, on few lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.annotate_rate import main
from tests.annotation.making import built, save


def test_rate_memory_and_a_killed_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = save(built("eqn"), tmp_path / "some.ckpt")
    arguments = ["--ckpt_path", str(checkpoint), "--output", str(tmp_path / "out"), "--lines", "2500"]
    options = ["--corpus", "bundled-emotions", "--kills", "0.2", "--window", "100", "--device", "cpu"]
    assert main([*arguments, *options]) == 0
    found = json.loads((tmp_path / "out" / "annotate_rate.json").read_text())
    assert found["equal"]
    assert found["texts_per_second"] > 0
    assert found["unbroken"]["peak"] >= found["unbroken"]["memory"][0][1] > 0
    (stop,) = found["kills"]
    assert 500 <= stop["killed_behind"] < 2500
    assert stop["status"] == -9
    lines = (tmp_path / "out" / "texts.txt").read_text().splitlines()
    assert len(set(lines)) == len(lines) == 2500
