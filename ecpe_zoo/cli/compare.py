"""`ecpe-zoo compare BASE NEW`: two folders of records against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ecpe_zoo.cli.screen import say
from ecpe_zoo.errors import ZooError
from ecpe_zoo.escaping import visible

if TYPE_CHECKING:
    from ecpe_zoo.results.golden import GoldenComparison, GoldenRow

STYLES = {"BEYOND": "red", "MISSING": "red", "COLLAPSED": "red", "new": "cyan"}


def compare(
    base: Path,
    new: Path,
    *,
    tolerances: Path | None = None,
    all: bool = False,
    markdown: Path | None = None,
    accept: bool = False,
) -> int:
    """Compare the records of two folders, or two records.

    Records are matched by method, variant, corpus, protocol, fold and seed. The exit status is 1 if a number moved by
    more than its tolerance, or a cell or metric is missing.

    Args:
        base: Reference records, such as experiments/golden.
        new: Records to judge.
        tolerances: File of tolerances; tolerances.yaml in BASE if not given.
        all: Show every metric, not only the headline and what moved too far.
        markdown: File to which the table is appended, such as $GITHUB_STEP_SUMMARY.
        accept: Copy the new records over those in BASE.
    """
    from ecpe_zoo.results import golden

    if accept and (base.is_file() or new.is_file()):
        raise ZooError("Expected two folders with --accept, but got a file.")
    records = golden.records_of(new)
    # a new folder of records has no base yet
    reference = {} if accept and not _holds_records(base) else golden.records_of(base)
    default = (base.parent if base.is_file() else base) / golden.TOLERANCES
    place = tolerances or (default if default.is_file() else None)
    limits = golden.read_tolerances(place) if place else golden.Tolerances()
    found = golden.compare(reference, records, limits)
    _show(Console(), found, found.rows if all else found.shown())
    say(
        f"Tolerances: {place or 'none given, so that numbers have to be equal'}. "
        "A commit with + had uncommitted changes."
    )
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        with markdown.open("a", encoding="utf-8") as file:  # append: a job's summary has other parts too
            file.write(golden.markdown(found, str(base), str(new)))
    if accept:
        say(*(f"accepted: {path}" for path in golden.accept(base, reference, records)))
        gone = {str(row.key): None for row in found.rows if row.verdict == "MISSING" and row.new is None}
        if gone:
            say(f"Not in {new}, left as they are: {', '.join(sorted(gone))}")
        return 0
    if not found.passed:
        Console().print(
            f"[red]{sum(row.bad for row in found.rows)} numbers moved too far or are missing.[/red]"
        )
        say(golden.how_to_accept(str(base), str(new)))
        return 1
    say(f"{len(found.rows)} numbers of {len(found.commits)} cells: all within their tolerance.")
    return 0


def _holds_records(place: Path) -> bool:
    from ecpe_zoo.results.golden import records_of

    try:
        return bool(records_of(place))
    except ZooError:
        return place.is_dir() and any(place.rglob("*.json"))  # records that cannot be read are an error


def _show(console: Console, comparison: GoldenComparison, rows: Sequence[GoldenRow]) -> None:
    """Print the origin of each cell's records, then its numbers, in lines that fit a small terminal."""
    from ecpe_zoo.results.golden import cells_of

    def line(text: str, style: str | None = None) -> None:
        console.print(visible(text), soft_wrap=True, markup=False, highlight=False, style=style)

    width = max((len(row.metric) for row in rows), default=0)
    line(f"  {'percent':<{width}} {'base':>7} {'new':>7} {'diff.':>7} {'tol.':>6}")
    shown = None
    for row in rows:
        if row.key != shown:
            shown = row.key
            seconds = ("-" if value is None else f"{value:.0f} s" for value in comparison.seconds[row.key])
            note = "; config differs" if row.key in comparison.configs_differ else ""
            line(f"{row.key} ({' -> '.join(comparison.commits[row.key])}; {' -> '.join(seconds)}{note})")
        base, new, difference, tolerance = cells_of(row)
        text = f"  {row.metric:<{width}} {base:>7} {new:>7} {difference:>7} {tolerance:>6} {row.verdict}"
        line(text, STYLES.get(row.verdict))


COMMANDS = compare
