"""The demo's picture of one moment says what is going on, and nothing that is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from apps.volunteer.stock_client import Task
from boinc_project.report import Criterion, Report, Word
from boinc_project.states import CampaignState
from server.demo.view import render
from server.services.campaign_view import CampaignSummary, CampaignView, Progress
from server.services.judgement import judgement
from server.services.workunit_view import WorkunitState

RUNNING = Task("tiny_g0_u000_0", "downloaded", "EXECUTING", 0.25, 2.0, 1.0, 4711)
NEW = datetime(2026, 1, 1, tzinfo=UTC)


def _view(*, n_unit: int | None, report: Report | None = None) -> CampaignView:
    counts = dict.fromkeys(WorkunitState, 0) | {WorkunitState.WAITING: 3, WorkunitState.DONE: 2}
    # The picture reads a few attributes of a product, and nothing of the definition.
    product = None
    if n_unit is not None:
        told = {"converged": True, "report": None if report is None else report.to_plain()}
        product = SimpleNamespace(
            n_unit=n_unit,
            report=report,
            judgement=judgement(told),
        )
    summary = CampaignSummary(
        "tiny", "Tiny", "ttv_mcmc", CampaignState.ACTIVE, NEW, None, "", Progress(counts),
        cast(Any, product),
    )  # fmt: skip
    return CampaignView(summary, "", cast(Any, None), 2)


def _text(view: CampaignView | None, tasks: Sequence[Task] = (), elapsed: float = 65.0) -> str:
    out = StringIO()
    Console(file=out, width=100).print(render(view, [("Ann", tasks)], elapsed=elapsed))
    return out.getvalue()


def test_states_without_workunits_are_left_out() -> None:
    text = _text(_view(n_unit=None), [])
    assert "1:05" in text
    assert "3 waiting" in text
    assert "2 done" in text
    assert "failed" not in text
    assert "nothing is merged yet" in text


@pytest.mark.parametrize(("n_unit", "words"), [(1, "1 workunit: "), (4, "4 workunits: ")])
def test_a_product_is_counted(n_unit: int, words: str) -> None:
    assert f"{words}no report" in _text(_view(n_unit=n_unit), [])


def test_the_words_of_a_report_are_said() -> None:
    words = (Word("sampled", True), Word("described", False), Word("informative", True))
    text = _text(_view(n_unit=4, report=Report("Odd.", "400 draws", words=words)), [])
    assert "400 draws of 4 workunits: sampled, not described, informative" in text
    assert "converged" not in text


def test_a_report_is_said_in_its_own_words() -> None:
    unmet = Criterion("Periods", met=False)
    text = _text(_view(n_unit=3, report=Report("Odd.", "7 targets", (unmet,))))
    assert "7 targets of 3 workunits: criteria not met" in text
    text = _text(_view(n_unit=1, report=Report("All is there.", "7 targets")))
    assert "7 targets of 1 workunit: done" in text


def test_tasks_show_their_progress_and_what_waits_behind_them() -> None:
    waiting = replace(RUNNING, name="tiny_g0_u001_0", active_state="UNINITIALIZED")
    text = _text(_view(n_unit=None), [RUNNING, waiting])
    assert "tiny_g0_u000_0" in text
    assert "25 %, 1 more" in text
    assert "0 tasks in hand" in _text(_view(n_unit=None), [])


def test_before_the_campaign_is_there() -> None:
    assert "issuing the campaign" in _text(None, [])
