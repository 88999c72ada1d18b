"""What happens to a workunit: its events, and `handle`, the only way to change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from boinc_project.campaign import Quorum
from boinc_project.errors import StateError
from boinc_project.lifecycle import result as result_level
from boinc_project.lifecycle.effects import (
    Effect,
    EventKind,
    HostDeed,
    JudgeHost,
    RecordEvent,
)
from boinc_project.lifecycle.result import DELETE_RETRY
from boinc_project.lifecycle.state import WorkunitState
from boinc_project.lifecycle.transition import (
    Step,
    Transition,
    fail,
    on_result,
    on_results,
    require_quorum,
    transition,
)
from boinc_project.states import AssimilateState, ErrorMask, FileDeleteState, ValidateState

OwnEvent = (
    result_level.Sent
    | result_level.Resent
    | result_level.GivenUp
    | result_level.Reported
    | result_level.TimedOut
    | result_level.Detached
    | result_level.CouldntSend
    | result_level.OutputsDeleted
)
"""What may happen to a single result from outside; verdicts come as `ValidationDone`."""


@dataclass(frozen=True, slots=True)
class OnResult:
    """Something happened to one result."""

    instance: int
    event: OwnEvent


@dataclass(frozen=True, slots=True)
class ValidationDone:
    """The validator has looked at all of `WorkunitState.to_check`.

    Attributes
    ----------
    now : float
        Epoch seconds.
    states : Mapping[int, ValidateState]
        VALID, INVALID or INCONCLUSIVE for every instance looked at.
    canonical : int | None
        Instance of the canonical result, if there is one now.
    credit : float
        Cobblestones of a VALID result; ignored when there was a canonical result before, whose
        credit holds for all.
    failed : frozenset[int]
        INVALID instances that failed their own check or audit, before any comparison. Those that
        failed their check count as errors.
    reasons : Mapping[int, str]
        Plain words for the story.
    audits : Mapping[int, bool]
        Instances of which a part was computed again, and whether it agreed. One that did not is
        INVALID and among `failed`.
    replicate : bool
        Whether others must confirm what is found from now on: an audit failed or did not decide.
    confirmed : frozenset[int]
        VALID instances that a refuted one contradicts, and that the server's own computing agrees
        with wherever anybody contradicts them: that is worth one more result that agrees.
    """

    now: float
    states: Mapping[int, ValidateState]
    canonical: int | None = None
    credit: float = 0.0
    failed: frozenset[int] = frozenset()
    reasons: Mapping[int, str] = field(default_factory=dict)
    audits: Mapping[int, bool] = field(default_factory=dict)
    replicate: bool = False
    confirmed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The canonical result is not believed any more: it stands on one host's word, or is wrong.

    Attributes
    ----------
    now : float
        Epoch seconds.
    host : int | None
        The host. None if the server has computed a part again and found it wrong, whoever else
        has confirmed it: then all results that are there are judged anew.
    granted : float
        When its credit was granted, epoch seconds.
    reason : str
        Plain words for the story.
    """

    now: float
    host: int | None
    granted: float
    reason: str = ""


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


WorkunitEvent = (
    Transition
    | OnResult
    | ValidationDone
    | ValidationDeferred
    | Withdrawn
    | Assimilated
    | Cancelled
    | FilesDeleted
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
            return _validation_done(state, event)
        case Withdrawn():
            return _withdrawn(state, event)
        case ValidationDeferred():
            return _validation_deferred(state, event)
        case Assimilated():
            return _assimilated(state, event)
        case Cancelled():
            return _cancelled(state, event)
        case FilesDeleted():
            return _files_deleted(state, event)
        case _:
            assert_never(event)


def _validation_done(state: WorkunitState, event: ValidationDone) -> Step:
    """Take the validator's decision over.

    No-op if no validation is due, or if the successes are not the ones it looked at: another
    validator was faster, or a report came in between. In the latter case it is called again.
    """
    for instance in event.states:
        state.result(instance)
    if not state.need_validate or event.states.keys() != state.to_check:
        return state, ()
    _check_decision(state, event)
    first = state.canonical is None and event.canonical is not None
    credit = event.credit if first else state.canonical_credit
    audited = _audited(event)
    state, effects = _write_verdicts(state, event, credit)
    state = replace(state, need_validate=False, validate_after=0.0)
    if event.replicate and not first:
        state, more = _replicated(state, event.now)
        effects = (*effects, *more)
    if event.canonical is not None and first:
        state, more = _canonical_found(state, event, event.canonical)
    elif state.canonical is None:
        state, more = _no_agreement(state, event.now)
    else:
        state, more = _due(state, event.now), ()
    return state, (*audited, *effects, *more)


def _audited(event: ValidationDone) -> tuple[Effect, ...]:
    effects: list[Effect] = []
    for instance, passed in sorted(event.audits.items()):
        deed = HostDeed.AUDIT_PASSED if passed else HostDeed.AUDIT_FAILED
        kind = EventKind.AUDIT_PASSED if passed else EventKind.AUDIT_FAILED
        effects += [JudgeHost(instance, deed), RecordEvent(kind, event.now, instance)]
    return tuple(effects)


def _replicated(state: WorkunitState, now: float) -> Step:
    """Ask for the full quorum. No-op if it is asked for, or there is an answer."""
    after = require_quorum(state)
    if after is state:
        return state, ()
    detail = {"min_quorum": after.limits.min_quorum}
    return after, (RecordEvent(EventKind.REPLICATED, now, detail=detail),)


def _withdrawn(state: WorkunitState, event: Withdrawn) -> Step:
    """Withdraw a canonical result that nobody but `host` found, or that is wrong, and ask others.

    No-op if there is none, if others confirmed what `host` found, or if the inputs that the others
    would need are on their way out. Outputs that are cannot be judged again: they are out.
    """
    if state.canonical is None or state.file_delete_state is not FileDeleteState.INIT:
        return state, ()
    by = {one.host for one in state.results if one.validate_state is ValidateState.VALID}
    is_wrong = event.host is None
    if not is_wrong and by != {event.host}:
        return state, ()
    doubted = result_level.Doubted(event.now, event.granted, event.reason)
    state, effects = on_results(
        state,
        lambda one: one.validate_state in (ValidateState.VALID, ValidateState.INCONCLUSIVE),
        doubted,
    )
    state = replace(state, canonical=None, canonical_credit=0.0)
    judge_anew = is_wrong and bool(state.to_check)
    state = replace(
        state,
        need_validate=judge_anew,
        validate_after=0.0 if judge_anew else state.validate_after,
        assimilate_state=AssimilateState.INIT,
        assimilate_time=0.0,
        limits=_room_for_quorum(state),
    )
    record = RecordEvent(EventKind.REOPENED, event.now, detail={"reason": event.reason})
    return _due(require_quorum(state), event.now), (record, *effects)


def _room_for_quorum(state: WorkunitState) -> Quorum:
    """Return limits under which a reopened workunit can still reach its quorum."""
    limits = state.limits
    full = max(limits.full_quorum, 2)
    return replace(
        limits,
        full_quorum=full,
        max_total_results=max(limits.max_total_results, len(state.results) + 2 * full),
        max_success_results=max(
            limits.max_success_results, sum(one.success for one in state.results) + 2 * full
        ),
    )


def _check_decision(state: WorkunitState, event: ValidationDone) -> None:
    """Refuse a decision that contradicts itself or the state: a validator fails closed."""
    canonical = event.canonical if state.canonical is None else state.canonical
    valid = {one for one, verdict in event.states.items() if verdict is ValidateState.VALID}
    invalid = {one for one, verdict in event.states.items() if verdict is ValidateState.INVALID}
    inconclusive = {
        one for one, verdict in event.states.items() if verdict is ValidateState.INCONCLUSIVE
    }
    agreeing = len(valid) + (canonical in event.confirmed)
    problem = ""
    if valid | invalid | inconclusive != event.states.keys():
        problem = "a verdict is neither VALID, INVALID nor INCONCLUSIVE"
    elif not event.failed <= invalid:
        problem = "a result failed its check but is not INVALID"
    elif not {one for one, passed in event.audits.items() if not passed} <= event.failed:
        problem = "a result failed its audit but not its check"
    elif not event.audits.keys() <= event.states.keys():
        problem = "a result was audited and has no verdict"
    elif event.canonical not in (None, canonical):
        problem = f"result {state.canonical} is canonical already"
    elif canonical is None and valid:
        problem = "results are VALID without a canonical result"
    elif state.canonical is None and canonical is not None and canonical not in valid:
        problem = "the canonical result is not VALID"
    elif not event.confirmed <= valid:
        problem = "a result was confirmed and is not VALID"
    elif state.canonical is None and canonical is not None and agreeing < _quorum(state):
        problem = f"{agreeing} agree, min_quorum is {_quorum(state)}"
    if problem:
        raise StateError(f"The validator's decision cannot be taken: {problem}.", event=event)


def _quorum(state: WorkunitState) -> int:
    return state.limits.min_quorum


def _write_verdicts(state: WorkunitState, event: ValidationDone, credit: float) -> Step:
    has_canonical = state.canonical is not None or event.canonical is not None
    effects: list[Effect] = []
    for instance, verdict in sorted(event.states.items()):
        reason = event.reasons.get(instance, "")
        # A false output says nothing against the workunit: it is no error, as garbage is. Without
        # a canonical result there was else nothing to disagree with but its own unit.
        is_false = event.audits.get(instance) is False
        unreadable = not is_false and (instance in event.failed or not has_canonical)
        happening: result_level.ResultEvent
        if verdict is ValidateState.INVALID and unreadable:
            happening = result_level.ValidateError(event.now, reason)
        else:
            granted = credit if verdict is ValidateState.VALID else 0.0
            happening = result_level.Validated(event.now, verdict, granted, reason)
        state, caused = on_result(state, instance, happening)
        effects.extend(caused)
    return state, tuple(effects)


def _canonical_found(state: WorkunitState, event: ValidationDone, canonical: int) -> Step:
    after = replace(
        state,
        canonical=canonical,
        canonical_credit=event.credit,
        assimilate_state=AssimilateState.READY,
        limits=_with_the_servers_word(state, event),
    )
    after, effects = on_results(after, lambda one: one.waiting, result_level.NotNeeded(event.now))
    return after, (RecordEvent(EventKind.CANONICAL, event.now, canonical), *effects)


def _with_the_servers_word(state: WorkunitState, event: ValidationDone) -> Quorum:
    """Return limits under which the valid results are a quorum.

    Where the server's own computing is one of those that agree, the hosts are one fewer, and the
    workunit rests on fewer hosts' word, as if they had been believed for their records: should it
    be withdrawn, the full quorum is asked for.
    """
    limits = state.limits
    n_valid = sum(one is ValidateState.VALID for one in event.states.values())
    if n_valid >= limits.min_quorum:
        return limits
    full = max(limits.full_quorum, limits.min_quorum)
    return replace(limits, min_quorum=n_valid, full_quorum=full)


def _no_agreement(state: WorkunitState, now: float) -> Step:
    """Ask for one more result, or give up (``sched/validator.cpp``)."""
    state = _due(state, now)
    successes = sum(one.success for one in state.results)
    if successes > state.limits.max_success_results:
        detail = {"error": ErrorMask.TOO_MANY_SUCCESS_RESULTS.name or ""}
        record = RecordEvent(EventKind.ERROR, now, detail=detail)
        return fail(state, ErrorMask.TOO_MANY_SUCCESS_RESULTS, record)
    if successes < state.limits.target_nresults:
        return state, ()
    limits = replace(state.limits, target_nresults=successes + 1)
    record = RecordEvent(EventKind.ONE_MORE, now, detail={"target_nresults": successes + 1})
    return replace(state, limits=limits), (record,)


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
    return _due(after, event.now), (RecordEvent(EventKind.ASSIMILATED, event.now),)


def _cancelled(state: WorkunitState, event: Cancelled) -> Step:
    """End the workunit. No-op if it has its answer: what is known stays known."""
    if state.finished:
        return state, ()
    detail = {"reason": event.reason} if event.reason else {}
    record = RecordEvent(EventKind.CANCELLED, event.now, detail=detail)
    after, effects = fail(state, ErrorMask.CANCELLED, record)
    return _due(after, event.now), effects


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
    return _due(after, event.now + DELETE_RETRY), (record,)


def _due(state: WorkunitState, time: float) -> WorkunitState:
    """Have the transitioner look at `time`, or earlier if it was to look earlier."""
    return replace(state, transition_time=min(state.transition_time, time))
