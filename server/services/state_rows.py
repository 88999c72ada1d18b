"""Rows of workunits and results, as states of the life-cycle machine, and back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from boinc_project.campaign import Quorum
from boinc_project.lifecycle.result_events import Reported
from boinc_project.lifecycle.state import ResultState, WorkunitState
from boinc_project.states import Outcome, ValidateState
from server.models import Result, Workunit

RESULT_COLUMNS = {
    "server_state": "server_state",
    "outcome": "outcome",
    "validate_state": "validate_state",
    "file_delete_state": "file_delete_state",
    "exit_status": "exit_status",
    "hostid": "host",
    "userid": "user",
    "sent_time": "sent_time",
    "received_time": "received_time",
    "report_deadline": "report_deadline",
    "granted_credit": "granted_credit",
}
"""Columns of a result's row that the machine owns, and the fields of its state."""

WORKUNIT_COLUMNS = (
    "error_mask",
    "need_validate",
    "validate_after",
    "canonical_credit",
    "assimilate_state",
    "assimilate_time",
    "file_delete_state",
    "transition_time",
    "hr_class",
    "app_version_id",
)
"""Columns of a workunit's row that are fields of its state by the same name."""

LIMIT_COLUMNS = (
    "min_quorum",
    "target_nresults",
    "max_total_results",
    "max_success_results",
    "full_quorum",
)
"""Columns of a workunit's row that are limits an event may raise."""


def result_state(row: Any) -> ResultState:
    """Return the state of a result's row: an ORM object, or a row that has these columns."""
    return ResultState(
        instance=row.instance,
        server_state=row.server_state,
        outcome=row.outcome,
        validate_state=row.validate_state,
        file_delete_state=row.file_delete_state,
        exit_status=row.exit_status,
        host=row.hostid,
        user=row.userid,
        sent_time=row.sent_time or 0.0,
        received_time=row.received_time or 0.0,
        report_deadline=row.report_deadline or 0.0,
        granted_credit=row.granted_credit,
    )


def result_columns(before: ResultState, after: ResultState) -> dict[str, Any]:
    """Return the columns of a result's row that a step changes, with their new values."""
    return {
        column: getattr(after, name)
        for column, name in RESULT_COLUMNS.items()
        if getattr(after, name) != getattr(before, name)
    }


def report_columns(event: Reported) -> dict[str, Any]:
    """Return the columns that keep what the client said, besides the state."""
    return {
        "client_state": event.client_state,
        "cpu_time": event.cpu_time,
        "elapsed_time": event.elapsed_time,
    }


def workunit_state(row: Workunit, results: Collection[Result]) -> WorkunitState:
    """Return the state of a workunit's row and all its results' rows."""
    instances = {one.id: one.instance for one in results}
    canonical = None if row.canonical_resultid is None else instances[row.canonical_resultid]
    return WorkunitState(
        limits=Quorum(
            min_quorum=row.min_quorum,
            target_nresults=row.target_nresults,
            max_error_results=row.max_error_results,
            max_total_results=row.max_total_results,
            max_success_results=row.max_success_results,
            delay_bound=row.delay_bound,
            full_quorum=row.full_quorum,
        ),
        canonical=canonical,
        results=tuple(sorted((result_state(one) for one in results), key=lambda one: one.instance)),
        **{name: getattr(row, name) for name in WORKUNIT_COLUMNS},
    )


def new_workunit_columns(state: WorkunitState) -> dict[str, Any]:
    """Return the columns that the machine owns, of a workunit that has no results yet."""
    limits = (*LIMIT_COLUMNS, "max_error_results", "delay_bound")
    return {
        **{name: getattr(state.limits, name) for name in limits},
        **{name: getattr(state, name) for name in WORKUNIT_COLUMNS},
    }


def workunit_columns(before: WorkunitState, after: WorkunitState) -> dict[str, Any]:
    """Return the columns of a workunit's row that a step changes, the canonical result excepted."""
    columns = {
        name: getattr(after, name)
        for name in WORKUNIT_COLUMNS
        if getattr(after, name) != getattr(before, name)
    }
    if after.limits != before.limits:
        columns |= {
            name: getattr(after.limits, name)
            for name in LIMIT_COLUMNS
            if getattr(after.limits, name) != getattr(before.limits, name)
        }
    return columns


def result_label(state: ResultState) -> str:
    """Return a result's state as the story shows it, e.g. ``OVER/SUCCESS/VALID``."""
    words = [state.server_state.name]
    if state.outcome is not Outcome.INIT:
        words.append(state.outcome.name)
    if state.validate_state is not ValidateState.INIT:
        words.append(state.validate_state.name)
    return "/".join(words)


def workunit_label(state: WorkunitState) -> str:
    """Return a workunit's state as the story shows it, e.g. ``CANONICAL/READY``."""
    if state.error_mask:
        words = "|".join(flag.name or "" for flag in state.error_mask)
    elif state.canonical is not None:
        words = "CANONICAL"
    else:
        return "TO_VALIDATE" if state.need_validate else "OPEN"
    return f"{words}/{state.assimilate_state.name}"
