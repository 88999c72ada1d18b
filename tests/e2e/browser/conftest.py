"""Debian's Chromium against a real server on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from server.demo.ports import free_port
from tests.conftest import missing
from tests.web_site import Site, open_site, served

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the browser once; every page gets a profile of its own."""
    program = shutil.which("chromium")
    if program is None:
        missing("browser", "there is no chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        except Error as error:
            missing("browser", f"chromium does not start: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Yield a site that is served at its own master URL."""
    port = free_port()
    with (
        open_site(tmp_path, project={"url": f"http://127.0.0.1:{port}/"}) as opened,
        served(opened.app, port),
    ):
        yield opened


@pytest.fixture
def open_page(chromium: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page; it fails the test on any error in the page's script."""
    contexts = []
    problems: list[str] = []

    def open_one(
        path: str, *, size: dict[str, int] = DESK, scheme: str = "light", script: bool = True
    ) -> Page:
        context = chromium.new_context(
            base_url=site.settings.project.url,
            viewport=size,
            color_scheme=scheme,
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if message.type == "error" else None,
        )
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    # A form sent back with its mistakes named is a 400, which the browser's console remarks upon.
    assert [text for text in problems if "status of 400" not in text] == []
