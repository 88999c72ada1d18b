"""The computers that a project can count on: those that asked for work lately."""

from __future__ import annotations

from sqlalchemy import select

from server.db import Database
from server.models import Host
from server.services.status import RECENT
from work_generator.fleet import Fleet
from work_generator.prices import Volunteers
from work_generator.reference import REFERENCE_FPOPS

UNMEASURED = 1e9
"""What a client states that has not run its benchmarks, to the last digit."""

_LEAST, _MOST = 0.05, 5.0
"""No core is slower or faster than this, in reference cores: benchmarks are what hosts claim."""


def active_fleet(database: Database, assumed: Volunteers, *, now: float) -> Fleet | None:
    """Return the hosts that were in contact during the last week; None if there were none.

    Parameters
    ----------
    database : Database
        The project's.
    assumed : Volunteers
        Says what hosts do not tell: availability and lost tasks, and the speed of a core that has
        not been measured.
    now : float
        Epoch seconds.
    """
    with database.read() as session:
        rows = session.execute(
            select(Host.p_ncpus, Host.p_fpops).where(Host.rpc_time > now - RECENT)
        ).all()
    if not rows:
        return None
    cores = sum(max(1, row.p_ncpus) for row in rows)
    worth = sum(max(1, row.p_ncpus) * _speed(row.p_fpops, assumed) for row in rows)
    return Fleet(
        hosts=len(rows),
        cores=float(cores),
        reference_cores=worth,
        availability=assumed.availability,
        lost=assumed.lost,
        words=f"{len(rows)} hosts active in the last week",
    )


def _speed(p_fpops: float, assumed: Volunteers) -> float:
    if p_fpops <= 0 or p_fpops == UNMEASURED:
        return assumed.speed
    return min(max(p_fpops / REFERENCE_FPOPS, _LEAST), _MOST)
