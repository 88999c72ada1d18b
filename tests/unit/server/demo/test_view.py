"""The demo's picture of one moment says what is going on, and nothing that is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from apps.volunteer.stock_client import Task
from boinc_project.states import CampaignState
from server.demo.view import render
from server.services.campaign_view import CampaignSummary, CampaignView, Progress
from server.services.verdict_view import VerdictView
from server.services.workunit_view import WorkunitState

RUNNING = Task("tiny_g0_u000_0", "downloaded", "EXECUTING", 0.25, 2.0, 1.0, 4711)
NEW = datetime(2026, 1, 1, tzinfo=UTC)


def _view(*, n_unit: int | None, verdict: VerdictView | None = None) -> CampaignView:
    counts = dict.fromkeys(WorkunitState, 0) | {WorkunitState.WAITING: 3, WorkunitState.DONE: 2}
    summary = CampaignSummary(
        "tiny", "Tiny", "ttv_mcmc", CampaignState.ACTIVE, NEW, None, "", Progress(counts), 1, False
    )
    # The picture reads three numbers of a product, and nothing of the definition.
    product = None
    if n_unit is not None:
        product = SimpleNamespace(image=None, n_unit=n_unit, n_draw=100 * n_unit, verdict=verdict)
    return CampaignView(summary, "", cast(Any, None), cast(Any, product), 2)


def _text(view: CampaignView | None, tasks: list[Task], elapsed: float = 65.0) -> str:
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


@pytest.mark.parametrize(("n_unit", "words"), [(1, "1 sub-chain, 100"), (4, "4 sub-chains, 400")])
def test_a_product_is_counted(n_unit: int, words: str) -> None:
    assert words in _text(_view(n_unit=n_unit), [])


def test_the_verdict_is_said_in_its_words() -> None:
    assert "400 draws: no verdict" in _text(_view(n_unit=4), [])
    verdict = VerdictView(True, False, True, "")
    text = _text(_view(n_unit=4, verdict=verdict), [])
    assert "400 draws: sampled, not described, informative" in text
    assert "converged" not in text


def test_tasks_show_their_progress_and_what_waits_behind_them() -> None:
    waiting = replace(RUNNING, name="tiny_g0_u001_0", active_state="UNINITIALIZED")
    text = _text(_view(n_unit=None), [RUNNING, waiting])
    assert "tiny_g0_u000_0" in text
    assert "25 %, 1 more" in text
    assert "0 tasks in hand" in _text(_view(n_unit=None), [])


def test_before_the_campaign_is_there() -> None:
    assert "issuing the campaign" in _text(None, [])
