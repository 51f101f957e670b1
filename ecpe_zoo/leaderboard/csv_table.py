"""The boards as CSV: fractions, one line for each row and protocol, and one for each published figure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ecpe_zoo.escaping import csv_escaped
from ecpe_zoo.leaderboard.published import Published
from ecpe_zoo.leaderboard.rows import Board, BoardRow, Cell
from ecpe_zoo.tasks import find_task

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "task", "corpus", "kind", "method", "label", "encoder", "protocol", "selection", "lexicon", "truncation", "rank",
    "folds", "seeds", "runs", "failed", "collapsed", "metric", "mean", "sd", "low", "high", "unit", "seed_sd",
    "mean_without_collapsed", "pooled", "precision", "recall", "difference", "difference_low",
    "difference_high", "documents", "permutation_p", "detectable", "effect_documents", "fold_difference", "fold_low",
    "fold_high", "fold_t_p", "effect_folds", "compared_with", "compared_as", "verdict", "runs_unit", "runs_compared",
    "runs_difference", "runs_low", "runs_high", "runs_p", "runs_holm_p", "comparisons", "runs_detectable", "notes",
)  # fmt: skip


def csv_frame(boards: Iterable[Board]) -> DataFrame:
    """A line for each row and protocol and for each published row; fractions, null if there is nothing.

    No text is one that a spreadsheet takes for a formula.
    """
    from pandas import DataFrame  # 0.3 s that other commands over records do without

    lines: list[dict[str, object]] = []
    for board in boards:
        for row in board.rows:
            lines += [
                _line(board, row, protocol, cell)
                for protocol, cell in sorted(row.cells.items(), reverse=True)
            ]
        lines += [_printed_line(board, printed) for printed in board.published]
    safe = [{name: csv_escaped(value) for name, value in line.items()} for line in lines]
    return DataFrame(safe, columns=list(COLUMNS), dtype=object)


def csv_text(boards: Iterable[Board]) -> str:
    """`csv_frame` as a file."""
    return str(csv_frame(boards).to_csv(index=False, lineterminator="\n"))


def _line(board: Board, row: BoardRow, protocol: str, cell: Cell) -> dict[str, object]:
    group, spread = cell.group, cell.spread
    comparison = cell.against[0].documents if cell.against else None
    task = find_task(board.task)
    rule = group.first.record.protocol
    sides = {name: group.spread(f"{task.leading}_{name}") for name in ("precision", "recall")}
    values: dict[str, object] = {
        "task": board.task,
        "corpus": board.corpus,
        "kind": "run",
        "method": row.method,
        "label": row.label,
        "encoder": row.encoder,
        "protocol": protocol,
        "selection": cell.group.chosen_on,
        "lexicon": rule.lexicon,
        "truncation": rule.truncation,
        "rank": cell.rank,
        "folds": len(group.folds),
        "seeds": len(group.seeds),
        "runs": len(group.finished),
        "failed": len(group.failed),
        "collapsed": len(group.collapsed),
        "metric": task.headline,
        "pooled": cell.pooled,
        "notes": "; ".join(cell.notes),
        **{name: side.over.mean for name, side in sides.items() if side is not None},
    }
    if spread is not None:
        values |= {name: getattr(spread.over, name) for name in ("mean", "sd", "low", "high")}
        values |= {"unit": spread.unit, "seed_sd": spread.seed_sd}
    if cell.without_collapsed is not None:
        values["mean_without_collapsed"] = cell.without_collapsed.over.mean
    if cell.against:
        first, verdict = cell.against[0], cell.against[0].verdict
        values |= {
            "compared_with": first.label,
            "compared_as": first.why,
            "verdict": verdict.in_words,
            "runs_unit": verdict.unit,
            "runs_compared": len(verdict.differences),
            "runs_difference": verdict.mean,
            "runs_low": verdict.low,
            "runs_high": verdict.high,
            "runs_p": verdict.p,
            "runs_holm_p": verdict.holm_p,
            "comparisons": verdict.family,
            "runs_detectable": verdict.detectable,
        }
    if comparison is not None:
        drawn, over_folds = comparison.bootstrap, comparison.fold_test
        values |= {
            "difference": drawn.difference,
            "difference_low": drawn.low,
            "difference_high": drawn.high,
            "permutation_p": comparison.permutation_p,
            "documents": comparison.documents,
            "detectable": comparison.detectable,
            "effect_documents": comparison.won.effect,
            "fold_difference": over_folds.mean,
            "fold_low": over_folds.low,
            "fold_high": over_folds.high,
            "fold_t_p": over_folds.p,
            "effect_folds": over_folds.effect,
        }
    return values


def _printed_line(board: Board, printed: Published) -> dict[str, object]:
    return {
        "task": board.task,
        "corpus": board.corpus,
        "kind": f"published {printed.kind}",
        "method": printed.method,
        "label": printed.method,
        "protocol": "reported",
        "selection": printed.selection,
        "lexicon": printed.lexicon,
        "metric": find_task(board.task).headline,
        "mean": printed.f1,
        "precision": printed.precision,
        "recall": printed.recall,
        "notes": f"{printed.paper}, {printed.table}",
    }
