"""The documents name every route, state and error that there is, and no other."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from boinc_project.states import (
    CampaignState,
    ClientState,
    Outcome,
    ServerState,
    ValidateState,
)
from server.blueprints.web.limits import LIMITS
from server.models import CampaignRow
from server.services.task_state import task_state
from server.services.workunit_view import MAX_WORKUNITS, WorkunitState
from tests.web_site import Site

DOCS = Path(__file__).parents[3] / "docs"


def document(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def first_cells(text: str) -> set[str]:
    return set(re.findall(r"^\| `?([^|`]+?)`? \|", text, re.MULTILINE))


def test_every_route_and_state_of_the_api(site: Site) -> None:
    text = document("scientist/results.md")
    rules = {rule.rule for rule in site.app.url_map.iter_rules() if rule.rule.startswith("/api/")}
    assert {cell for cell in first_cells(text) if cell.startswith("/api/")} == rules
    states = text.split("### A campaign's state")[1].split("### Files")[0]
    assert first_cells(states) - {"state", "---"} == {state.value for state in WorkunitState}
    for state in CampaignState:
        assert f"`{state.value}`" in states
    assert f"(1 to {MAX_WORKUNITS})" in text


def test_the_error_shown_is_the_error_given(site: Site) -> None:
    text = document("scientist/results.md")
    body = site.app.test_client().get("/api/v1/campaigns/nothing").get_json()
    assert body["error"]["message"] in text


def test_fields_of_files_are_named(site: Site, campaign: CampaignRow) -> None:
    text = document("scientist/results.md")
    body = site.app.test_client().get("/api/v1/campaigns/kepler-9/product").get_json()
    for field in set(body["files"][0]) - {"name"}:
        assert f"`{field}`" in text


def test_every_state_of_a_task() -> None:
    table = document("volunteer/tasks.md").split("## States")[1]
    labels = {
        task_state(*states, overdue=overdue).label
        for overdue in (False, True)
        for states in itertools.product(ServerState, Outcome, ClientState, ValidateState)
    }
    assert first_cells(table) - {"state", "---"} == labels


def test_the_limits_told_are_those_kept() -> None:
    assert set(LIMITS.values()) == {"10 per minute; 60 per hour"}
    assert "10 a minute and 60 an hour" in " ".join(
        document("volunteer/credit-and-privacy.md").split()
    )
