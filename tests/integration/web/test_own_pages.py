"""What a volunteer sees of their computers and tasks, and what nobody else does."""

from __future__ import annotations

import pytest

from tests.factories import PASSWORD
from tests.integration.web.conftest import People
from tests.web_site import Site


def test_pages_of_an_account_ask_to_log_in(site: Site) -> None:
    for path in ("/account", "/computers", "/computers/1", "/tasks", "/tasks/1"):
        answer = site.browser().get(path)
        assert answer.status_code == 302, path
        assert answer.location.startswith("/login?next=")


def test_others_computers_and_tasks_are_not_there(both_site: Site, people: People) -> None:
    browser = both_site.browser(people.ann)
    assert browser.get(f"/computers/{people.ann_host.id}").status_code == 200
    assert browser.get(f"/computers/{people.ben_host.id}").status_code == 404
    assert browser.get(f"/tasks/{people.failed.id}").status_code == 200
    assert browser.get(f"/tasks/{people.other.id}").status_code == 404
    assert "bens-secret-laptop" not in browser.get("/computers").text


def test_a_task_tells_all_of_itself_and_nothing_of_wingmen(both_site: Site, people: People) -> None:
    page = both_site.browser(people.ann).get(f"/tasks/{people.failed.id}").text
    for words in (
        "Error while computing",
        "13: a defect in the app",
        "1.00 x86_64-pc-linux-gnu",
        "30 min",
        "Checked, not decided yet",
        "no. 1",
    ):
        assert words in page
    for secret in (
        "Benedict",
        "benedict@",
        "bens-secret-laptop",
        f"/computers/{people.ben_host.id}",
    ):
        assert secret not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert "<script>alert" not in page


def test_a_computer_tells_its_record(both_site: Site, people: People) -> None:
    page = both_site.browser(people.ann).get(f"/computers/{people.ann_host.id}").text
    for words in ("i5-8250U", "16 GB", "Debian GNU/Linux 12", "4.20 GFLOPS", "7.20.5"):
        assert words in page
    assert 'data-label="Valid" class="number">7<' in page


def test_tasks_can_be_filtered(both_site: Site, people: People) -> None:
    browser = both_site.browser(people.ann)
    everything = browser.get("/tasks").text
    assert everything.count('<th scope="row">') == 4
    failed = browser.get("/tasks?state=error").text
    assert failed.count('<th scope="row">') == 1
    assert people.failed.name in failed
    assert "No tasks here in this state" in browser.get("/tasks?state=pending").text
    of_host = browser.get(f"/tasks?computer={people.ann_host.id}").text
    assert of_host.count('<th scope="row">') == 4
    assert browser.get(f"/tasks?computer={people.ben_host.id}").text.count('<th scope="row">') == 0


@pytest.mark.parametrize("query", ["state=wrong", "before=x", "computer=-1", f"before={9**40}"])
def test_a_wrong_filter_is_one_sentence(site: Site, query: str) -> None:
    browser = site.browser(site.make.user("Ann", password=PASSWORD))
    answer = browser.get(f"/tasks?{query}")
    assert answer.status_code == 400
    assert ("There is no state of that name" in answer.text) or ("whole number" in answer.text)


def test_many_tasks_come_in_pages(site: Site) -> None:
    user = site.make.user("Ann", password=PASSWORD)
    host = site.make.host(user)
    campaign = site.make.campaign(site.make.app())
    names = [site.make.result(site.make.workunit(campaign), host).name for _ in range(53)]
    browser = site.browser(user)
    first = browser.get("/tasks").text
    assert all(name in first for name in names[3:])
    assert not any(f">{name}<" in first for name in names[:3])
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = browser.get(older).text
    assert all(f">{name}<" in second for name in names[:3])
    assert not any(f">{name}<" in second for name in names[3:])
    assert 'rel="next"' not in second


def test_recent_credit_halves_every_week(site: Site) -> None:
    user = site.make.user("Ann", password=PASSWORD, expavg_credit=80.0, expavg_time=site.clock.now)
    browser = site.browser(user)
    assert ">80.0<" in browser.get("/account").text
    site.clock.forward(14 * 86400.0)
    assert ">20.0<" in browser.get("/account").text


@pytest.mark.parametrize(("old", "new"), [("/home.php", "/account"), ("/results.php", "/tasks")])
def test_addresses_of_the_stock_server_lead_on(site: Site, old: str, new: str) -> None:
    assert site.browser().get(old).location == new
