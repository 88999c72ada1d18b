"""Campaigns as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from server.cli.report_table import product_report
from server.services.campaign_view import CampaignSummary
from server.services.campaigns import Status
from server.services.workunit_view import WorkunitState


def status_report(status: Status, *, every: bool = False) -> RenderableType:
    """Return where a campaign is, and its product if there is one."""
    view = status.view
    summary = view.summary
    parts: list[RenderableType] = [
        Text.assemble((summary.name, "bold"), f": {summary.title}"),
        Text(f"State: {summary.state.value}. {summary.end_reason}".rstrip()),
        workunit_table(view.summary),
        Text(
            f"{view.tasks_in_progress} tasks on computers; {status.computers} computers so far; "
            f"{status.credit:.2f} cobblestones granted."
        ),
    ]
    if status.summary is None:
        parts.append(Text("There is no product yet."))
    else:
        meets_rule = view.product is not None and view.product.meets_rule
        parts.append(product_report(status.summary, meets_rule=meets_rule, every=every))
    return Group(*parts)


def workunit_table(summary: CampaignSummary) -> Table:
    """Return the workunits by state, in one row."""
    table = Table(header_style="bold")
    table.add_column("Workunits", justify="right")
    for state in WorkunitState:
        table.add_column(state.value, justify="right")
    counts = summary.progress.counts
    cells = [str(counts[state]) for state in WorkunitState]
    table.add_row(str(summary.progress.issued), *cells)
    return table


def campaign_list(summaries: Sequence[CampaignSummary]) -> RenderableType:
    """Return a table of campaigns."""
    if not summaries:
        return Text("There are no campaigns yet: see `openastro campaign issue`.")
    table = Table(header_style="bold")
    for name in ("Campaign", "State", "Workunits", "Valid", "Product", "Title"):
        table.add_column(name, justify="right" if name in ("Workunits", "Valid") else "left")
    for one in summaries:
        table.add_row(
            Text(one.name),
            one.state.value,
            str(one.progress.issued),
            str(one.progress.valid),
            _product_words(one),
            Text(one.title),
        )
    return table


def _product_words(summary: CampaignSummary) -> str:
    return "none yet" if summary.product is None else summary.product.judgement.phrase
