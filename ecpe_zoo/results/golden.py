"""Compares two folders of records: which numbers moved beyond their tolerance."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ecpe_zoo.errors import ZooError
from ecpe_zoo.escaping import markdown_escaped
from ecpe_zoo.files import below, replaced_when_complete
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.identity import RunName, config_hash
from ecpe_zoo.results.record import RunRecord
from ecpe_zoo.results.store import each_record, main_metric
from ecpe_zoo.settings import read_yaml

TOLERANCES = "tolerances.yaml"


NotNegative = Annotated[float, Field(ge=0)]


class Tolerances(BaseModel):
    """How far a metric may move, as a fraction: absolute, in both directions.

    Args:
        default: Tolerance of all metrics that are not named.
        metrics: Tolerances by versioned id, or by a pattern with `*`; the first match counts.
        methods: The same for single methods, which take precedence; `default` is a method's own default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: float = Field(default=1e-6, ge=0)
    metrics: dict[str, NotNegative] = {}
    methods: dict[str, dict[str, NotNegative]] = {}

    def of(self, method: str, metric: str) -> float:
        """The tolerance of a metric."""
        own = self.methods.get(method, {})
        for table in (own, self.metrics):
            for pattern, tolerance in table.items():
                if pattern != "default" and fnmatchcase(metric, pattern):
                    return tolerance
            if "default" in own:
                return own["default"]
        return self.default


Verdict = Literal["same", "within", "BEYOND", "MISSING", "COLLAPSED", "new"]
BAD: tuple[Verdict, ...] = ("BEYOND", "MISSING", "COLLAPSED")


@dataclass(frozen=True)
class GoldenRow:
    """One number of one cell.

    Args:
        key: The cell.
        metric: Versioned id; empty for the cell itself.
        base: Base value, or None if there is none.
        new: New value, or None if there is none.
        tolerance: Absolute tolerance.
        verdict: Same, within the tolerance, beyond it; missing (a cell or a metric), collapsed, new.
    """

    key: RunName
    metric: str
    base: float | None
    new: float | None
    tolerance: float
    verdict: Verdict

    @property
    def bad(self) -> bool:
        """Whether it fails the comparison."""
        return self.verdict in BAD


@dataclass(frozen=True)
class GoldenComparison:
    """All rows, and the origin of the records.

    Args:
        rows: Rows of all cells and metrics, in order.
        commits: Commits of each cell, in base and new.
        configs_differ: Cells whose configs are not the same.
        seconds: Training time of each cell, in base and new.
    """

    rows: Sequence[GoldenRow]
    commits: Mapping[RunName, tuple[str, str]]
    configs_differ: frozenset[RunName]
    seconds: Mapping[RunName, tuple[float | None, float | None]]

    @property
    def passed(self) -> bool:
        """Whether no number moved too far and none is missing."""
        return not any(row.bad for row in self.rows)

    def shown(self) -> list[GoldenRow]:
        """The rows to look at: the main number of each cell, and every row that fails."""
        first = {row.key: row for row in reversed(self.rows)}
        return [row for row in self.rows if row.bad or first[row.key] is row]


def read_tolerances(path: Path) -> Tolerances:
    """Read a tolerance file.

    Raises:
        ZooError: see `read_yaml`.
    """
    return read_yaml(path, Tolerances, "tolerances")


def records_of(place: Path) -> dict[RunName, Entry]:
    """The records of a folder, or of a file.

    Raises:
        ZooError: there is none, or two are of the same cell.
    """
    found: dict[RunName, Entry] = {}
    for entry in each_record([place]) if place.exists() else ():
        key = key_of(entry.path, entry.record)
        if key in found:
            raise ZooError(f"Expected one record of {key}, but got {found[key].path} and {entry.path}.")
        found[key] = entry
    if not found:
        raise ZooError(f"{place}: expected a record or a folder with records, but found none.")
    return found


def key_of(path: Path, record: RunRecord) -> RunName:
    """The cell of a record: the variant is what the name of its folder or file adds to the method's."""
    variant = variant_of(path, record.method)
    corpus, protocol = record.corpus, record.protocol
    return RunName(record.method, variant, corpus.id, protocol.name, corpus.fold, record.seed)


def variant_of(path: Path, method: str) -> str:
    """The variant that a record's place names.

    >>> variant_of(Path("e2eecpe-own/xia-ding-2019-fold1-strict-seed776.json"), "e2eecpe")
    'own'
    >>> variant_of(Path("fold1-strict/mgcl-student-only-seed0.json"), "mgcl")
    'student-only'
    >>> variant_of(Path("anywhere/record.json"), "mgcl")
    ''
    """
    for name in (path.parent.name, re.sub(r"-seed\d+$", "", path.stem)):
        if name == method or name.startswith(f"{method}-"):
            return name[len(method) + 1 :]
    return ""


def compare(
    base: Mapping[RunName, Entry],
    new: Mapping[RunName, Entry],
    tolerances: Tolerances,
) -> GoldenComparison:
    """Compare records cell by cell.

    A cell or a metric that only `base` has is missing; one that only `new` has is new, and passes.
    """
    keys = sorted(base.keys() | new.keys())
    both = base.keys() & new.keys()
    rows: list[GoldenRow] = []
    for key in keys:
        if key in both:
            rows += _rows(key, base[key].record, new[key].record, tolerances)
        elif key in base:
            rows.append(GoldenRow(key, *main_metric(base[key].record), None, 0.0, "MISSING"))
        else:
            name, value = main_metric(new[key].record)
            rows.append(GoldenRow(key, name, None, value, 0.0, "new"))
    return GoldenComparison(
        rows,
        commits={key: (_commit(base.get(key)), _commit(new.get(key))) for key in keys},
        configs_differ=frozenset(
            key for key in both if config_hash(base[key].record.config) != config_hash(new[key].record.config)
        ),
        seconds={key: (_seconds(base.get(key)), _seconds(new.get(key))) for key in keys},
    )


def _rows(key: RunName, base: RunRecord, new: RunRecord, tolerances: Tolerances) -> list[GoldenRow]:
    main = main_metric(base)[0]
    collapsed = base.status == "ok" and new.status != "ok"
    rows = []
    for name in sorted(base.metrics.keys() | new.metrics.keys(), key=lambda name: (name != main, name)):
        before, after = base.metrics.get(name), new.metrics.get(name)
        tolerance = tolerances.of(key.method, name)
        verdict = _verdict(before, after, tolerance, collapsed and name == main)
        rows.append(GoldenRow(key, name, before, after, tolerance, verdict))
    return rows


def _verdict(before: float | None, after: float | None, tolerance: float, collapsed: bool) -> Verdict:
    if after is None:
        return "MISSING"
    if before is None:
        return "new"
    if collapsed:
        return "COLLAPSED"
    if before == after:
        return "same"
    # tolerant of rounding: 0.3 - 0.2 is more than 0.1
    moved = abs(after - before)
    return "within" if moved < tolerance or math.isclose(moved, tolerance, abs_tol=1e-12) else "BEYOND"


def _commit(found: Entry | None) -> str:
    if found is None:
        return "-"
    code = found.record.code
    return (code.commit or "unknown")[:9] + "+" * bool(code.dirty)


def _seconds(found: Entry | None) -> float | None:
    return None if found is None else found.record.machine.seconds


def markdown(comparison: GoldenComparison, base: str, new: str) -> str:
    """The comparison as Markdown for a job's summary: main and failing rows in a table, all others folded."""
    verdict = "passed" if comparison.passed else "**FAILED**"
    lines = [f"### Comparison with the golden records: {verdict}", "", f"`{base}` against `{new}`", ""]
    lines += _table(comparison, comparison.shown())
    rest = [row for row in comparison.rows if row not in comparison.shown()]
    if rest:
        lines += ["", f"<details><summary>{len(rest)} other metrics</summary>", "", *_table(comparison, rest)]
        lines += ["", "</details>"]
    lines += ["", "" if comparison.passed else how_to_accept(base, new), ""]
    return "\n".join(lines)


def _table(comparison: GoldenComparison, rows: Sequence[GoldenRow]) -> list[str]:
    lines = [
        "| cell | metric | base | new | difference | tolerance | | commits |",
        "|---|---|--:|--:|--:|--:|---|---|",
    ]
    for row in rows:
        base, new = comparison.commits[row.key]
        config = " (config differs)" if row.key in comparison.configs_differ else ""
        verdict = f"**{row.verdict}**" if row.bad else row.verdict
        numbers = " | ".join(cells_of(row))
        cell, metric, *commits = map(markdown_escaped, (f"{row.key}{config}", row.metric, base, new))
        lines.append(f"| {cell} | {metric} | {numbers} | {verdict} | `{commits[0]}` `{commits[1]}` |")
    return lines


def cells_of(row: GoldenRow) -> tuple[str, str, str, str]:
    """Both numbers, their difference and the tolerance, as text; empty if there is none.

    Fractions are in percent, counts (as of documents) as they are.
    """
    fraction = all(value is None or abs(value) <= 1 for value in (row.base, row.new))

    def percent(value: float | None, form: str = ".2f") -> str:
        return "" if value is None else f"{100 * value:{form}}" if fraction else f"{value:g}"

    difference = None if row.base is None or row.new is None else row.new - row.base
    return percent(row.base), percent(row.new), percent(difference, "+.2f"), percent(row.tolerance, "g")


def how_to_accept(base: str, new: str) -> str:
    """How to accept an intended change."""
    return (
        f"If the change is intended: `ecpe-zoo compare {base} {new} --accept` copies the new records over the golden "
        "ones. Commit them, and say in the message why the numbers moved."
    )


def accept(base_folder: Path, base: Mapping[RunName, Entry], new: Mapping[RunName, Entry]) -> list[Path]:
    """Copy new records over the golden ones; those without a counterpart are added.

    Returns:
        The files that were written.
    """
    written = []
    for key, entry in sorted(new.items()):
        path = entry.path
        if key in base and base[key].record == entry.record:
            continue
        target = base[key].path if key in base else below(base_folder, f"{key}.json")
        with replaced_when_complete(target) as part:
            part.write_bytes(path.read_bytes())
        written.append(target)
        scores, golden = path.with_suffix(".npz"), target.with_suffix(".npz")
        if golden.exists():  # scores of the replaced record
            if scores.exists():
                with replaced_when_complete(golden) as part:
                    part.write_bytes(scores.read_bytes())
                written.append(golden)
            else:
                golden.unlink()
    return written
