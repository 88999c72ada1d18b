"""What a volunteer does in a browser, on a desk and on a phone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from server.models import CampaignRow, Host, User
from tests.e2e.browser.conftest import DESK, PHONE
from tests.factories import PASSWORD, VALID
from tests.web_site import Site

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The test's own web server leaves a file open when the browser turns away in the middle of it.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

OpenPage = Callable[..., Page]


def png(width: int, height: int) -> bytes:
    """Return a grey image: what a plot is to a page."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = (b"\0" + b"\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def busy(site: Site) -> Host:
    """Fill the site with a volunteer, a campaign, and everything with long names."""
    ann = site.make.user("Ann", password=PASSWORD, total_credit=1234567.8)
    host = site.make.host(
        ann, domain_name="a-very-long-host-name.department.university.example.org"
    )
    app = site.make.app()
    version = site.make.app_version(app)
    site.make.record(host, version, n_valid=3)
    campaign = site.make.campaign(app)
    for _ in range(3):
        site.make.valid_workunit(campaign, [host])
    workunit = site.make.workunit(campaign)
    result = site.make.result(
        workunit, host, app_version_id=version.id, stderr_out="x" * 500, **VALID
    )
    site.make.event(workunit, "sent", hostid=host.id, resultid=result.id)
    site.make.product(campaign, version=3)
    site.make.daemon("validator")
    for name, size in (("oc.png", (1800, 900)), ("corner.png", (2400, 2400)), ("rank.png", (9, 9))):
        site.product_file("kepler-9", name, png(*size))
    return host


def log_in(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("E-mail address").fill("ann@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ann")


def beside_the_screen(page: Page) -> list[str]:
    """Return the elements that stick out to the right, other than in boxes that scroll."""
    found = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          const inScrollBox = (e) => {
            for (let p = e.parentElement; p; p = p.parentElement)
              if (["auto", "scroll"].includes(getComputedStyle(p).overflowX)) return true;
            return false;
          };
          return [...document.querySelectorAll("body *")]
            .filter((e) => e.getBoundingClientRect().right > width + 0.5 && !inScrollBox(e))
            .map((e) => e.tagName + "." + e.className);
        }"""
    )
    return list(found)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_create_an_account_and_see_its_key(
    site: Site, open_page: OpenPage, size: dict[str, int]
) -> None:
    page = open_page("/", size=size)
    page.get_by_role("navigation").get_by_role("link", name="Take part").click()
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Your name").fill("Ann")
    page.get_by_label("E-mail address").fill("ann@example.org")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("The password has 5 characters")).to_be_visible()
    expect(page.get_by_label("Your name")).to_have_value("Ann")
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Welcome!")).to_be_visible()
    with site.database.read() as session:
        user = session.scalars(select(User)).one()
    expect(page.locator("#account-key")).to_have_text(user.authenticator)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    log_in(page)
    expect(page.locator("#account-key")).to_have_text(user.authenticator)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone(open_page: OpenPage, busy: Host, scheme: str) -> None:
    page = open_page("/", size=PHONE, scheme=scheme)
    log_in(page)
    paths = [
        "/", "/join", "/campaigns", "/campaigns/kepler-9", "/campaigns/kepler-9/workunits",
        "/workunits/kepler-9_g0_u003", "/server_status", "/apps", "/help", "/help/idle",
        "/help/task", "/account", "/computers", f"/computers/{busy.id}", "/tasks", "/tasks/4",
    ]  # fmt: skip
    if scheme == "dark":
        paths = ["/campaigns/kepler-9", "/tasks"]
    for path in paths:
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width == PHONE["width"], f"{path} scrolls sideways"
        assert beside_the_screen(page) == [], path
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        bright = sum(int(part) for part in paper.strip("rgb()").split(",")) > 3 * 128
        assert bright == (scheme == "light")


def test_on_a_phone_every_value_has_its_label(open_page: OpenPage, busy: Host) -> None:
    page = open_page("/campaigns/kepler-9", size=PHONE)
    row = page.locator("tr", has_text="b.mass").last
    assert row.evaluate("e => getComputedStyle(e).display") == "block"
    cell = row.locator("td").first
    label = cell.evaluate("e => getComputedStyle(e, '::before').content")
    assert label == '"Ours"'


def test_plots_are_shown(open_page: OpenPage, busy: Host) -> None:
    page = open_page("/campaigns/kepler-9")
    for image in page.locator("figure img").all():
        image.scroll_into_view_if_needed()
        expect(image).not_to_have_js_property("naturalWidth", 0)
        assert image.get_attribute("alt")


def test_the_numbers_keep_themselves_up_to_date(
    site: Site, open_page: OpenPage, busy: Host
) -> None:
    page = open_page("/campaigns/kepler-9")
    expect(page.get_by_text("3 of 4 issued workunits")).to_be_visible()
    with site.database.read() as session:
        campaign = session.scalars(select(CampaignRow)).one()
    site.make.workunit(campaign, unit_index=50)
    site.make.product(campaign, version=4)
    heading = page.get_by_role("heading", level=1).element_handle()
    expect(page.get_by_text("3 of 5 issued workunits")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Version 4 of")).to_be_visible()
    assert heading is not None
    assert heading.evaluate("e => e.isConnected"), "the page was loaded anew"


def test_pages_work_without_script(open_page: OpenPage, busy: Host) -> None:
    page = open_page("/login", script=False)
    log_in(page)
    page.goto("/campaigns/kepler-9")
    expect(page.get_by_text("3 of 4 issued workunits")).to_be_visible()


def test_a_lost_server_is_said_and_what_was_shown_stays(open_page: OpenPage, busy: Host) -> None:
    page = open_page("/server_status")
    part = "**/server_status?fragment=live"
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    page.route(part, lambda route: route.fulfill(status=200, body="<p>fresh figures</p>"))
    page.evaluate(look)
    expect(page.get_by_text("fresh figures")).to_be_visible()
    page.unroute(part)
    # A promise that is refused, and not an HTTP error: the browser would log that as its own.
    page.evaluate("() => { window.fetch = () => Promise.reject(new Error('gone')); }")
    page.evaluate(look)
    expect(page.get_by_text("could not be brought up to date")).to_be_visible()
    expect(page.get_by_text("fresh figures")).to_be_visible()
