"""``openastro campaign run-local`` on the terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from assimilator.registry import Product
from boinc_project.campaign import Campaign
from boinc_project.unit import Unit
from server.cli.product_report import product_report
from server.executors.local import LocalPool
from server.executors.local_campaign import LocalCampaign
from server.services.verdict_view import read_verdict
from work_generator import registry as planners

INTERRUPTED = 130
"""Exit code after Ctrl-C, as of any program."""


class Bars:
    """Progress bars of a run: the preparation, in the app's words, then one bar a generation."""

    def __init__(self, progress: Progress, preparing: str) -> None:
        self._progress = progress
        self._preparing = preparing
        self._task: TaskID | None = None
        self._n_done_before = 0
        self._console = progress.console

    def preparing(self, done: int, total: int) -> None:
        """See `server.executors.local_campaign.Listener`."""
        if self._task is None:
            self._task = self._progress.add_task(self._preparing, total=total)
        self._progress.update(self._task, completed=done, total=total)

    def begins(self, generation: int, units: Sequence[Unit], undone: Sequence[Unit]) -> None:
        """See `server.executors.local_campaign.Listener`."""
        self._end()
        self._n_done_before = len(units) - len(undone)
        words = f"Generation {generation}, {len(units)} units"
        self._task = self._progress.add_task(words, total=float(len(units)))

    def computing(self, fractions: Mapping[str, float]) -> None:
        """See `server.executors.local_campaign.Listener`."""
        if self._task is not None:
            done = self._n_done_before + sum(fractions.values())
            self._progress.update(self._task, completed=done)

    def merged(self, product: Product) -> None:
        """See `server.executors.local_campaign.Listener`."""
        self._end()
        verdict = read_verdict(product.summary())
        words = "" if verdict is None else f": {verdict.phrase}"
        self._console.print(f"{product.n_unit} units merged, {product.size}{words}.", markup=False)

    def _end(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def show_run(campaign: Campaign, directory: Path, *, jobs: int, every: bool, out: Console) -> None:
    """Run a campaign on this machine, and print its posterior."""
    pool = LocalPool(jobs or len(os.sched_getaffinity(0)))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out) as progress:
        listener = Bars(progress, planners.get(campaign.app).PREPARING)
        local = LocalCampaign(
            campaign, directory, pool, clock=lambda: datetime.now(UTC), listener=listener
        )
        try:
            done = local.run()
        except KeyboardInterrupt:
            progress.stop()
            out.print("Interrupted. Run the same command again to go on from here.")
            raise typer.Exit(INTERRUPTED) from None
    out.print(product_report(done.product.summary(), campaign.stop, every=every))
    out.print(done.end.text, markup=False)
    for one in done.rejected:
        out.print(f"Not merged: {one.workunit}: {one.reason}", markup=False)
    for path in sorted(done.directory.iterdir()):
        out.print(f"  {path}", markup=False)
