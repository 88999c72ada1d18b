"""A product on the terminal, with a report or from before reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from boinc_project.report import read_report
from server.cli import report_table
from server.cli.posterior_table import posterior_report


def product_report(
    summary: Mapping[str, Any], *, meets_rule: bool = True, every: bool = False
) -> RenderableType:
    """Return what a product says; for the parameters see `server.cli.report_table`."""
    if read_report(summary) is not None or "kind" in summary:
        return report_table.product_report(summary, meets_rule=meets_rule, every=every)
    return posterior_report(summary, every=every)
