"""What happens to a workunit: its events, and `handle`, the only way to change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from boinc_project.errors import StateError
from boinc_project.lifecycle.decision import ValidationDone, validation_done
from boinc_project.lifecycle.effects import (
    EventKind,
    RecordEvent,
)
from boinc_project.lifecycle.result import DELETE_RETRY
from boinc_project.lifecycle.result_events import (
    CouldntSend,
    Detached,
    GivenUp,
    OutputsDeleted,
    Reported,
    Resent,
    Sent,
    TimedOut,
)
from boinc_project.lifecycle.state import WorkunitState
from boinc_project.lifecycle.step import Step, fail, look_by, on_result, on_results
from boinc_project.lifecycle.transition import Transition, transition
from boinc_project.lifecycle.withdrawal import Withdrawn, withdrawn
from boinc_project.states import AssimilateState, ErrorMask, FileDeleteState

OwnEvent = Sent | Resent | GivenUp | Reported | TimedOut | Detached | CouldntSend | OutputsDeleted
"""What may happen to a single result from outside; verdicts come as `ValidationDone`."""


@dataclass(frozen=True, slots=True)
class OnResult:
    """Something happened to one result."""

    instance: int
    event: OwnEvent


@dataclass(frozen=True, slots=True)
class ValidationDeferred:
    """The validator could not decide for a passing reason; not before `until` again."""

    now: float
    until: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Assimilated:
    """The canonical output is in the product, or the error is on record."""

    now: float


@dataclass(frozen=True, slots=True)
class Cancelled:
    """An admin or the campaign ends the workunit."""

    now: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FilesDeleted:
    """The file deleter removed the input files, or failed to and will be asked again."""

    now: float
    ok: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DeletionPutOff:
    """The file deleter failed at the workunit itself: the transitioner releases the files again."""

    now: float
    until: float
    """When the transitioner is to look, epoch seconds; it may look earlier for another reason."""
    reason: str = ""


WorkunitEvent = (
    Transition
    | OnResult
    | ValidationDone
    | ValidationDeferred
    | Withdrawn
    | Assimilated
    | Cancelled
    | FilesDeleted
    | DeletionPutOff
)
"""Any event of a workunit."""


def handle(state: WorkunitState, event: WorkunitEvent) -> Step:
    """Return the state after `event`, and the effects.

    Events that come a second time, or too late to matter, change nothing and have no effects; each
    handler's docstring says which those are.

    Raises
    ------
    StateError
        If the event is impossible in this state: somebody's books are wrong.
    """
    match event:
        case Transition():
            return transition(state, event)
        case OnResult():
            return on_result(state, event.instance, event.event)
        case ValidationDone():
            return validation_done(state, event)
        case Withdrawn():
            return withdrawn(state, event)
        case ValidationDeferred():
            return _validation_deferred(state, event)
        case Assimilated():
            return _assimilated(state, event)
        case Cancelled():
            return _cancelled(state, event)
        case FilesDeleted():
            return _files_deleted(state, event)
        case DeletionPutOff():
            return _deletion_put_off(state, event)
        case _:
            assert_never(event)


def _validation_deferred(state: WorkunitState, event: ValidationDeferred) -> Step:
    """Keep the validator away for a while. No-op if no validation is due."""
    if not state.need_validate:
        return state, ()
    detail: dict[str, str | int | float] = {"until": event.until}
    if event.reason:
        detail["reason"] = event.reason
    record = RecordEvent(EventKind.VALIDATION_DEFERRED, event.now, detail=detail)
    return replace(state, validate_after=event.until), (record,)


def _assimilated(state: WorkunitState, event: Assimilated) -> Step:
    """Record the assimilator's end. No-op if it is recorded."""
    if state.assimilate_state is AssimilateState.DONE:
        return state, ()
    if state.assimilate_state is not AssimilateState.READY:
        raise StateError("A workunit without an answer cannot be assimilated.", event=event)
    after = replace(state, assimilate_state=AssimilateState.DONE, assimilate_time=event.now)
    return look_by(after, event.now), (RecordEvent(EventKind.ASSIMILATED, event.now),)


def _cancelled(state: WorkunitState, event: Cancelled) -> Step:
    """End the workunit. No-op if it has its answer: what is known stays known."""
    if state.finished:
        return state, ()
    detail = {"reason": event.reason} if event.reason else {}
    record = RecordEvent(EventKind.CANCELLED, event.now, detail=detail)
    after, effects = fail(state, ErrorMask.CANCELLED, record)
    return look_by(after, event.now), effects


def _files_deleted(state: WorkunitState, event: FilesDeleted) -> Step:
    """Record what the file deleter did. No-op unless the files are READY to be deleted."""
    if state.file_delete_state is not FileDeleteState.READY:
        return state, ()
    if event.ok:
        after = replace(state, file_delete_state=FileDeleteState.DONE)
        return after, (RecordEvent(EventKind.FILES_DELETED, event.now),)
    after = replace(
        state,
        file_delete_state=FileDeleteState.ERROR,
    )
    record = RecordEvent(EventKind.DELETE_FAILED, event.now, detail={"reason": event.reason})
    return look_by(after, event.now + DELETE_RETRY), (record,)


def _deletion_put_off(state: WorkunitState, event: DeletionPutOff) -> Step:
    """Take back that files may be deleted. No-op if none is READY to be deleted.

    It asks nothing of the rest of the state, because an impossible state is why a deleter fails.
    """
    state, of_outputs = on_results(
        state,
        lambda result: result.file_delete_state is FileDeleteState.READY,
        OutputsDeleted(event.now, ok=False, reason=event.reason),
    )
    state, of_inputs = _files_deleted(state, FilesDeleted(event.now, ok=False, reason=event.reason))
    effects = (*of_outputs, *of_inputs)
    return look_by(state, event.until) if effects else state, effects
