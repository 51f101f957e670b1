"""The suite file: configs and their overrides, run over corpora, protocols, folds and seeds.

A file with every field::

    name: e2eecpe-table2
    results: e2eecpe                    # folder of the records, for suites that share some; by default the name
    about: Table 2 of the paper
    variables:                          # given with --set, so that the file names no path of one machine
      vectors: word2vec text file       # required
      encoder: {help: a folder, default: embedded}
    threads: 1                          # cores per cell; by default the machine's cores divided by --jobs
    defaults:                           # for all cells; a cell's own options override them
      overrides: {model.vectors: "{vectors}"}
      matrix: {corpora: [xia-ding-2019], protocols: [strict], folds: 1-10, seeds: [776, 1, 2]}
    cells:
      - config: ../../configs/paper/e2eecpe.yaml      # from this file or the working directory; * is allowed
        variant: no-position            # its records are in e2eecpe-no-position/
        overrides: {model.position: false}
        each: {mgcl: {trainer.max_epochs: 2}}         # overrides for one of several configs, by its stem
        matrix: {seeds: 0}
    small:                              # overrides of --small, applied last: every cell takes seconds
      overrides: {model.vectors: null, trainer.max_epochs: 1}
      matrix: {corpora: [bundled-ecpe], folds: 1, seeds: 0}

An axis that no matrix names has the config's value.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ecpe_zoo.corpora.registry import CORPORA, ENDINGS
from ecpe_zoo.settings import read_yaml

LARGEST_SEED = 2**32 - 1
"""Lightning takes no larger one."""

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


def _integers(value: object) -> tuple[int, ...]:
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
    if min(numbers) < 0 or max(numbers) > LARGEST_SEED:
        raise ValueError(f"expected seeds from 0 to {LARGEST_SEED}")
    return numbers


def _folds(value: object) -> object:
    if value == "all":
        return value
    numbers = _integers(value)
    if min(numbers) < 1:
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
Corpus = Annotated[str, AfterValidator(_corpus)]
Protocol = Literal["strict", "paper"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Part(BaseModel):
    """Base: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Matrix(Part):
    """The axes; each combination of their values is a cell. None: the config's own value."""

    corpora: Annotated[tuple[Corpus, ...] | None, BeforeValidator(_listed)] = Field(
        default=None, min_length=1
    )
    protocols: Annotated[tuple[Protocol, ...] | None, BeforeValidator(_listed)] = Field(
        default=None, min_length=1
    )
    folds: Annotated[tuple[int, ...] | Literal["all"] | None, BeforeValidator(_folds)] = None
    seeds: Annotated[tuple[int, ...] | None, BeforeValidator(_seeds)] = None

    def over(self, other: Matrix) -> Matrix:
        """This matrix, with the other's axes where this one has none."""
        return other.model_copy(update={axis: values for axis, values in self if values is not None})


class Shared(Part):
    """Overrides and axes that apply to many cells."""

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
        """Whether it has no default, not even null."""
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
        ZooError: see `read_yaml`.
    """
    return read_yaml(path, Suite, "a suite file")
