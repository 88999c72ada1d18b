"""Watch over campaigns: let the rest of one follow its canary, and stop one that fails everywhere.

Who is to blame is decided by `boinc_project.lifecycle.faults`; here are the rows it needs, and what
follows. A campaign that is stopped gives the hosts back what it cost them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Integer, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from boinc_project.errors import StateError
from boinc_project.lifecycle.campaign import CanaryPassed
from boinc_project.lifecycle.faults import Cell, Factor, must_stop
from boinc_project.lifecycle.host_record import pardoned
from boinc_project.states import (
    CampaignState,
    ErrorMask,
)
from server.models import CampaignRow, Event, HostAppVersion, Workunit
from server.project import Project
from server.services import campaigns
from server.services.campaign_life import happen
from server.services.effects import record_of
from server.services.fault_rows import WINDOW, cells, faults

LOOK_SECONDS = 60.0
"""Between two looks, each of which counts a campaign's results: in a minute no fleet wastes
more than what it has in hand anyway."""


def watch(project: Project, *, actor: str) -> int:
    """Look at all running campaigns, if it is time; return how many were changed."""
    now = project.clock()
    if now - project.looked.get("campaigns", 0.0) < LOOK_SECONDS:
        return 0
    project.looked["campaigns"] = now
    running = select(CampaignRow.id).where(CampaignRow.state == CampaignState.ACTIVE.value)
    with project.database.read() as session:
        ids = session.scalars(running.order_by(CampaignRow.id)).all()
    return sum(_look(project, one, now, actor) for one in ids)


def _look(project: Project, campaign_id: int, now: float, actor: str) -> bool:
    with project.database.read() as session:
        row = session.get_one(CampaignRow, campaign_id)
        own = cells(session, since=_since(session, row, now), campaign=campaign_id)
        reason = _why_stop(session, row, own, now) if _is_open(session, campaign_id) else ""
        passed = not reason and row.canary > 0 and _canary_over(session, row)
        name = row.name
    if reason:
        try:
            campaigns.stop(project, name, reason, actor=actor)
        except StateError:
            return False  # it ended meanwhile
        pardon(project, own)
        structlog.get_logger("watch").warning("campaign stopped", campaign=name, reason=reason)
    elif passed:
        with project.database.write() as session:
            row = session.get_one(CampaignRow, campaign_id, with_for_update=True)
            passed = happen(session, row, CanaryPassed(now), actor=actor)
    return bool(reason) or passed


def _is_open(session: Session, campaign_id: int) -> bool:
    """Whether anything can still be saved by stopping the campaign."""
    undecided = select(Workunit.id).where(
        Workunit.campaign_id == campaign_id,
        Workunit.canonical_resultid.is_(None),
        Workunit.error_mask == ErrorMask.NONE,
    )
    return session.scalar(undecided.limit(1)) is not None


def _since(session: Session, row: CampaignRow, now: float) -> float:
    """Return from when on results count: an admin who resumed a campaign has mended it."""
    resumed = session.scalar(
        select(func.max(Event.time)).where(
            Event.campaign_id == row.id,
            Event.kind == "campaign_state",
            Event.after == CampaignState.ACTIVE.value,
        )
    )
    return max(resumed or 0.0, now - WINDOW)


def _why_stop(session: Session, row: CampaignRow, own: Sequence[Cell], now: float) -> str:
    """Return why a campaign must be stopped, as a sentence; empty if it may go on."""
    p_value = must_stop(own, {})
    if p_value < 1.0:
        # Only now the rest of the project is looked at, which takes longer.
        found = faults(session, now=now)
        innocent = {
            factor: frozenset(one.name for one in found if one.factor is factor)
            for factor in (Factor.APP_VERSION, Factor.PLATFORM, Factor.HOST)
        }
        p_value = must_stop(own, innocent)
    if p_value < 1.0:
        failing = sum(2 * cell.failed > cell.ended for cell in own)
        return (
            f"Stopped by the server: {failing} of {len({cell.host for cell in own})} computers "
            f"fail in this campaign, more than an ordinary fleet does (p = {p_value:.1g}). "
            "The computers are not to blame, and keep their records."
        )
    failed, units = _canary_errors(session, row) if row.canary else (0, 0)
    if 2 * failed > units > 0:
        return (
            f"Stopped by the server: {failed} of the {units} units that were tried first ended "
            "without a result. The others were not sent."
        )
    return ""


def _canary(row: CampaignRow) -> ColumnElement[bool]:
    return and_(
        Workunit.campaign_id == row.id,
        Workunit.generation == 0,
        Workunit.unit_index < row.canary,
    )


def _canary_errors(session: Session, row: CampaignRow) -> tuple[int, int]:
    failed, units = session.execute(
        select(func.sum(cast(Workunit.error_mask != ErrorMask.NONE, Integer)), func.count()).where(
            _canary(row)
        )
    ).one()
    return int(failed or 0), int(units)


def _canary_over(session: Session, row: CampaignRow) -> bool:
    """Whether the units that were tried first cannot stop the campaign any more.

    Either all have ended, or more than half have an answer, so that fewer than half can fail. To
    wait for all would have one computer that never reports hold a whole campaign up.
    """
    answered, ended, units = session.execute(
        select(
            func.sum(cast(Workunit.canonical_resultid.is_not(None), Integer)),
            func.sum(
                cast(
                    or_(
                        Workunit.canonical_resultid.is_not(None),
                        Workunit.error_mask != ErrorMask.NONE,
                    ),
                    Integer,
                )
            ),
            func.count(),
        ).where(_canary(row))
    ).one()
    return int(ended or 0) == units or 2 * int(answered or 0) > units


def pardon(project: Project, own: Sequence[Cell]) -> None:
    """Give hosts back what a campaign cost them: quotas, and records of valid results."""
    daily_quota = project.settings.scheduler.daily_result_quota
    for cell in own:
        if not cell.failed:
            continue
        with project.database.write() as session:
            key = (cell.host, cell.app_version)
            row: Any = session.get(HostAppVersion, key, with_for_update=True)
            if row is None or row.n_audit_failed:
                continue  # who failed an audit did not do so by the campaign's fault
            after = pardoned(record_of(row), errors=cell.failed, daily_quota=daily_quota)
            for name in ("max_jobs_per_day", "consecutive_valid", "streak_lost", "n_error"):
                setattr(row, name, getattr(after, name))
