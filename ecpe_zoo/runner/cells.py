"""Cells: the fits of a suite, each with the config, hashes and name that its record must have."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ecpe_zoo.configs import shipped
from ecpe_zoo.corpora.lexicon import lexicon_files
from ecpe_zoo.corpora.registry import corpus_files, find_corpus
from ecpe_zoo.errors import ZooError, did_you_mean, unknown_choice
from ecpe_zoo.results.identity import RunName, config_hash, decisive, input_hashes
from ecpe_zoo.results.record import RunRecord
from ecpe_zoo.runner.suite import Matrix, Shared, Suite, SuiteEntry

Resolver = Callable[[Sequence[str]], tuple[str, dict[str, Any]]]
"""Arguments of fit -> the method's id and the config that a record would hold; no training."""


@dataclass(frozen=True)
class Cell(RunName):
    """One fit.

    Args:
        arguments: Arguments of `ecpe-zoo fit`, without the paths that the runner chooses.
        config: Resolved config, as in a record.
        config_hash: Hash of the config.
        files: Corpus file -> sha256.
        inputs: Other file that the config names -> sha256; see `identity.input_hashes`.
    """

    arguments: tuple[str, ...] = field(compare=False)
    config: dict[str, Any] = field(compare=False, repr=False)
    config_hash: str = ""
    files: Mapping[str, str] = field(default_factory=dict, compare=False)
    inputs: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """The path of the record below the store, without the ending."""
        return str(self)

    def differences(self, record: RunRecord) -> list[str]:
        """How a record under this cell's name differs from the one that the cell would write, in words."""
        mine, other = decisive(self.config), decisive(record.config)
        names = [name for name in sorted(mine.keys() | other.keys()) if mine.get(name) != other.get(name)]
        found = [f"{n}: {other.get(n)} in the record, {mine.get(n)} in the suite" for n in names[:4]]
        found += [f"and {len(names) - 4} options more"] if len(names) > 4 else []
        watched, seen = (
            (config.get("scorer") or {}).get("watch_test") for config in (self.config, record.config)
        )
        if watched and not seen:
            found.append("scorer.watch_test: the record has no test score of every epoch")
        if record.corpus.files != dict(self.files):
            found.append("the corpus files' hashes")
        found += [f"the content of {n}" for n, h in record.inputs.items() if self.inputs.get(n, h) != h]
        return found


def expand(
    suite: Suite,
    path: Path,
    given: Mapping[str, str],
    resolve: Resolver,
    small: bool = False,
    only: Sequence[str] = (),
) -> list[Cell]:
    """The cells of a suite, in its order.

    Args:
        suite: The suite.
        path: File of the suite, for relative configs and messages.
        given: Values of variables, by name (`--set`).
        resolve: Resolves a config without training; see `Resolver`.
        small: Whether to take the small form.
        only: Patterns of the cells to take, whose files alone have to be there; see `select`.

    Raises:
        ZooError: A variable, a config, an option or a corpus file is missing or wrong, or two cells have one name.
    """
    if small and suite.small is None:
        raise ZooError(f"{path}: expected a field 'small' for --small, but got none.")
    variables = _variables(suite, path, given)
    last = suite.small if small and suite.small is not None else Shared()
    cells: dict[str, Cell] = {}
    places: dict[str, str] = {}
    for number, entry in enumerate(suite.cells):
        where = f"{path}: cells.{number}"
        configs = _configs(entry.config, path, where)
        if lost := sorted(entry.each.keys() - {config.stem for config in configs}):
            stems = ", ".join(config.stem for config in configs)
            raise ZooError(f"{where}.each: expected the stem of a config ({stems}), but got {lost[0]!r}.")
        matrix = last.matrix.over(entry.matrix.over(suite.defaults.matrix))
        for config in configs:
            overrides = suite.defaults.overrides | entry.overrides | entry.each.get(config.stem, {})
            options = _options(overrides | last.overrides, variables, suite.variables, where)
            shown = config.relative_to(Path.cwd()) if config.is_relative_to(Path.cwd()) else config
            head = ("--config", str(shown), *options)
            combinations = _combinations(matrix, path.absolute().parent, where)
            try:
                method, resolved = resolve((*head, *_arguments(combinations[0])))
            except ZooError as error:
                raise ZooError(f"{where} ({config.name}): {error}") from error
            for axes in combinations:
                # the axes are plain values that nothing else depends on: parsing each would take minutes
                cell = _cell(entry, method, (*head, *_arguments(axes)), _with_axes(resolved, axes))
                if cell.key in cells:
                    raise ZooError(
                        f"{where}: expected cells with different names, but got {cell.key!r} twice: give one "
                        "entry another 'variant'."
                    )
                cells[cell.key], places[cell.key] = cell, where
    return [_with_files(cell, places[cell.key]) for cell in select(list(cells.values()), only)]


def select(cells: Sequence[Cell], patterns: Sequence[str]) -> list[Cell]:
    """The cells whose key matches one of the patterns (with `*` and `?`) or contains it; all if there is no pattern.

    Raises:
        ZooError: A pattern matches no cell.
    """
    for pattern in patterns:
        if not any(_matches(cell, pattern) for cell in cells):
            listed = ", ".join(cell.key for cell in cells[:8]) + (", ..." if len(cells) > 8 else "")
            raise ZooError(f"Expected --only to match a cell ({listed}), but got {pattern!r}.")
    return [cell for cell in cells if not patterns or any(_matches(cell, pattern) for pattern in patterns)]


def _matches(cell: Cell, pattern: str) -> bool:
    return fnmatchcase(cell.key, pattern) if re.search(r"[*?\[]", pattern) else pattern in cell.key


def _variables(suite: Suite, path: Path, given: Mapping[str, str]) -> dict[str, Any]:
    for name in given:
        if name not in suite.variables:
            raise unknown_choice(f"--set (for {path})", name, suite.variables or ["no variable: it has none"])
    values: dict[str, Any] = {}
    for name, variable in suite.variables.items():
        if name in given:
            # absolute, so that the same file gives the same config hash however its path was typed
            here = Path(given[name]).expanduser()
            values[name] = str(here.absolute()) if here.exists() else given[name]
        elif not variable.required:
            values[name] = variable.default
    return values


def _options(
    overrides: Mapping[str, Any], variables: Mapping[str, Any], declared: Collection[str], where: str
) -> list[str]:
    """Options of the command line.

    >>> _options({"model.beta": 0.5, "model.vectors": "{v}"}, {"v": "w.txt"}, ["v"], "")
    ['--model.beta=0.5', '--model.vectors=w.txt']
    """

    def variable(name: str, option: str) -> Any:
        if name not in variables:
            add = f"Add it to 'variables' ({name}: what it is)"
            way = f"Give it: --set {name}=VALUE" if name in declared else add
            raise ZooError(f"{where}: {option}: expected a value for {{{name}}}, but got none. {way}")
        return variables[name]

    options = []
    for name, value in overrides.items():
        alone = re.fullmatch(r"\{(\w+)\}", value) if isinstance(value, str) else None
        if alone:
            value = variable(alone[1], name)
        elif isinstance(value, str):
            used = {part: str(variable(part, name)) for part in re.findall(r"\{(\w+)\}", value)}
            value = re.sub(r"\{(\w+)\}", lambda part, used=used: used[part[1]], value)  # type: ignore[misc]
        options.append(f"--{name}={value if isinstance(value, str) else json.dumps(value)}")
    return options


def _configs(pattern: str, path: Path, where: str) -> list[Path]:
    """The files that a path or a pattern with `*` names, from the suite's folder, else from the working directory.

    The short name of a bundled config, such as `paper/mgcl`, is accepted too.
    """
    tried = []
    for folder in (path.absolute().parent, Path.cwd()):
        place = Path(os.path.normpath(folder / pattern))
        tried.append(str(place))
        found = sorted(place.parent.glob(place.name)) if "*" in place.name else [place]
        if files := [file for file in found if file.is_file()]:
            return files
    if pattern in shipped():
        return [shipped()[pattern].path]
    places = " or ".join(dict.fromkeys(tried))
    raise ZooError(
        f"{where}.config: expected a config, but there is none at {places}.{did_you_mean(pattern, shipped())}"
    )


def _combinations(matrix: Matrix, folder: Path, where: str) -> list[dict[str, str | int]]:
    combinations: list[dict[str, str | int]] = []
    for corpus in matrix.corpora or (None,):
        if corpus is not None and (folder / corpus).is_file():
            corpus = str(folder / corpus)  # a description beside the suite
        try:
            last = find_corpus(corpus).folds if corpus else None
        except ZooError as error:
            raise ZooError(f"{where}.matrix.corpora: {error}") from error
        folds: Sequence[int | None] = (None,)
        if matrix.folds == "all":
            if last is None:
                raise ZooError(f"{where}.matrix: expected corpora beside 'folds: all', but got none.")
            folds = range(1, last + 1)
        elif matrix.folds is not None:
            folds = matrix.folds
            if last is not None and max(matrix.folds) > last:
                raise ZooError(
                    f"{where}.matrix.folds: expected folds from 1 to {last} of {corpus!r}, but got {max(matrix.folds)}."
                )
        # all folds of a seed before the next one: a suite that is interrupted has comparable rows early
        axes = (matrix.protocols or (None,), matrix.seeds or (None,), folds)
        for protocol, seed, fold in itertools.product(*axes):
            data = {"data.corpus": corpus, "data.protocol": protocol, "data.fold": fold}
            named = {**data, "seed_everything": seed}
            combinations.append({name: value for name, value in named.items() if value is not None})
    return combinations


def _arguments(axes: Mapping[str, str | int]) -> list[str]:
    return [f"--{name}={value}" for name, value in axes.items()]


def _with_axes(config: dict[str, Any], axes: Mapping[str, str | int]) -> dict[str, Any]:
    data = {name.removeprefix("data."): value for name, value in axes.items() if name.startswith("data.")}
    top = {name: value for name, value in axes.items() if "." not in name}
    return config | top | {"data": config["data"] | data}


def _cell(entry: SuiteEntry, method: str, arguments: tuple[str, ...], config: dict[str, Any]) -> Cell:
    data = config["data"]
    return Cell(
        method=method,
        variant=entry.variant or "",
        corpus=find_corpus(data["corpus"]).id,
        protocol=data["protocol"],
        fold=data["fold"],
        seed=config["seed_everything"],
        arguments=arguments,
        config=config,
        config_hash=config_hash(config),
    )


def _with_files(cell: Cell, where: str) -> Cell:
    """The cell with the hashes of the files that it reads."""
    data, root = cell.config["data"], cell.config["data"].get("root")
    try:
        folder = Path(root) if root else None
        files = corpus_files(data["corpus"], folder, data["fold"])
        inputs = input_hashes(cell.config.get("model", {}).get("init_args", {}))
        inputs |= lexicon_files(data.get("lexicon", "none"), data["corpus"], folder)
    except ZooError as error:
        raise ZooError(f"{where}: {error}") from error
    return replace(cell, files=files, inputs=inputs)
