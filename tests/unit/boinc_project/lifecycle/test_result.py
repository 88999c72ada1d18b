"""One result alone: which events it admits in which state, and what they cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from boinc_project.errors import StateError
from boinc_project.lifecycle.effects import HostDeed, JudgeHost, ScheduleTransition
from boinc_project.lifecycle.result import handle, resend_deadline
from boinc_project.lifecycle.result_events import (
    CouldntSend,
    Detached,
    GivenUp,
    NotNeeded,
    OutputsDeletable,
    OutputsDeleted,
    Reported,
    Resent,
    ResultEvent,
    Sent,
    TimedOut,
    Validated,
    ValidateError,
)
from boinc_project.lifecycle.state import ResultState
from boinc_project.states import (
    ClientState,
    FileDeleteState,
    Outcome,
    ServerState,
    ValidateState,
)

UNSENT = ResultState(3)
SENT, _ = handle(UNSENT, Sent(10.0, host=5, user=6, deadline=110.0, grace=20.0))
OK = Reported(50.0, ClientState.FILES_UPLOADED, 0)
SUCCESS, _ = handle(SENT, OK)
FAILED, _ = handle(SENT, Reported(50.0, ClientState.COMPUTE_ERROR, 1))
NO_REPLY, _ = handle(SENT, TimedOut(500.0))
DETACHED, _ = handle(SENT, Detached(50.0))
NOT_NEEDED, _ = handle(UNSENT, NotNeeded(50.0))
VALID, _ = handle(SUCCESS, Validated(60.0, ValidateState.VALID, 5.0))
INVALID, _ = handle(SUCCESS, Validated(60.0, ValidateState.INVALID))
DOUBTFUL, _ = handle(SUCCESS, Validated(60.0, ValidateState.INCONCLUSIVE))
UNREADABLE, _ = handle(SUCCESS, ValidateError(60.0))


def test_sent() -> None:
    after, effects = handle(UNSENT, Sent(10.0, host=5, user=6, deadline=110.0, grace=20.0))
    assert (after.server_state, after.host, after.user) == (ServerState.IN_PROGRESS, 5, 6)
    assert (after.sent_time, after.report_deadline) == (10.0, 110.0)
    assert ScheduleTransition(130.0) in effects


@pytest.mark.parametrize("state", [SENT, SUCCESS, NO_REPLY, NOT_NEEDED])
def test_sent_to_one_host_only(state: ResultState) -> None:
    with pytest.raises(StateError, match="Sent cannot happen"):
        handle(state, Sent(60.0, 7, 8, 160.0))


def test_deadline_lies_ahead() -> None:
    with pytest.raises(StateError):
        handle(UNSENT, Sent(60.0, 7, 8, 60.0))
    with pytest.raises(StateError):
        handle(SENT, Resent(60.0, 60.0))


@pytest.mark.parametrize(
    ("client_state", "exit_status", "outcome"),
    [
        (ClientState.FILES_UPLOADED, 0, Outcome.SUCCESS),
        (ClientState.FILES_UPLOADED, 1, Outcome.CLIENT_ERROR),
        (ClientState.COMPUTE_ERROR, 0, Outcome.CLIENT_ERROR),
        (ClientState.UPLOAD_FAILED, 0, Outcome.CLIENT_ERROR),
        (ClientState.ABORTED, 203, Outcome.CLIENT_ERROR),
    ],
)
def test_success_is_uploaded_with_status_0(
    client_state: ClientState, exit_status: int, outcome: Outcome
) -> None:
    after, effects = handle(SENT, Reported(50.0, client_state, exit_status))
    assert after.outcome is outcome
    assert after.received_time == 50.0
    assert ScheduleTransition(50.0) in effects


@pytest.mark.parametrize(
    ("exit_status", "deeds"),
    [(1, [HostDeed.ERROR]), (203, [HostDeed.ERROR]), (202, [])],
)
def test_abort_by_the_project_is_not_the_hosts_fault(
    exit_status: int, deeds: list[HostDeed]
) -> None:
    _, effects = handle(SENT, Reported(50.0, ClientState.ABORTED, exit_status))
    assert [e.deed for e in effects if isinstance(e, JudgeHost)] == deeds


@pytest.mark.parametrize(
    ("exit_status", "counts"), [(1, True), (202, True), (203, False), (-186, True)]
)
def test_abort_by_the_volunteer_counts_as_no_reply(exit_status: int, counts: bool) -> None:
    after, _ = handle(SENT, Reported(50.0, ClientState.ABORTED, exit_status))
    assert after.error is counts
    assert not after.success


@pytest.mark.parametrize("state", [NO_REPLY, DETACHED])
@pytest.mark.parametrize("report", [OK, Reported(50.0, ClientState.COMPUTE_ERROR, 1)])
def test_late_report_is_taken(state: ResultState, report: Reported) -> None:
    gone = replace(state, file_delete_state=FileDeleteState.DONE)
    after, effects = handle(gone, report)
    assert after.outcome is (Outcome.SUCCESS if report is OK else Outcome.CLIENT_ERROR)
    assert after.file_delete_state is FileDeleteState.INIT  # what came late goes once more
    assert effects


@pytest.mark.parametrize("state", [SUCCESS, FAILED, NOT_NEEDED, VALID, INVALID, UNREADABLE])
@pytest.mark.parametrize(
    "event",
    [OK, Reported(60.0, ClientState.COMPUTE_ERROR, 1), TimedOut(1e9), Detached(60.0)],
)
def test_what_is_over_stays_as_it_is(state: ResultState, event: ResultEvent) -> None:
    assert handle(state, event) == (state, ())


@pytest.mark.parametrize("event", [OK, TimedOut(1e9), Detached(60.0), Resent(1.0, 9.0)])
def test_what_was_never_sent_cannot_come_back(event: ResultEvent) -> None:
    with pytest.raises(StateError):
        handle(UNSENT, event)


@pytest.mark.parametrize("event", [NotNeeded(60.0), CouldntSend(60.0)])
def test_what_is_on_a_host_cannot_be_withdrawn(event: ResultEvent) -> None:
    with pytest.raises(StateError):
        handle(SENT, event)


def test_time_out_at_deadline_and_grace() -> None:
    assert handle(SENT, TimedOut(129.9, grace=20.0)) == (SENT, ())
    after, effects = handle(SENT, TimedOut(130.0, grace=20.0))
    assert after.outcome is Outcome.NO_REPLY
    assert JudgeHost(3, HostDeed.TIMEOUT) in effects


def test_given_up_is_due_at_once() -> None:
    after, _ = handle(SENT, GivenUp(60.0, grace=20.0))
    assert handle(after, TimedOut(60.0, grace=20.0))[0].outcome is Outcome.NO_REPLY
    assert handle(after, GivenUp(60.0, grace=20.0)) == (after, ())


@pytest.mark.parametrize("state", [VALID, INVALID])
@pytest.mark.parametrize("verdict", list(ValidateState))
def test_verdict_is_final(state: ResultState, verdict: ValidateState) -> None:
    if verdict is state.validate_state:
        assert handle(state, Validated(70.0, verdict)) == (state, ())
    else:
        with pytest.raises(StateError):
            handle(state, Validated(70.0, verdict))


@pytest.mark.parametrize(
    "verdict",
    [ValidateState.VALID, ValidateState.INVALID, ValidateState.NO_CHECK, ValidateState.TOO_LATE],
)
def test_doubt_may_be_decided(verdict: ValidateState) -> None:
    after, effects = handle(DOUBTFUL, Validated(70.0, verdict))
    assert after.validate_state is verdict
    assert effects


@pytest.mark.parametrize("state", [UNSENT, SENT, FAILED, NO_REPLY, NOT_NEEDED])
@pytest.mark.parametrize("event", [Validated(70.0, ValidateState.VALID, 1.0), ValidateError(70.0)])
def test_only_successes_are_judged(state: ResultState, event: ResultEvent) -> None:
    with pytest.raises(StateError):
        handle(state, event)


@pytest.mark.parametrize(
    "event",
    [
        Validated(70.0, ValidateState.INVALID, 1.0),
        Validated(70.0, ValidateState.VALID, -1.0),
        Validated(70.0, ValidateState.VALID, float("nan")),
        Validated(70.0, ValidateState.VALID, float("inf")),
    ],
)
def test_credit_is_finite_and_for_the_valid(event: ResultEvent) -> None:
    with pytest.raises(StateError):
        handle(SUCCESS, event)


def test_outputs_are_deleted_once_marked() -> None:
    assert handle(SUCCESS, OutputsDeleted(70.0)) == (SUCCESS, ())
    marked, _ = handle(SUCCESS, OutputsDeletable(60.0))
    gone, effects = handle(marked, OutputsDeleted(70.0))
    assert gone.file_delete_state is FileDeleteState.DONE
    assert effects
    assert handle(gone, OutputsDeletable(80.0)) == (gone, ())
    failed, _ = handle(marked, OutputsDeleted(70.0, ok=False, reason="read-only disk"))
    assert failed.file_delete_state is FileDeleteState.ERROR
    assert handle(failed, OutputsDeletable(80.0))[0] == marked
    with pytest.raises(StateError):
        handle(SENT, OutputsDeletable(60.0))


@pytest.mark.parametrize(
    ("now", "deadline"),
    [
        (20.0, 110.0),  # early: the old deadline stands
        (90.0, 140.0),  # late: half of the span again
        (500.0, 550.0),  # long over: likewise
    ],
)
def test_resend_deadline(now: float, deadline: float) -> None:
    found = resend_deadline(now, delay_bound=100.0, sent_time=10.0, deadline=110.0)
    assert found == deadline


def test_resend_deadline_is_no_more_than_a_delay_bound_away() -> None:
    assert resend_deadline(500.0, delay_bound=30.0, sent_time=10.0, deadline=110.0) == 530.0
