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
    "corpora",
    "text",
    "synthesis",
    "data",
    "metrics",
    "layers",
    "methods",
    "results",
    "training",
    "leaderboard",
    "runner",
    "annotation",
    "cli",
)
PUBLIC = ROOT / "ecpe_zoo" / "__init__.py"  # imports the public names of all rooms, when they are used
FILES = sorted(set((ROOT / "ecpe_zoo").rglob("*.py")) - {PUBLIC})


def imported(path: Path) -> set[str]:
    """The parts of the package that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names |= {module.split(".")[1] for module in modules if module.startswith("ecpe_zoo.")}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    parts = path.relative_to(ROOT / "ecpe_zoo").parts
    allowed = set(LAYERS[: LAYERS.index(parts[0]) + 1]) if len(parts) > 1 else set()
    assert imported(path) & set(LAYERS) <= allowed


def test_the_readme_names_commands_and_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(command in COMMANDS for command in re.findall(r"^ +ecpe-zoo (\w+)", text, re.MULTILINE))
    for name in re.findall(r"configs/[\w/]+\.yaml", text):
        assert (ROOT / name).is_file(), name
    for command in COMMANDS:
        assert re.search(rf"^  (\w+ )?{command}\b", HELP, re.MULTILINE), command


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, ecpe_zoo; assert not {'torch', 'lightning', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert all(callable(getattr(ecpe_zoo, name)) for name in ecpe_zoo.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = ecpe_zoo.nothing
