"""Imports point one way, and the project stays in one piece."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ecpe_zoo
from ecpe_zoo.cli.main import COMMANDS, HELP
from tests.conftest import ROOT

LAYERS = (
    "corpora.document",
    "data.history",
    "data.predictions",
    "metrics",
    "tasks",
    "corpora",
    "layers.dropout",
    "text",
    "synthesis",
    "data",
    "layers",
    "methods",
    "results",
    "training",
    "leaderboard",
    "runner",
    "annotation",
    "cli",
    "__main__",
)
"""Rooms in the order of their imports; a module that stands below its room is named before it."""

PUBLIC = ROOT / "ecpe_zoo" / "__init__.py"  # imports the public names of all rooms, when they are used
FILES = sorted(set((ROOT / "ecpe_zoo").rglob("*.py")) - {PUBLIC})


def layer_of(module: str) -> int:
    """The place of a module in `LAYERS`, by its longest name there; -1 below all."""
    parts = module.removesuffix(".py").replace("/", ".").split(".")
    names = (".".join(parts[:2]), parts[0])
    return next((LAYERS.index(name) for name in names if name in LAYERS), -1)


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names |= {module.removeprefix("ecpe_zoo.") for module in modules if module.startswith("ecpe_zoo.")}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    own = layer_of(str(path.relative_to(ROOT / "ecpe_zoo")))
    assert not {module for module in imported(path) if layer_of(module) > own}


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_docs_name_commands_and_files_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert all(command in COMMANDS for command in re.findall(r"^ +ecpe-zoo (\w+)", text, re.MULTILINE))
    for name in re.findall(r"(?:configs|experiments|tests|docs)/[\w/-]+\.(?:yaml|md|py)", text):
        assert (ROOT / name).is_file(), name
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert link.startswith("http") or (page.parent / link).exists(), link


def test_help_names_every_command() -> None:
    for command in COMMANDS:
        assert re.search(rf"^  (\w+ )?{command}\b", HELP, re.MULTILINE), command


def test_the_readme_names_every_method() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [path.stem for path in (ROOT / "configs").glob("*.yaml") if f"| `{path.stem}` |" not in text]
    assert not missing


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, ecpe_zoo; assert not {'torch', 'lightning', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert all(callable(getattr(ecpe_zoo, name)) for name in ecpe_zoo.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = ecpe_zoo.nothing
