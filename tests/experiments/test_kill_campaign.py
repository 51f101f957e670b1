"""A kill at any operation of the writer, and the same command again."""

from __future__ import annotations

import random
from pathlib import Path

from ecpe_zoo.annotation.annotator import Annotator, Options
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.methods.rule import Rule
from experiments.kill_campaign import campaign


def test_every_kill_can_be_resumed(tmp_path: Path) -> None:
    method = Rule()
    method.build_from(list(load_corpus("bundled-ecpe").train[:20]))
    kills, wrong = campaign(Annotator(method, Options()), tmp_path, 6, "csv", random.Random(0))
    assert kills > 40
    assert wrong == 0
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {"out", "out.rejected.jsonl"}
