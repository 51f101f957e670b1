"""What is read from source is what the classes have, and commands over records import nothing slow."""

from __future__ import annotations

import inspect
import itertools
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pytest

import ecpe_zoo.methods
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.declared import declared
from ecpe_zoo.methods.two_stage import STAGE_TWO
from ecpe_zoo.options import EncoderSettings, Options, flat
from tests.methods.contract import CONTRACT

SLOW = ("torch", "lightning", "transformers", "torch_geometric", "scipy.stats", "pandas", "matplotlib")


def defaults_of(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind, eval_str=True).parameters.items():
        if (value := parameter.default) is not parameter.empty:
            found |= flat({name: asdict(value) if isinstance(value, Options) else value})
        for group in get_args(parameter.annotation):  # `Group | None`
            if value is None and isinstance(group, type) and issubclass(group, Options):
                found |= flat({name: asdict(group())})
                found |= {f"{name}.name": None} if group is EncoderSettings else {}
    return found


@pytest.mark.parametrize("id", CONTRACT)
def test_a_method_declares_what_its_class_has(id: str) -> None:
    kind = type(CONTRACT[id][0]())
    found = declared(f"{kind.__module__}.{kind.__qualname__}")
    assert found is not None
    assert found.defaults == defaults_of(kind)
    assert found.ablations == kind.ablations
    choices = {
        "vectors": (None, "w.txt"),
        "encoder.name": (None, "embedded"),
        "labels_from": (None, "file"),
        "objective": ("eqn", "coeqn"),
        "network": ("transformer", "textcnn"),
    }
    for values in itertools.product(*choices.values()):
        options = dict(zip(choices, values, strict=True))
        assert found.idle(options) == kind.idle(options)
    assert found.idle({}) == kind.idle({})


def test_the_data_module_too() -> None:
    found = declared("ecpe_zoo.data.module.EmotionDataModule")
    assert found is not None
    assert found.defaults == defaults_of(EmotionDataModule)


BORROWED = """
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.two_stage import STAGE_TWO

class Borrowed(Method):
    ablations = {ablations}

    def __init__(self, filter: bool = {default}):
        super().__init__()

    @classmethod
    def idle(cls, options):
        return {idle} if options.get("filter") is False else frozenset()
"""


@pytest.mark.parametrize(
    "borrowed",
    [
        {"idle": "STAGE_TWO"},
        {"idle": "cls.ablations"},
        {"idle": "super().idle(options)"},
        {"ablations": "STAGE_TWO"},
        {"default": "bool(STAGE_TWO)"},
    ],
)
def test_a_method_may_declare_by_imported_names(
    borrowed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`results show` ended with a traceback; ablations by an imported name were lost."""
    package = tmp_path / "ecpe_zoo"
    source = BORROWED.format(
        **{"ablations": "frozenset()", "default": "True", "idle": "frozenset()"} | borrowed
    )
    name = f"borrowed_{next(iter(borrowed))}_{len(source)}"
    (package / "methods").mkdir(parents=True)
    (package / "methods" / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr("ecpe_zoo.declared.PACKAGE", package)
    monkeypatch.setattr(ecpe_zoo.methods, "__path__", [*ecpe_zoo.methods.__path__, str(package / "methods")])
    found = declared(f"ecpe_zoo.methods.{name}.Borrowed")
    assert found is not None
    assert found.defaults == {"filter": True}
    assert found.ablations == (STAGE_TWO if "ablations" in borrowed else frozenset())
    expected = STAGE_TWO if borrowed.get("idle") == "STAGE_TWO" else frozenset()
    assert found.idle({"filter": False}) == expected
    assert found.idle({}) == frozenset()


@pytest.mark.parametrize(
    "path",
    [
        "os.path.join",
        "ecpe_zoo.methods.gone.Gone",
        "ecpe_zoo.methods.mgcl.Gone",
        "MGCL",
        "ecpe_zoo.methods/../../setup.X",
        "",
    ],
)
def test_what_is_not_there_declares_nothing(path: str) -> None:
    assert declared(path) is None


@pytest.mark.parametrize("module", ["results", "leaderboard", "compare", "data", "main"])
def test_commands_over_records_start_at_once(module: str) -> None:
    code = f"import sys, ecpe_zoo.cli.{module}; print([name for name in {SLOW!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_results_show_imports_nothing_slow() -> None:
    code = (
        "import sys; from ecpe_zoo.cli.main import main; main(['results', 'show', 'experiments/records/rule']);"
        f"print([name for name in {SLOW!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
