"""The posterior as a table for the terminal, from a product's ``summary.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from boinc_project.campaign import Published
from boinc_project.errors import InputError
from server.cli.verdict_table import verdict_report
from server.services.posterior_view import ParameterView, PosteriorView, read_posterior
from server.services.verdict_view import OLD_RULE_MET

HEADLINES = ("mass", "period", "eccentricity")
"""Quantities of a planet that the short table shows, in this order."""
SHORT_UNITS = {"Earth masses": "Mearth", "degrees": "deg"}


def read_summary(path: Path) -> dict[str, Any]:
    """Read a product's summary.json.

    Raises
    ------
    InputError
        If it is missing or is not JSON.
    """
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.", path=path) from error
    if not isinstance(summary, dict):
        raise InputError(f"{path} is not a product's summary.", path=path)
    return summary


def posterior_report(summary: Mapping[str, Any], *, every: bool = False) -> RenderableType:
    """Return the table of a posterior, and below it its verdict.

    Parameters
    ----------
    summary : Mapping[str, Any]
        The parsed summary.json; see ``docs/scientist/products.md``.
    every : bool
        Whether to show every parameter, rather than masses, periods and eccentricities.
    """
    view = read_posterior(summary)
    shown = [one for one in view.parameters if every or _kind(one) in HEADLINES]
    if not every:
        shown.sort(key=_order)
    sources = list(dict.fromkeys(value.source for one in shown for value in one.published))
    title = f"{summary.get('title') or summary.get('campaign') or 'Posterior'}"
    return Group(
        Text(title, "bold"),
        posterior_table(shown, sources, chains=view.has_chains),
        *(Text(f"[{number}] {source}") for number, source in enumerate(sources, 1)),
        *evidence_lines(view),
        *verdict_report(view.verdict, view.missing or _met(summary)),
    )


def posterior_table(
    parameters: Sequence[ParameterView], sources: Sequence[str], *, chains: bool = True
) -> Table:
    """Return the table alone: median with 68 % interval, literature, diagnostics.

    Narrow terminals fold the cells; nothing is cut off.

    Parameters
    ----------
    parameters : Sequence[ParameterView]
        One row each.
    sources : Sequence[str]
        The papers that numbers in brackets stand for.
    chains : bool
        Whether to show the diagnostics of chains, which nested runs do not have.
    """
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=False)
    table.add_column("Quantity", overflow="fold", min_width=9)
    table.add_column("Posterior (median, 68 %)", overflow="fold", min_width=9)
    table.add_column("Published", overflow="fold", min_width=9)
    for name in ("R-hat", "Bulk ESS", "Tail ESS") if chains else ():
        table.add_column(name, justify="right", overflow="fold", min_width=5)
    for one in parameters:
        unit = SHORT_UNITS.get(one.unit, one.unit)
        published = [f"{_value(v)} [{sources.index(v.source) + 1}]" for v in one.published]
        table.add_row(
            Text(one.label),
            Text(f"{interval(one.median, one.plus, one.minus)} {unit}".rstrip()),
            Text("\n".join(published)),
            *(_diagnostics(one) if chains else ()),
        )
    return table


def evidence_lines(view: PosteriorView) -> list[Text]:
    """Return the evidence, if it is known, and the modes of nested runs."""
    found = view.evidence
    if found is None:
        return []
    logz = f"log Z = {_number(found.logz, '{:.2f}')} ± {_number(found.logz_error, '{:.2f}')}"
    nats = "" if found.information is None else f", information {found.information:.1f} nats"
    lines = [Text(logz + nats)]
    if len(found.modes) > 1:
        lines += [
            Text(
                f"  mode {place}: {100 * mode.share:.3g} ± "
                f"{_number(None if mode.share_error is None else 100 * mode.share_error, '{:.2g}')}"
                " % of the evidence"
            )
            for place, mode in enumerate(found.modes, 1)
        ]
    return lines


def _met(summary: Mapping[str, Any]) -> tuple[str, ...]:
    return (OLD_RULE_MET,) if summary.get("converged") is True else ()


def interval(median: float, plus: float, minus: float) -> str:
    """Return a value with its uncertainties, to two figures of the smaller one.

    Examples
    --------
    >>> interval(43.187, 0.6123, 0.5472)
    '43.19 +0.61 -0.55'
    """
    if not math.isfinite(median):
        return "-"
    errors = [error for error in (plus, minus) if math.isfinite(error) and error > 0]
    if not errors:
        return f"{median:.8g}"
    digits = max(0, 1 - math.floor(math.log10(min(errors))))
    above, below = (
        f"{error:.{digits}f}" if math.isfinite(error) else "?" for error in (plus, minus)
    )
    return f"{median:.{digits}f} +{above} -{below}"


def _value(value: Published) -> str:
    if value.plus <= 0 and value.minus <= 0:
        return f"{value.value:.8g}"
    return interval(value.value, value.plus, value.minus)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _diagnostics(one: ParameterView) -> tuple[Text, Text, Text]:
    return (
        Text(_number(one.rhat, "{:.3f}")),
        Text(_number(one.ess_bulk, "{:.0f}")),
        Text(_number(one.ess_tail, "{:.0f}")),
    )


def _kind(one: ParameterView) -> str:
    return one.name.rpartition(".")[2]


def _order(one: ParameterView) -> tuple[int, str]:
    """Masses first, then periods, then eccentricities; planets by name."""
    kind = _kind(one)
    return (HEADLINES.index(kind) if kind in HEADLINES else len(HEADLINES), one.name)
