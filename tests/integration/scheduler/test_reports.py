"""Finished tasks: what is kept, what is acknowledged, what it does to the host's record."""

from __future__ import annotations

from typing import Any

import pytest

from boinc_project.protocol.request import ReportedResult
from boinc_project.states import ClientState, Outcome, ServerState

FIRST = "kepler-9_g0_u000_0"
UNIT = "kepler-9_g0_u000"


@pytest.fixture
def busy(world: Any, campaign: int) -> Any:
    """Return a client that has the first task."""
    world.workunits(2, campaign=campaign, copies=2)
    client = world.client()
    assert [one.name for one in client.ask().results] == [FIRST]
    world.clock.forward(100)
    return client


def test_a_success(world: Any, busy: Any) -> None:
    reply = busy.report(FIRST)
    assert reply.result_acks == (FIRST,)
    row = world.result(FIRST)
    assert (row.server_state, row.outcome) == (ServerState.OVER, Outcome.SUCCESS)
    assert row.client_state is ClientState.FILES_UPLOADED
    assert (row.cpu_time, row.elapsed_time) == (5.0, 6.0)
    assert row.received_time == world.clock.now
    assert world.workunit(UNIT).transition_time == world.clock.now
    assert world.story(FIRST) == ["sent", "reported"]


@pytest.mark.parametrize(
    ("state", "exit_status"),
    [
        (ClientState.FILES_UPLOADED, 1),
        (ClientState.COMPUTE_ERROR, 0),
        (ClientState.FILES_DOWNLOADING, -186),
        (ClientState.UPLOAD_FAILED, 0),
        (ClientState.ABORTED, 203),
    ],
)
def test_anything_else_is_a_failure(
    world: Any, busy: Any, state: ClientState, exit_status: int
) -> None:
    """Kills: success by the state alone, or by the exit status alone."""
    assert busy.report(FIRST, state=state, exit_status=exit_status).result_acks == (FIRST,)
    row = world.result(FIRST)
    assert row.outcome is Outcome.CLIENT_ERROR
    assert (row.client_state, row.exit_status) == (state, exit_status)
    assert world.story(FIRST) == ["sent", "failed"]


def test_what_the_program_said_is_kept(world: Any, busy: Any) -> None:
    said = "two lines\nof <stderr> & café"
    report = ReportedResult(FIRST, ClientState.COMPUTE_ERROR, 13, stderr=said)
    busy.rpc(results=(report,))
    assert said in world.result(FIRST).stderr_out


def test_everything_is_acknowledged(world: Any, busy: Any) -> None:
    """Kills: acknowledging only what was ours to take; the client would repeat it for ever."""
    other = world.client()
    (theirs,) = other.ask().results
    names = (FIRST, "never_heard_of_1", theirs.name, "kepler-9_g0_u001_1")
    assert set(busy.report(*names).result_acks) == set(names)
    # What was not this user's is as it was.
    assert world.result(theirs.name).server_state is ServerState.IN_PROGRESS
    assert world.result("kepler-9_g0_u001_1").server_state is ServerState.UNSENT


def test_a_repeated_report_changes_nothing(world: Any, busy: Any) -> None:
    busy.report(FIRST)
    when = world.clock.now
    world.clock.forward(50)
    reply = busy.report(FIRST, state=ClientState.COMPUTE_ERROR, exit_status=1)
    assert reply.result_acks == (FIRST,)
    row = world.result(FIRST)
    assert (row.outcome, row.received_time) == (Outcome.SUCCESS, when)
    assert world.story(FIRST) == ["sent", "reported"]


def test_one_name_twice_in_a_request_counts_once(world: Any, busy: Any) -> None:
    good = ReportedResult(FIRST, ClientState.FILES_UPLOADED)
    bad = ReportedResult(FIRST, ClientState.COMPUTE_ERROR, 1)
    assert busy.rpc(results=(good, bad)).result_acks == (FIRST,)
    assert world.result(FIRST).outcome is Outcome.SUCCESS


def test_another_host_of_the_user_may_report(world: Any, busy: Any) -> None:
    second = world.client(key=busy.key)
    second.rpc(allow_multiple_clients=True)
    assert second.report(FIRST, allow_multiple_clients=True).result_acks == (FIRST,)
    assert world.result(FIRST).outcome is Outcome.SUCCESS


@pytest.mark.parametrize("outcome", [Outcome.NO_REPLY, Outcome.CLIENT_DETACHED])
def test_a_late_report_is_welcome(world: Any, busy: Any, outcome: Outcome) -> None:
    from server.models import Result

    world.change(Result, FIRST, server_state=ServerState.OVER, outcome=outcome)
    assert busy.report(FIRST).result_acks == (FIRST,)
    assert world.result(FIRST).outcome is Outcome.SUCCESS


def test_failures_shrink_the_quota_and_successes_restore_it(world: Any, campaign: int) -> None:
    world.workunits(8, campaign=campaign)
    client = world.client()
    quotas = []
    for state in [ClientState.COMPUTE_ERROR] * 2 + [ClientState.FILES_UPLOADED] * 2:
        (task,) = client.ask().results
        client.report(task.name, state=state, exit_status=int(state is ClientState.COMPUTE_ERROR))
        record = world.record(client.hostid)
        quotas.append(record.max_jobs_per_day)
    assert quotas == [499, 498, 500, 500]
    assert record.n_error == 2
    assert record.n_jobs_today == 4


def test_tasks_that_the_project_aborted_do_not_count_against_a_host(world: Any, busy: Any) -> None:
    busy.report(FIRST, state=ClientState.ABORTED, exit_status=202)
    record = world.record(busy.hostid)
    assert (record.n_error, record.max_jobs_per_day) == (0, 0)


def test_trickle_messages_are_acknowledged(world: Any, busy: Any) -> None:
    from boinc_project.protocol.request import TrickleUp

    assert busy.rpc(trickles=(TrickleUp(FIRST, 1.0, "v", "text"),)).message_ack
    assert not busy.rpc().message_ack
