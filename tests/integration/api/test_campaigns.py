"""Campaigns and workunits as JSON."""

from __future__ import annotations

import json

import pytest

from boinc_project.states import ErrorMask, ValidateState
from server.db import Database
from server.models import CampaignRow
from tests.factories import (
    VALID,
    product_summary,
    product_verdict,
    sampled_verdict,
    verdict_row,
)
from tests.web_site import Site, open_site


def test_one_campaign(site: Site, campaign: CampaignRow) -> None:
    host = site.make.host(site.make.user("Ann"))
    site.make.valid_workunit(campaign, [host])
    site.make.result(site.make.workunit(campaign), host)
    body = site.app.test_client().get("/api/v1/campaigns/kepler-9").get_json()
    assert body["name"] == "kepler-9"
    assert body["state"] == "active"
    assert body["create_time"] == "2023-11-14T22:13:20.000+00:00"
    assert body["progress"]["issued"] == 2
    assert body["progress"]["ended"] == body["progress"]["valid"] == 1
    assert body["progress"]["fraction"] == 0.5
    assert body["progress"]["workunits"]["computing"] == 1
    assert sum(body["progress"]["workunits"].values()) == 2
    assert body["tasks_in_progress"] == 1
    assert body["stop_rule"] == {
        "rhat": 1.01,
        "ess_bulk": 400.0,
        "ess_tail": 400.0,
        "max_units": 64,
    }
    assert body["quorum"]["min_quorum"] == 2
    assert body["published"][0]["source"] == "Borsato et al. 2019"


def test_the_newest_product_with_its_diagnostics(site: Site, campaign: CampaignRow) -> None:
    body = site.app.test_client().get("/api/v1/campaigns/kepler-9").get_json()
    assert body["product_version"] == 2
    product = body["product"]
    assert product["version"] == 2
    assert product["digest"] == "e" * 64
    assert product["converged"] is False
    assert product["missing"] == ["R-hat of b.mass is 1.08; the stop rule asks for at most 1.01."]
    assert product["verdict"]["sampled"] is False
    assert product["verdict"]["described"] is True
    stored = {row["key"]: row for row in product_verdict()["rows"]}
    assert {row["key"]: row for row in product["verdict"]["rows"]} == stored
    assert [row["key"] for row in product["verdict"]["rows"]][:2] == ["rhat", "second_opinion"]
    assert "criteria" not in product
    mass = product["parameters"][0]
    assert mass["name"] == "b.mass"
    assert mass["median"] == 43.2
    assert mass["plus"] == pytest.approx(0.6)
    assert mass["mcse"] == 0.03


def test_numbers_that_json_cannot_say_are_null(site: Site) -> None:
    row = site.make.campaign(site.make.app())
    parameter = {"name": "b.mass", "median": {"value": None}, "rhat": None}
    verdict = product_verdict(rows=[verdict_row("rhat", value=float("nan"), met=False)])
    summary = product_summary() | {"parameters": [parameter], "verdict": verdict}
    summary["report"]["facts"] = [{"label": "Depth", "value": float("inf")}]
    site.make.product(row, summary=summary)
    text = site.app.test_client().get("/api/v1/campaigns/kepler-9").text

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    product = json.loads(text, parse_constant=refuse)["product"]
    assert product["parameters"][0]["median"] is None
    assert product["verdict"]["rows"][0]["value"] is None
    assert product["report"]["facts"][0]["value"] is None


def test_lists_have_the_three_words(site: Site, campaign: CampaignRow) -> None:
    [listed] = site.app.test_client().get("/api/v1/campaigns").get_json()["campaigns"]
    assert listed["product_kind"] == "posterior"
    assert listed["verdict"] == {
        "sampled": False,
        "described": True,
        "informative": True,
        "sentence": "The posterior is not sampled yet.",
    }
    product = site.app.test_client().get("/api/v1/campaigns/kepler-9/product").get_json()
    assert (product["kind"], product["converged"]) == ("posterior", False)
    assert len(product["verdict"]["rows"]) == 6


@pytest.mark.parametrize(
    ("verdict", "meets_rule", "converged"),
    [
        (sampled_verdict(), True, True),
        (sampled_verdict(described=False), True, False),
        (None, True, True),
        (None, False, False),
    ],
)
def test_the_old_key_means_all_three_words(
    site: Site, verdict: object, meets_rule: bool, converged: bool
) -> None:
    row = site.make.campaign(site.make.app())
    site.make.product(
        row, converged=meets_rule, summary=product_summary(verdict=verdict, converged=True)
    )
    site.product_file("kepler-9", "summary.json", b"{}")
    client = site.app.test_client()
    found = client.get("/api/v1/campaigns/kepler-9").get_json()
    assert found["converged"] is found["product"]["converged"] is converged
    assert client.get("/api/v1/campaigns/kepler-9/product").get_json()["converged"] is converged
    assert (found["product"]["verdict"] is None) is (verdict is None)


def test_a_campaign_without_a_product_has_no_kind(site: Site) -> None:
    site.make.campaign(site.make.app())
    found = site.app.test_client().get("/api/v1/campaigns/kepler-9").get_json()
    assert (found["product_kind"], found["verdict"], found["converged"]) == (None, None, False)


def test_campaigns_come_in_pages(site: Site) -> None:
    app = site.make.app()
    names = [site.make.campaign(app, name=f"c{number}").name for number in range(53)]
    client = site.app.test_client()
    seen: list[str] = []
    path = "/api/v1/campaigns"
    pages = 0
    while path:
        body = client.get(path).get_json()
        seen += [one["name"] for one in body["campaigns"]]
        path = body["next"]
        pages += 1
    assert seen == names[::-1]
    assert pages == 2


def test_workunits_come_in_pages_with_verdicts(tmp_path, database: Database) -> None:
    with open_site(tmp_path / "project", database) as site:
        make = site.make
        ann, ben = make.user("Ann"), make.user("Benedict")
        hosts = [make.host(ann), make.host(ben, domain_name="bens-secret-laptop")]
        app = make.app()
        version = make.app_version(app)
        campaign = make.campaign(app)
        make.campaign(app, name="other")
        for generation in (1, 0):  # not in the order of their rows
            for _ in range(2):
                make.valid_workunit(campaign, hosts, generation=generation)
        lost = make.workunit(campaign, generation=2, error_mask=ErrorMask.TOO_MANY_TOTAL_RESULTS)
        make.result(
            lost,
            hosts[0],
            app_version_id=version.id,
            **VALID
            | {
                "validate_state": ValidateState.INVALID,
                "validate_reason": "Mean of b.mass is 9.1 sigma away.",
            },
        )
        client = site.app.test_client()
        rows = []
        path = "/api/v1/campaigns/kepler-9/workunits?limit=2"
        while path:
            answer = client.get(path)
            for secret in ("Benedict", "bens-secret-laptop", "example.org", '"hostid"', '"userid"'):
                assert secret not in answer.text
            rows += answer.get_json()["workunits"]
            path = answer.get_json()["next"]
        assert [(row["generation"], row["index"]) for row in rows] == [
            (0, 0), (0, 1), (1, 0), (1, 1), (2, 0)
        ]  # fmt: skip
        assert [row["state"] for row in rows] == ["done"] * 4 + ["failed"]
        assert rows[0]["credit"] == 12.5
        assert len(rows[0]["unit_digest"]) == 64
        assert [task["canonical"] for task in rows[0]["tasks"]] == [True, False]
        assert rows[4]["errors"] == ["too_many_total_results"]
        [task] = rows[4]["tasks"]
        assert task["verdict"] == "Mean of b.mass is 9.1 sigma away."
        assert task["validate_state"] == "invalid"
        assert (task["app_version"], task["platform"]) == ("1.00", "x86_64-pc-linux-gnu")
