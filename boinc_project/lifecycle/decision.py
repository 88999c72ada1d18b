"""The validator has decided: what becomes of the results it looked at, and of their workunit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from boinc_project.campaign import Quorum
from boinc_project.errors import StateError
from boinc_project.lifecycle.effects import (
    Effect,
    EventKind,
    HostDeed,
    JudgeHost,
    RecordEvent,
)
from boinc_project.lifecycle.result_events import (
    NotNeeded,
    ResultEvent,
    Validated,
    ValidateError,
)
from boinc_project.lifecycle.state import WorkunitState
from boinc_project.lifecycle.step import (
    Step,
    fail,
    look_by,
    on_result,
    on_results,
    require_quorum,
)
from boinc_project.states import AssimilateState, ErrorMask, ValidateState


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


def validation_done(state: WorkunitState, event: ValidationDone) -> Step:
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
        state, more = look_by(state, event.now), ()
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
        happening: ResultEvent
        if verdict is ValidateState.INVALID and unreadable:
            happening = ValidateError(event.now, reason)
        else:
            granted = credit if verdict is ValidateState.VALID else 0.0
            happening = Validated(event.now, verdict, granted, reason)
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
    after, effects = on_results(after, lambda one: one.waiting, NotNeeded(event.now))
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
    state = look_by(state, now)
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
