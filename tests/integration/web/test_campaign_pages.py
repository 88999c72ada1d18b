"""Campaigns, their workunits, and stories: true numbers, and nobody's name."""

from __future__ import annotations

import re
from typing import Any

import pytest

from boinc_project.campaign import Quorum, StopRule
from boinc_project.states import AssimilateState, CampaignState, ErrorMask
from server.services.judgement import NO_REPORT, RULE_MET
from tests.factories import (
    IN_PROGRESS,
    campaign_definition,
    nested_summary,
    product_summary,
    product_verdict,
    sampled_verdict,
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


def test_a_posterior_that_is_not_sampled_says_what_is_not_met(
    both_site: Site, people: People
) -> None:
    page = both_site.browser().get("/campaigns/kepler-9").text
    assert "</span> sampled: no</span>" in page
    assert "</span> described: yes</span>" in page
    assert "The posterior is not sampled yet." in page
    assert "they may still change by more than their errors say." in page
    assert "R-hat of b.mass is 1.08: about 12 more sub-chains are needed." in page
    assert '43.20 <span class="errors">+0.60 −0.60</span>' in page
    assert '43.4 <span class="errors">+1.6 −2.0</span>' in page
    assert "Borsato et al. 2019" in page
    assert "Version 3 of" in page
    assert "converged" not in page.lower()


def test_the_verdict_is_a_table_with_what_is_not_met_first(site: Site) -> None:
    site.make.product(site.make.campaign(site.make.app()))
    page = site.browser().get("/campaigns/kepler-9").text
    assert page.index('id="outcome"') < page.index("<h2>Product</h2>")
    unmet, met = re.findall(r'<table class="stack checks">(.*?)</table>', page, re.DOTALL)
    assert re.findall(r'<th scope="row">(.*?)</th>', unmet) == [
        "Chains against each other",
        "Second opinion",
    ]
    assert len(re.findall(r'<th scope="row">', met)) == 4
    for table, word in ((unmet, "no"), (met, "yes")):
        said = re.findall(r'<td data-label="Met"><span class="badge \w+">(\w+)</span>', table)
        assert set(said) == {word}
    assert re.search(r'data-label="Number" class="number">not known', unmet)
    assert re.search(r'data-label="Asked for" class="number">at most 1.01', unmet)


def complete(site: Site, **columns: Any) -> str:
    """Return the page of a campaign that is over, with one product."""
    campaign = site.make.campaign(
        site.make.app(),
        state=CampaignState.COMPLETE.value,
        end_reason="The posterior is sampled: R-hat at most 1.01.",
    )
    site.make.product(campaign, version=2, **columns)
    return site.browser().get("/campaigns/kepler-9").text


def test_a_sampled_posterior_says_so(site: Site) -> None:
    summary = product_summary(missing=[], verdict=sampled_verdict())
    page = complete(site, converged=True, summary=summary)
    assert '<span class="badge complete">complete</span>' in page
    assert "</span> sampled: yes</span>" in page
    assert "Version 2 of" in page
    assert "sampled: no" not in page
    assert "Do not use these numbers" not in page
    assert "The posterior is sampled: R-hat at most 1.01." in page
    assert "</span> sampled: yes</span>" in site.browser().get("/campaigns").text


@pytest.mark.parametrize("path", ["/campaigns/kepler-9", "/campaigns"])
@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (product_verdict(), "complete, not sampled"),
        (sampled_verdict(described=False), "complete, not described"),
        ("broken", "complete"),
        (None, "complete"),
    ],
)
def test_a_campaign_that_is_over_is_no_success_by_that(
    site: Site, path: str, verdict: object, words: str
) -> None:
    complete(site, converged=True, summary=product_summary(verdict=verdict))
    page = site.browser().get(path).text
    assert f'<span class="badge over">{words}</span>' in page
    assert "badge complete" not in page


def test_a_campaign_that_is_over_without_being_sampled_warns(site: Site) -> None:
    assert "Do not use these numbers as a posterior." in complete(site)


def test_a_campaign_that_is_over_without_a_product_is_no_success(site: Site) -> None:
    site.make.campaign(site.make.app(), state=CampaignState.COMPLETE.value)
    page = site.browser().get("/campaigns/kepler-9").text
    assert '<span class="badge over">complete, without a product</span>' in page


def test_a_product_from_before_reports_says_so(site: Site) -> None:
    summary = product_summary()
    del summary["report"]
    page = complete(site, summary=summary)
    assert NO_REPORT in page
    assert "R-hat of b.mass is 1.08; the stop rule asks for at most 1.01." in page
    assert RULE_MET not in page
    assert "sampled: yes" not in page


def test_a_product_from_before_reports_that_met_its_rule_says_so(site: Site) -> None:
    summary = product_summary(converged=True, missing=[], verdict=None)
    page = complete(site, converged=True, summary=summary)
    assert NO_REPORT in page
    assert RULE_MET in page


def test_nested_runs_show_their_evidence(site: Site) -> None:
    definition = campaign_definition(
        name="nested", app="ttv_nested", stop=StopRule(logz_error=0.1, ess=2000.0)
    )
    app = site.make.app()
    campaign = site.make.campaign(app, name="nested", definition=definition)
    site.make.product(campaign, summary=nested_summary())
    page = site.browser().get("/campaigns/nested").text
    assert "Log evidence" in page
    assert '645.20 <span class="errors">+0.25 −0.25</span>' in page
    assert '80.0 <span class="errors">+5.0 −5.0</span>' in page
    for word in ("Information, nats", "Effective draws", "Best log-likelihood"):
        assert word in page, word
    assert ">Bulk ESS</th>" not in page
    answer = site.browser().get("/api/v1/campaigns/nested").get_json()
    assert answer["product"]["evidence"]["logz"] == 645.2


def test_chains_show_the_evidence_that_was_measured(site: Site) -> None:
    campaign = site.make.campaign(site.make.app())
    summary = product_summary(
        evidence={"value": 645.2, "mcse": 0.01}, modes=[{"mode": 0, "sub_chains": 8}]
    )
    site.make.product(campaign, summary=summary)
    page = site.browser().get("/campaigns/kepler-9").text
    assert '645.200 <span class="errors">+0.010 −0.010</span>' in page
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
    assert NO_REPORT in page.text
    assert "sampled: yes" not in page.text


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


@pytest.mark.parametrize(
    ("quorum", "sentence"),
    [
        (Quorum(), "2 agreeing outputs of different volunteers for each workunit"),
        (Quorum(min_quorum=1), "One output for each workunit"),
        (
            Quorum(min_quorum=3, adaptive=True),
            "One output of a computer with a good record is enough where the application allows "
            "it, and the server computes parts of such outputs again. Of all others 3 agreeing "
            "outputs of different volunteers are needed for each workunit",
        ),
        (Quorum(min_quorum=1, adaptive=True), "One output for each workunit"),
    ],
)
def test_the_page_says_how_results_are_believed(
    both_site: Site, quorum: Quorum, sentence: str
) -> None:
    make = both_site.make
    make.campaign(make.app(), definition=campaign_definition(quorum=quorum))
    page = " ".join(both_site.browser().get("/campaigns/kepler-9").text.split())
    assert f"<dt>Quorum</dt><dd>{sentence}</dd>" in page
