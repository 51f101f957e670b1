"""Checkpoints of other people: no code of theirs runs, and whatever is wrong with a file is said in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ecpe_zoo import load_method
from ecpe_zoo.cli.main import main
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.loading import class_path_of, is_own, read_checkpoint
from ecpe_zoo.methods.rankcp import RANKCP
from tests.annotation.making import built, save
from tests.conftest import ROOT

STATE = {
    "epoch": 0,
    "global_step": 1,
    "pytorch-lightning_version": "2.6.0",
    "loops": {},
    "callbacks": {},
    "optimizer_states": [],
    "lr_schedulers": [],
}


class Mine(RANKCP):
    """A method of the user's own, outside of the package."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The content of a checkpoint that loads."""
    path = save(built("rankcp"), tmp_path_factory.mktemp("sound") / "a.ckpt")
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return STATE | content


def copied(value: Any) -> Any:
    return {name: copied(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def apply(content: dict[str, Any]) -> dict[str, Any]:
        content = copied(content)
        change(content)
        return content

    return apply


def _not_a_number(content: dict[str, Any]) -> None:
    name, value = next(
        (n, v) for n, v in content["state_dict"].items() if v.dim() == 2 and v.is_floating_point()
    )
    content["state_dict"][name] = value.clone()
    content["state_dict"][name][0, 0] = torch.nan


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a number": lambda content: 1,
    "a list": lambda content: [content],
    "of another program": lambda content: {"state_dict": {"a": torch.zeros(1)}},
    "ecpe_zoo is a number": changed(lambda c: c.update(ecpe_zoo=1)),
    "no class": changed(lambda c: c["ecpe_zoo"].pop("class_path")),
    "a class that is a number": changed(lambda c: c["ecpe_zoo"].update(class_path=3)),
    "a relative class": changed(lambda c: c["ecpe_zoo"].update(class_path="..x.y")),
    "an empty class": changed(lambda c: c["ecpe_zoo"].update(class_path="")),
    "a class that is no method": changed(
        lambda c: c["ecpe_zoo"].update(class_path="ecpe_zoo.methods.base.BaseOptions")
    ),
    "a class that is gone": changed(
        lambda c: c["ecpe_zoo"].update(class_path="ecpe_zoo.methods.rankcp.Gone")
    ),
    "an abstract class": changed(lambda c: c["ecpe_zoo"].update(class_path="ecpe_zoo.methods.base.Method")),
    "another method": changed(lambda c: c["ecpe_zoo"].update(class_path="ecpe_zoo.methods.mgcl.MGCL")),
    "no vocabulary": changed(lambda c: c["ecpe_zoo"].pop("vocabulary")),
    "a vocabulary of numbers": changed(lambda c: c["ecpe_zoo"].update(vocabulary=7)),
    "no facts": changed(lambda c: c["ecpe_zoo"].update(facts=None)),
    "another stage": changed(lambda c: c["ecpe_zoo"].update(stage="\x1b[2J")),
    "options that are a list": changed(lambda c: c.update(hyper_parameters=[1])),
    "options of another type": changed(lambda c: c["hyper_parameters"].update(encoder=[1])),
    "a size that is not whole": changed(lambda c: c["hyper_parameters"]["encoder"].update(size=16.0)),
    "no weights": changed(lambda c: c.pop("state_dict")),
    "weights that are texts": changed(lambda c: c["state_dict"].update(x="y")),
    "a weight less": changed(lambda c: c["state_dict"].popitem()),
    "a foreign weight": changed(lambda c: c["state_dict"].update({"x\x1b": torch.zeros(1)})),
    "another shape": changed(
        lambda c: c["state_dict"].update({next(iter(c["state_dict"])): torch.zeros(1, 1, 1)})
    ),
    "not a number": changed(_not_a_number),
}


def refused(path: Path) -> str:
    with pytest.raises(ZooError) as refusal:
        load_method(path)
    message = str(refusal.value)
    assert "\n" not in message
    assert "\x1b" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_does_not_fit_is_one_line(damage: str, sound: dict[str, Any], tmp_path: Path) -> None:
    torch.save(DAMAGE[damage](sound), tmp_path / "a.ckpt")
    refused(tmp_path / "a.ckpt")


def test_damaged_files_are_one_line(sound: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save(sound, path)
    load_method(path)
    whole = path.read_bytes()
    for content in (
        b"",
        b"PK",
        whole[:100],
        whole[: len(whole) // 2],
        whole[:-10],
        b"\x80\x04N.",
        b"text\n" * 50,
    ):
        path.write_bytes(content)
        refused(path)
        assert "weights_only" not in refused(path)
        assert "but it cannot be read: it is no archive of torch" in refused(path) or content[:2] == b"PK"
    torch.save({"a": Path("b")}, path)
    assert "holds more than plain values and weights, and nothing in it is executed" in refused(path)
    path.unlink()
    refused(path)
    path.mkdir()
    refused(path)


def test_weights_that_are_no_numbers_can_be_read_where_they_are_our_own(
    sound: dict[str, Any], tmp_path: Path
) -> None:
    torch.save(DAMAGE["not a number"](sound), tmp_path / "a.ckpt")
    assert "1 of" in refused(tmp_path / "a.ckpt")
    assert read_checkpoint(tmp_path / "a.ckpt", finite=False)["ecpe_zoo"]["method"] == "rankcp"


@pytest.mark.parametrize("place", ["class", "instantiator", "class in options"])
def test_no_module_is_imported_because_a_checkpoint_names_it(
    place: str,
    sound: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "hostile_module.py").write_text(f"open({str(tmp_path / 'RAN')!r}, 'w')\n")
    (tmp_path / "t.txt").write_text("I won\n")
    monkeypatch.syspath_prepend(tmp_path)
    content = copied(sound)
    if place == "class":
        content["ecpe_zoo"]["class_path"] = "hostile_module.X"
    elif place == "instantiator":  # Lightning's own loading imports it
        content["hyper_parameters"]["_instantiator"] = "hostile_module.x"
    else:
        content["hyper_parameters"]["encoder"] = {"class_path": "hostile_module.X"}
    torch.save(content, tmp_path / "a.ckpt")
    arguments = ["--ckpt_path", str(tmp_path / "a.ckpt"), "--device", "cpu"]
    files = ["--input", str(tmp_path / "t.txt"), "--output", str(tmp_path / "o.jsonl")]
    status = main(["annotate", *arguments, *files])
    assert status == (place != "instantiator")
    assert not (tmp_path / "RAN").exists()
    assert "hostile_module" not in sys.modules
    if place == "class":
        assert "--model hostile_module.X" in capsys.readouterr().err


def test_a_method_of_the_users_own_is_named_by_the_user(sound: dict[str, Any], tmp_path: Path) -> None:
    path, source = tmp_path / "a.ckpt", tmp_path / "t.txt"
    content = copied(sound)
    content["ecpe_zoo"]["class_path"] = class_path_of(Mine)
    torch.save(content, path)
    source.write_text("I won\n")
    assert "If you trust it" in refused(path)
    assert type(load_method(path, method=Mine)) is Mine
    assert type(load_method(path, method=class_path_of(Mine))) is Mine
    with pytest.raises(ZooError, match=r"expected a checkpoint of .*RANKCP, but got one of .*Mine"):
        load_method(path, method=RANKCP)
    files = ["--input", str(source), "--output", str(tmp_path / "o.jsonl"), "--device", "cpu"]
    assert main(["annotate", "--ckpt_path", str(path), "--model", class_path_of(Mine), *files]) == 0
    assert main(["annotate", "--ckpt_path", str(path), *files, "--overwrite"]) == 1


def test_own_methods_are_those_of_the_package() -> None:
    for file in (ROOT / "configs").glob("*.yaml"):
        class_path = next(
            line for line in file.read_text().splitlines() if "class_path: ecpe_zoo.methods" in line
        )
        assert is_own(class_path.split(":")[1].strip())
    for other in (
        "ecpe_zoo.cli.main.main",
        "ecpe_zoo.methods.x.Y",
        "ecpe_zoo.methods...x.Y",
        "os.X",
        "",
        "a",
    ):
        assert not is_own(other)


COMMANDS = {
    "test": ["test"],
    "validate": ["validate"],
    "predict": ["predict"],
    "fit": ["fit", "--trainer.max_epochs", "1", "--test", "false"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "damage",
    ["empty", "not a number", "of another program", "a weight less", "a vocabulary of numbers", "no loops"],
)
def test_training_commands_say_it_in_one_line(
    command: str, damage: str, sound: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.ckpt"
    if damage == "empty":
        path.write_bytes(b"")
    else:
        change = DAMAGE.get(damage, changed(lambda c: c.pop("loops")))
        torch.save(change(sound), path)
    options = ["--config", str(ROOT / "configs" / "rankcp.yaml"), "--ckpt_path", str(path)]
    trainer = ["--trainer.default_root_dir", str(tmp_path), "--trainer.accelerator", "cpu"]
    assert main([*COMMANDS[command], *options, *trainer, "--trainer.enable_progress_bar", "false"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ecpe-zoo:")]
    assert len(said) == 1
    assert "xpected" in said[0]
