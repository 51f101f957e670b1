"""What commands print: lines that no terminal breaks, and tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecpe_zoo.escaping import visible


def say(*lines: str, to: Console | None = None) -> None:
    """Print lines as they are, control characters as escapes; the screen by default."""
    console = to or Console()
    for line in lines:
        console.print(visible(line, keep="\n"), soft_wrap=True, markup=False, highlight=False, emoji=False)


def show_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]], least: int = 0) -> None:
    """Print a table.

    Args:
        title: Above it.
        columns: Their heads; numbers, aligned to the right and never folded, have a `>` before.
        rows: Cells of each.
        least: Width of the first column, in characters, however narrow the screen is.
    """
    table = Table(title=Text(visible(title)), box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        if column.startswith(">"):
            table.add_column(Text(column[1:]), justify="right", no_wrap=True)
        else:
            table.add_column(Text(column), overflow="fold", min_width=None if table.columns else least)
    for row in rows:
        table.add_row(*(Text(visible(str(cell), keep="\n")) for cell in row))
    Console().print(table)
