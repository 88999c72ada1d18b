"""A product's verdict on the terminal: three words with yes or no, and the rows they rest on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from server.services.verdict_view import NO_VERDICT, VerdictRow, VerdictView

YES, NO = "bold green", "bold yellow"


def verdict_report(
    verdict: VerdictView | None, missing: Sequence[str] = ()
) -> list[RenderableType]:
    """Return a posterior's verdict, or for a product from before verdicts its own sentences.

    Parameters
    ----------
    verdict : VerdictView or None
        The assimilator's.
    missing : Sequence[str]
        The sentences of a product without a verdict.
    """
    if verdict is None:
        return [Text(NO_VERDICT), *(Text(f"  {line}") for line in missing)]
    parts: list[RenderableType] = [words_line(verdict)]
    if verdict.sentence:
        parts.append(Text(verdict.sentence))
    if verdict.unmet:
        titles = "; ".join(row.title for row in verdict.unmet)
        parts.append(Text.assemble(("Not met: ", "bold"), f"{titles}."))
    if verdict.rows:
        parts.append(verdict_table(verdict.rows))
    return parts


def words_line(verdict: VerdictView) -> Text:
    """Return the three words in one line, each with yes or no."""
    return Text("    ").join(
        Text.assemble(f"{word}: ", ("yes", YES) if holds else ("no", NO))
        for word, holds in verdict.words.items()
    )


def verdict_table(rows: Sequence[VerdictRow]) -> Table:
    """Return the rows as a table; narrow terminals fold the cells, and nothing is cut off."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=False)
    table.add_column("Check", overflow="fold", min_width=8)
    table.add_column("Number", justify="right", overflow="fold")
    table.add_column("Asked for", overflow="fold")
    table.add_column("Met", min_width=3)
    table.add_column("In words", overflow="fold", min_width=12)
    for row in rows:
        table.add_row(
            Text.assemble(row.title, (f"\n{row.word}", "dim")),
            _value(row),
            _limit(row),
            Text("yes", YES) if row.met else Text("no", NO),
            Text(row.text),
        )
    return table


def _value(row: VerdictRow) -> str:
    if row.value is not None:
        return f"{row.value:.4g}"
    return "-" if row.limit is None else "not known"


def _limit(row: VerdictRow) -> str:
    return "-" if row.limit is None else f"{row.relation} {row.limit:.4g}".lstrip()
