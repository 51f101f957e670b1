"""`ecpe-zoo compare BASE NEW`: records side by side; exit status 1 where a number moved too far."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ecpe_zoo.errors import ZooError
from ecpe_zoo.results.golden import (
    TOLERANCES,
    GoldenComparison,
    GoldenRow,
    Tolerances,
    accept,
    cells_of,
    compare,
    how_to_accept,
    markdown,
    read_tolerances,
    records_of,
)

STYLES = {"BEYOND": "red", "MISSING": "red", "COLLAPSED": "red", "new": "cyan"}


def main(argv: Sequence[str]) -> int:
    """Compare two folders or files of records.

    Args:
        argv: what stands behind `ecpe-zoo compare`.

    Returns:
        1 where a number moved beyond its tolerance, or a cell or a metric is missing; else 0.

    Raises:
        ZooError: no records, or tolerances that cannot be read.
    """
    options = _parser().parse_args(list(argv))
    if options.accept and (options.base.is_file() or options.new.is_file()):
        raise ZooError("Expected two folders with --accept, but got a file.")
    new = records_of(options.new)
    # the first records of a new folder are accepted into nothing
    base = {} if options.accept and not _holds_records(options.base) else records_of(options.base)
    beside = (options.base.parent if options.base.is_file() else options.base) / TOLERANCES
    place = options.tolerances or (beside if beside.is_file() else None)
    tolerances = read_tolerances(place) if place else Tolerances()
    comparison = compare(base, new, tolerances)
    console = Console()
    _print(console, comparison, comparison.rows if options.all else comparison.shown())
    console.print(
        f"Tolerances: {place or 'none given, so that numbers have to be equal'}. "
        "A commit with + had changes that were not committed.",
        soft_wrap=True,
    )
    if options.markdown is not None:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        with options.markdown.open("a", encoding="utf-8") as file:  # a job's summary has other parts too
            file.write(markdown(comparison, str(options.base), str(options.new)))
    if options.accept:
        for path in accept(options.base, base, new):
            console.print(f"accepted: {path}", soft_wrap=True, highlight=False)
        if gone := sorted(
            str(row.key) for row in comparison.rows if row.verdict == "MISSING" and row.new is None
        ):
            console.print(
                f"Not in {options.new}, left as they are: {', '.join(dict.fromkeys(gone))}", soft_wrap=True
            )
        return 0
    if not comparison.passed:
        bad = sum(row.bad for row in comparison.rows)
        console.print(f"[red]{bad} numbers moved too far or are missing.[/red]")
        console.print(how_to_accept(str(options.base), str(options.new)), soft_wrap=True, markup=False)
        return 1
    console.print(
        f"{len(comparison.rows)} numbers of {len(comparison.commits)} cells: all within their tolerance."
    )
    return 0


def _holds_records(place: Path) -> bool:
    try:
        return bool(records_of(place))
    except ZooError:
        return place.is_dir() and any(place.rglob("*.json"))  # records that cannot be read must be told


def _print(console: Console, comparison: GoldenComparison, rows: Sequence[GoldenRow]) -> None:
    """A block for each cell: where its records are from, then its numbers; not wider than a small terminal."""
    width = max((len(row.metric) for row in rows), default=0)
    console.print(f"  {'percent':<{width}} {'base':>7} {'new':>7} {'diff.':>7} {'tol.':>6}")
    shown = None
    for row in rows:
        if row.key != shown:
            shown = row.key
            commits = " -> ".join(comparison.commits[row.key])
            seconds = ("-" if value is None else f"{value:.0f} s" for value in comparison.seconds[row.key])
            note = "; config differs" if row.key in comparison.configs_differ else ""
            line = f"{row.key} ({commits}; {' -> '.join(seconds)}{note})"
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        base, new, difference, tolerance = cells_of(row)
        line = f"  {row.metric:<{width}} {base:>7} {new:>7} {difference:>7} {tolerance:>6} {row.verdict}"
        console.print(line, soft_wrap=True, markup=False, highlight=False, style=STYLES.get(row.verdict))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ecpe-zoo compare",
        description="Set the records of two folders (or two files) side by side, matched by method, variant, corpus, "
        f"protocol, fold and seed. Tolerances are read from {TOLERANCES} in BASE.",
    )
    add = parser.add_argument
    add("base", type=Path, metavar="BASE", help="the records to hold on to, as experiments/golden")
    add("new", type=Path, metavar="NEW", help="the records to judge")
    add("--tolerances", type=Path, metavar="FILE", help=f"in place of {TOLERANCES} in BASE")
    add("--all", action="store_true", help="show every metric, not the main one and those that moved too far")
    add(
        "--markdown", type=Path, metavar="FILE", help="append the table to this file, as $GITHUB_STEP_SUMMARY"
    )
    add("--accept", action="store_true", help="copy the new records over those in BASE")
    return parser
