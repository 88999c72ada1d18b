"""What happens to one result: its events, and `handle`, the only way to change it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import assert_never

from boinc_project.errors import StateError
from boinc_project.lifecycle.effects import (
    Effect,
    EventKind,
    GrantCredit,
    HostDeed,
    JudgeHost,
    RecordEvent,
    RequireQuorum,
    RevokeCredit,
    ScheduleTransition,
)
from boinc_project.lifecycle.result_events import (
    CouldntSend,
    Detached,
    Doubted,
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
    ExitStatus,
    FileDeleteState,
    Outcome,
    ServerState,
    ValidateState,
)

DELETE_RETRY = 3600.0
"""Seconds until files that could not be deleted are tried again (``sched/file_deleter.cpp``)."""

Step = tuple[ResultState, tuple[Effect, ...]]
"""A new state and what is to be done."""


GONE = "Its output is not there any more, so that it cannot be judged again."


def resend_deadline(now: float, *, delay_bound: float, sent_time: float, deadline: float) -> float:
    """Return the new deadline of a lost result that is sent again (``sched/sched_resend.cpp``).

    The old deadline, or half of the original span from now if that is later, but no more than a
    whole `delay_bound` (seconds) from now. The other times are epoch seconds.
    """
    half = now + 0.5 * (deadline - sent_time)
    return min(now + delay_bound, max(deadline, half))


def handle(state: ResultState, event: ResultEvent) -> Step:
    """Return the state after `event`, and the effects.

    An event that comes a second time changes nothing and has no effects, because daemons and
    clients may repeat themselves; each handler's docstring says which those are.

    Raises
    ------
    StateError
        If the event is impossible in this state: somebody's books are wrong.
    """
    match event:
        case Sent():
            return _sent(state, event)
        case Resent() | GivenUp():
            return _lost(state, event)
        case Reported():
            return _reported(state, event)
        case TimedOut():
            return _timed_out(state, event)
        case Detached():
            return _detached(state, event)
        case NotNeeded() | CouldntSend():
            return _unsendable(state, event)
        case Validated():
            return _validated(state, event)
        case ValidateError():
            return _validate_error(state, event)
        case Doubted():
            return _doubted(state, event)
        case OutputsDeletable():
            return _outputs_deletable(state)
        case OutputsDeleted():
            return _outputs_deleted(state, event)
        case _:
            assert_never(event)


def _refuse(state: ResultState, event: ResultEvent) -> StateError:
    return StateError(
        f"Result {state.instance} is {state.server_state.name}/{state.outcome.name}"
        f"/{state.validate_state.name}: {type(event).__name__} cannot happen to it.",
        result=state.instance,
        event=event,
    )


def _sent(state: ResultState, event: Sent) -> Step:
    """Give an UNSENT result to a host; anything else means that two hosts were given it."""
    if state.server_state is not ServerState.UNSENT or event.deadline <= event.now:
        raise _refuse(state, event)
    after = replace(
        state,
        server_state=ServerState.IN_PROGRESS,
        host=event.host,
        user=event.user,
        sent_time=event.now,
        report_deadline=event.deadline,
    )
    detail = {"host": event.host, "deadline": event.deadline, "replicate": int(event.replicate)}
    return after, (
        ScheduleTransition(event.deadline + event.grace),
        *((RequireQuorum(event.now),) if event.replicate else ()),
        RecordEvent(EventKind.SENT, event.now, state.instance, detail),
    )


def _lost(state: ResultState, event: Resent | GivenUp) -> Step:
    """Move the deadline of a result in progress.

    No-op if it is over (it was reported meanwhile), or if it is to be given up and is due already.
    """
    due = state.report_deadline <= event.now - event.grace
    if state.over or (due and isinstance(event, GivenUp)):
        return state, ()
    if state.server_state is not ServerState.IN_PROGRESS:
        raise _refuse(state, event)
    if isinstance(event, GivenUp):
        deadline = event.now - event.grace
        kind = EventKind.GIVEN_UP
    elif event.deadline <= event.now:
        raise _refuse(state, event)
    else:
        deadline = event.deadline
        kind = EventKind.RESENT
    after = replace(state, report_deadline=deadline)
    return after, (
        ScheduleTransition(deadline + event.grace),
        RecordEvent(kind, event.now, state.instance, {"deadline": deadline}),
    )


def _reported(state: ResultState, event: Reported) -> Step:
    """Accept a report, also a late one.

    A result that timed out or was detached is taken as if it had come in time. Any other result
    that is over has been reported before: no-op.
    """
    late = state.outcome in (Outcome.NO_REPLY, Outcome.CLIENT_DETACHED)
    if state.over and not late:
        return state, ()
    if state.waiting:
        raise _refuse(state, event)
    after = replace(
        state,
        server_state=ServerState.OVER,
        outcome=Outcome.SUCCESS if event.success else Outcome.CLIENT_ERROR,
        exit_status=event.exit_status,
        received_time=event.now,
        # Outputs that arrived after a first deletion have to be deleted again.
        file_delete_state=FileDeleteState.INIT,
    )
    detail: dict[str, str | int | float] = {
        "cpu_time": event.cpu_time,
        "elapsed_time": event.elapsed_time,
        "late": int(late),
    }
    if not event.success:
        detail |= {"exit_status": event.exit_status, "client_state": event.client_state.name}
    effects: list[Effect] = [ScheduleTransition(event.now)]
    if event.success:
        effects.append(JudgeHost(state.instance, HostDeed.SUCCESS))
    elif event.exit_status != ExitStatus.ABORTED_BY_PROJECT:
        effects.append(JudgeHost(state.instance, HostDeed.ERROR))
    kind = EventKind.REPORTED if event.success else EventKind.FAILED
    return after, (*effects, RecordEvent(kind, event.now, state.instance, detail))


def _timed_out(state: ResultState, event: TimedOut) -> Step:
    """End a result whose deadline has passed. No-op if it is over, or not due (it was resent)."""
    if state.over:
        return state, ()
    if state.server_state is not ServerState.IN_PROGRESS:
        raise _refuse(state, event)
    if state.report_deadline + event.grace > event.now:
        return state, ()
    after = replace(state, server_state=ServerState.OVER, outcome=Outcome.NO_REPLY)
    return after, (
        ScheduleTransition(event.now),
        JudgeHost(state.instance, HostDeed.TIMEOUT),
        RecordEvent(
            EventKind.TIMED_OUT, event.now, state.instance, {"deadline": state.report_deadline}
        ),
    )


def _detached(state: ResultState, event: Detached) -> Step:
    """End a result whose host forgot it. No-op if it is over."""
    if state.over:
        return state, ()
    if state.server_state is not ServerState.IN_PROGRESS:
        raise _refuse(state, event)
    after = replace(state, server_state=ServerState.OVER, outcome=Outcome.CLIENT_DETACHED)
    return after, (
        ScheduleTransition(event.now),
        RecordEvent(EventKind.DETACHED, event.now, state.instance),
    )


def _unsendable(state: ResultState, event: NotNeeded | CouldntSend) -> Step:
    """End a result that was never sent. No-op if it is over; in progress it cannot be taken back.

    A result on a host is the scheduler's to abort; it ends by that host's report or by time-out.
    """
    if state.over:
        return state, ()
    if not state.waiting:
        raise _refuse(state, event)
    if isinstance(event, NotNeeded):
        after = replace(state, server_state=ServerState.OVER, outcome=Outcome.DIDNT_NEED)
        return after, (RecordEvent(EventKind.NOT_NEEDED, event.now, state.instance),)
    after = replace(state, server_state=ServerState.OVER, outcome=Outcome.COULDNT_SEND)
    return after, (
        ScheduleTransition(event.now),
        RecordEvent(EventKind.COULDNT_SEND, event.now, state.instance),
    )


_VERDICT_EVENTS = {
    ValidateState.VALID: EventKind.VALID,
    ValidateState.INVALID: EventKind.INVALID,
    ValidateState.INCONCLUSIVE: EventKind.INCONCLUSIVE,
    ValidateState.NO_CHECK: EventKind.NO_CHECK,
    ValidateState.TOO_LATE: EventKind.TOO_LATE,
}


def _validated(state: ResultState, event: Validated) -> Step:
    """Record a verdict about a success. No-op if it is the verdict that it has already.

    INIT and INCONCLUSIVE may become anything; the other verdicts are final.
    """
    if state.outcome is Outcome.SUCCESS and state.validate_state is event.state:
        return state, ()
    sound = 0.0 <= event.credit < math.inf and (
        event.credit == 0.0 or event.state is ValidateState.VALID
    )
    if not state.undecided or event.state not in _VERDICT_EVENTS or not sound:
        raise _refuse(state, event)
    after = replace(state, validate_state=event.state, granted_credit=event.credit)
    detail: dict[str, str | int | float] = {"reason": event.reason} if event.reason else {}
    effects: list[Effect] = []
    if event.state is ValidateState.VALID:
        detail["credit"] = event.credit
        effects = [
            JudgeHost(state.instance, HostDeed.VALID),
            GrantCredit(state.instance, event.credit, event.now),
        ]
    elif event.state is ValidateState.INVALID:
        effects = [JudgeHost(state.instance, HostDeed.REFUTED)]
    kind = _VERDICT_EVENTS[event.state]
    return after, (*effects, RecordEvent(kind, event.now, state.instance, detail))


def _validate_error(state: ResultState, event: ValidateError) -> Step:
    """Turn a success whose output is no good into an error. No-op if it is one already."""
    if state.outcome is Outcome.VALIDATE_ERROR:
        return state, ()
    if not state.undecided:
        raise _refuse(state, event)
    after = replace(state, outcome=Outcome.VALIDATE_ERROR, validate_state=ValidateState.INVALID)
    return after, (
        JudgeHost(state.instance, HostDeed.INVALID),
        RecordEvent(
            EventKind.VALIDATE_ERROR,
            event.now,
            state.instance,
            {"reason": event.reason} if event.reason else {},
        ),
    )


def _doubted(state: ResultState, event: Doubted) -> Step:
    """Take a valid verdict back, and its credit.

    The one way out of VALID: the result is INCONCLUSIVE again, and is judged with what others find.
    If its output is on its way out, it cannot be, and is INVALID; so is one that was INCONCLUSIVE
    before, which else stays as it is.
    """
    held = state.file_delete_state is FileDeleteState.INIT
    after = replace(
        state,
        validate_state=ValidateState.INCONCLUSIVE if held else ValidateState.INVALID,
        granted_credit=0.0,
    )
    if state.validate_state is ValidateState.INCONCLUSIVE:
        gone = RecordEvent(EventKind.INVALID, event.now, state.instance, {"reason": GONE})
        return after, () if held else (gone,)
    if state.validate_state is not ValidateState.VALID:
        raise _refuse(state, event)
    detail: dict[str, str | int | float] = {"credit": state.granted_credit}
    if event.reason:
        detail["reason"] = event.reason
    return after, (
        JudgeHost(state.instance, HostDeed.WITHDRAWN),
        RevokeCredit(state.instance, state.granted_credit, event.granted, event.now),
        RecordEvent(EventKind.DOUBTED, event.now, state.instance, detail),
    )


def _outputs_deletable(state: ResultState) -> Step:
    """Mark the outputs for the file deleter. No-op if they are marked or gone."""
    if not state.over:
        raise _refuse(state, OutputsDeletable(0.0))
    if state.file_delete_state in (FileDeleteState.READY, FileDeleteState.DONE):
        return state, ()
    return replace(state, file_delete_state=FileDeleteState.READY), ()


def _outputs_deleted(state: ResultState, event: OutputsDeleted) -> Step:
    """Record what the file deleter did.

    No-op unless the outputs are READY: two deleters may have removed the same files, and a late
    report may have put them back to INIT meanwhile.
    """
    if state.file_delete_state is not FileDeleteState.READY:
        return state, ()
    if event.ok:
        after = replace(state, file_delete_state=FileDeleteState.DONE)
        return after, (RecordEvent(EventKind.OUTPUTS_DELETED, event.now, state.instance),)
    after = replace(state, file_delete_state=FileDeleteState.ERROR)
    return after, (
        ScheduleTransition(event.now + DELETE_RETRY),
        RecordEvent(EventKind.DELETE_FAILED, event.now, state.instance, {"reason": event.reason}),
    )
