"""Tables of the benches, for people or for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table


def show(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    markdown: bool = False,
    width: int = 150,
) -> None:
    """Print a table.

    Parameters
    ----------
    title : str
        What it shows.
    columns : Sequence[str]
        Their titles; the first holds names, the others numbers.
    rows : Sequence[Sequence[str]]
        The cells.
    markdown : bool
        As the documentation has it.
    width : int
        Characters of a line, if not.
    """
    if markdown:
        lines = [columns, ["---"] * len(columns), *rows]
        print(f"\n{title}:\n", *("| " + " | ".join(line) + " |" for line in lines), sep="\n")
        return
    table = Table(title=title)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(width=width).print(table)
