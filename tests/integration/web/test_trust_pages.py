"""The pages about truth and credit."""

from __future__ import annotations

import pytest

from boinc_project.lifecycle.effects import EventKind
from boinc_project.states import Outcome, ServerState, ValidateState
from server.services.trust_view import Rate
from tests.integration.web.conftest import People
from tests.web_site import Site


def test_an_empty_project_claims_nothing(site: Site) -> None:
    page = site.browser().get("/trust").text
    assert page.count("–</td>") == 8
    assert "0 workunits had a result that was taken" in page
    assert "Nothing, in the last 30 days" in page


def test_rates_are_counted(both_site: Site) -> None:
    make = both_site.make
    user, app = make.user(), make.app()
    version, host = make.app_version(app), make.host(user)
    campaign = make.campaign(app)
    for index in range(4):
        state = ValidateState.INVALID if index == 3 else ValidateState.VALID
        unit = make.workunit(campaign)
        make.result(
            unit,
            host,
            server_state=ServerState.OVER,
            outcome=Outcome.SUCCESS,
            validate_state=state,
            app_version_id=version.id,
        )
        make.event(unit, EventKind.AUDIT_FAILED if index == 3 else EventKind.AUDIT_PASSED)
    make.event(unit, EventKind.REOPENED)
    make.record(host, version, consecutive_valid=12)
    page = both_site.browser().get("/trust").text
    assert page.count("25.000 %") == 2, "judged, and audited"
    assert "1 workunit had" in page
    assert "Of 1 records" in page


def test_the_owner_sees_where_a_computer_stands(both_site: Site, people: People) -> None:
    site = both_site
    version = site.make.app_version(site.make.app("other"), version_num=300)
    site.make.record(people.ann_host, version, n_audited=5, n_audit_failed=1, consecutive_valid=28)
    page = site.browser(people.ann).get(f"/computers/{people.ann_host.id}").text
    assert "5 (1 failed)" in page
    assert "it failed an audit once; others confirm its tasks, until 2 more tasks" in page


def test_credit_is_explained_with_the_projects_own_cap(site: Site) -> None:
    assert "3 times the operations" in " ".join(site.browser().get("/help/credit").text.split())


@pytest.mark.parametrize(
    ("count", "total", "low", "high"), [(0, 100, 0.0, 0.0370), (10, 100, 0.0552, 0.1744)]
)
def test_intervals_are_wilsons(count: int, total: int, low: float, high: float) -> None:
    """Against the closed form as published for p = 0 and p = 0.1 at n = 100."""
    assert Rate(count, total).interval == pytest.approx((low, high), abs=1e-4)


def test_nothing_is_known_of_nothing() -> None:
    assert Rate(0, 0).value is None
    assert Rate(0, 0).interval == (0.0, 1.0)
