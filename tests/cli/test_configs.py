"""Short names of configs and methods, and mistakes in options: one line each."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import ecpe_zoo
from ecpe_zoo import configs
from ecpe_zoo.cli.main import main
from ecpe_zoo.cli.resolver import Resolver
from ecpe_zoo.errors import ZooError
from tests.conftest import ROOT
from tests.methods.contract import CONTRACT


class Parsing(Resolver):
    """Parses as `fit` does, and returns what it prints; its parser is built once."""

    def message(self, *arguments: str) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed), pytest.raises((SystemExit, ZooError)) as left:
            self.parse_arguments(self.parser, ["fit", *arguments])
        if isinstance(left.value, SystemExit):
            assert left.value.code == 2
            return printed.getvalue()
        return str(left.value)


@pytest.fixture(scope="module")
def parsing() -> Parsing:
    found = Parsing()
    found(["--config", "rule"])
    return found


def test_every_config_and_method_has_a_short_name() -> None:
    files = [path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")]
    assert set(configs.shipped()) == {path.with_suffix("").as_posix() for path in files}
    for name, config in configs.shipped().items():
        written = yaml.safe_load(config.path.read_text(encoding="utf-8"))
        assert config.class_path == written["model"]["class_path"]
        assert config.corpus == written["data"]["corpus"]
        for spelling in (name, f"configs/{name}.yaml", f"{name}.yaml"):
            assert Path(configs.find_config(spelling)).name == config.path.name
    for id in CONTRACT:
        kind = type(CONTRACT[id][0]())
        path = f"{kind.__module__}.{kind.__qualname__}"
        assert {configs.find_method(name) for name in (id, kind.__name__, kind.__name__.lower(), path)} == {
            path
        }


def test_a_file_of_the_user_wins_over_a_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = str(configs.shipped()["mgcl"].path)
    (tmp_path / "mgcl").mkdir()  # a folder is no config
    assert configs.find_config("mgcl") == configs.find_config("configs/mgcl.yaml") == shipped
    (tmp_path / "mgcl.yaml").write_text("seed_everything: 1\n", encoding="utf-8")
    assert configs.find_config("mgcl.yaml") == "mgcl.yaml"


@pytest.mark.parametrize("inside", [True, False])
def test_the_folder_is_in_an_installed_package_and_beside_that_of_a_checkout(
    inside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configs, "PACKAGE", tmp_path / "ecpe_zoo")
    expected = tmp_path / ("ecpe_zoo/configs" if inside else "configs")
    expected.mkdir(parents=True)
    assert configs.folder() == expected


def test_the_wheel_carries_the_configs(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    build = ["egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib", str(tmp_path / "lib")]
    subprocess.run([sys.executable, "setup.py", "-q", *build], cwd=ROOT, check=True, capture_output=True)
    folders = (ROOT / "configs", tmp_path / "lib" / "ecpe_zoo" / "configs")
    source, built = ({path.relative_to(f): path.read_bytes() for path in f.rglob("*.yaml")} for f in folders)
    assert source
    assert source == built


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["MGCL", "mgcl", "bundled-ecpe", "paper/mgcl", "xia-ding-2019"] in rows
    assert {row[1] for row in rows[1:]} == set(CONTRACT)
    assert main(["configs", "show", "paper/mgcl"]) == 0
    assert capsys.readouterr().out == (ROOT / "configs" / "paper" / "mgcl.yaml").read_text(encoding="utf-8")
    assert main(["configs", "show", "mgl"]) == 1
    assert "Did you mean mgcl?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "test"])
def test_a_training_command_alone_lists_the_methods_without_torch(command: str) -> None:
    code = (
        f"import sys; from ecpe_zoo.cli.main import main; assert main([{command!r}]) == 2; "
        "print([name for name in ('torch', 'lightning', 'transformers') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    lines = run.stdout.splitlines()
    assert lines[-1] == "[]"
    assert lines[0].startswith(f"usage: ecpe-zoo {command} --config NAME")
    assert ("--ckpt_path" in lines[0]) == (command == "test")
    assert all(any(f"  {id}  " in line for line in lines) for id in CONTRACT)
    assert len(lines) < len(CONTRACT) + 10


def test_short_names_and_the_default_batch_size(parsing: Parsing, tmp_path: Path) -> None:
    assert parsing(["--config", "mgcl"]) == parsing(["--config", str(ROOT / "configs" / "mgcl.yaml")])
    for given in (["--model", "E2EECPE"], ["--model=e2eecpe"]):
        id, config = parsing(given)
        assert id == "e2eecpe"
        assert config["data"]["batch_size"] == 8
    _, config = parsing(["--model", "Rule", "--data.batch_tokens", "4096"])
    assert config["data"]["batch_size"] is None
    assert parsing(["--config", "rule", "--data.batch_size=3"])[1]["data"]["batch_size"] == 3


WRONG = [
    (
        ["--config", "rule", "--trainer.max_epoch", "1"],
        "--trainer.max_epoch 1. Did you mean --trainer.max_epochs?",
    ),
    (["--config", "rule", "--max_epochs", "1"], "Did you mean --trainer.max_epochs?"),
    (["--config", "rule", "--data.corpsu", "x"], "Did you mean --data.corpus?"),
    (["--config", "rule", "--bogus", "3"], "unrecognized arguments: --bogus 3. See ecpe-zoo fit --help."),
    (["--config", "e2eecpe", "--model.betta", "3"], "--model.betta. Did you mean --model.beta?"),
    (
        ["--config", "mgcl", "--model.optimiser.l", "3"],
        "--model.optimiser.l. Did you mean --model.optimiser.lr?",
    ),
    (["--config", "mgcl", "--model.init_args.encoder.sise=3"], "Did you mean --model.encoder.size?"),
    (
        ["--config", "mgcl", "--model.temperature", "hot"],
        "--model.temperature: expected a float, but got hot.",
    ),
    (
        ["--config", "rule", "--trainer.max_epochs", "three"],
        "--trainer.max_epochs: expected an int, but got three.",
    ),
    (
        ["--config", "rule", "--data.protocol", "strcit"],
        "--data.protocol: expected one of 'strict', 'paper', but got strcit.",
    ),
    (["--config", "mgl"], "but got 'mgl'. Did you mean mgcl?"),
    (["--config=papr/rankcp"], "Did you mean paper/rankcp?"),
    (["--model", "MGL"], "but got 'MGL'. Did you mean MGCL?"),
    (["--model", "ecpe_zoo.methods.mgcl.MGL"], "has no attribute 'MGL'"),
    (["--trainer.max_epochs", "3"], "expected a method, but got none: give --config NAME"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_mistake_is_one_line_with_the_way_out(arguments: list[str], said: str, parsing: Parsing) -> None:
    message = parsing.message(*arguments)
    assert said in message
    assert message.strip().count("\n") == 0
    assert len(message) < 450


WRONG_FILES = [
    ({"trainer": {"max_epoch": 3}}, "--trainer.max_epoch. Did you mean --trainer.max_epochs?"),
    ({"data": {"batch_sise": 3}}, "--data.batch_sise. Did you mean --data.batch_size?"),
    (
        {"model": {"class_path": "ecpe_zoo.methods.e2eecpe.E2EECPE", "init_args": {"betta": 3}}},
        "Did you mean --model.beta?",
    ),
    (
        {"model": {"class_path": "ecpe_zoo.methods.mgcl.MGCL", "init_args": {"encoder": {"sise": 3}}}},
        "Did you mean --model.encoder.size?",
    ),
]


@pytest.mark.parametrize(("written", "said"), WRONG_FILES, ids=[said for _, said in WRONG_FILES])
def test_a_mistake_in_a_config_too(
    written: dict[str, object], said: str, parsing: Parsing, tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        json.dumps({"model": {"class_path": "ecpe_zoo.methods.rule.Rule"}} | written), encoding="utf-8"
    )
    message = parsing.message("--config", str(path))
    assert said in message
    assert message.strip().count("\n") == 0


def test_suites_take_short_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cells that are not selected need no corpus file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ECPE_ZOO_DATA", str(tmp_path))
    Path("s.yaml").write_text(
        "name: short\ncells: [{config: paper/rule}, {config: rule}]\n", encoding="utf-8"
    )
    assert main(["run", "s.yaml", "--small", "--dry_run"]) == 1  # it has no small form
    capsys.readouterr()
    assert main(["run", "s.yaml", "--dry_run", "--only", "bundled-ecpe"]) == 0
    assert "rule" in capsys.readouterr().out
    Path("s.yaml").write_text("name: short\ncells: [{config: paper/rul}]\n", encoding="utf-8")
    assert main(["run", "s.yaml", "--dry_run"]) == 1
    assert "Did you mean paper/rule?" in capsys.readouterr().err


def test_help_of_a_method_by_its_short_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fit", "--model.help", "MGCL"])
    assert caught.value.code == 0
    assert "--model.temperature" in capsys.readouterr().out


def test_python_takes_short_names(tmp_path: Path) -> None:
    trainer = {"default_root_dir": str(tmp_path), "enable_progress_bar": False, "logger": False}
    assert ecpe_zoo.fit("rule", trainer=trainer, test=False).method.id == "rule"
    with pytest.raises(ZooError, match="Did you mean rule"):
        ecpe_zoo.fit("rul")
