"""What commands print: lines that no terminal breaks, and tables."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecpe_zoo.escaping import visible

PIPED = 160  # characters
WIDEST = 10_000


def say(*lines: str, to: Console | None = None) -> None:
    """Print lines as they are, control characters as escapes; the screen by default."""
    console = to or Console()
    for line in lines:
        console.print(visible(line, keep="\n"), soft_wrap=True, markup=False, highlight=False, emoji=False)


def show_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]], least: int = 0) -> None:
    """Print a table, with no number cut off however narrow the screen is.

    Args:
        title: Line above it.
        columns: Column headers; a leading `>` marks numbers, which are right-aligned and never folded.
        rows: Cells of each row.
        least: Width of the first column, in characters, however narrow the screen is.
    """
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        if column.startswith(">"):
            table.add_column(Text(column[1:]), justify="right", no_wrap=True)
        else:
            table.add_column(Text(column), overflow="fold", min_width=None if table.columns else least)
    for row in rows:
        table.add_row(*(Text(visible(str(cell), keep="\n")) for cell in row))
    say(title)
    print_table(table)


def print_table(table: Table) -> None:
    """Print a table as wide as its unbreakable columns need; into a file or a pipe up to `PIPED` characters wide."""
    console = Console()
    for column in table.columns:
        if column.no_wrap:  # rich would cut such a cell on a narrow screen
            cells = (column.header, *column.cells)
            column.min_width = max(console.measure(cell).maximum for cell in cells)
    least = console.measure(table, options=console.options.update(max_width=WIDEST)).minimum
    wide = console.is_terminal or "COLUMNS" in os.environ
    Console(width=max(console.width if wide else PIPED, least)).print(table)
