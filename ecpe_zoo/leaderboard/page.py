"""The leaderboard as a folder of static pages that opens from a file, without server or network.

Styles, script and plots are inside the pages; nothing is loaded from elsewhere. Without JavaScript the tables are
sorted by rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from ecpe_zoo.files import below
from ecpe_zoo.leaderboard.figures import TITLES, templates
from ecpe_zoo.leaderboard.method_page import config_text, method_part
from ecpe_zoo.leaderboard.published import published_file
from ecpe_zoo.leaderboard.rows import Board
from ecpe_zoo.leaderboard.tables import NOTES, write_tables, write_text
from ecpe_zoo.results.significance import RESAMPLES

METHOD_NOTE = (
    "Spread is over folds, each the mean of its seeds. Runs decide whether two methods differ: with ten folds and "
    "three seeds each the exact sign-flip test of the fold differences, on a corpus with one official split five seeds "
    "and a t-test whose variance is that over seeds plus that over documents; Holm-adjusted within protocol and board. "
    "With fewer runs there is no verdict. The t-interval treats folds as independent; the one below it counts in that "
    "they share training documents (Nadeau and Bengio). Rows of these weights are tests on the documents that both "
    f"were scored on: {RESAMPLES:,} paired bootstrap draws, as many random swaps of the outputs. The smallest "
    "difference that could be shown has 80 % power at 5 %. A run has collapsed if it scores 0, has learned one class "
    "only, or scores below half of its method's median; it stays in the mean, and the mean without it is given too."
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
        boards: What to show.
        records: How many records they were made from.
        folder: Folder, made if missing; files of the same name are replaced.
        root: Folder of the corpora, for threshold sweeps.
        failures: Names of cells that failed and left no record.

    Returns:
        The files.
    """
    environment = templates()
    environment.globals |= {
        "version": version("ecpe-zoo"),
        "records": records,
        "notes": NOTES.replace("*", ""),
        "choices": _choices,
        "titles": TITLES,
    }
    environment.filters["config_text"] = config_text
    index, page = environment.get_template("index.html"), environment.get_template("method.html")
    written = write_tables(boards, folder, failures)

    def write(name: str, text: str) -> None:
        write_text(below(folder, name), text)
        written.append(folder / name)

    note = published_file().note
    write(
        "index.html",
        index.render(boards=boards, published_note=note, method_note=METHOD_NOTE, failures=failures),
    )
    for board in boards:
        for row in board.rows:
            cells = {protocol: row.cells[protocol] for protocol in TITLES if protocol in row.cells}
            for protocol, cell in cells.items():
                write(f"configs/{row.slug}-{protocol}.yaml", config_text(cell.group.first))
            parts = [method_part(board, row, protocol, cell, root) for protocol, cell in cells.items()]
            write(f"methods/{row.slug}.html", page.render(board=board, row=row, parts=parts))
    return written


def _choices(board: Board) -> dict[str, list[str]]:
    """The values by which the rows of a board can be filtered."""
    rows, printed = board.rows, board.published
    protocols = {protocol for row in rows for protocol in row.protocols}
    lexicons = {name for row in rows for name in row.lexicons} | {row.lexicon for row in printed}
    selections = {name for row in rows for name in row.selections} | {row.selected_on for row in printed}
    return {
        "protocol": sorted(protocols, reverse=True)
        + ["reported"] * bool(printed and "reported" not in protocols),
        "encoder": sorted({row.encoder for row in rows}) + ["as in the paper"] * bool(printed),
        "lexicon": sorted(lexicons),
        "selection": sorted(selections),
    }
