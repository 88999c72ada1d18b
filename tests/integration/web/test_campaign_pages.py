"""Campaigns, their workunits, and stories: true numbers, and nobody's name."""

from __future__ import annotations

import re

import pytest

from boinc_project.campaign import StopRule
from boinc_project.states import AssimilateState, CampaignState, ErrorMask
from tests.factories import (
    IN_PROGRESS,
    campaign_definition,
    nested_summary,
    product_summary,
)
from tests.integration.web.conftest import People
from tests.web_site import Site


def test_progress_counts_every_workunit_once(both_site: Site) -> None:
    make = both_site.make
    host = make.host(make.user("Ann"))
    campaign = make.campaign(make.app())
    make.valid_workunit(campaign, [host])
    make.workunit(campaign, canonical_resultid=1, assimilate_state=AssimilateState.READY)
    make.workunit(campaign, error_mask=ErrorMask.TOO_MANY_ERROR_RESULTS)
    make.workunit(campaign, error_mask=ErrorMask.CANCELLED | ErrorMask.COULDNT_SEND_RESULT)
    make.workunit(campaign, need_validate=True)
    make.result(make.workunit(campaign), host, **IN_PROGRESS)
    make.workunit(campaign)
    page = both_site.browser().get("/campaigns/kepler-9").text
    figures = dict(re.findall(r"<dt>(\w+)</dt><dd>(\d+)</dd>", page))
    states = ("Waiting", "Computing", "Validating", "Merging", "Done", "Failed", "Cancelled")
    assert figures == dict.fromkeys(states, "1")
    assert re.search(r"4 of 7 issued workunits\s+finished", page)
    assert '<progress max="7" value="4"' in page
    assert "1 task\n    on volunteers' computers now" in page


def test_a_posterior_that_is_not_converged_says_what_is_missing(
    both_site: Site, people: People
) -> None:
    page = both_site.browser().get("/campaigns/kepler-9").text
    assert "not converged yet" in page
    assert "R-hat of b.mass is 1.08; the stop rule asks for at most 1.01." in page
    assert "<strong>Converged.</strong>" not in page
    assert '43.20 <span class="errors">+0.60 −0.60</span>' in page
    assert '43.4 <span class="errors">+1.6 −2.0</span>' in page
    assert "Borsato et al. 2019" in page
    assert "Version 3 of" in page


def test_a_converged_posterior_says_so(site: Site) -> None:
    campaign = site.make.campaign(
        site.make.app(),
        state=CampaignState.COMPLETE.value,
        end_reason="The posterior met the stop rule.",
    )
    site.make.product(campaign, version=1)
    summary = product_summary(converged=True, missing=[])
    site.make.product(campaign, version=2, converged=True, summary=summary)
    page = site.browser().get("/campaigns/kepler-9").text
    assert "<strong>Converged.</strong>" in page
    assert "Version 2 of" in page
    assert "not converged" not in page
    assert "The posterior met the stop rule." in page


def test_nested_runs_show_their_evidence(site: Site) -> None:
    definition = campaign_definition(
        name="nested", app="ttv_nested", stop=StopRule(logz_error=0.1, ess=2000.0)
    )
    app = site.make.app()
    campaign = site.make.campaign(app, name="nested", definition=definition)
    site.make.product(campaign, summary=nested_summary())
    page = site.browser().get("/campaigns/nested").text
    assert "Log evidence" in page
    assert "645.20 ±" in page
    assert "Error of log Z" in page
    assert "R-hat" not in page
    answer = site.browser().get("/api/v1/campaigns/nested").get_json()
    assert answer["product"]["evidence"]["logz"] == 645.2


def test_chains_show_the_evidence_that_was_measured(site: Site) -> None:
    campaign = site.make.campaign(site.make.app())
    summary = product_summary(
        evidence={"value": 645.2, "mcse": 0.01}, modes=[{"mode": 0, "sub_chains": 8}]
    )
    site.make.product(campaign, summary=summary)
    page = site.browser().get("/campaigns/kepler-9").text
    assert "645.20 ±" in page
    for word in ("Information, nats", "Effective draws", "Best log-likelihood"):
        assert word not in page, word
    answer = site.browser().get("/api/v1/campaigns/kepler-9").get_json()
    assert answer["product"]["evidence"] == {
        "logz": 645.2, "logz_error": 0.01, "information": None, "ess": None, "modes": [],
    }  # fmt: skip


def test_a_summary_of_another_form_does_not_break_the_page(site: Site) -> None:
    campaign = site.make.campaign(site.make.app())
    odd = {"parameters": [{"name": "b.mass", "median": None}, 7], "rhat_max": None, "missing": None}
    site.make.product(campaign, summary=odd)
    page = site.browser().get("/campaigns/kepler-9")
    assert page.status_code == 200
    assert page.text.count('<span class="badge pending">no</span>') == 3, "unknown is never met"


def test_plots_and_downloads_lead_to_the_very_files(both_site: Site, people: People) -> None:
    browser = both_site.browser()
    page = browser.get("/campaigns/kepler-9").text
    images = re.findall(r'src="(/api/v1/[^"]+)"', page)
    assert [image.split("/")[-1].split("?")[0] for image in images] == ["oc.png", "corner.png"]
    for image in images:
        answer = browser.get(image, buffered=True)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    [posterior] = re.findall(r'href="(/api/v1/[^"]+posterior.h5)"', page)
    assert browser.get(posterior, buffered=True).data == b"posterior.h5"


def test_the_part_that_changes_comes_alone(both_site: Site, people: People) -> None:
    browser = both_site.browser()
    page = browser.get("/campaigns/kepler-9").text
    assert 'data-live="/campaigns/kepler-9?fragment=live"' in page
    part = browser.get("/campaigns/kepler-9?fragment=live").text
    assert "<html" not in part
    assert "issued workunits" in part
    assert part.strip().splitlines()[0] in page


def test_the_list_shows_every_campaign_with_its_progress(both_site: Site, people: People) -> None:
    page = both_site.browser().get("/campaigns").text
    assert "Masses of Kepler-9 b and c" in page
    assert re.search(r"3 of 4 issued workunits\s+finished", page)


def test_workunits_are_listed_with_verdicts(both_site: Site, people: People) -> None:
    page = both_site.browser().get("/campaigns/kepler-9/workunits").text
    assert people.workunit.name in page
    assert "inconclusive" in page
    assert (
        both_site.browser()
        .get("/campaigns/kepler-9/workunits?after=0.2")
        .text.count('<th scope="row">')
        == 1
    )


def test_a_story_has_letters_for_computers(both_site: Site, people: People) -> None:
    make = both_site.make
    stranger = make.host(make.user("Third"), id=987654)
    make.event(people.workunit, "sent", hostid=stranger.id, resultid=people.other.id)
    page = both_site.browser().get(f"/workunits/{people.workunit.name}").text
    assert people.failed.name in page
    assert "computer A" in page
    assert "computer B" in page
    assert "computer C" in page
    assert "987654" not in page
    lines = re.findall(r"<p>(.*?)</p>", page)
    assert any("failed" in line and "omputer A" in line for line in lines), "the same letter again"


@pytest.mark.parametrize(
    "path", ["/campaigns/nothing", "/campaigns/nothing/workunits", "/workunits/nothing"]
)
def test_what_is_not_there_is_a_page_with_one_sentence(site: Site, path: str) -> None:
    answer = site.browser().get(path)
    assert answer.status_code == 404
    assert re.search(r"<p>There is no (campaign|workunit) of this name\.</p>", answer.text)


@pytest.mark.parametrize("path", ["/campaigns?before=x", "/campaigns/kepler-9/workunits?after=7"])
def test_a_wrong_place_is_one_sentence(site: Site, path: str) -> None:
    site.make.campaign(site.make.app())
    assert site.browser().get(path).status_code == 400
