"""Results counted for `boinc_project.lifecycle.faults`: who failed, where, with what."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import Session

from boinc_project.lifecycle.faults import Blame, Cell, blame
from boinc_project.states import ExitStatus, Outcome, ServerState, ValidateState
from server.models import AppVersion, Result, Workunit

WINDOW = 30 * 86400.0
"""Seconds whose results tell of faults: what was mended a month ago is nobody's fault now."""

_ABORTED = (ExitStatus.ABORTED_BY_PROJECT, ExitStatus.ABORTED_VIA_GUI)


def _failed() -> ColumnElement[bool]:
    """Whether a result failed: on its host, or by its check, audit or comparison."""
    return or_(
        Result.outcome == Outcome.VALIDATE_ERROR,
        Result.outcome == Outcome.CLIENT_ERROR,
        Result.validate_state == ValidateState.INVALID,
    )


def cells(session: Session, *, since: float, campaign: int | None = None) -> list[Cell]:
    """Return how many results ended and failed, by host, campaign and app version.

    Parameters
    ----------
    since : float
        Epoch seconds; older reports do not count.
    campaign : int, optional
        Only this one.
    """
    chosen = (
        select(
            Result.hostid,
            Workunit.campaign_id,
            Result.app_version_id,
            AppVersion.platform,
            func.count().label("ended"),
            func.sum(case((_failed(), 1), else_=0)).label("failed"),
        )
        .join(Workunit, Workunit.id == Result.workunitid)
        .join(AppVersion, AppVersion.id == Result.app_version_id)
        .where(
            Result.server_state == ServerState.OVER,
            Result.received_time >= since,
            # A success that waits for its verdict counts as one: failures are known sooner, and a
            # young campaign would seem to have nothing else.
            or_(Result.outcome == Outcome.SUCCESS, _failed()),
            Result.exit_status.not_in(_ABORTED),
        )
        .group_by(Result.hostid, Workunit.campaign_id, Result.app_version_id, AppVersion.platform)
    )
    if campaign is not None:
        chosen = chosen.where(Workunit.campaign_id == campaign)
    return [
        Cell(host, campaign_id, version, platform, int(ended), int(failed))
        for host, campaign_id, version, platform, ended, failed in session.execute(chosen)
    ]


def faults(session: Session, *, now: float) -> tuple[Blame, ...]:
    """Return who is at fault for failures of the last `WINDOW`."""
    return blame(cells(session, since=now - WINDOW))
