"""Cells whose fits are the stub's."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from ecpe_zoo.files import file_sha256
from ecpe_zoo.results.identity import config_hash
from ecpe_zoo.results.record import RunRecord, read_record
from ecpe_zoo.runner import executors
from ecpe_zoo.runner.cells import Cell
from ecpe_zoo.runner.executors import LocalExecutor
from ecpe_zoo.runner.scheduler import Progress, Scheduler
from ecpe_zoo.runner.screen import PlainScreen
from ecpe_zoo.runner.store import Store
from tests.conftest import ROOT

SAMPLE = ROOT / "experiments" / "records" / "0.1.0" / "reccon" / "mgcl" / "reccon-fold1-strict-seed0.json"


class Bench:
    """Cells, and what their stubs are told.

    Args:
        folder: of the stubs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "scores.npz").write_bytes(b"scores")

    def record(self, seed: int, **changes: object) -> RunRecord:
        """The record that a seed's fit writes."""
        sample = read_record(SAMPLE)
        config = sample.config | {"seed_everything": seed}
        update = {
            "seed": seed,
            "config": config,
            "config_hash": config_hash(config),
            "converted_from": None,
            "predictions": file_sha256(self.folder / "scores.npz"),
        }
        return sample.model_copy(update=update | changes)

    def cell(self, seed: int, does: str = "") -> Cell:
        """A cell, and what its fit does."""
        record = self.record(seed)
        (self.folder / f"{seed}.json").write_text(record.model_dump_json(), encoding="utf-8")
        (self.folder / f"{seed + 1}.json").write_text(
            self.record(seed + 1).model_dump_json(), encoding="utf-8"
        )
        self.tell(seed, does)
        return Cell(
            "mgcl",
            "",
            "reccon",
            "strict",
            1,
            seed,
            (f"--seed_everything={seed}",),
            record.config,
            record.config_hash,
            record.corpus.files,
            {},
        )

    def tell(self, seed: int, does: str) -> None:
        """Say what the fits of a seed do from now on."""
        (self.folder / f"{seed}.does").write_text(does, encoding="utf-8")

    def calls(self) -> list[list[str]]:
        """Seed, anew or resumed, threads and process id of each start."""
        path = self.folder / "calls"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    folder = tmp_path / "stub"
    folder.mkdir()
    monkeypatch.setenv("STUB", str(folder))
    monkeypatch.setattr(executors, "COMMAND", (sys.executable, str(ROOT / "tests" / "runner" / "stub.py")))
    return Bench(folder)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[Progress]]:
    """Run cells into `tmp_path / store`."""

    def run(cells: Sequence[Cell], jobs: int = 1, **options: bool) -> list[Progress]:
        store = Store(tmp_path / "store")
        screen = PlainScreen(Console(file=io.StringIO()), store)
        return Scheduler(store, LocalExecutor(jobs), screen, 1, **options).run(cells)

    return run
