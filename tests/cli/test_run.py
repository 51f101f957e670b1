"""`ecpe-zoo run` with real fits."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.cli.resolver import Resolver
from ecpe_zoo.errors import ZooError
from ecpe_zoo.results.record import read_record
from ecpe_zoo.runner import cells as cells_module
from ecpe_zoo.runner.cells import expand
from ecpe_zoo.runner.suite import read_suite
from tests.conftest import ROOT
from tests.methods.contract import CONTRACT
from tests.processes import zoo

SUITES = sorted((ROOT / "experiments" / "suites").glob("*.yaml"))
CELLS = ("e2eecpe", "eacl", "mm_r", "rule", "two_stage")
SMALL = {"model.hidden": 16, "model.filters": 8, "trainer.accelerator": "cpu"}


class Remembering(Resolver):
    """Parses the same arguments once."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[str, ...], tuple[str, dict[str, Any]]] = {}

    def __call__(self, arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
        key = tuple(arguments)
        if key not in self.known:
            self.known[key] = super().__call__(arguments)
        return deepcopy(self.known[key])


@pytest.fixture(scope="module")
def resolver() -> Resolver:
    """One for all tests: making its parser takes a while."""
    return Remembering()


def suite(folder: Path, **fields: object) -> str:
    """A suite of the small E2EECPE, written to a file."""
    entry = {"config": str(ROOT / "configs" / "e2eecpe.yaml"), "overrides": SMALL | {"trainer.max_epochs": 1}}
    path = folder / "suite.yaml"
    path.write_text(json.dumps({"name": "try", "threads": 1, "cells": [entry]} | fields), encoding="utf-8")
    return str(path)


def test_a_config_runs_as_a_cell_whose_hash_was_known_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The runner refuses a record with another hash than the one that it computed before.

    One method of each kind; `.ci/compare` runs all configs as cells.
    """
    entries = []
    for id in CELLS:
        small = dict(option.removeprefix("--").split("=", 1) for option in CONTRACT[id][1])
        small |= {"trainer.max_epochs": 1, "trainer.limit_train_batches": 2, "trainer.accelerator": "cpu"}  # type: ignore[dict-item]
        entries.append({"config": str(ROOT / "configs" / f"{id}.yaml"), "overrides": small})
    path = suite(tmp_path, cells=entries)
    command = ["run", path, "--results", str(tmp_path / "store"), "--executor", "inline"]
    assert main(command) == 0, capsys.readouterr().out
    printed = capsys.readouterr().out
    assert f"{len(entries)} of {len(entries)} cells have their record" in printed
    assert "epoch was chosen" not in printed  # that is in the cell's log
    for id in CELLS:
        (record,) = (tmp_path / "store" / id).glob("*.json")
        assert read_record(record).method == id
        assert record.with_suffix(".npz").is_file()
    assert main(command) == 0
    assert f"{len(entries)} cells have their record in {tmp_path / 'store'}: 0 new" in capsys.readouterr().out


def test_a_run_that_was_interrupted_goes_on_and_gives_the_same_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learns = {"trainer.max_epochs": 4, "model.dropout": 0, "model.optimiser.lr": 0.01}
    path = suite(tmp_path, defaults={"matrix": {"seeds": 4}}, small={"overrides": learns})
    command = ["run", path, "--small", "--results", str(tmp_path / "broken")]
    runner = zoo(tmp_path / "log.txt", *command)
    deadline = time.monotonic() + 240
    while not list((tmp_path / "broken").rglob("last.ckpt")):
        assert runner.is_alive(), (tmp_path / "log.txt").read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert runner.pid is not None
    os.kill(runner.pid, signal.SIGINT)
    runner.join(60)
    output = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert runner.exitcode == 130, output
    assert "The same command resumes from here" in output
    assert not list((tmp_path / "broken").rglob("lock"))
    assert main([*command, "--dry-run"]) == 0
    assert "resumes" in capsys.readouterr().out
    assert main([*command, "--keep-checkpoints", "--executor", "inline"]) == 0
    whole = ["run", path, "--small", "--results", str(tmp_path / "whole"), "--executor", "inline"]
    assert main(whole) == 0
    name = "e2eecpe/bundled-ecpe-fold1-strict-seed4.json"
    broken, unbroken = read_record(tmp_path / "broken" / name), read_record(tmp_path / "whole" / name)
    assert broken.metrics == unbroken.metrics
    assert broken.metrics["ecpe.pair_f1.v1"] > 0.5
    assert broken.predictions == unbroken.predictions
    assert broken.config_hash == unbroken.config_hash
    assert broken.machine.threads == unbroken.machine.threads == 1
    assert (tmp_path / "broken" / name).with_suffix(".ckpt").is_file()


def test_a_failed_cell_is_told_and_harms_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {
        "config": str(ROOT / "configs" / "e2eecpe.yaml"),
        "variant": "wrong",
        "overrides": SMALL | {"model.vectors": "none.txt"},
    }
    good = {"config": wrong["config"], "overrides": SMALL | {"trainer.max_epochs": 1}}
    command = ["run", suite(tmp_path, cells=[wrong, good]), "--results", str(tmp_path / "store")]
    assert main([*command, "--executor", "inline"]) == 1
    printed = capsys.readouterr().out
    assert "1 of 2 cells have their record" in printed
    assert "1 failed; the same command tries them again" in printed
    assert "none.txt: expected a file of word vectors" in printed
    assert main([*command, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "failed: again" in printed
    assert "1 of 2 cells to run" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "vectors"], "Expected --set NAME=VALUE"),
        (["--only", "fold9"], "Expected --only to match a cell"),
        (["--small"], "expected a field 'small'"),
        (["--executor", "inline", "--jobs", "2"], "Expected --jobs 1"),
    ],
)
def test_mistakes_are_told(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", suite(tmp_path), "--results", str(tmp_path / "store"), *options]) == 1
    assert message in capsys.readouterr().err


def test_an_option_that_fit_refuses_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"config": str(ROOT / "configs" / "e2eecpe.yaml"), "overrides": {"model.hiden": 3}}
    assert main(["run", suite(tmp_path, cells=[entry]), "--results", str(tmp_path / "store")]) == 1
    error = capsys.readouterr().err
    assert "cells.0 (e2eecpe.yaml)" in error
    assert "hiden" in error
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_suite_can_be_run(
    path: Path,
    resolver: Resolver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All cells of both forms are options that fit takes; the last cell of the small form is run."""
    read = read_suite(path)
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("1 2\na 0 0\n", encoding="utf-8")
    given = {name: str(vectors) for name, variable in read.variables.items() if variable.required}
    with monkeypatch.context() as patch:
        patch.setattr(
            cells_module, "corpus_files", lambda *arguments: {}
        )  # not every machine has the corpora
        monkeypatch.chdir(tmp_path)
        assert expand(read, path, given, resolver)
    small = expand(read, path, {}, resolver, small=True)
    assert all(cell.corpus.startswith("bundled") for cell in small)
    monkeypatch.setattr("ecpe_zoo.cli.resolver.Resolver", lambda: resolver)
    command = ["run", str(path), "--small", "--only", small[-1].key, "--executor", "inline", "--threads", "1"]
    assert main([*command, "--results", str(tmp_path / "store")]) == 0, capsys.readouterr().out


def test_the_comparison_of_ci_has_every_config(resolver: Resolver) -> None:
    path = ROOT / "experiments" / "ci.yaml"
    found = expand(read_suite(path), path, {}, resolver)
    assert len(found) == len(list((ROOT / "configs").glob("*.yaml")))
    assert all(cell.config["trainer"]["accelerator"] == "cpu" for cell in found)


@pytest.mark.parametrize(
    ("config", "option"),
    [
        ("pairgcn", "model.layers"),
        ("jcb", "model.margin"),
        ("ecpe_2d", "model.size"),
        ("rankcp", "model.pairs.window"),
        ("e2eecpe", "model.hidden"),
        ("mgcl", "model.optimiser.lr"),
        ("two_stage", "model.encoder.vector_size"),
    ],
)
def test_a_dry_run_checks_what_methods_check(
    config: str, option: str, resolver: Resolver, tmp_path: Path
) -> None:
    path = tmp_path / "s.yaml"
    cell = {"config": config, "overrides": {option: -1}}
    path.write_text(json.dumps({"name": "s", "cells": [cell]}), encoding="utf-8")
    with pytest.raises(ZooError, match=rf"cells\.0 \({config}\.yaml\): Expected --{option} to be at least"):
        expand(read_suite(path), path, {}, resolver)
