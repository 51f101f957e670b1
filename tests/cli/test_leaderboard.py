from __future__ import annotations

from pathlib import Path

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.leaderboard.tables import END, START
from tests.results.making import raw, write, write_scored


@pytest.fixture
def records(tmp_path: Path) -> Path:
    write_scored(tmp_path / "r" / "good.json", skill=0.9)
    write_scored(tmp_path / "r" / "bad.json", skill=0.4, method="e2eecpe")
    return tmp_path / "r"


def test_build_writes_every_view(records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# x\n{START}\n{END}\n")
    command = [
        "leaderboard",
        "build",
        str(records),
        "--output",
        str(tmp_path / "site"),
        "--readme",
        str(readme),
        "--picture",
        "bundled-ecpe",
    ]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "2 records" in shown
    assert "table renewed" in shown
    made = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.*")}
    assert {"index.html", "leaderboard.md", "leaderboard.tex", "leaderboard.csv", "board.svg"} <= made
    assert "methods/ecpe-bundled-ecpe-mgcl.html" in made
    assert "|  | MGCL | embedded | – | – |" in readme.read_text()
    assert main(command) == 0
    assert "table as it was" in capsys.readouterr().out


def test_build_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.json", raw(0.5, corpus="bundled-ecpe"))
    assert main(["leaderboard", "build", str(tmp_path), "--output", str(tmp_path / "site")]) == 0
    assert "no statistics over documents" in capsys.readouterr().out
    page = (tmp_path / "site" / "index.html").read_text()
    assert "are left out: a.json: expected its predictions" in page
    assert str(tmp_path) not in page
    assert main(["leaderboard", "build", str(tmp_path / "none"), "--output", str(tmp_path / "site")]) == 1
    assert "no such path" in capsys.readouterr().err
    assert main(["leaderboard", "build", str(tmp_path), "--output", str(tmp_path / "a.json")]) == 1
    assert "it is a file" in capsys.readouterr().err


def test_a_readme_without_marks_is_refused_before_anything_is_built(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("no marks")
    options = ["--output", str(tmp_path / "site"), "--readme", str(tmp_path / "README.md")]
    assert main(["leaderboard", "build", str(records), *options]) == 1
    assert "Write both" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_push_offline(
    records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "user"))
    command = ["leaderboard", "push", str(records / "good.json"), "--dir", str(tmp_path / "out")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "2 runs made, 0 were there already (offline)" in shown
    assert "wandb sync" in shown
    assert main(command) == 0
    assert "0 runs made, 2 were there already" in capsys.readouterr().out
    assert main([*command, "--workspace"]) == 1
    assert "WANDB_MODE=online" in capsys.readouterr().err


def test_export(records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["leaderboard", "export", str(records), "--format", "hf", "--output", str(tmp_path / "hub")]
    assert main([*command, "--dataset", "bundled-ecpe=me/zoo"]) == 0
    assert (tmp_path / "hub" / "mgcl" / ".eval_results" / "bundled-ecpe.yaml").is_file()
    assert main([*command, "--dataset", "bundled-ecpe"]) == 1
    assert "CORPUS=OWNER/NAME" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["build", "push", "export"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["leaderboard", command, "--help"])
    assert caught.value.code == 0
    assert "usage: ecpe-zoo leaderboard" in capsys.readouterr().out
