"""The leaderboard as a folder of static pages that opens from a file, without server or network.

Styles, script and plots are inside the pages; nothing is loaded from elsewhere. Without JavaScript the tables are
sorted by rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ecpe_zoo.leaderboard.board import Board, BoardRow, Cell
from ecpe_zoo.leaderboard.figures import TITLES, board_forest, headline_name, templates
from ecpe_zoo.leaderboard.method_page import method_part
from ecpe_zoo.leaderboard.published import published_file
from ecpe_zoo.leaderboard.tables import (
    NOTES,
    common_folds,
    gap,
    interval,
    mean_and_sd,
    p_value,
    percent,
    runs,
    write_tables,
    write_text,
)
from ecpe_zoo.results.significance import RESAMPLES

HEADS = tuple(
    {"name": name, "first": first}
    for name, first in (
        ("Rank", "ascending"),
        ("Method", "ascending"),
        ("Encoder", "ascending"),
        ("Lexicon", "ascending"),
        ("Epoch chosen on", "ascending"),
        ("Reported", "descending"),
        ("Paper protocol", "descending"),
        ("Strict", "descending"),
        ("Difference", "descending"),
    )
)
"""Columns of a board; `first` is the way a first click sorts."""


METHOD_NOTE = (
    "Spread is over folds, each the mean of its seeds; t-intervals treat folds as if independent, which they are not "
    "quite: they share training documents. The difference of two methods is tested on the documents that both were "
    f"scored on: {RESAMPLES:,} paired bootstrap draws for the interval, as many random swaps of their outputs for p, "
    "Holm-adjusted within protocol and board; over folds by the corrected resampled t-test of Nadeau and Bengio. The "
    "smallest difference that could be seen is 2.80 standard errors (80 % power at 5 %); over folds it is told by the "
    "spread of the folds' differences, with the seeds in it. A run has collapsed if it "
    "scores 0, has learned one class only, or scores below half of its method's median; it stays in the mean, and the "
    "mean without it stands beside."
)


def build_page(
    boards: Sequence[Board],
    records: int,
    folder: Path,
    root: Path | None = None,
    failures: Sequence[str] = (),
) -> list[Path]:
    """Write the pages, tables and configs into a folder.

    Args:
        boards: what to show.
        records: how many records they were made from.
        folder: made if missing; files of the same name are replaced.
        root: folder of the corpora, for threshold sweeps.
        failures: names of cells that failed and left no record.

    Returns:
        The files.
    """
    environment = templates()

    def inlined(name: str) -> Markup:
        source = environment.get_template(name).render()
        return Markup(source)  # our own files

    common = {
        "style": inlined("style.css"),
        "version": version("ecpe-zoo"),
        "records": records,
        "notes": NOTES.replace("*", ""),
    }
    written = write_tables(boards, folder, failures)
    index = environment.get_template("index.html").render(
        boards=[_board(board) for board in boards],
        script=inlined("board.js"),
        published_note=published_file().note,
        method_note=METHOD_NOTE,
        failures=failures,
        **common,
    )
    write_text(folder / "index.html", index)
    written.append(folder / "index.html")
    page = environment.get_template("method.html")
    for board in boards:
        for row in board.rows:
            parts = [
                method_part(board, row, protocol, row.cells[protocol], root)
                for protocol in TITLES
                if protocol in row.cells
            ]
            for part in parts:
                path = folder / "configs" / part["config_name"]
                write_text(path, part["config"])
                written.append(path)
            path = folder / "methods" / f"{row.slug}.html"
            write_text(path, page.render(board=board, row=_reported(row), parts=parts, **common))
            written.append(path)
    return written


# --- the index


def _board(board: Board) -> dict[str, Any]:
    rows = [_row(row) for row in board.rows]
    printed = [
        {
            "method": row.method,
            "paper": row.paper,
            "table": row.table,
            "split": row.split,
            "kind": row.kind,
            "lexicon": row.lexicon,
            "selection": row.selected_on,
            "selection_words": row.selection,
            "value": row.f1,
            "text": percent(row.f1),
        }
        for row in board.published
    ]
    choices = {
        "protocol": sorted({name for row in rows for name in row["protocols"]}, reverse=True)
        + (["reported"] if printed and not any(row["reported"] for row in rows) else []),
        "encoder": sorted({row["encoder"] for row in rows}) + (["as in the paper"] if printed else []),
        "lexicon": sorted(
            {name for row in rows for name in row["lexicons"]} | {str(row["lexicon"]) for row in printed}
        ),
        "selection": sorted(
            {name for row in rows for name in row["selections"]} | {str(row["selection"]) for row in printed}
        ),
    }
    return {
        "slug": board.slug,
        "title": board.title,
        "missing": board.missing,
        "rows": rows,
        "published": printed,
        "compared_with": board.compared_with,
        "heads": [*HEADS[:-1], {**HEADS[-1], "name": f"To {board.compared_with}, strict"}],
        "choices": choices,
        "metric": headline_name(board.task),
        "figure": Markup(board_forest(board)),
    }


def _row(row: BoardRow) -> dict[str, Any]:
    rules = {protocol: cell.group.first.record.protocol for protocol, cell in row.cells.items()}
    strict = row.cells.get("strict")
    many = len(row.cells) > 1
    return {
        "slug": row.slug,
        "label": row.label,
        "method": row.method,
        "change": row.label[len(row.method) :].strip(" []"),
        "encoder": row.encoder,
        "rank": strict.rank if strict is not None else None,
        "protocols": list(row.cells) + (["reported"] if row.reported is not None else []),
        "lexicons": sorted({rule.lexicon for rule in rules.values()}),
        "selections": sorted({cell.group.chosen_on for cell in row.cells.values()}),
        "notes": [
            f"{TITLES[protocol].split()[0].lower()}: {note}" if many else note
            for protocol, cell in row.cells.items()
            for note in cell.notes
        ],
        "reported": _reported(row)["reported"],
        "paper": _cell(row.cells.get("paper")),
        "strict": _cell(strict),
        "difference": _difference(strict) if strict is not None else None,
    }


def _reported(row: BoardRow) -> dict[str, Any]:
    printed = row.reported
    shown = None
    if printed is not None:
        shown = {
            "value": printed.f1,
            "text": percent(printed.f1),
            "practice": printed.practice,
            "paper": printed.paper,
            "table": printed.table,
        }
    return {"label": row.label, "encoder": row.encoder, "reported": shown}


def _cell(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    if cell.spread is None:
        return {"value": "", "text": "failed", "interval": "", "runs": f"{len(cell.group.entries)} runs"}
    return {
        "value": cell.spread.over.mean,
        "text": mean_and_sd(cell.spread),
        "interval": interval(cell.spread),
        "runs": runs(cell),
    }


def _difference(cell: Cell) -> dict[str, Any] | None:
    comparison = cell.comparison
    if comparison is None:
        return None
    return {
        "value": comparison.bootstrap.difference,
        "text": gap(comparison),
        "where": common_folds(cell),
        "p": p_value(comparison.holm_p),
        "verdict": comparison.verdict,
    }
