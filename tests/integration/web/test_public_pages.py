"""Status and apps for people and machines, and the help pages."""

from __future__ import annotations

import pytest
from lxml import etree

from boinc_project.states import Outcome, ServerState
from server.services.scheduler.reasons import Kind
from server.services.status import KEEP, RUNNING_WITHIN
from tests.factories import VALID
from tests.integration.web.conftest import People
from tests.web_site import Site


def status_xml(site: Site) -> etree._Element:
    answer = site.app.test_client().get("/server_status.php?xml=1")
    assert answer.mimetype == "text/xml"
    return etree.fromstring(answer.data)


def number(root: etree._Element, name: str) -> float:
    return float(root.findtext(f".//{name}") or "nan")


def test_status_xml_counts_the_rows(both_site: Site) -> None:
    site = both_site
    make = site.make
    ann = make.user("Ann", total_credit=10.0, expavg_credit=400.0, expavg_time=site.clock.now)
    make.user("Old", total_credit=10.0, create_time=0.0, expavg_time=1.0, expavg_credit=9.0)
    host = make.host(ann)
    campaign = make.campaign(make.app())
    for _ in range(2):
        make.result(make.workunit(campaign), host)
    make.result(make.workunit(campaign, need_validate=True), None)
    make.result(make.workunit(campaign), host, **VALID | {"elapsed_time": 1800.0, "cpu_time": 1.0})
    make.daemon("validator")
    make.daemon("assimilator", last_pass=site.clock.now - RUNNING_WITHIN - 1.0)
    site.clock.forward(3600.0)
    make.daemon("transitioner", last_pass=site.clock.now)
    root = status_xml(site)
    assert number(root, "results_in_progress") == 2
    assert number(root, "results_ready_to_send") == 1
    assert number(root, "workunits_waiting_for_validation") == 1
    assert number(root, "users_with_credit") == 2
    assert number(root, "users_with_recent_credit") == 1
    assert number(root, "users_registered_in_past_24_hours") == 1
    assert number(root, "hosts_registered_in_past_24_hours") == 1
    assert number(root, "current_floating_point_speed") == 2.0
    assert number(root, "transitioner_backlog_hours") == pytest.approx(1.0)
    assert number(root, "unsent") == 1
    assert number(root, "in_progress") == 2
    assert number(root, "avg_runtime") == pytest.approx(0.5)
    assert number(root, "users") == 1
    daemons = {d.findtext("command"): d.findtext("status") for d in root.iter("daemon")}
    assert daemons == {
        "assimilator": "not running",
        "transitioner": "running",
        "validator": "not running",
    }


def test_status_of_an_empty_project(site: Site) -> None:
    page = site.browser().get("/server_status").text
    assert "no daemon has run yet" in page
    assert "No app is published yet." in page
    assert number(status_xml(site), "transitioner_backlog_hours") == 0.0


def test_status_is_counted_at_most_every_few_seconds(site: Site) -> None:
    """Anybody may ask as often as they like; the tables are not counted each time."""
    assert number(status_xml(site), "hosts_registered_in_past_24_hours") == 0
    site.make.host(site.make.user("Ann"))
    assert number(status_xml(site), "hosts_registered_in_past_24_hours") == 0
    site.clock.forward(KEEP)
    assert number(status_xml(site), "hosts_registered_in_past_24_hours") == 1


def test_runtimes_are_those_of_successes_of_the_last_week(site: Site) -> None:
    make = site.make
    host = make.host(make.user("Ann"))
    campaign = make.campaign(make.app())
    for outcome, received, elapsed in (
        (Outcome.SUCCESS, 0.0, 100.0),
        (Outcome.SUCCESS, -8 * 86400.0, 9999.0),
        (Outcome.CLIENT_ERROR, 0.0, 1.0),
    ):
        make.result(
            make.workunit(campaign),
            host,
            server_state=ServerState.OVER,
            outcome=outcome,
            received_time=site.clock.now + received,
            elapsed_time=elapsed,
        )
    root = status_xml(site)
    assert number(root, "min_runtime") * 3600 == pytest.approx(100.0, abs=0.01)
    assert number(root, "max_runtime") * 3600 == pytest.approx(100.0, abs=0.01)


def test_the_apps_page_names_every_file_and_its_digest(both_site: Site, people: People) -> None:
    page = both_site.browser().get("/apps").text
    for file in people.version.files:
        assert file.name in page
        assert file.sha256 in page
    assert "41.2 MB" in page
    assert "GNU General Public License" in page
    assert "TTVFast" in page


def test_apps_xml(both_site: Site, people: People) -> None:
    root = etree.fromstring(both_site.app.test_client().get("/apps.php?xml=1").data)
    assert root.findtext(".//version_num") == "1.00"
    assert root.findtext(".//platform_short") == "x86_64-pc-linux-gnu"
    assert [file.findtext("sha256") for file in root.iter("file")] == [
        file.sha256 for file in people.version.files
    ]


def test_versions_out_of_use_are_not_shown(site: Site) -> None:
    app = site.make.app()
    site.make.app_version(app, deprecated=True)
    page = site.browser().get("/apps").text
    assert "No version of this app is in use." in page
    site.make.change(app, deprecated=True)
    assert "No app is published yet." in site.browser().get("/apps").text


def test_every_reason_for_no_work_is_explained(site: Site) -> None:
    page = site.browser().get("/help/idle").text
    for kind in Kind:
        assert f'id="{kind.name.lower().replace("_", "-")}"' in page, kind


def test_names_from_outside_are_escaped(site: Site) -> None:
    site.make.app(user_friendly_name="<b>bold</b> & bad")
    for path in ("/apps", "/server_status", "/apps.php?xml=1", "/server_status?xml=1"):
        text = site.browser().get(path).text
        assert "<b>" not in text
        assert "&lt;b&gt;bold&lt;/b&gt; &amp; bad" in text
