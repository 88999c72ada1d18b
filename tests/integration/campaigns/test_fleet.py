"""The fleet that a plan reckons with, on both databases."""

from __future__ import annotations

import pytest

from boinc_project.states import Outcome, ServerState
from server.db import Database
from server.services.fleet import active_fleet
from tests.factories import START, Factory
from work_generator.fleet import Fleet
from work_generator.prices import load_prices

DAY = 86400.0
NOW = START + 10 * DAY
ASSUMED = load_prices().volunteers


@pytest.fixture
def make(database: Database) -> Factory:
    return Factory(database)


def found(database: Database) -> Fleet:
    fleet = active_fleet(database, ASSUMED, now=NOW)
    assert fleet is not None
    return fleet


def test_an_empty_project_has_no_fleet(database: Database) -> None:
    assert active_fleet(database, ASSUMED, now=NOW) is None


def test_hosts_that_asked_lately_count_by_what_they_tell(database: Database, make: Factory) -> None:
    user = make.user()
    told = {"on_frac": 0.5, "active_frac": 0.2}
    make.host(user, rpc_time=NOW - DAY, p_ncpus=6, p_fpops=4e9, **told)
    make.host(user, rpc_time=NOW - DAY, p_ncpus=2, p_fpops=4e9, on_frac=1.0, active_frac=1.0)
    make.host(user, rpc_time=NOW - 7.1 * DAY, p_ncpus=64, p_fpops=4e9, **told)
    fleet = found(database)
    assert (fleet.hosts, fleet.cores, fleet.reference_cores) == (2, 8.0, 8.0)
    # Weighed by cores: the busy computer counts for three quarters.
    assert fleet.availability == pytest.approx((6 * 0.1 + 2) / 8)
    assert fleet.lost == pytest.approx(ASSUMED.lost)


def test_what_a_host_has_not_told_is_assumed(database: Database, make: Factory) -> None:
    make.host(make.user(), rpc_time=NOW, p_ncpus=2, p_fpops=1e9)
    fleet = found(database)
    assert fleet.availability == ASSUMED.availability
    assert fleet.reference_cores == pytest.approx(2 * ASSUMED.speed)


def test_lost_tasks_are_counted(database: Database, make: Factory) -> None:
    host = make.host(make.user(), rpc_time=NOW)
    campaign = make.campaign(make.app())
    ended = {"server_state": ServerState.OVER}
    for index in range(20):
        outcome = Outcome.NO_REPLY if index % 2 else Outcome.SUCCESS
        make.result(make.workunit(campaign), host, outcome=outcome, **ended)
    # Never sent, sent long ago, or not over: they tell nothing.
    make.result(make.workunit(campaign), outcome=Outcome.DIDNT_NEED, **ended)
    old = NOW - 61 * DAY
    make.result(make.workunit(campaign), host, outcome=Outcome.NO_REPLY, **ended, sent_time=old)
    make.result(make.workunit(campaign), host)
    assert found(database).lost == pytest.approx((10 + 20 * ASSUMED.lost) / 40)
