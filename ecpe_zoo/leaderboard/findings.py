"""What a board found, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from ecpe_zoo.errors import counted
from ecpe_zoo.leaderboard.comparisons import Against
from ecpe_zoo.leaderboard.rows import Board, BoardRow, Cell
from ecpe_zoo.leaderboard.tables import difference, percent, runs
from ecpe_zoo.results import statistics
from ecpe_zoo.tasks import find_task


def finding(board: Board) -> str:
    """The sentence. Rows that read gold of the test documents are left out."""
    strict = [
        (row, cell)
        for row in board.rows
        if not row.apart and (cell := row.cells.get("strict")) is not None and cell.spread is not None
    ]
    own = [(row, cell) for row, cell in strict if not row.of]
    metric = find_task(board.task).headline_in_words or "F1"
    if not own:
        measured = (
            "No run has finished under the strict protocol" if board.rows else "Nothing is measured here yet"
        )
        printed = [row.f1 for row in board.published]
        said = f"; papers print {percent(min(printed))} to {percent(max(printed))}" if printed else ""
        return f"{measured}{said}."
    ranked = [(row, cell) for row, cell in own if cell.rank is not None]
    if ranked:
        row, cell = min(ranked, key=lambda found: found[1].rank or 0)
        first = f"{board.titles[row.label]} leads {len(ranked)} ranked methods with {metric} {_mean(cell)}"
        return f"{first}; {_tests(own)}."
    widest = max(len(cell.group.folds) for _, cell in own)
    alike = [(row, cell) for row, cell in own if len(cell.group.folds) == widest]
    row, cell = max(alike, key=lambda found: found[1].spread.over.mean if found[1].spread else 0.0)
    name = board.titles[row.label]
    if len(alike) == 1:
        said = f"{name} has {metric} {_mean(cell)} over {runs(cell)}"
    else:
        methods = f"{len(alike)} methods with {counted(widest, 'fold')}"
        said = f"{name} has the highest {metric} of {methods}, {_mean(cell)}"
    beyond = f", {difference(cell.against[0], board)}" if cell.against else ""
    tested = [one for row, cell in strict if row.of for one in cell.against if not one.verdict.missing]
    parts = f"; {_shown(tested, ' from ablations')}" if tested else ""
    return f"{said}{beyond}; no method is ranked yet{parts}."


def _mean(cell: Cell) -> str:
    return percent(cell.spread.over.mean if cell.spread is not None else None)


def _tests(own: list[tuple[BoardRow, Cell]]) -> str:
    tested = [one for _, cell in own for one in cell.against if not one.verdict.missing]
    return _shown(tested) if tested else "no difference between methods could be tested"


def _shown(tested: Sequence[Against], what: str = "") -> str:
    """`2 of 5 tested differences from ablations are shown`."""
    shown = sum(one.verdict.holm_p < 1 - statistics.LEVEL for one in tested)
    return (
        f"{shown} of {counted(len(tested), 'tested difference')}{what} {'is' if shown == 1 else 'are'} shown"
    )
