"""What the server status pages show: daemons, queues, volunteers, apps; only reads.

The figures are counted from the tables, so they cost time that grows with them: `StatusBoard`
counts at most once every few seconds, whoever asks, and every page says how old its figures are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, distinct, func, select
from sqlalchemy.orm import Session

from boinc_project.states import AssimilateState, FileDeleteState, Outcome, ServerState
from server.db import Database
from server.models import App, DaemonStatus, Host, Result, User, Workunit
from server.services.moment import moment

RUNNING_WITHIN = 120.0
"""Seconds since its last pass after which a daemon counts as not running.

Four times the longest that one pass may take: a merge with plots of a whole campaign, 30 s.
"""

RECENT = 7 * 86400.0
"""Seconds that *recent* means: one half-life of the average credit."""

KEEP = 5.0
"""Seconds that figures are kept: half of the pages' refresh, so that a page never repeats one."""


@dataclass(frozen=True, slots=True)
class DaemonView:
    """One daemon, and whether it works."""

    name: str
    hostname: str
    running: bool
    last_pass: datetime
    idle_seconds: float
    passes: int
    done: int
    errors: int
    last_error: str


@dataclass(frozen=True, slots=True)
class AppLoad:
    """Tasks of one app; run times in seconds, of tasks reported in the last week."""

    id: int
    name: str
    user_friendly_name: str
    unsent: int
    in_progress: int
    users: int
    average_runtime: float
    least_runtime: float
    greatest_runtime: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over all tables (names as in ``server_status.php``)."""

    results_ready_to_send: int
    results_in_progress: int
    results_waiting_for_deletion: int
    workunits_waiting_for_validation: int
    workunits_waiting_for_assimilation: int
    workunits_waiting_for_deletion: int
    transitioner_backlog_hours: float
    users_registered: int
    users_with_credit: int
    users_with_recent_credit: int
    users_registered_in_past_24_hours: int
    hosts_registered: int
    hosts_with_credit: int
    hosts_with_recent_credit: int
    hosts_registered_in_past_24_hours: int
    total_credit: float
    recent_credit: float

    @property
    def floating_point_speed(self) -> float:
        """GFLOPS that the recent average credit amounts to: 200 cobblestones are a GFLOPS day."""
        return self.recent_credit / 200.0


@dataclass(frozen=True, slots=True)
class StatusView:
    """Everything on the status page, and when it was counted."""

    time: datetime
    daemons: tuple[DaemonView, ...]
    figures: Figures
    apps: tuple[AppLoad, ...]

    @property
    def all_running(self) -> bool:
        """Whether every daemon that ever ran does so now; false if none ever did."""
        return bool(self.daemons) and all(daemon.running for daemon in self.daemons)


class StatusBoard:
    """The newest status, counted at most once every `KEEP` seconds.

    Parameters
    ----------
    database : Database
        Where to count.
    clock : Callable[[], float]
        Returns epoch seconds.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._newest: StatusView | None = None
        self._counted = 0.0

    def read(self) -> StatusView:
        """Return the status, at most `KEEP` seconds old."""
        with self._lock:
            now = self._clock()
            if self._newest is None or not 0.0 <= now - self._counted < KEEP:
                self._newest, self._counted = status(self._database, now=now), now
            return self._newest


def status(database: Database, *, now: float) -> StatusView:
    """Count everything."""
    with database.read() as session:
        return StatusView(
            time=moment(now),
            daemons=_daemons(session, now),
            figures=_figures(session, now),
            apps=_apps(session, now),
        )


def _daemons(session: Session, now: float) -> tuple[DaemonView, ...]:
    rows = session.scalars(select(DaemonStatus).order_by(DaemonStatus.name))
    return tuple(
        DaemonView(
            name=row.name,
            hostname=row.hostname,
            running=now - row.last_pass <= RUNNING_WITHIN,
            last_pass=moment(row.last_pass),
            idle_seconds=max(0.0, now - row.last_pass),
            passes=row.n_passes,
            done=row.n_done,
            errors=row.n_errors,
            last_error=row.last_error,
        )
        for row in rows
    )


def _figures(session: Session, now: float) -> Figures:
    states = select(Result.server_state, func.count()).group_by(Result.server_state)
    by_state = dict(session.execute(states).all())
    users = _people(session, User, now)
    hosts = _people(session, Host, now)
    total, recent = session.execute(
        select(
            func.coalesce(func.sum(User.total_credit), 0.0),
            func.coalesce(
                func.sum(case((User.expavg_time > now - RECENT, User.expavg_credit), else_=0.0)),
                0.0,
            ),
        )
    ).one()
    return Figures(
        results_ready_to_send=by_state.get(ServerState.UNSENT, 0),
        results_in_progress=by_state.get(ServerState.IN_PROGRESS, 0),
        results_waiting_for_deletion=_count(
            session, Result.id, Result.file_delete_state == FileDeleteState.READY
        ),
        workunits_waiting_for_validation=_count(session, Workunit.id, Workunit.need_validate),
        workunits_waiting_for_assimilation=_count(
            session, Workunit.id, Workunit.assimilate_state == AssimilateState.READY
        ),
        workunits_waiting_for_deletion=_count(
            session, Workunit.id, Workunit.file_delete_state == FileDeleteState.READY
        ),
        transitioner_backlog_hours=_backlog(session, now) / 3600.0,
        users_registered=users[0],
        users_with_credit=users[1],
        users_with_recent_credit=users[2],
        users_registered_in_past_24_hours=users[3],
        hosts_registered=hosts[0],
        hosts_with_credit=hosts[1],
        hosts_with_recent_credit=hosts[2],
        hosts_registered_in_past_24_hours=hosts[3],
        total_credit=float(total),
        recent_credit=float(recent),
    )


def _backlog(session: Session, now: float) -> float:
    """Return for how many seconds the oldest workunit has waited for the transitioner."""
    oldest = session.execute(
        select(Workunit.transition_time, Workunit.create_time)
        .order_by(Workunit.transition_time)
        .limit(1)
    ).one_or_none()
    # A transition time of 0 stands for at once, which was when the workunit was made.
    return 0.0 if oldest is None else max(0.0, now - max(oldest))


def _count(session: Session, column: object, condition: object) -> int:
    return session.scalar(select(func.count(column)).where(condition)) or 0  # type: ignore[arg-type]


def _people(session: Session, table: type[User] | type[Host], now: float) -> tuple[int, ...]:
    recent = (table.total_credit > 0) & (table.expavg_time > now - RECENT)
    row = session.execute(
        select(
            func.count(),
            func.count(case((table.total_credit > 0, 1))),
            func.count(case((recent, 1))),
            func.count(case((table.create_time > now - 86400.0, 1))),
        ).select_from(table)
    ).one()
    return tuple(row)


def _apps(session: Session, now: float) -> tuple[AppLoad, ...]:
    waiting = Result.server_state == ServerState.UNSENT
    running = Result.server_state == ServerState.IN_PROGRESS
    recent = (Result.outcome == Outcome.SUCCESS) & (Result.received_time > now - RECENT)
    elapsed = case((recent, Result.elapsed_time))
    rows = session.execute(
        select(
            App,
            func.count(case((waiting, 1))),
            func.count(case((running, 1))),
            func.count(distinct(case((recent, Result.userid)))),
            func.avg(elapsed),
            func.min(elapsed),
            func.max(elapsed),
        )
        .outerjoin(Result, Result.appid == App.id)
        .where(App.deprecated.is_(False))
        .group_by(App.id)
        .order_by(App.id)
    )
    return tuple(
        AppLoad(
            id=app.id,
            name=app.name,
            user_friendly_name=app.user_friendly_name,
            unsent=unsent,
            in_progress=in_progress,
            users=users,
            average_runtime=float(average or 0.0),
            least_runtime=float(least or 0.0),
            greatest_runtime=float(greatest or 0.0),
        )
        for app, unsent, in_progress, users, average, least, greatest in rows
    )
