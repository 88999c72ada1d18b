"""Which results go to which host, and how many."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from boinc_project.states import CampaignState, ServerState
from server.models import App, AppVersion, CampaignRow

HOUR = 3600.0


def sent(reply: Any) -> list[str]:
    return [one.wu_name for one in reply.results]


def test_priority_first_then_age(world: Any, campaign: int) -> None:
    world.workunits(2, campaign=campaign)
    world.workunits(2, campaign=campaign, priority=5)
    world.workunits(1, campaign=campaign, priority=-3)
    order = [name for _ in range(5) for name in sent(world.client().ask())]
    assert [name[-3:] for name in order] == ["002", "003", "000", "001", "004"]


def test_a_result_goes_to_one_host_only(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    assert len(sent(world.client().ask())) == 1
    assert sent(world.client().ask()) == []


def test_what_is_sent_is_written_down(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    client = world.client()
    (task,) = client.ask().results
    row = world.result(task.name)
    assert row.server_state is ServerState.IN_PROGRESS
    assert (row.hostid, row.userid) == (client.hostid, 1)
    assert row.sent_time == world.clock.now
    assert row.report_deadline == world.clock.now + 7 * 24 * HOUR
    assert world.story(task.name) == ["sent"]
    # The transitioner looks when the deadline and the grace period are over.
    assert world.workunit(task.wu_name).transition_time == row.report_deadline + HOUR
    assert world.record(client.hostid).n_jobs_today == 1


def test_work_fills_the_request_and_no_more(world: Any, campaign: int) -> None:
    world.workunits(20, campaign=campaign, rsc_fpops_est=1e9 * HOUR)
    assert len(sent(world.client().ask(seconds=1.0))) == 1
    assert len(sent(world.client().ask(seconds=2.5 * HOUR))) == 3
    assert len(sent(world.client().ask(seconds=0.0, instances=2.0))) == 2
    assert len(sent(world.client().ask(seconds=1.0, instances=4.0))) == 4


def test_one_description_serves_many_tasks(world: Any, campaign: int) -> None:
    world.workunits(3, campaign=campaign)
    reply = world.client().ask(seconds=1e6)
    assert len(reply.results) == 3
    assert len(reply.apps) == len(reply.app_versions) == 1
    names = [file.name for file in reply.files]
    assert len(names) == len(set(names))
    assert names.count("transits_ab12.csv") == 1


def test_the_newest_usable_version(world: Any, campaign: int) -> None:
    world.app_version(103)
    world.app_version(110, platform="windows_x86_64")
    world.app_version(120, plan_class="mt")
    world.app_version(130, deprecated=True)
    world.workunits(1, campaign=campaign)
    reply = world.client().ask()
    assert reply.app_versions[0].version_num == 103
    assert reply.results[0].version_num == 103


def test_an_alternate_platform(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    reply = world.client(platforms=("arm64-apple-darwin", "x86_64-pc-linux-gnu")).ask()
    assert reply.results[0].platform == "x86_64-pc-linux-gnu"


def test_of_equal_versions_the_preferred_platform(world: Any, campaign: int) -> None:
    world.app_version(100, platform="i686-pc-linux-gnu")
    world.workunits(1, campaign=campaign)
    reply = world.client(platforms=("i686-pc-linux-gnu", "x86_64-pc-linux-gnu")).ask()
    assert reply.results[0].platform == "i686-pc-linux-gnu"


def test_a_withdrawn_app_is_not_sent(world: Any, campaign: int) -> None:
    world.workunits(1, campaign=campaign)
    world.change(App, "ttv", deprecated=True)
    assert sent(world.client().ask()) == []


def test_a_version_without_own_speed_takes_the_hosts(world: Any, campaign: int) -> None:
    with world.database.write() as session:
        session.query(AppVersion).one().flops = 0.0
    world.workunits(1, campaign=campaign)
    assert world.client().ask().app_versions[0].flops == 1e9


def test_work_behind_a_long_queue_of_unsuitable_results_is_found(world: Any, campaign: int) -> None:
    """Kills: looking at the head of the queue only, which a paused campaign could block."""
    world.workunits(300, campaign=campaign, priority=1)
    world.change(CampaignRow, "kepler-9", state=CampaignState.PAUSED.value)
    other = world.campaign("other")
    world.workunits(1, campaign=other)
    client = world.client()
    tries = 0
    while not sent(client.ask()):
        tries += 1
        assert tries < 5
    # The next host profits from the search.
    world.workunits(1, campaign=other)
    assert sent(world.client().ask()) == ["other_g0_u001"]


def test_the_number_of_statements_does_not_grow(
    world: Any, campaign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills: a query for each workunit, result or file."""
    from boinc_project.protocol.request import WorkRequest
    from server.prepared import Prepared

    world.workunits(200, campaign=campaign)
    client = world.client()
    client.ask()
    counted: list[str] = []
    for name in ("all", "run", "run_many"):
        original = getattr(Prepared, name)

        def count(self: Any, *arguments: Any, original: Any = original) -> Any:
            counted.append(original.__name__)
            return original(self, *arguments)

        monkeypatch.setattr(Prepared, name, count)
    ran: list[str] = []

    def note(*arguments: Any) -> None:
        ran.append(arguments[2])

    event.listen(world.database.engine, "before_cursor_execute", note)
    try:
        world.clock.forward(0.5)
        client.report(client.hand[0], work=WorkRequest(1.0))
    finally:
        event.remove(world.database.engine, "before_cursor_execute", note)
    assert len(counted) == 12
    # Besides them: the start of the transaction, and on PostgreSQL the lock on the user.
    assert len(ran) <= 2, ran


@pytest.mark.parametrize("setting", [True, False])
def test_a_host_never_gets_two_copies(
    database: Any, tmp_path: Any, setting: bool, make: Any
) -> None:
    world = make(scheduler={"one_result_per_user_per_wu": setting})
    campaign = world.campaign()
    world.app_version()
    world.workunits(1, campaign=campaign, copies=3)
    client = world.client()
    assert len(sent(client.ask())) == 1
    assert sent(client.ask()) == []
    second = world.client(key=client.key)
    second.host = second.host.__class__(**{**_fields(second.host), "host_cpid": "d" * 32})
    got = sent(second.ask(allow_multiple_clients=True))
    assert len(got) == (0 if setting else 1)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
