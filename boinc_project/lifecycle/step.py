"""Steps that every event of a workunit is made of.

They know no event of a workunit, so that the modules that do (`transition`, `decision`,
`withdrawal`, `workunit`) build on these and not on each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from boinc_project.lifecycle.effects import (
    Effect,
    RecordEvent,
    RequireQuorum,
    ScheduleTransition,
)
from boinc_project.lifecycle.result import handle
from boinc_project.lifecycle.result_events import NotNeeded, ResultEvent, Validated
from boinc_project.lifecycle.state import NEVER, ResultState, WorkunitState
from boinc_project.states import AssimilateState, ErrorMask, ValidateState

Step = tuple[WorkunitState, tuple[Effect, ...]]
"""A new state and what is to be done."""


def on_results(
    state: WorkunitState, select: Callable[[ResultState], bool], event: ResultEvent
) -> Step:
    """Let `event` happen to all selected results."""
    effects: list[Effect] = []
    results: list[ResultState] = []
    time, confirm = state.transition_time, NEVER
    for result in state.results:
        after, caused = handle(result, event) if select(result) else (result, ())
        results.append(after)
        for effect in caused:
            if isinstance(effect, ScheduleTransition):
                time = min(time, effect.time)
            elif isinstance(effect, RequireQuorum):
                confirm = min(confirm, effect.time)
            else:
                effects.append(effect)
    state = replace(state, results=tuple(results), transition_time=time)
    if confirm < NEVER:
        confirmed = require_quorum(state)
        # A quorum that changes nothing is no cause for a look; so says the scheduler's statement.
        state = state if confirmed is state else look_by(confirmed, confirm)
    return state, tuple(effects)


def on_result(state: WorkunitState, instance: int, event: ResultEvent) -> Step:
    """Let `event` happen to one result.

    Raises
    ------
    StateError
        If there is no such result, or the event is impossible for it.
    """
    state.result(instance)
    return on_results(state, lambda result: result.instance == instance, event)


def require_quorum(state: WorkunitState) -> WorkunitState:
    """Return the state with its full quorum; unchanged if it has it, or has its answer."""
    full = state.limits.full_quorum
    if state.finished or state.limits.min_quorum >= full:
        return state
    target = max(state.limits.target_nresults, full)
    return replace(state, limits=replace(state.limits, min_quorum=full, target_nresults=target))


def look_by(state: WorkunitState, time: float) -> WorkunitState:
    """Have the transitioner look at `time`, or earlier if it was to look earlier."""
    return replace(state, transition_time=min(state.transition_time, time))


def fail(state: WorkunitState, mask: ErrorMask, record: RecordEvent) -> Step:
    """End a workunit without a canonical result, in error `mask`."""
    failed = replace(
        state,
        error_mask=state.error_mask | mask,
        need_validate=False,
        validate_after=0.0,
        assimilate_state=AssimilateState.READY,
    )
    after, effects = clean_up(failed, record.time)
    return after, (record, *effects)


def clean_up(state: WorkunitState, now: float) -> Step:
    """Withdraw what a failed workunit does not need any more; `now` is in epoch seconds."""
    if not state.error_mask:
        return state, ()
    state, withdrawn = on_results(state, lambda result: result.waiting, NotNeeded(now))
    verdict = Validated(now, ValidateState.NO_CHECK)
    state, unchecked = on_results(state, lambda result: result.undecided, verdict)
    return state, (*withdrawn, *unchecked)
