"""What holds in every state of a workunit, whatever happened to it."""

from __future__ import annotations

from collections.abc import Iterator

from boinc_project.errors import StateError
from boinc_project.lifecycle.state import ResultState, WorkunitState
from boinc_project.states import (
    AssimilateState,
    ErrorMask,
    FileDeleteState,
    Outcome,
    ServerState,
    ValidateState,
)


def validate_state(state: WorkunitState) -> None:
    """Check all invariants.

    Raises
    ------
    StateError
        Naming every invariant that is broken.
    """
    broken = [*_of_workunit(state), *(text for one in state.results for text in _of_result(one))]
    if broken:
        raise StateError(f"The state is not possible: {'; '.join(broken)}.", state=state)


def _of_workunit(state: WorkunitState) -> Iterator[str]:
    instances = [one.instance for one in state.results]
    valid = [one for one in state.results if one.validate_state is ValidateState.VALID]
    failed = state.error_mask is not ErrorMask.NONE
    if instances != sorted(set(instances)):
        yield f"instances {instances} are not in order"
    if len(instances) > state.limits.max_total_results:
        yield f"there are {len(instances)} results, more than max_total_results"
    if failed and state.canonical is not None:
        yield "it has a canonical result and an error"
    if state.canonical is None and valid:
        yield "results are VALID without a canonical result"
    if state.canonical is not None:
        if state.canonical not in [one.instance for one in valid]:
            yield "the canonical result is not VALID"
        if len(valid) < state.limits.min_quorum:
            yield f"only {len(valid)} results agree, less than min_quorum"
    if any(one.granted_credit != state.canonical_credit for one in valid):
        yield "VALID results have unlike credit"
    if state.finished and any(one.waiting for one in state.results):
        yield "it has its answer, and still results to be sent"
    if state.finished is (state.assimilate_state is AssimilateState.INIT):
        yield f"assimilation is {state.assimilate_state.name} at the wrong time"
    if state.need_validate and (failed or not state.to_check):
        yield "a validation is due with nothing to validate"
    if state.assimilate_state is not AssimilateState.DONE:
        # A workunit that was opened again has lost what need not be judged any more.
        gone = [
            one
            for one in state.results
            if one.file_delete_state is not FileDeleteState.INIT
            and (one.undecided or one.validate_state is ValidateState.VALID)
        ]
        if gone or state.file_delete_state is not FileDeleteState.INIT:
            yield "files are on their way out before assimilation"


def _of_result(one: ResultState) -> Iterator[str]:
    name = f"result {one.instance}"
    if one.over is (one.outcome is Outcome.INIT):
        yield f"{name} is {one.server_state.name} with outcome {one.outcome.name}"
    if one.waiting and one.host is not None:
        yield f"{name} waits for a host and has one"
    if one.server_state is ServerState.IN_PROGRESS and one.host is None:
        yield f"{name} is in progress nowhere"
    judged = one.validate_state is not ValidateState.INIT
    if judged and one.outcome not in (Outcome.SUCCESS, Outcome.VALIDATE_ERROR):
        yield f"{name} was judged but is no success"
    if one.outcome is Outcome.VALIDATE_ERROR and one.validate_state is not ValidateState.INVALID:
        yield f"{name} failed its check and is {one.validate_state.name}"
    if one.granted_credit and one.validate_state is not ValidateState.VALID:
        yield f"{name} has credit and is {one.validate_state.name}"
    if one.granted_credit < 0:
        yield f"{name} has negative credit"
    kept = one.file_delete_state is FileDeleteState.INIT
    if not kept and (one.unchecked or not one.over):
        yield f"{name} is still to be looked at, but its files are on their way out"
