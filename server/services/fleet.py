"""The computers that a project can count on: those that asked for work lately."""

from __future__ import annotations

from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from boinc_project.states import Outcome, ServerState
from server.db import Database
from server.models import Host, Result
from server.services.status import RECENT
from work_generator.fleet import Fleet
from work_generator.prices import Volunteers
from work_generator.reference import REFERENCE_FPOPS

UNMEASURED = 1e9
"""What a client states that has not run its benchmarks, to the last digit."""

_LEAST, _MOST = 0.05, 5.0
"""No core is slower or faster than this, in reference cores: benchmarks are what hosts claim."""


MEMORY = 60 * 86400.0
"""Seconds whose tasks tell how many are lost: several usual deadlines of a week."""

_PRIOR = 20.0
"""Tasks that the assumed loss counts for: a project's own tens of tasks say more than a guess, its
first few do not."""


def active_fleet(database: Database, assumed: Volunteers, *, now: float) -> Fleet | None:
    """Return the hosts that were in contact during the last week; None if there were none.

    Parameters
    ----------
    database : Database
        The project's.
    assumed : Volunteers
        Stands in for what is not known yet: availability and speed of a host that has not told
        them, and lost tasks where few were sent.
    now : float
        Epoch seconds.
    """
    with database.read() as session:
        rows = session.execute(
            select(Host.p_ncpus, Host.p_fpops, Host.on_frac, Host.active_frac).where(
                Host.rpc_time > now - RECENT
            )
        ).all()
        lost = _lost(session, assumed, now)
    if not rows:
        return None
    cores = sum(max(1, row.p_ncpus) for row in rows)
    worths = [max(1, row.p_ncpus) * _speed(row.p_fpops, assumed) for row in rows]
    worth = sum(worths)
    there = sum(w * _available(row, assumed) for w, row in zip(worths, rows, strict=True))
    return Fleet(
        hosts=len(rows),
        cores=float(cores),
        reference_cores=worth,
        availability=there / worth,
        lost=lost,
        words=f"{len(rows)} hosts active in the last week",
    )


def _speed(p_fpops: float, assumed: Volunteers) -> float:
    if p_fpops <= 0 or p_fpops == UNMEASURED:
        return assumed.speed
    return min(max(p_fpops / REFERENCE_FPOPS, _LEAST), _MOST)


def _available(row: Any, assumed: Volunteers) -> float:
    """Return the part of the time that a host computes, as it tells it."""
    return float(row.on_frac * row.active_frac) or assumed.availability


def _lost(session: Session, assumed: Volunteers, now: float) -> float:
    """Return the part of the tasks sent lately that ended with their deadline."""
    ended, lost = session.execute(
        select(func.count(), func.count(case((Result.outcome == Outcome.NO_REPLY, 1))))
        .select_from(Result)
        .where(
            Result.server_state == ServerState.OVER,
            Result.outcome.in_((Outcome.SUCCESS, Outcome.CLIENT_ERROR, Outcome.NO_REPLY)),
            Result.sent_time > now - MEMORY,
        )
    ).one()
    return float((lost + _PRIOR * assumed.lost) / (ended + _PRIOR))
