"""What the demo shows while it runs: the campaign, its product, and each volunteer's tasks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from apps.volunteer.stock_client import Task
from server.services.campaign_view import CampaignView
from server.services.workunit_view import WorkunitState

STATE_STYLES = {
    WorkunitState.WAITING: "dim",
    WorkunitState.COMPUTING: "yellow",
    WorkunitState.VALIDATING: "cyan",
    WorkunitState.MERGING: "blue",
    WorkunitState.DONE: "green",
    WorkunitState.FAILED: "red",
    WorkunitState.CANCELLED: "dim",
}


def render(
    view: CampaignView | None, tasks: Sequence[tuple[str, Sequence[Task]]], *, elapsed: float
) -> RenderableType:
    """Return the picture of one moment.

    Parameters
    ----------
    view : CampaignView or None
        The campaign; None while it is being issued.
    tasks : sequence of (volunteer's name, tasks)
        What each client computes.
    elapsed : float
        Seconds since the volunteers started.
    """
    parts: list[RenderableType] = [_headline(view, elapsed)]
    if view is not None:
        parts.append(_product(view))
    parts.append(_tasks(tasks))
    return Group(*parts)


def _headline(view: CampaignView | None, elapsed: float) -> Text:
    clock = f"{int(elapsed) // 60}:{int(elapsed) % 60:02d}  "
    if view is None:
        return Text(clock + "issuing the campaign")
    text = Text(clock + "workunits: ", style="bold")
    for state, count in view.summary.progress.counts.items():
        if count:
            text.append(f"{count} {state.value}  ", style=STATE_STYLES[state])
    return text


def _product(view: CampaignView) -> Text:
    if view.product is None:
        return Text("      nothing is merged yet", style="dim")
    product = view.product
    size = "" if product.report is None else f"{product.report.size} of "
    text = Text(f"      {size}{_counted(product.n_unit)}: ")
    style = "bold green" if product.judgement.met else "yellow"
    return text.append(product.judgement.phrase, style=style)


def _counted(n_unit: int) -> str:
    return f"{n_unit} workunit{'' if n_unit == 1 else 's'}"


def _tasks(tasks: Sequence[tuple[str, Sequence[Task]]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, of_one in tasks:
        running = [task for task in of_one if task.active_state == "EXECUTING"]
        waiting = len(of_one) - len(running)
        for task in running:
            table.add_row(
                f"      {name}",
                task.name,
                ProgressBar(total=1.0, completed=task.fraction_done, width=24),
                f"{100 * task.fraction_done:3.0f} %, {waiting} more",
            )
        if not running:
            table.add_row(f"      {name}", Text(f"{waiting} tasks in hand", style="dim"), "", "")
    return table
