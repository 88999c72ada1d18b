"""Lost tasks come again, unwanted ones are dropped."""

from __future__ import annotations

from typing import Any

import pytest

from boinc_project.protocol.request import WorkRequest
from boinc_project.states import AssimilateState, ErrorMask, Outcome, ServerState
from server.models import AppVersion, Result, Workunit

FIRST = "kepler-9_g0_u000_0"
UNIT = "kepler-9_g0_u000"
DAY = 86400.0


@pytest.fixture
def lost(world: Any, campaign: int) -> Any:
    """Return a client that never saw the reply with its first task."""
    world.workunits(3, campaign=campaign)
    client = world.client()
    client.rpc()
    client.send(client.request(work=WorkRequest(1.0)))
    client.rpc_seqno += 1
    assert world.result(FIRST).server_state is ServerState.IN_PROGRESS
    return client


def test_a_lost_task_comes_again(world: Any, lost: Any) -> None:
    """Kills: new work instead of the lost, which would wait for its whole deadline."""
    world.clock.forward(DAY)
    reply = lost.ask()
    assert [one.name for one in reply.results] == [FIRST]
    assert "had lost 1 task" in reply.messages[0].text
    row = world.result(FIRST)
    assert row.report_deadline == reply.results[0].report_deadline
    assert reply.results[0].report_deadline == world.hosts()[0].rpc_time + 6 * DAY
    assert world.story(FIRST) == ["sent", "resent"]
    assert world.record(lost.hostid).n_jobs_today == 1
    assert lost.ask().results[0].name != FIRST


def test_a_task_lost_close_to_its_deadline_gets_half_the_time_again(world: Any, lost: Any) -> None:
    world.clock.forward(6 * DAY)
    (again,) = lost.ask().results
    assert again.report_deadline == world.clock.now + 3.5 * DAY


def test_a_lost_task_comes_again_without_being_asked_for(world: Any, lost: Any) -> None:
    assert [one.name for one in lost.rpc().results] == [FIRST]


def test_nothing_is_sent_to_a_client_that_wants_nothing(world: Any, lost: Any) -> None:
    reply = lost.rpc(work=WorkRequest(1.0, refused=True))
    assert reply.results == ()
    assert world.result(FIRST).server_state is ServerState.IN_PROGRESS


def test_a_client_that_does_not_list_its_tasks_has_lost_none(world: Any, lost: Any) -> None:
    assert lost.rpc(other_results=None).results == ()


def test_what_is_reported_now_is_not_lost(world: Any, lost: Any) -> None:
    reply = lost.report(FIRST)
    assert (reply.results, reply.result_acks) == ((), (FIRST,))
    assert world.story(FIRST) == ["sent", "reported"]


@pytest.mark.parametrize(
    "change",
    [{"error_mask": ErrorMask.CANCELLED}, {"canonical_resultid": 1}],
    ids=["cancelled", "canonical"],
)
def test_a_lost_task_that_nobody_needs_is_given_up(
    world: Any, lost: Any, change: dict[str, Any]
) -> None:
    world.change(Workunit, UNIT, **change)
    assert FIRST not in [one.name for one in lost.ask().results]
    row = world.result(FIRST)
    assert row.report_deadline + 3600 <= world.clock.now
    assert world.workunit(UNIT).transition_time <= world.clock.now
    assert world.story(FIRST) == ["sent", "given_up"]


def test_a_lost_task_of_a_withdrawn_version_is_given_up(world: Any, lost: Any) -> None:
    with world.database.write() as session:
        session.query(AppVersion).one().deprecated = True
    world.clock.forward(10)
    assert lost.ask().results == ()
    assert world.story(FIRST) == ["sent", "given_up"]


@pytest.fixture
def busy(world: Any, campaign: int) -> Any:
    """Return a client that has the first task."""
    world.workunits(1, campaign=campaign, copies=2)
    client = world.client()
    client.ask()
    assert client.hand == [FIRST]
    return client


def test_a_wanted_task_is_left_alone(world: Any, busy: Any) -> None:
    reply = busy.rpc()
    assert (reply.result_aborts, reply.result_aborts_if_not_started) == ((), ())


def test_an_unknown_task_is_stopped(world: Any, busy: Any) -> None:
    busy.hand.append("of_another_age_0")
    assert busy.rpc().result_aborts == ("of_another_age_0",)


def test_a_task_of_somebody_else_is_stopped(world: Any, busy: Any) -> None:
    other = world.client()
    other.rpc()
    other.hand.append(FIRST)
    assert other.rpc().result_aborts == (FIRST,)


def test_a_task_of_a_cancelled_workunit_is_stopped(world: Any, busy: Any) -> None:
    world.change(Workunit, UNIT, error_mask=ErrorMask.CANCELLED)
    assert busy.rpc().result_aborts == (FIRST,)


@pytest.mark.parametrize(
    ("table", "name", "change"),
    [
        (Workunit, UNIT, {"canonical_resultid": 2}),
        (Workunit, UNIT, {"assimilate_state": AssimilateState.DONE}),
        (Workunit, UNIT, {"error_mask": ErrorMask.TOO_MANY_ERROR_RESULTS}),
        (Result, FIRST, {"server_state": ServerState.OVER, "outcome": Outcome.NO_REPLY}),
    ],
    ids=["canonical", "assimilated", "failed", "timed out"],
)
def test_a_task_that_has_become_needless_is_dropped_unless_begun(
    world: Any, busy: Any, table: Any, name: str, change: dict[str, Any]
) -> None:
    """Kills: stopping a running task that could still earn its credit."""
    world.change(table, name, **change)
    reply = busy.rpc()
    assert reply.result_aborts == ()
    assert reply.result_aborts_if_not_started == (FIRST,)
