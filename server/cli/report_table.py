"""A product's report on the terminal, whatever application has written it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from boinc_project.report import Cell, Criterion, Fact, Measured, Report, Table, read_report
from server.services.judgement import NO_REPORT, Judgement, judgement

YES, NO = "bold green", "bold yellow"


def product_report(
    summary: Mapping[str, Any], *, meets_rule: bool = True, every: bool = False
) -> RenderableType:
    """Return all that people are shown of a product.

    Parameters
    ----------
    summary : Mapping[str, Any]
        The parsed summary.json.
    meets_rule : bool
        Whether the campaign may end on it, as far as is known; see
        `server.services.judgement.judgement`.
    every : bool
        Whether to show every row of every table.
    """
    title = Text(str(summary.get("title") or summary.get("campaign") or "Product"), "bold")
    report, judged = read_report(summary), judgement(summary, meets_rule=meets_rule)
    if report is None:
        return Group(title, *outcome_lines(None, judged))
    return Group(
        title,
        *([Text(f"{report.size}.")] if report.size else []),
        *(Text(_fact(fact)) for fact in report.facts),
        *(part for table in report.tables for part in table_parts(table, every=every)),
        *(Text(line) for line in report.remarks),
        *outcome_lines(report, judged),
    )


def outcome_lines(report: Report | None, judged: Judgement) -> list[RenderableType]:
    """Return how far a product is: words, sentence, and the criteria they rest on."""
    left = [Text(f"  {line}") for line in judged.left]
    if report is None:
        return [Text(NO_REPORT), *left]
    if report.words:
        head = Text("    ").join(
            Text.assemble(f"{word.name}: ", ("yes", YES) if word.holds else ("no", NO))
            for word in report.words
        )
    else:
        head = Text(judged.phrase, YES if judged.met else NO)
    parts: list[RenderableType] = [head]
    if report.outcome:
        parts.append(Text(report.outcome))
    parts += left
    if report.unmet:
        names = "; ".join(entry.name for entry in report.unmet)
        parts.append(Text.assemble(("Not met: ", "bold"), f"{names}."))
    if report.criteria:
        parts.append(criteria_table((*report.unmet, *report.fulfilled)))
    return parts


def criteria_table(criteria: Sequence[Criterion]) -> RichTable:
    """Return criteria as a table; narrow terminals fold the cells, and nothing is cut off."""
    table = _table()
    table.add_column("Criterion", overflow="fold", min_width=8)
    table.add_column("Number", justify="right", overflow="fold")
    table.add_column("Asked for", overflow="fold")
    table.add_column("Met", min_width=3)
    table.add_column("In words", overflow="fold", min_width=12)
    for entry in criteria:
        group = [(f"\n{entry.group}", "dim")] if entry.group else []
        table.add_row(
            Text.assemble(entry.name, *group),
            _value(entry),
            _limit(entry),
            Text("yes", YES) if entry.met else Text("no", NO),
            Text(entry.sentence),
        )
    return table


def table_parts(table: Table, *, every: bool) -> list[RenderableType]:
    """Return a table with its caption above it and its sources below it; none if it is empty."""
    places = table.headlines if table.headlines and not every else range(len(table.rows))
    rows = [table.rows[place] for place in places]
    if not rows:
        return []
    sources: list[str] = []
    shown = _table()
    for number, name in enumerate(table.columns):
        shown.add_column(
            Text(name),
            justify="right" if table.is_number(number) else "left",
            overflow="fold",
            min_width=5 if number else 9,
        )
    for row in rows:
        shown.add_row(*(Text(_cell(cell, sources)) for cell in row))
    left = len(table.rows) - len(rows)
    return [
        *([Text(table.caption)] if table.caption else []),
        shown,
        *(Text(f"[{number}] {source}") for number, source in enumerate(sources, 1)),
        *([Text(f"and {left} more rows: see --all")] if left else []),
    ]


def interval(value: float, plus: float, minus: float) -> str:
    """Return a value with its uncertainties, to two figures of the smaller one.

    Examples
    --------
    >>> interval(43.187, 0.6123, 0.5472)
    '43.19 +0.61 -0.55'
    """
    if not math.isfinite(value):
        return "-"
    errors = [error for error in (plus, minus) if math.isfinite(error) and error > 0]
    if not errors:
        return f"{value:.8g}"
    digits = max(0, 1 - math.floor(math.log10(min(errors))))
    above, below = (
        f"{error:.{digits}f}" if math.isfinite(error) else "?" for error in (plus, minus)
    )
    return f"{value:.{digits}f} +{above} -{below}"


def _table() -> RichTable:
    return RichTable(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=False)


def _fact(fact: Fact) -> str:
    if fact.error and isinstance(fact.value, int | float):
        text = interval(fact.value, fact.error, fact.error)
    else:
        text = _cell(fact.value, [])
    return f"{fact.label}: {text} {fact.unit}".rstrip()


def _cell(cell: Cell, sources: list[str]) -> str:
    """Return a cell's text; where a number is from is added to `sources`."""
    if isinstance(cell, tuple):
        return "\n".join(_cell(entry, sources) for entry in cell) or "-"
    if isinstance(cell, Measured):
        return _measured(cell, sources)
    if cell is None or cell == "":
        return "-"
    if isinstance(cell, str):
        return cell
    return str(cell) if isinstance(cell, int) else f"{cell:.4g}"


def _measured(cell: Measured, sources: list[str]) -> str:
    if cell.value is None:
        return "-"
    if cell.plus or cell.minus or cell.source:
        nothing = math.nan if cell.plus or cell.minus else 0.0
        text = interval(cell.value, cell.plus or nothing, cell.minus or nothing)
    else:
        text = f"{cell.value:.4g}"
    if not cell.source:
        return text
    if cell.source not in sources:
        sources.append(cell.source)
    return f"{text} [{sources.index(cell.source) + 1}]"


def _value(entry: Criterion) -> str:
    if entry.value is not None:
        return f"{entry.value:.4g}"
    return "-" if entry.wanted is None else "not known"


def _limit(entry: Criterion) -> str:
    return "-" if entry.wanted is None else f"{entry.relation} {entry.wanted:.4g}".lstrip()
