"""The transitioner's rules: what a workunit needs next, seen from all its results.

They follow BOINC's ``sched/transitioner.cpp``, with four differences:

- While a validation is due, too many errors do not end the workunit: the successes that are there
  may agree, and their hosts' time is not thrown away for want of a moment's patience.
- ``max_total_results`` ends a workunit when the results that are left cannot make a quorum, or when
  none is under way and more are wanted. BOINC creates what it may and gives up at the next look,
  even if the last result is just being computed; two looks at once would differ.
- Files are held as long as their campaign may still read them; late results can be compared, and
  credited, until then.
- The next transition time is always in the future by construction, so there is no rule for
  lateness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from boinc_project.lifecycle.effects import (
    CreateResults,
    Effect,
    EventKind,
    RecordEvent,
)
from boinc_project.lifecycle.result_events import (
    OutputsDeletable,
    TimedOut,
    Validated,
)
from boinc_project.lifecycle.state import NEVER, ResultState, WorkunitState
from boinc_project.lifecycle.step import Step, clean_up, fail, on_results
from boinc_project.states import (
    AssimilateState,
    ErrorMask,
    FileDeleteState,
    Outcome,
    ServerState,
    ValidateState,
)

DAY = 86400.0
"""Seconds."""

LONGEST_SLEEP = 10 * DAY
"""Least time after which an open workunit is looked at again without cause (BOINC's 10 days)."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Look at the workunit.

    Attributes
    ----------
    now : float
        Epoch seconds.
    grace : float
        Seconds after a result's deadline at which it times out.
    delete_delay : float
        Seconds after assimilation, and after the last report, before files may be deleted.
    hold : bool
        Whether the campaign may still read the canonical output or the inputs.
    """

    now: float
    grace: float = 0.0
    delete_delay: float = 0.0
    hold: bool = False


def transition(state: WorkunitState, event: Transition) -> Step:
    """Return the state after a look at the workunit; a second look at once changes nothing."""
    steps = (
        _time_out,
        _too_late,
        _want_validation,
        _end_in_error,
        _free_class,
        _create,
        _clean_up,
        _delete,
    )
    effects: list[Effect] = []
    for step in steps:
        state, caused = step(state, event)
        effects.extend(caused)
    return replace(state, transition_time=next_transition(state, event)), tuple(effects)


def next_transition(state: WorkunitState, event: Transition) -> float:
    """Return when the next look is due, `NEVER` if only an event can change anything."""
    times = [NEVER]
    times += [
        result.report_deadline + event.grace
        for result in state.results
        if result.server_state is ServerState.IN_PROGRESS
    ]
    if not state.finished:
        times.append(event.now + max(1.5 * state.limits.delay_bound, LONGEST_SLEEP))
    if state.assimilate_state is AssimilateState.DONE:
        due = _deletion_due(state, event)
        if due > event.now:
            times.append(due)
        elif event.hold:
            times.append(event.now + max(event.delete_delay, DAY))
    return min(times)


def _time_out(state: WorkunitState, event: Transition) -> Step:
    return on_results(
        state,
        lambda result: result.server_state is ServerState.IN_PROGRESS,
        TimedOut(event.now, event.grace),
    )


def _too_late(state: WorkunitState, event: Transition) -> Step:
    """Give up on a success whose counterpart is on its way out."""
    if state.canonical is None:
        return state, ()
    if state.result(state.canonical).file_delete_state is FileDeleteState.INIT:
        return state, ()
    verdict = Validated(event.now, ValidateState.TOO_LATE)
    return on_results(state, lambda result: result.unchecked, verdict)


def _want_validation(state: WorkunitState, event: Transition) -> Step:
    """Call the validator if a new success can be compared with others."""
    new = any(result.unchecked for result in state.results)
    successes = sum(result.success for result in state.results)
    enough = state.canonical is not None or successes >= state.limits.min_quorum
    if not new or not enough or state.need_validate or state.error_mask:
        return state, ()
    record = RecordEvent(EventKind.VALIDATION_DUE, event.now, detail={"successes": successes})
    return replace(state, need_validate=True), (record,)


def _end_in_error(state: WorkunitState, event: Transition) -> Step:
    if state.finished or state.need_validate:
        return state, ()
    mask = _errors(state)
    if not mask:
        return state, ()
    reason = ", ".join(sorted(flag.name or "" for flag in mask))
    return fail(state, mask, RecordEvent(EventKind.ERROR, event.now, detail={"error": reason}))


def _free_class(state: WorkunitState, event: Transition) -> Step:
    """Let any host take a workunit of which its class of hosts has shown errors only.

    ``sched/transitioner.cpp``: the class may be what is wrong. Nothing that was computed in it
    stands, and nothing is under way.
    """
    del event
    stake = any(
        result.server_state is ServerState.IN_PROGRESS
        or result.success
        or result.outcome is Outcome.NO_REPLY
        for result in state.results
    )
    if stake or state.finished or not any(result.error for result in state.results):
        return state, ()
    return replace(state, hr_class=0, app_version_id=0), ()


def _errors(state: WorkunitState) -> ErrorMask:
    mask = ErrorMask.NONE
    if any(result.outcome is Outcome.COULDNT_SEND for result in state.results):
        mask |= ErrorMask.COULDNT_SEND_RESULT
    if sum(result.error for result in state.results) > state.limits.max_error_results:
        mask |= ErrorMask.TOO_MANY_ERROR_RESULTS
    if _exhausted(state):
        mask |= ErrorMask.TOO_MANY_TOTAL_RESULTS
    return mask


def _exhausted(state: WorkunitState) -> bool:
    """Whether more results are wanted than may be created, and those that may come do not help."""
    allowed = _allowed(state)
    if _needed(state) <= allowed:
        return False
    under_way = any(not result.over for result in state.results)
    return _hopeful(state) + allowed < state.limits.min_quorum or not (allowed or under_way)


def _hopeful(state: WorkunitState) -> int:
    """Return how many results are, or may become, successes."""
    return sum(not result.over or result.success for result in state.results)


def _needed(state: WorkunitState) -> int:
    """Return how many more results the target asks for."""
    return max(0, state.limits.target_nresults - _hopeful(state))


def _allowed(state: WorkunitState) -> int:
    """Return how many more results may be created."""
    return max(0, state.limits.max_total_results - len(state.results))


def _create(state: WorkunitState, event: Transition) -> Step:
    if state.finished:
        return state, ()
    count = min(_needed(state), _allowed(state))
    if count == 0:
        return state, ()
    first = state.next_instance
    new = tuple(ResultState(instance) for instance in range(first, first + count))
    # Whatever is not the first of its workunit is awaited: it replaces a result, or confirms one.
    retry = bool(state.results)
    records = (RecordEvent(EventKind.CREATED, event.now, result.instance) for result in new)
    after = replace(state, results=state.results + new)
    return after, (CreateResults(first, count, retry, event.now), *records)


def _clean_up(state: WorkunitState, event: Transition) -> Step:
    return clean_up(state, event.now)


def _deletion_due(state: WorkunitState, event: Transition) -> float:
    last = max((result.received_time for result in state.results), default=0.0)
    return max(last, state.assimilate_time) + event.delete_delay


def _delete(state: WorkunitState, event: Transition) -> Step:
    """Release files: outputs as soon as they are judged, everything when all results are."""
    done = state.assimilate_state is AssimilateState.DONE
    if not done or event.now < _deletion_due(state, event):
        return state, ()
    settled = all(result.over and not result.unchecked for result in state.results)
    everything = settled and not event.hold

    def releasable(result: ResultState) -> bool:
        if result.host is None or not result.over or result.unchecked:
            return False
        # A host that gave no reply may have uploaded, and may yet report.
        may_come = result.outcome in (Outcome.NO_REPLY, Outcome.CLIENT_DETACHED)
        return everything or not (may_come or result.instance == state.canonical)

    state, effects = on_results(state, releasable, OutputsDeletable(event.now))
    if everything and state.file_delete_state in (FileDeleteState.INIT, FileDeleteState.ERROR):
        state = replace(state, file_delete_state=FileDeleteState.READY)
    return state, effects
