"""One shape for every error of every API route, found by walking the URL map."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from server.models import CampaignRow
from tests.web_site import Site


def api_rules(app: Flask) -> list[Rule]:
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    assert len(rules) >= 5
    return rules


def address(rule: Rule, **values: str) -> str:
    """Fill in a rule; what is not given is called ``nothing``."""
    text = rule.rule
    for name in rule.arguments:
        text = text.replace(f"<{name}>", values.get(name, "nothing"))
    assert "<" not in text, f"teach this test the converter in {rule.rule}"
    return text


def check_shape(answer: TestResponse, status: int) -> str:
    assert answer.status_code == status, answer.request.path
    assert answer.mimetype == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"status", "message"}
    assert body["error"]["status"] == status
    sentence = body["error"]["message"]
    assert sentence
    assert "Traceback" not in sentence
    assert "\n" not in sentence
    return str(sentence)


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_unknown_names(site: Site, accept: str) -> None:
    client = site.app.test_client()
    for rule in api_rules(site.app):
        if rule.arguments:
            check_shape(client.get(address(rule), headers={"Accept": accept}), 404)
    check_shape(client.get("/api/v1/nothing", headers={"Accept": accept}), 404)
    check_shape(client.get("/api/", headers={"Accept": accept}), 404)


def test_unknown_files_of_a_known_campaign(site: Site, campaign: CampaignRow) -> None:
    client = site.app.test_client()
    for rule in api_rules(site.app):
        if "file" in rule.arguments:
            sentence = check_shape(client.get(address(rule, name="kepler-9")), 404)
            assert "/api/v1/campaigns/kepler-9/product" in sentence


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_wrong_methods(site: Site, method: str) -> None:
    client = site.app.test_client()
    for rule in api_rules(site.app):
        answer = client.open(address(rule), method=method)
        check_shape(answer, 405)
        assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/campaigns?before=x",
        "/api/v1/campaigns?before=0",
        "/api/v1/campaigns?before=",
        "/api/v1/campaigns?before=9999999999999999999999",
        "/api/v1/campaigns/kepler-9/workunits?after=1",
        "/api/v1/campaigns/kepler-9/workunits?after=1.x",
        "/api/v1/campaigns/kepler-9/workunits?limit=-1",
        "/api/v1/campaigns/kepler-9/workunits?limit=٣",
    ],
)
def test_wrong_parameters(site: Site, campaign: CampaignRow, path: str) -> None:
    check_shape(site.app.test_client().get(path), 400)


def test_a_campaign_without_a_product_says_when_it_comes(site: Site) -> None:
    site.make.campaign(site.make.app(), name="young")
    client = site.app.test_client()
    sentence = check_shape(client.get("/api/v1/campaigns/young/product"), 404)
    assert sentence == (
        "The campaign young has no product yet; it comes with the first valid outputs."
    )
    assert client.get("/api/v1/campaigns/young").get_json()["product"] is None


def test_defects(site: Site, campaign: CampaignRow) -> None:
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    with site.database.write_connection() as connection:
        connection.exec_driver_sql("DROP TABLE product")
        connection.exec_driver_sql("DROP TABLE result")
        connection.exec_driver_sql("ALTER TABLE campaign RENAME COLUMN name TO gone")
    client = site.app.test_client()
    for rule in api_rules(site.app):
        sentence = check_shape(client.get(address(rule, name="kepler-9")), 500)
        assert "SELECT" not in sentence
