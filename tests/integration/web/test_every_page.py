"""What holds for every page: it is reached, whole, labelled, and carries no inline script."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from lxml import html

from tests.integration.web.conftest import People
from tests.web_site import Site

NOT_LINKED = {"web.stock_home", "web.stock_results", "web.stock_server_status", "web.stock_apps"}
"""Addresses that only BOINC Managers and statistics sites know."""


def crawl(browser: FlaskClient) -> dict[str, html.HtmlElement]:
    """Follow every link from the home page; return the pages by address."""
    pages: dict[str, html.HtmlElement] = {}
    waiting = ["/"]
    while waiting:
        address = waiting.pop()
        if address in pages:
            continue
        answer = browser.get(address, follow_redirects=True, buffered=True)
        assert answer.status_code == 200, address
        if answer.mimetype != "text/html":
            pages[address] = html.Element("p")
            continue
        page = html.document_fromstring(answer.text)
        pages[address] = page
        for link in page.xpath("//a/@href | //link/@href | //script/@src | //img/@src"):
            parts = urlsplit(str(link))
            if not parts.scheme and not parts.netloc and parts.path:
                waiting.append(str(link).partition("#")[0])
    return pages


def check(page: html.HtmlElement, address: str) -> None:
    assert len(page.xpath("//h1")) == 1, address
    assert page.xpath("//title/text()"), address
    assert page.xpath("//meta[@name='viewport']"), address
    assert page.xpath("/html/@lang") == ["en"], address
    assert not page.xpath("//script[not(@src)] | //style | //@style | //@onclick"), address
    assert not page.xpath("//img[not(@alt)]"), address
    for field in page.xpath("//input[not(@type='hidden')]"):
        assert page.xpath(f"//label[@for='{field.get('id')}']"), address
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids)), address
    for table in page.xpath("//table"):
        assert table.xpath("./thead"), address
        for cell in table.xpath(".//td"):
            assert cell.get("data-label"), f"{address}: a cell without its label on phones"


def test_every_page_for_a_volunteer(both_site: Site, people: People) -> None:
    pages = crawl(both_site.browser(people.ann))
    adapter = both_site.app.url_map.bind("127.0.0.1")
    reached = {adapter.match(urlsplit(address).path)[0] for address in pages}
    wanted = {
        rule.endpoint
        for rule in both_site.app.url_map.iter_rules()
        if rule.endpoint.startswith("web.") and "GET" in (rule.methods or ())
    }
    away = {"web.login", "web.create_account"}  # for those who are not logged in
    assert wanted - reached == NOT_LINKED | away
    for address, page in pages.items():
        if page.tag == "html":
            check(page, address)


def test_every_page_for_a_stranger(both_site: Site, people: People) -> None:
    pages = crawl(both_site.browser())
    assert {"/login", "/create_account", "/campaigns/kepler-9"} <= set(pages)
    for address, page in pages.items():
        if page.tag == "html":
            check(page, address)
            text = page.text_content()
            for secret in ("Benedict", "benedict@", "bens-secret", people.ben.authenticator):
                assert secret not in text, address


def test_pages_are_guarded(site: Site) -> None:
    headers = site.browser().get("/").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "*/*", ""])
def test_errors_are_pages_for_browsers_only(site: Site, accept: str) -> None:
    answer = site.app.test_client().get("/nowhere", headers={"Accept": accept})
    assert answer.status_code == 404
    wants_page = accept.startswith("text/html")
    assert answer.mimetype == ("text/html" if wants_page else "text/plain")
    assert ("There is no such page" in answer.text) == wants_page


def test_a_defect_is_one_sentence_without_a_traceback(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    site.make.campaign(site.make.app(), definition=None)
    with site.database.write_connection() as connection:
        connection.exec_driver_sql("DROP TABLE product")
    answer = site.browser().get("/campaigns")
    assert answer.status_code == 500
    assert "The mistake is ours" in answer.text
    assert "Traceback" not in answer.text
    assert "SELECT" not in answer.text
