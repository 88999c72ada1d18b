"""A product of an application that the server does not know: page, list and API show its report."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from lxml import html

from boinc_project.report import REPORT, Criterion, Fact, Measured, Picture, Report, Table
from boinc_project.states import CampaignState
from server.services.judgement import EXTENDED, NO_REPORT
from tests.web_site import Site

UNMET = Criterion(
    "Periods", met=False, value=2.0, wanted=3.0, relation="at least", sentence="Star c has none."
)
STARS = Report(
    outcome="Two of three stars have a period.",
    size="3 stars",
    criteria=(Criterion("Stars", met=True, value=3.0, wanted=3.0, relation="at least"), UNMET),
    facts=(Fact("Frequencies", 120_000), Fact("Cadence", 0.02, "days", 0.001)),
    tables=(
        Table(
            "Periods of all stars",
            ("Star", "Period, days", "Published"),
            (
                ("<b>a</b>", Measured(1.5, 0.02, 0.01), (Measured(1.49, 0.1, 0.1, "Smith 1999"),)),
                ("b", 2.25, None),
            ),
        ),
    ),
    pictures=(Picture("a.png", "Star a, folded"), Picture("lost.png", "Not there")),
    remarks=("Star c has four points.",),
)


def show(site: Site, report: Report, *, state: str = "active", **columns: Any) -> None:
    """Make a campaign of a foreign application with one product."""
    app = site.make.app("periods", user_friendly_name="Periods")
    campaign = site.make.campaign(app, name="stars", state=state)
    summary = {
        "app": "periods", "kind": REPORT, "converged": report.met, "missing": [],
        REPORT: report.to_plain(),
    }  # fmt: skip
    row: dict[str, Any] = {"summary": summary, "n_draw": 0, "converged": True}
    site.make.product(campaign, **(row | columns))
    for name in ("a.png", "other.png", "summary.json"):
        site.product_file("stars", name, name.encode())


@pytest.mark.parametrize("path", ["/campaigns/stars", "/campaigns", "/"])
def test_no_page_says_more_than_the_report(site: Site, path: str) -> None:
    show(site, STARS, state=CampaignState.COMPLETE.value)
    page = site.browser().get(path).text
    assert "criteria not met" in page
    assert '<span class="badge over">complete, criteria not met</span>' in re.sub(r"\s+", " ", page)
    for word in ("onverged", "osterior", "ampled", "rames", "R-hat", "stop rule"):
        assert word not in page, word


def test_the_page_shows_all_of_the_report(site: Site) -> None:
    show(site, STARS)
    page = site.browser().get("/campaigns/stars").text
    for part in (
        "Two of three stars have a period.", "Star c has none.", "Star c has four points.",
        "3 stars, of 8\n    workunits", "<dt>Frequencies</dt><dd>120\u202f000</dd>",
        '<dt>Cadence, days</dt><dd>0.0200 <span class="errors">+0.0010 −0.0010</span></dd>',
        "Periods of all stars", "&lt;b&gt;a&lt;/b&gt;",
        '1.500 <span class="errors">+0.020 −0.010</span>', "Smith 1999", "Star a, folded",
    ):  # fmt: skip
        assert part in page, part
    document = html.fromstring(page)
    unmet, met = document.xpath("//table[contains(@class, 'checks')]")
    assert unmet.xpath("tbody//th/text()") == ["Periods"]
    assert met.xpath("tbody//th/text()") == ["Stars"]
    pictures = document.xpath("//figure//img/@src")
    assert len(pictures) == 1
    assert "/product/a.png?" in pictures[0]
    assert not document.xpath("//form[@class='cutout']")


def test_a_product_that_is_all_that_was_wanted_is_done(site: Site) -> None:
    show(
        site,
        Report("All is there.", "3 stars", STARS.criteria[:1]),
        state=CampaignState.COMPLETE.value,
    )
    for path in ("/campaigns/stars", "/campaigns"):
        page = site.browser().get(path).text
        assert '<span class="badge complete">complete</span>' in page
        assert re.search(r'<span class="badge valid">\s*done</span>', page)


def test_a_campaign_that_is_over_before_its_product_is_all_there_warns(site: Site) -> None:
    show(site, STARS, state=CampaignState.COMPLETE.value, converged=False)
    assert "Do not take this for a result." in site.browser().get("/campaigns/stars").text


def test_a_product_of_fewer_units_than_the_campaign_has_says_so(site: Site) -> None:
    show(site, Report("All is there.", "3 stars"), converged=False)
    page = site.browser().get("/campaigns/stars").text
    assert EXTENDED in page
    assert "not done yet" in page


def test_images_of_a_foreign_application_can_be_cut(site: Site) -> None:
    show(site, STARS)
    site.product_file("stars", "image-r.fits", b"x")
    site.product_file("stars", "image.fits", b"x")
    (form,) = html.fromstring(site.browser().get("/campaigns/stars").text).xpath(
        "//form[@class='cutout']"
    )
    assert set(form.xpath(".//option/text()")) == {"image", "image-r"}


def test_the_api_has_the_report_beside_its_other_keys(site: Site) -> None:
    show(site, STARS, converged=True)
    browser = site.browser()
    found = browser.get("/api/v1/campaigns/stars").get_json()
    product = browser.get("/api/v1/campaigns/stars/product").get_json()
    (listed,) = browser.get("/api/v1/campaigns").get_json()["campaigns"]
    plain = json.loads(json.dumps(STARS.to_plain()))
    assert found["product"][REPORT] == product[REPORT] == plain
    assert found["product_kind"] == product["kind"] == listed["product_kind"] == REPORT
    for answer in (found, found["product"], product, listed):
        assert (answer["converged"], answer["judgement"]) == (False, "criteria not met")
        assert answer["verdict"] is None
    assert (found["product"]["image"], found["product"]["parameters"]) == (None, [])


@pytest.mark.parametrize(
    "odd", [{}, {"outcome": 7, "tables": [{"columns": 3}], "facts": "x", "words": [{}]}]
)
def test_a_report_of_another_form_does_not_break_the_page(site: Site, odd: dict[str, Any]) -> None:
    show(site, STARS, summary={"kind": REPORT, REPORT: odd, "converged": True})
    page = site.browser().get("/campaigns/stars")
    assert page.status_code == 200
    assert NO_REPORT not in page.text
