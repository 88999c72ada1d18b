"""A preparation on the terminal: its progress, and what it has found."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from boinc_project import application
from boinc_project.campaign import Campaign
from work_generator.estimate import duration

COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TextColumn("{task.percentage:>3.0f} %"),
    TimeElapsedColumn(),
)
"""Of the progress bars of a run and of a preparation."""


class PreparationBar:
    """A progress bar of a preparation, and the lines that are printed above it.

    Parameters
    ----------
    progress : Progress
        Shows the bar, and has the console.
    words : str
        What the preparation does.
    details : bool
        Whether to print what was found.
    """

    def __init__(self, progress: Progress, words: str, *, details: bool = True) -> None:
        self._progress, self._words, self._details = progress, words, details
        self._task: TaskID | None = None
        self._console: Console = progress.console

    def preparing(self, done: int, total: int) -> None:
        """See `server.executors.preparing.Listener`."""
        if self._task is None:
            self._task = self._progress.add_task(self._words, total=total)
        self._progress.update(self._task, completed=done, total=total)

    def says(self, sentence: str) -> None:
        """See `server.executors.preparing.Listener`."""
        self._console.print(sentence, markup=False)

    def prepared(self, campaign: Campaign, seconds: float | None) -> None:
        """See `server.executors.preparing.Listener`."""
        self._end()
        took = "found before, and used again" if seconds is None else f"took {duration(seconds)}"
        self._console.print(f"{self._words}: {took}.", markup=False)
        for line in application.get(campaign.app).preparation(campaign) if self._details else ():
            self._console.print(f"  {line}", markup=False)

    def _end(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
