"""Tasks that a host holds, or should hold: lost ones, and those that nobody wants any more.

A result that we think is on the host, which the client neither lists nor reports, was lost with a
reply or by a reset (``sched/sched_resend.cpp``). Without sending it again its workunit would wait
for the whole deadline.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from boinc_project.lifecycle.result import handle, resend_deadline
from boinc_project.lifecycle.result_events import Detached, GivenUp, Resent, ResultEvent
from boinc_project.states import AssimilateState, ErrorMask, ServerState
from server.services.scheduler import statements
from server.services.scheduler.books import Books
from server.services.scheduler.catalogue import Catalogue, Version
from server.services.scheduler.sending import Assignment
from server.services.state_rows import result_columns, result_state


@dataclass(frozen=True, slots=True)
class Aborts:
    """Names of tasks that the client is to drop."""

    at_once: tuple[str, ...] = ()
    if_not_started: tuple[str, ...] = ()


def detach(connection: Connection, books: Books, rows: Iterable[Any], *, now: float) -> None:
    """End what a host had that has forgotten everything, itself included."""
    for row in rows:
        step(connection, books, row, Detached(now))


def send_again(
    connection: Connection,
    books: Books,
    lost: Sequence[Any],
    catalogue: Catalogue,
    platforms: Sequence[str],
    *,
    now: float,
    grace: float,
) -> list[Assignment]:
    """Send lost results again, or give them up where that makes no sense.

    Parameters
    ----------
    lost : Sequence[Row]
        Results in progress that the client does not have.
    grace : float
        The project's ``report_grace_period``, seconds.
    """
    again = []
    for row in lost:
        version = _usable(row, catalogue, platforms)
        if version is None or row.error_mask or row.canonical_resultid is not None:
            step(connection, books, row, GivenUp(now, grace=grace))
            continue
        deadline = resend_deadline(
            now,
            delay_bound=row.delay_bound,
            sent_time=row.sent_time,
            deadline=row.report_deadline,
        )
        step(connection, books, row, Resent(now, deadline, grace=grace))
        again.append(Assignment(row, version, deadline))
    return again


def _usable(row: Any, catalogue: Catalogue, platforms: Sequence[str]) -> Version | None:
    """Return the version that the result was sent with, if the host can still use it."""
    version = catalogue.by_id.get(row.app_version_id)
    return version if version is not None and version.platform in platforms else None


def step(connection: Connection, books: Books, row: Any, event: ResultEvent) -> None:
    """Let an event happen to one result: write its state, and enter the effects into the books.

    Raises
    ------
    StateError
        If the event is impossible; nothing is changed then.
    """
    before = result_state(row)
    after, effects = handle(before, event)
    books.enter(row, before, after, effects)
    columns = result_columns(before, after)
    if columns:
        connection.execute(
            statements.results.update().where(statements.results.c.id == row.id).values(**columns)
        )


def unwanted(
    connection: Connection,
    held: Collection[str],
    in_progress: Sequence[Any],
    *,
    userid: int,
) -> Aborts:
    """Return which of the tasks that a client lists are not wanted any more.

    Unknown ones and those of cancelled workunits are stopped at once; those whose workunit has its
    answer, and those that are over for us, only if they have not begun: a result that comes late
    can still earn its credit.
    """
    known = {row.name: row for row in in_progress}
    others = sorted(name for name in held if name not in known)
    if others:
        found = connection.execute(statements.results_by_name, {"names": others})
        known |= {row.name: row for row in found if row.userid == userid}
    at_once, if_not_started = [], []
    for name in held:
        row = known.get(name)
        if row is None or row.error_mask & ErrorMask.CANCELLED:
            at_once.append(name)
        elif (
            row.error_mask
            or row.canonical_resultid is not None
            or row.assimilate_state is not AssimilateState.INIT
            or row.server_state is ServerState.OVER
        ):
            if_not_started.append(name)
    return Aborts(tuple(at_once), tuple(if_not_started))
