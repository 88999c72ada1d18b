"""Campaigns on the server: issue, pause, resume, cancel, complete, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session

from boinc_project.campaign import Campaign
from boinc_project.errors import InputError, TransientError
from boinc_project.lifecycle.campaign import (
    CampaignCancelled,
    CampaignEvent,
    Completed,
    Paused,
    Resumed,
    Swept,
)
from boinc_project.lifecycle.workunit import Cancelled
from boinc_project.states import CampaignState, ErrorMask, Outcome, ServerState
from server.db import Database
from server.models import CampaignRow, Result, Workunit
from server.project import Project
from server.services import campaign_view, lifecycle
from server.services.campaign_issue import Issued, issue, issue_generation
from server.services.campaign_life import happen
from server.services.campaign_view import CampaignView
from server.services.newest_product import newest_product
from work_generator.definition import from_definition

__all__ = [
    "Issued",
    "Status",
    "cancel",
    "complete",
    "definition",
    "issue",
    "issue_generation",
    "pause",
    "resume",
    "status",
    "stop",
    "sweep",
]

_ENDED = frozenset({CampaignState.CANCELLED.value, CampaignState.COMPLETE.value})


def pause(project: Project, name: str, *, actor: str = "admin") -> None:
    """Stop sending a campaign's tasks; what is out may come back.

    Raises
    ------
    InputError
        If there is no such campaign.
    StateError
        If it has ended.
    """
    _change(project, name, Paused(project.clock()), actor=actor)


def stop(project: Project, name: str, reason: str, *, actor: str) -> None:
    """Pause a campaign that fails; see `pause`. An admin resumes or cancels it."""
    _change(project, name, Paused(project.clock(), reason), actor=actor)


def resume(project: Project, name: str, *, actor: str = "admin") -> None:
    """Send a paused campaign's tasks again; see `pause`."""
    _change(project, name, Resumed(project.clock()), actor=actor)


def cancel(project: Project, name: str, reason: str = "", *, actor: str = "admin") -> int:
    """End a campaign now: tasks not sent are withdrawn, those on computers are called back.

    Safe to repeat, and finished by the work generator's daemon if it is interrupted.

    Returns
    -------
    int
        Workunits cancelled.

    Raises
    ------
    InputError, StateError
        As `pause`.
    """
    event = CampaignCancelled(project.clock(), reason or "Cancelled by an admin.")
    return sweep(project, _change(project, name, event, actor=actor), actor=actor)


def complete(
    project: Project, campaign_id: int, reason: str, *, actor: str, definition: bytes | None = None
) -> bool:
    """End a running campaign by its stop rule; `sweep` then withdraws what nobody has begun.

    Parameters
    ----------
    definition : bytes, optional
        Whose stop rule it is. A campaign that was extended meanwhile is not ended.

    Returns
    -------
    bool
        Whether it was still running.
    """
    with project.database.write() as session:
        row = session.get(CampaignRow, campaign_id, with_for_update=True)
        if row is None:
            return False
        session.refresh(row)
        if definition is not None and row.definition != definition:
            return False
        return happen(session, row, Completed(project.clock(), reason), actor=actor)


def sweep(project: Project, campaign_id: int, *, actor: str) -> int:
    """Withdraw open workunits of an ended campaign; when none is open, write down its end time.

    A cancelled campaign loses all that is open. A complete one only loses the workunits in which
    nobody has a stake: whoever is computing one, or has computed it, keeps the chance of their
    credit, and the product takes what they find.

    Returns
    -------
    int
        Workunits cancelled. Those that another process works on are left for the next time.
    """
    with project.database.read() as session:
        row = session.get(CampaignRow, campaign_id)
        if row is None or row.end_time is not None or row.state not in _ENDED:
            return 0
        everything = row.state == CampaignState.CANCELLED.value
        reason = row.end_reason
        wanted = _open_workunits(campaign_id)
        n_open = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
        ids = session.scalars(wanted if everything else wanted.where(~_has_stake())).all()
    cancelled = 0
    for workunit_id in ids:
        try:
            cancelled += _cancel_one(
                project, workunit_id, reason, everything=everything, actor=actor
            )
        except TransientError:
            continue
    if cancelled == n_open:
        with project.database.write() as session:
            row = session.get(CampaignRow, campaign_id, with_for_update=True)
            if row is not None:  # one that was extended meanwhile goes on
                happen(session, row, Swept(project.clock()), actor=actor)
    return cancelled


@dataclass(frozen=True, slots=True)
class Status:
    """Where a campaign is.

    Attributes
    ----------
    view : CampaignView
        State, workunits by state, newest product.
    summary : Mapping[str, Any] or None
        The newest product's summary.json.
    credit : float
        Cobblestones granted for it so far.
    computers : int
        Hosts that have had a part in it.
    """

    view: CampaignView
    summary: Mapping[str, Any] | None
    credit: float
    computers: int


def status(project: Project, name: str) -> Status:
    """Return where a campaign is.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    with project.database.read() as session:
        row = find(session, name)
        product = newest_product(session, row.id)
        summary = None if product is None else product.summary
        credit, computers = session.execute(
            select(
                func.coalesce(func.sum(Result.granted_credit), 0.0),
                func.count(Result.hostid.distinct()),
            )
            .join(Workunit, Workunit.id == Result.workunitid)
            .where(Workunit.campaign_id == row.id)
        ).one()
    view = campaign_view.campaign(project.database, name)
    assert view is not None  # campaigns are never deleted
    return Status(view, summary, float(credit), computers)


def definition(database: Database, name: str) -> Campaign:
    """Return the prepared campaign of this name.

    Raises
    ------
    InputError
        If there is none.
    """
    with database.read() as session:
        return from_definition(find(session, name).definition)


def find(session: Session, name: str) -> CampaignRow:
    """Return a campaign's row.

    Raises
    ------
    InputError
        If there is none.
    """
    row = session.scalars(select(CampaignRow).where(CampaignRow.name == name)).one_or_none()
    if row is None:
        raise InputError(f"There is no campaign {name}: see `openastro campaign list`.", name=name)
    return row


def _change(project: Project, name: str, event: CampaignEvent, *, actor: str) -> int:
    """Let an event happen to a campaign in a transaction of its own; return its id."""
    with project.database.write() as session:
        row = session.get(CampaignRow, find(session, name).id, with_for_update=True)
        assert row is not None
        session.refresh(row)
        happen(session, row, event, actor=actor)
        return row.id


def _open_workunits(campaign_id: int) -> Select[Any]:
    """Select the ids of workunits that have neither an answer nor an error."""
    return (
        select(Workunit.id)
        .where(
            Workunit.campaign_id == campaign_id,
            Workunit.canonical_resultid.is_(None),
            Workunit.error_mask == ErrorMask.NONE,
        )
        .order_by(Workunit.id)
    )


def _has_stake() -> ColumnElement[bool]:
    """Whether some host computes a workunit, or has computed it."""
    return exists().where(
        Result.workunitid == Workunit.id,
        or_(
            Result.server_state == ServerState.IN_PROGRESS,
            Result.outcome == Outcome.SUCCESS,
        ),
    )


def _cancel_one(
    project: Project, workunit_id: int, reason: str, *, everything: bool, actor: str
) -> bool:
    """Cancel a workunit; return whether it is not open any more."""
    with project.database.write() as session:
        loaded = lifecycle.load(session, project.database, workunit_id)
        if loaded is None:
            return True
        if session.get_one(CampaignRow, loaded.row.campaign_id).state not in _ENDED:
            return False  # it was extended meanwhile, perhaps by this very workunit
        stakes = any(
            one.outcome is Outcome.SUCCESS or one.server_state is ServerState.IN_PROGRESS
            for one in loaded.state.results
        )
        if stakes and not everything:
            return False  # sent out since we looked
        event = Cancelled(project.clock(), reason)
        lifecycle.apply(
            session, project.database, loaded, event, actor=actor, settings=project.settings
        )
        return True
