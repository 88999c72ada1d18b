"""Carry out the effects of the life-cycle machine.

`carry_out` is the one way. It takes a store that says how each effect is done: `RowEffects` in
`server.services.row_effects` works on loaded rows, `ResultEffects` in
`server.services.scheduler.books` on what a scheduler RPC has collected. A store that has no way to
do an effect refuses it with `cannot`, because an effect that is dropped is a lost change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, assert_never

from boinc_project.errors import StateError
from boinc_project.lifecycle.effects import (
    CreateResults,
    Effect,
    GrantCredit,
    JudgeHost,
    RecordEvent,
    RequireQuorum,
    RevokeCredit,
    ScheduleTransition,
)
from boinc_project.lifecycle.host_record import HostRecord
from boinc_project.lifecycle.state import ResultState, WorkunitState
from server.models import HostAppVersion
from server.services.state_rows import result_label, workunit_label


class EffectStore(Protocol):
    """The rows of one event, with a method for each effect.

    A store may collect effects and write them together later; it then says so. Every method raises
    `StateError` if the store has no way to do the effect.
    """

    def schedule_transition(self, effect: ScheduleTransition) -> None:
        """Have the transitioner look at the workunit."""

    def create_results(self, effect: CreateResults) -> None:
        """Insert the rows of new results."""

    def grant_credit(self, effect: GrantCredit) -> None:
        """Give a result's user and host credit."""

    def revoke_credit(self, effect: RevokeCredit) -> None:
        """Take credit back."""

    def require_quorum(self, effect: RequireQuorum) -> None:
        """Have others confirm the workunit's results."""

    def judge_host(self, effect: JudgeHost) -> None:
        """Change the record of a result's host."""

    def record_event(self, effect: RecordEvent) -> None:
        """Append a row to the story."""


def carry_out(effects: Iterable[Effect], store: EffectStore) -> None:
    """Do all effects of one event, in their order.

    Raises
    ------
    StateError
        If the store has no way to do one of them; then nothing may be committed.
    """
    for effect in effects:
        match effect:
            case ScheduleTransition():
                store.schedule_transition(effect)
            case CreateResults():
                store.create_results(effect)
            case GrantCredit():
                store.grant_credit(effect)
            case RevokeCredit():
                store.revoke_credit(effect)
            case RequireQuorum():
                store.require_quorum(effect)
            case JudgeHost():
                store.judge_host(effect)
            case RecordEvent():
                store.record_event(effect)
            case _:
                assert_never(effect)


def cannot(store: EffectStore, effect: Effect) -> StateError:
    """Return the error of a store that has no way to do an effect."""
    return StateError(
        f"{type(store).__name__} has no way to carry out {type(effect).__name__}.", effect=effect
    )


def record_of(row: HostAppVersion) -> HostRecord:
    """Return a row of ``host_app_version`` as the rules see it."""
    return HostRecord(**{name: getattr(row, name) for name in HostRecord.__dataclass_fields__})


def story_row(
    record: RecordEvent,
    *,
    actor: str,
    campaign: int | None,
    workunit: int,
    result: int | None,
    before: WorkunitState | ResultState,
    after: WorkunitState | ResultState,
) -> dict[str, Any]:
    """Return the row of the table ``event`` that tells what `record` records.

    Parameters
    ----------
    result : int | None
        Row id of the result that it happened to.
    before, after : WorkunitState | ResultState
        The state that the event changed, and the new one.
    """
    detail = dict(record.detail)
    reason = str(detail.pop("reason", ""))
    labels = _labels(before, after, record.result)
    return {
        "time": record.time,
        "actor": actor,
        "kind": record.kind.value,
        "campaign_id": campaign,
        "workunitid": workunit,
        "resultid": result,
        "hostid": _host(after, record.result),
        "before": labels[0],
        "after": labels[1],
        "reason": reason,
        "data": detail or None,
    }


def _result(state: WorkunitState | ResultState, instance: int) -> ResultState | None:
    if isinstance(state, ResultState):
        return state
    return next((result for result in state.results if result.instance == instance), None)


def _host(state: WorkunitState | ResultState, instance: int | None) -> int | None:
    result = None if instance is None else _result(state, instance)
    return None if result is None else result.host


def _labels(
    before: WorkunitState | ResultState, after: WorkunitState | ResultState, instance: int | None
) -> tuple[str, str]:
    if instance is None:
        assert isinstance(before, WorkunitState)
        assert isinstance(after, WorkunitState)
        return workunit_label(before)[:254], workunit_label(after)[:254]
    was, is_now = _result(before, instance), _result(after, instance)
    return (
        result_label(was) if was is not None else "",
        result_label(is_now) if is_now is not None else "",
    )
