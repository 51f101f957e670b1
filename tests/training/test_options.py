"""Options of groups in older spellings, and the arguments of a user's own method, which keep their names."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import ecpe_zoo
from ecpe_zoo.cli.main import main
from ecpe_zoo.cli.resolver import Resolver
from ecpe_zoo.methods.rule import Rule
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.identity import config_hash
from ecpe_zoo.results.naming import settings_of
from ecpe_zoo.results.store import encoder_of
from ecpe_zoo.training.options import _holds_itself, grouped, spelled
from tests.cli.test_training import QUIET, run_folder
from tests.conftest import ROOT

MGCL, E2EECPE = "ecpe_zoo.methods.mgcl.MGCL", "ecpe_zoo.methods.e2eecpe.E2EECPE"


class Own(Rule):
    """Somebody's method, whose arguments are named like options of groups."""

    id = "own"

    def __init__(self, lr: float = 0.1, encoder: str = "mine", vectors: str | None = None) -> None:
        super().__init__()


OWN = f"{__name__}.Own"


def config(class_path: str, **arguments: Any) -> dict[str, Any]:
    return {"model": {"class_path": class_path, "init_args": arguments}}


def test_arguments_move_only_where_the_method_takes_the_group() -> None:
    old = {"encoder": "recurrent", "vectors": "w.txt", "lr": 0.1, "gamma": 0.5}
    assert grouped(config(MGCL, **old))["model"]["init_args"] == {
        "encoder": {"name": "recurrent", "vectors": "w.txt"},
        "optimiser": {"schedule": "linear", "lr": 0.1},
        "gamma": 0.5,
    }
    assert grouped(config(E2EECPE, vectors="w.txt"))["model"]["init_args"] == {"vectors": "w.txt"}
    own = {"encoder": "other", "vectors": "w.txt", "lr": 0.1}
    assert grouped(config(OWN, **own)) == config(OWN, **own)
    unknown = config("nobody.knows.It", lr=0.1)  # told by the parser
    assert grouped(unknown) == unknown


@pytest.mark.parametrize("how", ["typed", "config"])
def test_the_command_line_moves_arguments_likewise(how: str, tmp_path: Path) -> None:
    def given(class_path: str) -> list[str]:
        if how == "typed":
            return ["--model", class_path]
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps(config(class_path)), encoding="utf-8")
        return ["--config", str(path)]

    options = ["--model.encoder", "x", "--model.lr=0.5", "--model.vectors", "w.txt"]
    assert spelled([*given(OWN), *options]) == [*given(OWN), *options]
    assert spelled([*given(MGCL), *options])[2:] == [
        "--model.encoder.name",
        "x",
        "--model.optimiser.lr=0.5",
        "--model.encoder.vectors",
        "w.txt",
    ]
    assert spelled([*given(E2EECPE), *options[2:]])[2:] == [
        "--model.optimiser.lr=0.5",
        "--model.vectors",
        "w.txt",
    ]


def test_a_group_that_is_null_by_default() -> None:
    """E2EECPE has words of its own, and takes an encoder in their place."""
    assert grouped(config(E2EECPE, encoder="x", vectors="w.txt"))["model"]["init_args"] == {
        "encoder": {"name": "x"},
        "vectors": "w.txt",
    }
    assert grouped(config(E2EECPE, encoder=None)) == config(E2EECPE, encoder=None)
    assert grouped(config(E2EECPE, encoder=None, encoder_layers=6)) == config(E2EECPE, encoder={"layers": 6})
    given = ["--model", E2EECPE]
    assert spelled([*given, "--model.encoder", "x", "--model.encoder.layers", "6"])[2:] == [
        "--model.encoder.name",
        "x",
        "--model.encoder.layers",
        "6",
    ]
    for null in (["--model.encoder", "null"], ["--model.encoder=null"]):
        assert spelled([*given, *null]) == [*given, *null]


ENCODED = {
    "name": "embedded",
    "size": None,
    "layers": 6,
    "heads": 4,
    "dropout": None,
    "vectors": None,
    "vector_size": 200,
    "train_vectors": True,
    "freeze_embeddings": None,
    "freeze": None,
}


@pytest.mark.parametrize(
    ("written", "typed", "expected"),
    [
        ("", [], None),
        ("", ["--model.encoder", "embedded", "--model.encoder.layers", "6"], ENCODED),
        ("", ["--model.encoder.name=embedded", "--model.encoder.layers=6"], ENCODED),
        ("", ["--model.encoder_layers", "6"], ENCODED),
        ("encoder: embedded", ["--model.encoder.layers", "6"], ENCODED),
        ("encoder: {name: other, layers: 6}", ["--model.encoder", "embedded"], ENCODED),
        ("encoder: {name: embedded, layers: 6}", [], ENCODED),
        ("encoder: {name: embedded, layers: 6}", ["--model.encoder", "null"], None),
    ],
)
def test_an_optional_encoder_on_the_command_line_and_in_a_config(
    written: str, typed: list[str], expected: dict[str, Any] | None, tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"model: {{class_path: {E2EECPE}, init_args: {{{written}}}}}", encoding="utf-8")
    _, resolved = Resolver()(["--config", str(path), *typed])
    assert resolved["model"]["init_args"]["encoder"] == expected


def test_an_encoder_that_is_not_used_leaves_the_hash_alone() -> None:
    _, resolved = Resolver()(["--config", str(ROOT / "configs" / "paper" / "e2eecpe.yaml")])
    before = copy.deepcopy(resolved)
    for name in ("encoder", "reading", "pairs"):
        assert before["model"]["init_args"].pop(name, "absent") is None
    assert config_hash(resolved) == config_hash(before)


def test_python_gives_an_encoder_and_a_checkpoint_keeps_it(tmp_path: Path) -> None:
    trainer = {
        "max_epochs": 1,
        "limit_train_batches": 2,
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "default_root_dir": str(tmp_path),
    }
    encoder: dict[str, Any] = {"name": "embedded", "size": 8, "heads": 2, "layers": 1}
    small = {"encoder": encoder, "hidden": 8, "node": 4}
    fitted = ecpe_zoo.fit(ROOT / "configs" / "e2eecpe.yaml", model=small, trainer=trainer)
    assert fitted.method.hparams["encoder"] == ENCODED | encoder
    assert fitted.record is not None
    assert encoder_of(cast(Entry, SimpleNamespace(record=fitted.record))) == "embedded"
    settings = settings_of(fitted.record)
    assert settings["model.encoder.name"] == "embedded"
    assert "model.encoder.heads" in settings  # not at its default
    assert not {"model.encoder.vector_size", "model.encoder", "model.word_width"} & settings.keys()
    test = ["test", "--config", str(ROOT / "configs" / "e2eecpe.yaml"), "--ckpt_path", str(fitted.checkpoint)]
    assert main([*test, "--trainer.default_root_dir", str(tmp_path), *QUIET]) == 0


def test_a_method_of_ones_own_keeps_its_arguments(tmp_path: Path) -> None:
    """`--model.lr` became `--model.optimiser.lr`, which such a method does not take."""
    options = [
        "--model.lr",
        "0.5",
        "--model.encoder",
        "x",
        "--data.corpus",
        "bundled-ecpe",
        "--data.batch_size",
        "8",
    ]
    place = ["--trainer.max_epochs", "1", "--trainer.default_root_dir", str(tmp_path)]
    assert main(["fit", "--model", OWN, *options, *place, *QUIET]) == 0
    record = json.loads((run_folder(tmp_path) / "record.json").read_text(encoding="utf-8"))
    assert record["config"]["model"]["init_args"]["lr"] == 0.5


def test_python_gives_word_vectors_to_a_method_without_an_encoder(tmp_path: Path) -> None:
    """They became options of an encoder, which E2EECPE does not take."""
    vectors = tmp_path / "w.txt"
    vectors.write_text("2 3\nhe 1 0 0\ndog 0 1 0\n", encoding="utf-8")
    trainer = {
        "max_epochs": 1,
        "limit_train_batches": 2,
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "default_root_dir": str(tmp_path),
    }
    small = {"vectors": str(vectors), "hidden": 8, "filters": 4, "node": 4}
    fitted = ecpe_zoo.fit(ROOT / "configs" / "e2eecpe.yaml", model=small, trainer=trainer, test=False)
    assert fitted.method.hparams["vectors"] == str(vectors)


def test_values_that_many_aliases_name_are_searched_once() -> None:
    """Each level names the one below twice: 2 ** 60 paths."""
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    assert not _holds_itself(value, frozenset(), set())
    value[0] = {"inside": [value]}
    assert _holds_itself(value, frozenset(), set())
