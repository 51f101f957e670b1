"""The commands and the Python of README, tutorials and other pages run, and the tutorials show the golden scores."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from ecpe_zoo.cli import functions
from ecpe_zoo.cli.main import COMMANDS, TRAINING, main
from tests.conftest import ROOT
from tests.methods.contract import CONTRACT

DOCS = ROOT / "docs"
BRIEF = {
    "max_epochs": 1,
    "limit_train_batches": 2,
    "limit_val_batches": 2,
    "limit_test_batches": 2,
    "enable_progress_bar": False,
}
TUTORIALS = {  # page -> its method, corpus, metric in the golden record, and that metric's line in the table
    "tutorial-pairs": ("e2eecpe", "bundled-ecpe", "ecpe.pair_f1.v1", "pairs"),
    "tutorial-conversations": (
        "eacl",
        "bundled-conversations",
        "erc.weighted_f1.v1",
        "weighted by class size",
    ),
    "tutorial-emotions": ("emo_pillars", "bundled-emotions", "emotions.macro_f1.v1", "mean of the classes"),
}
OTHERS = sorted({path.stem for path in DOCS.glob("*.md")} - set(TUTORIALS))
NEEDS_MORE = re.compile(r"\b[A-Z]{4,}\b|\bpaper/|\bfetch\b|\bexperiments/")
"""In commands that need a file of the user, a download or records: they are parsed, not run."""


def commands_of(path: Path) -> list[str]:
    """The commands of a page's indented blocks, a continued one in one piece, without comments of the shell."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^ {4,}(\S.*)", text.replace("\\\n", " "), re.MULTILINE)
    calls = (re.sub(r"^(?:WANDB_MODE=\w+ )", "", line) for line in lines)
    return [call for call in calls if re.match(r"(?:(?:echo|cat) .*\| )?ecpe-zoo ", call)]


def words_of(command: str) -> list[str]:
    """The words after `ecpe-zoo`, with files in place of patterns."""
    words = shlex.split(command.rpartition("ecpe-zoo ")[2], comments=True)
    found = [sorted(Path().glob(word)) if "*" in word else [word] for word in words]
    assert all(len(files) == 1 for files in found), command
    return [str(file) for (file,) in found]


def parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a command: an unknown option, a wrong type or a missing argument ends the test."""
    name, *rest = shlex.split(command.rpartition("ecpe-zoo ")[2], comments=True)
    if name in TRAINING:
        if any(word in ("--help", "--model.help") for word in rest):
            return  # what they print is tested with the commands
        with pytest.raises(SystemExit) as ended:
            main([name, *rest, "--print_config"])
        assert ended.value.code in (0, None), command
        return
    assert name in COMMANDS, command
    module = importlib.import_module(f"ecpe_zoo.cli.{name}")
    with monkeypatch.context() as patch:
        patch.setattr(functions, "_options", _parsed_only)
        with pytest.raises(_ParsedError):
            functions.run(module.COMMANDS, f"ecpe-zoo {name}", "", rest)


class _ParsedError(Exception):
    """The options of a command were right."""


_options = functions._options


def _parsed_only(*arguments: Any) -> dict[str, Any]:
    _options(*arguments)
    raise _ParsedError


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command in a short form."""
    words = words_of(command)
    if words[0] in TRAINING:
        config = Path(words[words.index("--config") + 1])
        limits = [f"--trainer.{name}={json.dumps(value)}" for name, value in BRIEF.items()]
        words += [*CONTRACT[config.name][1], *limits] if words[0] == "fit" else limits[3:]
    if said := re.match(r'echo "(.*)" \|', command):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{said[1]}\n".encode())))
    assert main(words) == 0, command


def files_of(page: Path) -> Iterator[tuple[str, str]]:
    """Name and content of the files that a page shows."""
    text = page.read_text(encoding="utf-8")
    return (
        (name, content) for name, content in re.findall(r'```\w+ title="(.*?)"\n(.*?)```', text, re.DOTALL)
    )


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *(DOCS / f"{name}.md" for name in TUTORIALS)], ids=lambda page: page.stem
)
def test_the_commands_of_readme_and_tutorials_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in files_of(page):
        Path(name).write_text(content, encoding="utf-8")
    found = commands_of(page)
    assert len(found) >= 6
    for command in found:
        if NEEDS_MORE.search(command):
            parse(command, monkeypatch)
        else:
            run(command, monkeypatch)


@pytest.mark.parametrize("page", [DOCS / f"{name}.md" for name in OTHERS], ids=lambda page: page.stem)
def test_the_commands_of_other_pages_parse(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in commands_of(page):
        parse(command, monkeypatch)


def test_the_targets_of_make_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")):
        named = re.findall(r"^    make (\w+)|`make (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert {"".join(pair) for pair in named} <= set(targets), page


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_shows_the_golden_score(name: str) -> None:
    method, corpus, metric, line = TUTORIALS[name]
    record = ROOT / "experiments" / "golden" / method / f"{corpus}-fold1-strict-seed0.json"
    value = json.loads(record.read_text(encoding="utf-8"))["metrics"][metric]
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    row = re.search(rf"^ {line} +[\d.]+ +[\d.]+ +([\d.]+)", text, re.MULTILINE)
    assert row is not None
    assert float(row[1]) == pytest.approx(100 * value, abs=0.005)


def site() -> ModuleType:
    """The hook of the documentation site, which is no module of the package."""
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_site_lists_every_command_and_leads_links_to_pages() -> None:
    hooks = site()
    lines = set(hooks.command_lines())
    assert {words[0] for words in lines if words} == {*COMMANDS} - {*TRAINING} | {"fit"}
    assert {("results", "diff"), ("data", "fetch"), ("run",), ()} <= lines
    assert hooks.target("docs/start.md", "README.md") == "start.md"
    assert hooks.target("../CHANGELOG.md", "docs/start.md") == "changelog.md"
    assert hooks.target("start.md", "docs/faq.md") == "start.md"
    assert hooks.target("../docs/gpu.md", "experiments/README.md") == "gpu.md"
    assert "Print a config" in hooks.help_of("configs", "show")
    with pytest.raises(RuntimeError, match="Expected the help"):
        hooks.help_of("nothing")


def test_the_picture_of_the_rooms_and_the_pages_menu_are_complete() -> None:
    texts = {text.strip() for text in ElementTree.parse(DOCS / "rooms.svg").getroot().itertext()}
    rooms = {path.parent.name for path in (ROOT / "ecpe_zoo").glob("*/__init__.py")}
    assert rooms <= texts
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert not {page.name for page in DOCS.glob("*.md") if f": {page.name}\n" not in menu}


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = [*CONTRACT["e2eecpe"][1], "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"]
    small += ["--trainer.enable_progress_bar", "false"]
    assert main(["fit", "--config", str(ROOT / "configs" / "e2eecpe.yaml"), *small]) == 0
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (best,) = tmp_path.glob("runs/*/*/*/checkpoints/best-*.ckpt")
    code = code.replace("runs/.../checkpoints/best-....ckpt", str(best))
    found: dict[str, Any] = {}
    exec(code, found)
    (row,) = found["rows"]
    assert row["clauses"] == ["He lost his purse,", "and so he was sad."]


def test_the_python_of_the_reference_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(encoding="utf-8"), re.DOTALL)
    assert '{"max_epochs": 8}' in code
    found: dict[str, Any] = {}
    exec(code.replace('{"max_epochs": 8}', str(BRIEF | {"limit_test_batches": 1.0})), found)
    assert len(found["rows"]) == 1
    assert found["scores"]["documents"] == 60


def test_the_python_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "training.md").read_text(), re.DOTALL)
    code = code.replace('{"max_epochs": 20}', str(BRIEF))
    found: dict[str, Any] = {}
    exec(code, found)
    record = found["fitted"].record
    assert record.method == "rankcp"
    assert record.config["model"]["init_args"]["pairs"]["window"] == 3
