"""An answer that is not believed any more is withdrawn, and others compute the workunit again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from boinc_project.campaign import Quorum
from boinc_project.lifecycle.effects import EventKind, RecordEvent
from boinc_project.lifecycle.result_events import Doubted
from boinc_project.lifecycle.state import WorkunitState
from boinc_project.lifecycle.step import Step, look_by, on_results, require_quorum
from boinc_project.states import AssimilateState, FileDeleteState, ValidateState


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


def withdrawn(state: WorkunitState, event: Withdrawn) -> Step:
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
    doubted = Doubted(event.now, event.granted, event.reason)
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
    return look_by(require_quorum(state), event.now), (record, *effects)


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
