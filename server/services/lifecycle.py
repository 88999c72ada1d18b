"""Let events happen to workunits: load the rows, ask the machine, write what came of it.

Apart from the scheduler, which handles single results with the same machine, this is the only
place that changes the states of workunits and results. The caller owns the transaction. In it, on
PostgreSQL, the workunit's row and then its results' rows are locked, never waiting for one that
another holds: whoever finds a lock taken lets go and comes again, so that no two transactions can
wait for each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from boinc_project import application
from boinc_project.errors import StateError, TransientError
from boinc_project.lifecycle.effects import Effect
from boinc_project.lifecycle.invariants import validate_state
from boinc_project.lifecycle.result_events import Reported
from boinc_project.lifecycle.state import WorkunitState
from boinc_project.lifecycle.transition import Transition
from boinc_project.lifecycle.workunit import DeletionPutOff, OnResult, WorkunitEvent, handle
from boinc_project.settings import Settings
from boinc_project.states import CampaignState
from server.db import Database
from server.models import App, CampaignRow, Result, Workunit
from server.models.campaign import RUNNING
from server.services.effects import carry_out
from server.services.row_effects import RowEffects
from server.services.state_rows import (
    report_columns,
    result_columns,
    result_state,
    workunit_columns,
    workunit_state,
)


@dataclass(slots=True)
class LoadedWorkunit:
    """A workunit's rows, and its state as the machine sees it."""

    row: Workunit
    results: dict[int, Result]
    """By instance number."""
    state: WorkunitState


def read(session: Session, workunit_id: int) -> LoadedWorkunit | None:
    """Load a workunit to look at it; None if there is none."""
    row = session.get(Workunit, workunit_id)
    if row is None:
        return None
    results = session.scalars(select(Result).where(Result.workunitid == workunit_id)).all()
    by_instance = {one.instance: one for one in results}
    return LoadedWorkunit(row, by_instance, workunit_state(row, results))


# Built once: to put a statement together takes Python as long as to run it takes the database.
_WORKUNIT = select(Workunit).where(Workunit.id == bindparam("workunit"))
_RESULTS = select(Result).where(Result.workunitid == bindparam("workunit")).order_by(Result.id)
_CAMPAIGN = (
    select(CampaignRow.state, CampaignRow.merge_wanted, CampaignRow.end_time, App.name)
    .join(App, App.id == CampaignRow.appid)
    .where(CampaignRow.id == bindparam("campaign"))
)
_COUNT = select(func.count()).where(Result.workunitid == bindparam("workunit"))


def load(session: Session, database: Database, workunit_id: int) -> LoadedWorkunit | None:
    """Load a workunit to change it, its rows locked; None if there is none.

    Raises
    ------
    TransientError
        If another transaction works on it at this moment.
    """
    values = {"workunit": workunit_id}
    row = session.scalars(database.locked(_WORKUNIT), values).one_or_none()
    if row is None:
        if session.scalar(select(Workunit.id).where(Workunit.id == workunit_id)) is None:
            return None
        raise TransientError("Another process works on this workunit.", workunit=workunit_id)
    results = session.scalars(database.locked(_RESULTS), values).all()
    # SQLite's one writer has locked them all.
    if not database.is_sqlite and session.scalar(_COUNT, values) != len(results):
        raise TransientError("Another process works on its results.", workunit=workunit_id)
    by_instance = {one.instance: one for one in results}
    return LoadedWorkunit(row, by_instance, workunit_state(row, results))


def transition_event(session: Session, settings: Settings, row: Workunit, now: float) -> Transition:
    """Return the transitioner's look at a workunit, as settings and campaign want it."""
    state, merge_wanted, end_time, app = session.execute(
        _CAMPAIGN, {"campaign": row.campaign_id}
    ).one()
    running = state in RUNNING
    if state == CampaignState.COMPLETE.value and application.get(app).extendable:
        # What it is made of is needed again if it gets more units.
        running = end_time is None or now < end_time + settings.daemons.extend_delay
    return Transition(
        now,
        grace=settings.scheduler.report_grace_period,
        delete_delay=settings.daemons.delete_delay,
        # Every merge of a campaign reads all its canonical outputs again.
        hold=running or merge_wanted,
    )


def apply(
    session: Session,
    database: Database,
    loaded: LoadedWorkunit,
    event: WorkunitEvent,
    *,
    actor: str,
    settings: Settings,
    new_token: Callable[[], str] = lambda: secrets.token_hex(8),
) -> tuple[Effect, ...]:
    """Let one event happen to a loaded workunit: states, credit, hosts' records and story.

    Parameters
    ----------
    actor : str
        Who did it: ``transitioner``, ``validator``, ``admin``, ...
    new_token : Callable[[], str]
        Returns the part of an output's file name that nobody can guess.

    Returns
    -------
    tuple[Effect, ...]
        What was done besides the state; empty if the event was a repetition, or came too late.

    Raises
    ------
    StateError
        If the event is impossible, or would lead to a state that is; then nothing may be committed.
    TransientError
        If another transaction changes a row that takes part.
    """
    before = loaded.state
    after, effects = handle(before, event)
    if not isinstance(event, DeletionPutOff):  # an impossible state is put off for being that
        validate_state(after)
    store = RowEffects(
        session=session,
        database=database,
        row=loaded.row,
        results=loaded.results,
        before=before,
        after=after,
        actor=actor,
        daily_quota=settings.scheduler.daily_result_quota,
        new_token=new_token,
    )
    carry_out(effects, store)
    _write_states(loaded, before, after)
    if isinstance(event, OnResult) and isinstance(event.event, Reported) and effects:
        _set(loaded.results[event.instance], report_columns(event.event))
    store.write()
    loaded.state = after
    return effects


def change(
    database: Database,
    settings: Settings,
    workunit_id: int,
    event: WorkunitEvent,
    *,
    actor: str,
) -> bool:
    """Let one event happen to a workunit in a transaction of its own.

    Returns
    -------
    bool
        Whether anything came of it.

    Raises
    ------
    StateError, TransientError
        See `load` and `apply`; nothing is changed then.
    """
    with database.write() as session:
        loaded = load(session, database, workunit_id)
        if loaded is None:
            raise StateError(f"There is no workunit {workunit_id}.", workunit=workunit_id)
        before = loaded.state
        effects = apply(session, database, loaded, event, actor=actor, settings=settings)
        return bool(effects) or loaded.state != before


def _write_states(loaded: LoadedWorkunit, before: WorkunitState, after: WorkunitState) -> None:
    _set(loaded.row, workunit_columns(before, after))
    canonical = None if after.canonical is None else loaded.results[after.canonical].id
    if loaded.row.canonical_resultid != canonical:
        loaded.row.canonical_resultid = canonical
    for state in after.results:
        row = loaded.results[state.instance]
        _set(row, result_columns(result_state(row), state))


def _set(row: object, columns: dict[str, object]) -> None:
    for name, value in columns.items():
        setattr(row, name, value)
