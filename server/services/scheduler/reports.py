"""Finished tasks that a client reports. Every one is acknowledged, whatever became of it.

A report that were not acknowledged would be repeated for ever (``sched/sched_result.cpp``). Only a
failed transaction acknowledges nothing: then the client comes again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection

from boinc_project.errors import StateError
from boinc_project.lifecycle.result import handle
from boinc_project.lifecycle.result_events import Reported
from boinc_project.protocol.request import ReportedResult
from boinc_project.states import ServerState
from server.services.scheduler import statements
from server.services.scheduler.books import Books
from server.services.state_rows import report_columns, result_state

log = structlog.get_logger("scheduler")

_STATE_COLUMNS = ("server_state", "outcome", "file_delete_state", "exit_status")


@dataclass(frozen=True, slots=True)
class Reports:
    """What came of the reports of one request."""

    acknowledged: tuple[str, ...]
    finished: frozenset[int]
    """Ids of results that this request ended."""


def take_reports(
    connection: Connection,
    books: Books,
    reported: Sequence[ReportedResult],
    in_hand: Mapping[str, Any],
    *,
    userid: int,
    now: float,
) -> Reports:
    """Enter reports into results and books.

    Parameters
    ----------
    reported : Sequence[ReportedResult]
        What the client says; of reports with the same name the first counts.
    in_hand : Mapping[str, Row]
        The host's results in progress, by name.
    userid : int
        Whose host it is: reports about other users' results are acknowledged and ignored.
    now : float
        Epoch seconds.
    """
    by_name: dict[str, ReportedResult] = {}
    for report in reported:
        by_name.setdefault(report.name, report)
    rows = {name: in_hand[name] for name in by_name if name in in_hand}
    elsewhere = sorted(by_name.keys() - rows.keys())
    if elsewhere:
        found = connection.execute(statements.results_by_name, {"names": elsewhere})
        rows |= {row.name: row for row in found}
    changes = []
    finished = set()
    for name, report in by_name.items():
        row = rows.get(name)
        if row is None or row.userid != userid:
            log.info("stray report", action="report", result=name, userid=userid)
            continue
        change = _enter(books, row, report, now)
        if change is not None:
            changes.append(change)
            finished.add(row.id)
    if changes:
        statements.report.run_many(connection, changes)
    return Reports(tuple(by_name), frozenset(finished))


def _enter(books: Books, row: Any, report: ReportedResult, now: float) -> dict[str, Any] | None:
    event = Reported(
        now=now,
        client_state=report.state,
        exit_status=report.exit_status,
        cpu_time=report.cpu_time,
        elapsed_time=report.elapsed_time,
    )
    before = result_state(row)
    try:
        after, effects = handle(before, event)
    except StateError as error:
        log.warning("report refused", action="report", result=row.name, reason=error.message)
        return None
    if not effects:
        return None  # reported before: the client did not get our answer
    books.enter(row, before, after, effects)
    assert after.server_state is ServerState.OVER
    return {
        "result_id": row.id,
        **{name: int(getattr(after, name)) for name in _STATE_COLUMNS},
        **report_columns(event),
        "client_state": int(event.client_state),
        "received_time": after.received_time,
        "peak_working_set_size": report.peak_working_set_size,
        "stderr_out": report.stderr,
    }
