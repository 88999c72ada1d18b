"""``openastro campaign run-local`` on the terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from boinc_project import application
from boinc_project.campaign import Campaign
from boinc_project.product import Product
from boinc_project.unit import Unit
from server.cli.context import INTERRUPTED
from server.cli.preparation_bar import COLUMNS, PreparationBar
from server.cli.report_table import product_report
from server.executors.local import LocalPool
from server.executors.local_campaign import LocalCampaign
from server.executors.preparing import Preparing
from server.services.judgement import judgement


class Bars(PreparationBar):
    """Progress bars of a run: the preparation, then one bar a generation."""

    def __init__(self, progress: Progress, words: str) -> None:
        super().__init__(progress, words)
        self._n_done_before = 0

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
        summary = product.summary()
        words = f": {judgement(summary).phrase}"
        self._console.print(f"{product.n_unit} units merged, {product.size}{words}.", markup=False)


def show_run(
    campaign: Campaign,
    directory: Path,
    *,
    kept: Path,
    jobs: int,
    again: bool,
    every: bool,
    out: Console,
) -> None:
    """Run a campaign on this machine, and print the report of its product.

    Parameters
    ----------
    campaign : Campaign
        As read from its file.
    directory : Path
        Where to compute.
    kept : Path
        Where preparations are kept.
    jobs : int
        Processes at once; 0: all processors.
    again : bool
        Whether to prepare anew.
    every : bool
        Whether to show every parameter or frame.
    out : Console
        Where to print.
    """
    pool = LocalPool(jobs or len(os.sched_getaffinity(0)))
    with Progress(*COLUMNS, console=out) as progress:
        bars = Bars(progress, application.get(campaign.app).preparing_words)
        local = LocalCampaign(
            campaign,
            directory,
            Preparing(kept, pool, time.monotonic, bars, again=again),
            pool,
            clock=lambda: datetime.now(UTC),
            listener=bars,
        )
        try:
            done = local.run()
        except KeyboardInterrupt:
            progress.stop()
            out.print("Interrupted. Run the same command again to go on from here.")
            raise typer.Exit(INTERRUPTED) from None
    out.print(product_report(done.product.summary(), every=every))
    out.print(done.end.text, markup=False)
    for one in done.rejected:
        out.print(f"Not merged: {one.workunit}: {one.reason}", markup=False)
    for path in sorted(done.directory.iterdir()):
        out.print(f"  {path}", markup=False)
