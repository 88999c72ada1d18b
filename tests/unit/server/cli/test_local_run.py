"""Progress bars of a run on this machine."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from apps.images.merge.report import ALL_FRAMES
from boinc_project import application
from boinc_project.states import CampaignState
from server.cli.campaign_tables import campaign_list
from server.cli.local_run import Bars
from server.services.judgement import DONE, UNFINISHED, UNJUDGED, UNMET


@pytest.mark.parametrize("app", application.names())
def test_the_preparation_is_called_what_it_is(app: str) -> None:
    words = application.get(app).preparing_words
    progress = Progress(console=Console(file=io.StringIO()))
    bars = Bars(progress, words)
    bars.preparing(1, 4)
    bars.preparing(2, 4)
    (task,) = progress.tasks
    assert (task.description, task.completed, task.total) == (words, 2, 4)


def test_what_products_are_called_is_not_what_campaigns_are_called() -> None:
    states = {state.value for state in CampaignState}
    for phrase in (ALL_FRAMES, DONE, UNMET, UNFINISHED, UNJUDGED):
        assert not states & set(phrase.split()), phrase
    console = Console(file=io.StringIO(), record=True)
    console.print(campaign_list([]))
    assert "no campaigns yet" in console.export_text()
