"""The home page is what BOINC clients read the scheduler's address from."""

from __future__ import annotations

import pytest

from tests.web_site import Site

MOST = 255
"""Bytes that the client reads at once, at most up to the end of the line."""


def chunks(page: bytes) -> list[bytes]:
    """Cut a page as the client reads it (PROTOCOL: ``parse_master_file``)."""
    found = []
    for line in page.splitlines(keepends=True):
        found += [line[start : start + MOST] for start in range(0, len(line), MOST)]
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [(b'<link rel="boinc_scheduler" href="', b'">'), (b"<scheduler>", b"</scheduler>")],
)
def test_the_client_finds_the_scheduler(site: Site, before: bytes, after: bytes) -> None:
    page = site.app.test_client().get("/").data
    [chunk] = [chunk for chunk in chunks(page) if before in chunk]
    assert chunk.startswith(before)
    url = chunk.removeprefix(before).partition(after)
    assert url[1] == after, "the address is cut by the end of the chunk"
    assert url[0] == b"http://127.0.0.1:8080/scheduler"
    assert page.index(before) < 1000


def test_the_master_page_is_one_plain_answer(site: Site) -> None:
    answer = site.app.test_client().get("/", headers={"Accept": "*/*"})
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


def test_the_address_does_not_depend_on_who_asks(site: Site) -> None:
    """Two spellings of the host would be two projects to a client."""
    page = site.app.test_client().get("/", base_url="http://localhost:8080/").text
    assert 'href="http://127.0.0.1:8080/scheduler"' in page


def test_the_scheduler_answers_at_that_address(site: Site) -> None:
    assert site.app.test_client().post("/scheduler", data=b"nonsense").status_code == 400
