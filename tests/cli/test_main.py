"""What all commands share: help, wrong options, spellings, and what they import."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecpe_zoo.annotation.annotator import BATCH_TOKENS
from ecpe_zoo.annotation.run import WINDOW
from ecpe_zoo.cli import annotate, results
from ecpe_zoo.cli.main import COMMANDS, TRAINING, main
from ecpe_zoo.results.significance import RESAMPLES
from tests.conftest import ROOT

NESTED = {
    "configs": ("list", "show"),
    "data": ("list", "fetch", "check"),
    "results": ("recompute", "show", "diff", "selection", "schema"),
    "leaderboard": ("build", "push", "export"),
}
OWN = [
    command.split()
    for name in COMMANDS
    if name not in TRAINING
    for command in (name, *(f"{name} {nested}" for nested in NESTED.get(name, ())))
]


def run_process(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return run.stdout.splitlines()[-1]


def test_help_and_a_wrong_option_of_every_own_command_import_no_torch() -> None:
    """In one process: what any of them imports shows at the end."""
    code = f"""
import contextlib, sys
from ecpe_zoo.cli.main import main
main(["--help"])
for command in {OWN!r}:
    for option in ("--help", "--wrong"):
        with contextlib.suppress(SystemExit):
            main([*command, option])
main(["wrong"])
print([name for name in ("torch", "lightning", "transformers", "scipy") if name in sys.modules])
"""
    assert run_process(code) == "[]"


def test_rows_are_shown_without_torch(tmp_path: Path) -> None:
    """Pages, JSON and text of `explain --from` need no model."""
    rows = tmp_path / "rows.jsonl"
    row = {"id": "a", "text": "I am glad", "emotions": {"joy": 5.0}, "above_threshold": True, "truncated": 0}
    rows.write_text(json.dumps(row) + "\n", encoding="utf-8")
    code = f"""
import sys
from ecpe_zoo.cli.main import main
shown = ["explain", "--from", {str(rows)!r}]
further = ["--html", {str(tmp_path / "pages")!r}, "--json", {str(tmp_path / "why.jsonl")!r}]
assert main(shown) == main([*shown, *further]) == 0
print([name for name in ("torch", "lightning", "transformers", "scipy") if name in sys.modules])
"""
    assert run_process(code) == "[]"
    assert (tmp_path / "pages" / "0001.html").is_file()


@pytest.mark.parametrize("command", OWN, ids=" ".join)
def test_help_names_every_option_in_one_spelling(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: ecpe-zoo {' '.join(command)}" in shown
    options = {word.strip("[],") for word in shown.split() if word.strip("[],").startswith("--")}
    assert "--help" in options
    assert not {option for option in options if "-" in option[2:]}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("results show x --metrik y", "unrecognized arguments: --metrik y. Did you mean --metric?"),
        ("results shw", "invalid choice: 'shw' (choose from 'recompute', 'count', 'show', 'diff'"),
        ("results", "the following arguments are required: COMMAND"),
        ("results show", "the following arguments are required: paths"),
        (
            "results diff a b --protocol c",
            "argument --protocol: invalid choice: 'c' (choose from 'strict', 'paper')",
        ),
        (
            "run s.yaml --jobs 0",
            "argument --jobs: Not of type PositiveInt: 0 does not conform to restriction v>0",
        ),
        (
            "run s.yaml --gpus-per-cell x",
            "argument --gpus_per_cell: Not of type NonNegativeFloat: could not convert",
        ),
        ("annotate --ckpt_path x", "the following arguments are required: --input"),
        (
            "synthesize --narratives x --test_share 2",
            "argument --test_share: expected a number from 0 to 1, but got 2",
        ),
        (
            "synthesize --narratives x --events 0",
            "argument --events: expected a number at least 1, but got 0",
        ),
        (
            "data check",
            "the following arguments are required: corpora. See ecpe-zoo data check --help.",
        ),
        (
            "annotate --ckpt_path a.ckpt b.ckpt --input -",
            "unrecognized arguments: b.ckpt. If a pattern such as *.ckpt matches several files, name one of them. See",
        ),
    ],
)
def test_a_wrong_option_is_named_with_the_way_out(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(command.split())
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    if "COMMAND" in message or "shw" in command:
        assert error.startswith(f"usage: ecpe-zoo {command.split()[0]}")
    else:
        assert error.startswith(f"ecpe-zoo {command.split()[0]}")
        assert error.count("\n") == 1


def test_an_unknown_command_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resuls"]) == 1
    error = capsys.readouterr().err
    assert "Expected a command (fit, validate" in error
    assert "Did you mean results?" in error


def test_dashed_spellings_of_release_0_1_0_are_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stories.jsonl").write_text('{"id": "a", "text": "She won."}\n')
    command = ["synthesize", "--narratives", str(tmp_path / "stories.jsonl"), "--emotions", "joy", "anger"]
    assert main([*command, "--dry-run", "--per-emotion=3", "--max-tokens", "7"]) == 0
    dashed = capsys.readouterr().out
    assert main([*command, "--dry_run", "--per_emotion=3", "--max_tokens", "7"]) == 0
    assert capsys.readouterr().out == dashed
    assert "2 emotions, 3 utterances each" in dashed


def test_lists_and_repeated_options_and_texts_arrive_as_they_are_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    got = {}

    def expand(
        suite: object, path: Path, given: dict[str, str], resolver: object, small: bool, only: object
    ) -> list[object]:
        got.update(given)
        return []

    monkeypatch.setattr("ecpe_zoo.runner.cells.expand", expand)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text("name: x\ncells: [{config: c.yaml}]\n")
    assert main(["run", "--set", "a=null", "--set", "b=1-2", "--dry_run", "s.yaml"]) == 0
    assert got == {"a": "null", "b": "1-2"}


def test_defaults_that_are_repeated_for_a_quick_start_are_those_of_their_rooms() -> None:
    options = inspect.signature(annotate.annotate).parameters
    assert (options["batch_tokens"].default, options["window"].default) == (BATCH_TOKENS, WINDOW)
    assert inspect.signature(results.diff).parameters["resamples"].default == RESAMPLES


def test_a_closed_pipe_a_full_disk_and_an_ascii_console_are_no_tracebacks(tmp_path: Path) -> None:
    shown = [
        sys.executable,
        "-m",
        "ecpe_zoo",
        "results",
        "show",
        str(ROOT / "experiments" / "golden" / "mgcl"),
    ]
    ascii_console = subprocess.run(
        shown,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ascii_console.returncode, ascii_console.stderr) == (0, "")
    assert "mgcl" in ascii_console.stdout
    reading, writing = os.pipe()
    os.close(reading)
    closed = subprocess.run(shown, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (closed.returncode, closed.stderr) == (1, "")
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            disk = subprocess.run(shown, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert disk.returncode == 1
        assert disk.stderr.count("\n") == 1
        assert "No space left on device" in disk.stderr


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), 130), (PermissionError(13, "Denied", "a\x1b"), 1)]
)
def test_ctrl_c_and_forbidden_files_are_one_line(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(paths: object, **options: object) -> int:
        raise error

    monkeypatch.setitem(results.COMMANDS, "recompute", fail)
    monkeypatch.setattr("ecpe_zoo.cli.functions._options", lambda *_: {"paths": ["x"]})
    assert main(["results", "recompute", "x"]) == status
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "\x1b" not in told
