"""The suite file: which configs, with which changes, on which corpora, protocols, folds and seeds.

A file with every field::

    name: e2eecpe-table2
    results: e2eecpe                    # folder of the records, where suites share some; the name by default
    about: Table 2 of the paper
    variables:                          # given with --set, so that no place of one machine stands in the file
      vectors: word2vec text file       # must be given
      encoder: {help: a folder, default: embedded}
    threads: 1                          # of each cell; the machine's cores shared out where it is absent
    defaults:                           # for all cells; a cell's own win
      overrides: {model.vectors: "{vectors}"}
      matrix: {corpora: [xia-ding-2019], protocols: [strict], folds: 1-10, seeds: [776, 1, 2]}
    cells:
      - config: ../../configs/paper/e2eecpe.yaml      # from this file or the working directory; * is allowed
        variant: no-position            # the records lie in e2eecpe-no-position/
        overrides: {model.position: false}
        each: {mgcl: {trainer.max_epochs: 2}}         # where * matches: overrides of one config, by its stem
        matrix: {seeds: 0}
    small:                              # what --small changes, last of all: every cell within seconds
      overrides: {model.vectors: null, trainer.max_epochs: 1}
      matrix: {corpora: [bundled-ecpe], folds: 1, seeds: 0}

An axis that is named nowhere is the config's own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ecpe_zoo.corpora.description import ENDINGS
from ecpe_zoo.corpora.registry import CORPORA
from ecpe_zoo.errors import ZooError

LARGEST_SEED = 2**32
"""Below which Lightning wants a seed."""

RESERVED = {
    "data.corpus": "matrix.corpora",
    "data.fold": "matrix.folds",
    "data.protocol": "matrix.protocols",
    "seed_everything": "matrix.seeds",
    "test": "nothing: a fit without a test leaves no record",
    "config": "the cell's config",
    "ckpt_path": "nothing: the runner resumes by itself",
    "trainer.default_root_dir": "--results",
}


def _option(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"expected an option of fit that the runner does not set; use {RESERVED[name]}")
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name):
        raise ValueError("expected a dotted option of fit, as in model.beta")
    return name


def _plain(value: object) -> object:
    items = value if isinstance(value, list) else [value]
    if not all(item is None or isinstance(item, bool | int | float | str) for item in items):
        raise ValueError("expected a number, a text, true, false, null, or a list of these")
    return value


def _integers(value: object) -> object:
    """`3`, `[1, 2]`, `1-10` and lists with ranges, as a tuple of integers.

    >>> _integers("1-3"), _integers([1, "4-5"]), _integers(7)
    ((1, 2, 3), (1, 4, 5), (7,))
    """
    numbers: list[int] = []
    for item in value if isinstance(value, list | tuple) else [value]:
        ends = re.fullmatch(r"(\d+)-(\d+)", item) if isinstance(item, str) else None
        if isinstance(item, int) and not isinstance(item, bool):
            numbers.append(item)
        elif ends and int(ends[1]) <= int(ends[2]):
            numbers.extend(range(int(ends[1]), int(ends[2]) + 1))
        else:
            raise ValueError("expected an integer, a range as 1-10, or a list of these")
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError("expected at least one integer, and each of them once")
    return tuple(numbers)


def _seeds(value: object) -> object:
    if value is None:
        return value
    numbers = _integers(value)
    if isinstance(numbers, tuple) and not (min(numbers) >= 0 and max(numbers) < LARGEST_SEED):
        raise ValueError(f"expected seeds from 0 to {LARGEST_SEED - 1}")
    return numbers


def _folds(value: object) -> object:
    if value == "all":
        return value
    numbers = _integers(value)
    if isinstance(numbers, tuple) and min(numbers) < 1:
        raise ValueError("expected folds from 1")
    return numbers


def _corpus(name: str) -> str:
    if name not in CORPORA and not name.endswith(ENDINGS):
        raise ValueError(
            f"expected one of the corpora {', '.join(CORPORA)} or the path of a description (.yaml, .json)"
        )
    return name


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Overrides = dict[Annotated[str, AfterValidator(_option)], Annotated[Any, AfterValidator(_plain)]]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Part(BaseModel):
    """Base: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Matrix(Part):
    """The axes; all combinations become cells. None: as the config says."""

    corpora: Annotated[
        tuple[Annotated[str, AfterValidator(_corpus)], ...] | None, BeforeValidator(_listed)
    ] = Field(default=None, min_length=1)
    protocols: Annotated[tuple[Literal["strict", "paper"], ...] | None, BeforeValidator(_listed)] = Field(
        default=None, min_length=1
    )
    folds: Annotated[tuple[int, ...] | Literal["all"] | None, BeforeValidator(_folds)] = None
    seeds: Annotated[tuple[int, ...] | None, BeforeValidator(_seeds)] = None

    def over(self, other: Matrix) -> Matrix:
        """This matrix, with the other's axes where this one has none."""
        return Matrix.model_construct(
            **{
                axis: getattr(other, axis) if getattr(self, axis) is None else getattr(self, axis)
                for axis in Matrix.model_fields
            }
        )


class Shared(Part):
    """What many cells have in common."""

    overrides: Overrides = {}
    matrix: Matrix = Matrix()


class SuiteEntry(Part):
    """A config (or several, with `*`), one variant of it, and its matrix."""

    config: str
    variant: Name | None = None
    overrides: Overrides = {}
    each: dict[str, Overrides] = {}
    matrix: Matrix = Matrix()


class Variable(Part):
    """A value that the user gives with `--set NAME=VALUE`."""

    help: str
    default: Annotated[Any, AfterValidator(_plain)] = None

    @property
    def required(self) -> bool:
        """It has no default, not even null."""
        return "default" not in self.model_fields_set


def _described(value: object) -> object:
    return {"help": value} if isinstance(value, str) else value


class Suite(Part):
    """A suite file; see the module."""

    name: Name
    results: Name | None = None
    about: str = ""
    variables: dict[Name, Annotated[Variable, BeforeValidator(_described)]] = {}
    threads: int | None = Field(default=None, ge=1)
    defaults: Shared = Shared()
    cells: tuple[SuiteEntry, ...] = Field(min_length=1)
    small: Shared | None = None


def read_suite(path: Path) -> Suite:
    """Read and check a suite file.

    Raises:
        ZooError: no such file, no YAML, or fields that are wrong: each with its line, its name and the choices.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except OSError as error:
        raise ZooError(f"{path}: expected a suite file, but got: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or error
        raise ZooError(f"{path}{line}: expected YAML, but got text that is none: {problem}") from error
    _forbid_repeated(path, tree)
    if not isinstance(content, dict):
        raise ZooError(f"{path}: expected the fields {', '.join(Suite.model_fields)}, but got {content!r}.")
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        # where an item of a list is wrong, pydantic also says that the list is too short
        problems = error.errors()
        inner = {problem["loc"][:-1] for problem in problems if len(problem["loc"]) > 1}
        told = [p for p in problems if not (p["type"] == "too_short" and p["loc"] in inner)]
        lines = [_told(path, tree, problem) for problem in told]
        raise ZooError("\n".join(dict.fromkeys(lines))) from error


def _told(path: Path, tree: yaml.Node | None, problem: Any) -> str:
    """One pydantic error as `file:line: field: expected ..., but got ...`."""
    place = tuple(part for part in problem["loc"] if part != "[key]")
    line, depth = _line(tree, place)
    name = ".".join(str(part) for part in place[: max(depth, 1)])
    got = repr(problem["input"])
    got = got if len(got) <= 80 else got[:77] + "..."
    if problem["type"] == "extra_forbidden":
        return f"{path}:{line}: {name}: expected one of the fields {', '.join(_fields(place))}, but got this one."
    if problem["type"] == "missing":
        return f"{path}:{line}: expected a field {'.'.join(map(str, place))!r}, but got none."
    if problem["type"] == "string_pattern_mismatch":
        return f"{path}:{line}: {name}: expected letters, digits, '.', '_' or '-', but got {got}."
    if problem["type"] == "tuple_type":
        return f"{path}:{line}: {name}: expected a list, but got {got}."
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    return f"{path}:{line}: {name}: {message}, but got {got}."


def _fields(place: tuple[Any, ...]) -> list[str]:
    """The fields of the part that the last of `place` was written into."""
    parents: dict[object, type[Part]] = {"matrix": Matrix, "defaults": Shared, "small": Shared}
    if len(place) < 2:
        return list(Suite.model_fields)
    if isinstance(place[-2], int):
        return list(SuiteEntry.model_fields)
    if place[0] == "variables":
        return list(Variable.model_fields)
    return list(parents.get(place[-2], Suite).model_fields)


def _line(node: yaml.Node | None, place: tuple[Any, ...]) -> tuple[int, int]:
    """The 1-based line of a field, and how many parts of `place` stand in the file."""
    line = 1
    for depth, part in enumerate(place):
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                return line, depth
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line, depth
    return line, len(place)


def _forbid_repeated(path: Path, node: yaml.Node | None) -> None:
    """YAML lets the last of two equal keys win, silently."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise ZooError(
                    f"{path}:{line}: expected each field once, but got {key.value!r} again (line {seen[key.value]})."
                )
            seen[key.value] = line
            _forbid_repeated(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _forbid_repeated(path, item)
