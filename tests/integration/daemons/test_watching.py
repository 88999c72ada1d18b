"""Campaigns that fail stop themselves; hosts that fail do not stop campaigns."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from boinc_project.states import CampaignState, Outcome, ServerState, ValidateState
from server.daemons import work_generator
from server.models import AppVersion, CampaignRow, Event, Host, HostAppVersion, Result, Workunit
from server.services import campaigns
from server.services.fault_rows import cells, faults
from server.services.watching import LOOK_SECONDS
from tests.integration.daemons.conftest import Shop

NAME = "kepler-9"


def ended(shop: Shop, host: Host, *, failed: bool, campaign: str = NAME) -> int:
    """Let a host end a result of a new workunit; returns the workunit."""
    with shop.project.database.read() as session:
        number = len(session.scalars(select(Workunit.id)).all())
    workunit = shop.add_workunit(f"{campaign}_{number}", campaign=campaign, max_error_results=9)
    with shop.project.database.write() as session:
        session.add(
            Result(
                name=f"{campaign}_{number}_0",
                workunitid=workunit,
                appid=1,
                instance=0,
                create_time=shop.clock.now,
                output_name=f"{campaign}_{number}_0_r",
                server_state=ServerState.OVER,
                outcome=Outcome.CLIENT_ERROR if failed else Outcome.SUCCESS,
                validate_state=ValidateState.INIT if failed else ValidateState.VALID,
                exit_status=1 if failed else 0,
                hostid=host.id,
                userid=host.userid,
                app_version_id=session.scalars(select(AppVersion.id)).one(),
                received_time=shop.clock.now,
            )
        )
    return workunit


def look(shop: Shop) -> None:
    shop.clock.now += LOOK_SECONDS
    work_generator.one_pass(shop.project)


def campaign(shop: Shop, name: str = NAME) -> CampaignRow:
    with shop.project.database.read() as session:
        return session.scalars(select(CampaignRow).where(CampaignRow.name == name)).one()


@pytest.fixture
def quiet(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Return the shop; its campaigns have no definition to top up from."""
    monkeypatch.setattr(work_generator, "look", lambda project, one: False)
    return shop


def test_a_campaign_that_fails_on_seven_hosts_stops_and_pardons_them(quiet: Shop) -> None:
    hosts = [quiet.add_host() for _ in range(9)]
    with quiet.project.database.write() as session:
        session.add(
            HostAppVersion(
                host_id=hosts[0].id,
                app_version_id=1,
                max_jobs_per_day=3,
                n_error=4,
                consecutive_valid=0,
                streak_lost=40,
            )
        )
    for host in hosts:
        ended(quiet, host, failed=False, campaign="good")
    for host in hosts[:7]:
        ended(quiet, host, failed=True)
    look(quiet)
    row = campaign(quiet)
    assert row.state == CampaignState.PAUSED.value
    assert "7 of 7 computers fail" in row.end_reason
    assert campaign(quiet, "good").state == CampaignState.ACTIVE.value
    with quiet.project.database.read() as session:
        record = session.scalars(select(HostAppVersion)).one()
        assert (record.consecutive_valid, record.n_error) == (40, 3)
        assert record.max_jobs_per_day == 500

    # An admin who resumes it has mended it: what was before does not count any more.
    quiet.clock.now += 1.0
    campaigns.resume(quiet.project, NAME)
    assert campaign(quiet).end_reason == ""
    look(quiet)
    assert campaign(quiet).state == CampaignState.ACTIVE.value


def test_one_broken_host_stops_nothing_and_is_blamed(quiet: Shop) -> None:
    broken, *others = [quiet.add_host() for _ in range(8)]
    for _ in range(12):
        ended(quiet, broken, failed=True)
    for host in others:
        for _ in range(4):
            ended(quiet, host, failed=False)
    look(quiet)
    assert campaign(quiet).state == CampaignState.ACTIVE.value
    with quiet.project.database.read() as session:
        (found,) = faults(session, now=quiet.clock.now)
        assert (found.factor.value, found.name) == ("host", broken.id)
        assert sum(cell.failed for cell in cells(session, since=0.0)) == 12


def test_a_canary_that_is_done_lets_the_others_follow(quiet: Shop) -> None:
    hosts = [quiet.add_host() for _ in range(2)]
    units = [ended(quiet, host, failed=False) for host in hosts]
    with quiet.project.database.write() as session:
        session.scalars(select(CampaignRow)).one().canary = 2
        session.get_one(Workunit, units[0]).canonical_resultid = 1
    look(quiet)
    assert campaign(quiet).canary == 2, "one unit is still out"
    with quiet.project.database.write() as session:
        session.get_one(Workunit, units[1]).canonical_resultid = 2
    look(quiet)
    assert campaign(quiet).canary == 0
    with quiet.project.database.read() as session:
        assert session.scalar(select(Event.kind).where(Event.kind == "canary_passed"))


@pytest.mark.parametrize(("answered", "over"), [(1, False), (2, True)])
def test_a_canary_is_over_when_most_of_it_has_answers(
    quiet: Shop, answered: int, over: bool
) -> None:
    """Of three: with two it cannot stop the campaign any more, whatever the third does."""
    units = [ended(quiet, quiet.add_host(), failed=False) for _ in range(3)]
    with quiet.project.database.write() as session:
        session.scalars(select(CampaignRow)).one().canary = 3
        for number in range(answered):
            session.get_one(Workunit, units[number]).canonical_resultid = 1 + number
    look(quiet)
    assert campaign(quiet).canary == (0 if over else 3)


def test_a_canary_that_dies_stops_the_campaign(quiet: Shop) -> None:
    hosts = [quiet.add_host() for _ in range(3)]
    units = [ended(quiet, host, failed=True) for host in hosts]
    with quiet.project.database.write() as session:
        session.scalars(select(CampaignRow)).one().canary = 3
        for one in units[:2]:
            session.get_one(Workunit, one).error_mask = 2
    look(quiet)
    assert campaign(quiet).state == CampaignState.PAUSED.value
    assert "2 of the 3 units that were tried first" in campaign(quiet).end_reason
