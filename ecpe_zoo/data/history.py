"""The history of a run as arrays: one row per validation, one column per value, such as `watched_test/pair_f1`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ecpe_zoo.escaping import visible

Rows = list[dict[str, Any]]
"""Rows of plain values, nested at most one level: `{"epoch": 0, "validation": {"pair_f1": 0.5}}`."""


def pack_history(
    history: Sequence[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], npt.NDArray[np.float64]]:
    """Convert rows to columns and their values.

    Returns:
        For each of K columns, its path in a row and its `kind`: float, int, or the list of its strings. And the
        values (K, R) of the R rows, NaN for missing values and for strings.

    >>> columns, values = pack_history([{"stage": "fit", "epoch": 0, "validation": {"pair_f1": 0.5}}])
    >>> columns[2], values.tolist()
    ({'path': ['validation', 'pair_f1'], 'kind': 'float'}, [[nan], [0.0], [0.5]])
    """
    rows = [dict(_leaves(row)) for row in history]
    paths = list(dict.fromkeys(path for row in rows for path in row))
    columns: list[dict[str, Any]] = []
    values = np.full((len(paths), len(rows)), np.nan)
    for place, path in enumerate(paths):
        cells = [row.get(path) for row in rows]
        kinds = {type(cell) for cell in cells if cell is not None}
        texts = str in kinds
        columns.append({"path": list(path), "kind": cells if texts else "int" if kinds == {int} else "float"})
        if not texts:
            values[place] = np.array(cells, dtype=np.float64)
    return columns, values


def unpack_history(columns: Sequence[Mapping[str, Any]], values: npt.NDArray[np.float64]) -> Rows:
    """The rows that were given to `pack_history`; values that were None or NaN are absent."""
    rows: Rows = [{} for _ in range(values.shape[1])]
    for column, numbers in zip(columns, values.tolist(), strict=True):
        *outer, name = column["path"]
        kind = column["kind"]
        cells = kind if isinstance(kind, list) else numbers
        for row, cell in zip(rows, cells, strict=True):
            if cell is None or cell != cell:
                continue
            place = row.setdefault(outer[0], {}) if outer else row
            place[name] = int(cell) if kind == "int" else cell
    return rows


def plain_rows(rows: Any) -> Rows:
    """Rows of a file, without values that are None or NaN.

    Raises:
        ValueError: They are no rows of plain values with an epoch, and finite steps and metrics.

    >>> plain_rows([{"epoch": 1, "validation": {"pair_f1": 0.5, "pair_r": None}, "watched_test": None}])
    [{'epoch': 1, 'validation': {'pair_f1': 0.5}}]
    """
    if not (isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows)):
        raise ValueError("expected the history to be a list of rows")
    if not all(_there(row.get("epoch")) for row in rows):
        raise ValueError("expected an epoch in each row of the history")
    return [{name: _plain(name, value) for name, value in row.items() if _there(value)} for row in rows]


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Mapping) or name.startswith(("validation", "watched_test")):
        if not isinstance(value, Mapping):
            raise ValueError(f"expected metrics by name as {name} in the history, but got {_shown(value)}")
        return {metric: _number(metric, inner) for metric, inner in value.items() if _there(inner)}
    return _number(name, value) if name in ("epoch", "step") else value


def _there(value: Any) -> bool:
    return value is not None and value == value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < sys.float_info.max:
        raise ValueError(f"expected a finite number as {name} in the history, but got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    return visible(repr(value)[:80])


def _leaves(row: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from (((name, inner), leaf) for inner, leaf in value.items())
        else:
            yield (name,), value
