"""Progress bars of a run on this machine."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from boinc_project import application
from server.cli.campaign_tables import campaign_list
from server.cli.local_run import Bars
from server.services.image_view import ALL_FRAMES, SOME_FRAMES


@pytest.mark.parametrize("app", application.names())
def test_the_preparation_is_called_what_it_is(app: str) -> None:
    words = application.get(app).preparing_words
    progress = Progress(console=Console(file=io.StringIO()))
    bars = Bars(progress, words)
    bars.preparing(1, 4)
    bars.preparing(2, 4)
    (task,) = progress.tasks
    assert (task.description, task.completed, task.total) == (words, 2, 4)


def test_what_images_are_called_is_not_what_campaigns_are_called() -> None:
    assert "complete" not in (*ALL_FRAMES.split(), *SOME_FRAMES.split())
    console = Console(file=io.StringIO(), record=True)
    console.print(campaign_list([]))
    assert "no campaigns yet" in console.export_text()
