"""The leaderboard as a folder of static pages that opens without server or network.

Styles, script and plots are inside the pages; nothing is loaded from elsewhere. The script only sorts and filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from ecpe_zoo.files import below
from ecpe_zoo.leaderboard.figures import TITLES, templates
from ecpe_zoo.leaderboard.method_page import config_text, method_part
from ecpe_zoo.leaderboard.published import published_file, source_of
from ecpe_zoo.leaderboard.rows import Board
from ecpe_zoo.leaderboard.tables import NOTES, write_tables, write_text
from ecpe_zoo.results.significance import RESAMPLES

METHOD_NOTE = (
    "Spread is over folds, each the mean of its seeds. Runs decide whether two methods differ: with ten folds and "
    "three seeds each, the exact sign-flip test of the fold differences; on a corpus with one official split, five "
    "seeds and a t-test whose variance is that over seeds plus that over documents. With fewer runs there is no "
    "verdict. Intervals over folds count in that folds share training documents (Nadeau and Bengio); those of a "
    "difference are given without and with it. Rows named \u201cthese weights\u201d are tests over documents: "
    f"{RESAMPLES:,} paired bootstrap draws and as many random swaps of the outputs. The smallest difference that the "
    "runs could show has 80 % power at 5 %. A run has collapsed if it scores 0, has learned one class only, or "
    "scores below half of its method's median; it stays in the mean, and the mean without it is given too."
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
        root: Folder of the corpora, for records without kept counts.
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
        "columns": _columns,
        "side": SIDE,
        "source_of": source_of,
        "titles": TITLES,
    }
    environment.filters["config_text"] = config_text
    index, page = environment.get_template("index.html"), environment.get_template("method.html")
    written = write_tables(boards, folder, failures)

    def write(name: str, text: str) -> None:
        write_text(below(folder, name), text)
        written.append(folder / name)

    note = published_file().note.replace("`", "")
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


SIDE = {"Lexicon": "lexicons", "Epoch chosen on": "selections"}
"""Columns that are shown if rows of a board differ in them, and the property of a row that fills them."""


def _columns(board: Board) -> list[tuple[str, str]]:
    """Heads of the columns of a board, each with the order of its first sort; columns without content are left out."""
    rows = board.rows
    differ = [head for head, name in SIDE.items() if len({tuple(getattr(row, name)) for row in rows}) > 1]
    return [
        ("Rank", "ascending"),
        ("Method", "ascending"),
        ("Encoder", "ascending"),
        *((head, "ascending") for head in differ),
        ("Strict", "descending"),
        ("Difference", "descending"),
        *[("Paper protocol", "descending")] * any("paper" in row.cells for row in rows),
        *[("Reported", "descending")] * any(row.reported is not None for row in rows),
    ]


def _choices(board: Board) -> dict[str, list[str]]:
    """What the rows of a board can be filtered by: the values in which they differ."""
    rows = [row for row in board.rows if not row.of]
    found = {
        "protocol": {name for row in rows for name in row.protocols},
        "encoder": {row.encoder for row in rows},
        "lexicon": {name for row in rows for name in row.lexicons},
        "selection": {name for row in rows for name in row.selections},
    }
    return {name: sorted(values) for name, values in found.items() if len(values) > 1}
