"""The configs shipped with the package, by short name, and the methods they train; imports nothing slow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ecpe_zoo.errors import ZooError, did_you_mean

PACKAGE = Path(__file__).resolve().parent


class Shipped(NamedTuple):
    """A config shipped with the package.

    Args:
        path: Path of the config file.
        class_path: Class path of the method it trains.
        corpus: Name of its corpus.
    """

    path: Path
    class_path: str
    corpus: str


def folder() -> Path:
    """The folder of the configs: inside an installed package, or beside the package in a checkout."""
    inside = PACKAGE / "configs"
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


@cache
def shipped() -> Mapping[str, Shipped]:
    """The configs by name, `mgcl` and `paper/mgcl`; offline configs come first."""
    files = [*sorted(folder().glob("*.yaml")), *sorted(folder().glob("paper/*.yaml"))]
    found = {}
    for path in files:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(folder()).with_suffix("").as_posix()
        found[name] = Shipped(path, _value("class_path", text), _value("corpus", text))
    return found


def _value(key: str, text: str) -> str:
    match = re.search(rf"^ +{key}: *([^\s#]+)", text, re.MULTILINE)
    return match[1] if match else ""


def find_config(given: str | Path) -> str:
    """The path of a config; inline YAML and URLs are returned unchanged for the parser.

    >>> Path(find_config("paper/mgcl")).name, Path(find_config("configs/mgcl.yaml")).name, find_config("{a: 1}")
    ('mgcl.yaml', 'mgcl.yaml', '{a: 1}')

    Raises:
        ZooError: No file and no shipped config has this name.
    """
    text = str(given)
    if re.search(r"[:{\n]", text) or text.startswith("-") or Path(text).expanduser().is_file():
        return text
    name = PurePosixPath(text.removeprefix("./").removeprefix("configs/"))
    name = name.with_suffix("") if name.suffix in (".yaml", ".yml") else name
    if config := shipped().get(str(name)):
        return str(config.path)
    raise ZooError(
        f"Expected --config to be a file or the name of a config (see `ecpe-zoo configs list`), but got {text!r}."
        + did_you_mean(str(name), shipped())
    )


def find_method(given: str) -> str:
    """The class path of a method, given its class name or id; anything but a single word is returned unchanged.

    >>> find_method("mgcl"), find_method("E2EECPE"), find_method("my.module.Mine")
    ('ecpe_zoo.methods.mgcl.MGCL', 'ecpe_zoo.methods.e2eecpe.E2EECPE', 'my.module.Mine')

    Raises:
        ZooError: No method of the package has this name.
    """
    if not re.fullmatch(r"\w+", given) or given in ("null", "None"):
        return given
    own = {config.class_path for config in shipped().values()}
    names = {path.split(".")[-1]: path for path in sorted(own)}
    folded = {name.lower(): path for name, path in names.items()} | {
        path.split(".")[-2]: path for path in names.values()
    }
    if path := folded.get(given.lower()):
        return path
    raise ZooError(
        f"Expected --model to be a method ({', '.join(names)}) or the class path of your own, "
        f"package.module.Class, but got {given!r}.{did_you_mean(given, names)}"
    )
