from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from boinc_project.errors import ConfigError
from boinc_project.settings import settings_from
from server.daemons.loop import HEARTBEAT_SECONDS, LONGEST_BACKOFF_SECONDS, DaemonLoop, find_daemon
from server.models import DaemonStatus
from server.project import Project
from server.schema import upgrade


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def project(tmp_path: Path, clock: Clock) -> Project:
    made = Project(settings_from({"daemons": {"interval": 2.0}}, root=tmp_path), clock=clock)
    upgrade(made.database)
    return made


def _status(project: Project) -> DaemonStatus:
    with project.database.read() as session:
        return session.scalars(select(DaemonStatus)).one()


def test_an_idle_daemon_waits_and_a_busy_one_does_not(project: Project) -> None:
    work = [3, 2, 0]
    pauses: list[float] = []
    loop = DaemonLoop("validator", lambda project: work.pop(0), project)

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        loop.stop.stopped = True

    loop.stop = _Stop(sleep)
    loop.run()
    assert pauses == [2.0]
    assert work == []
    status = _status(project)
    assert (status.n_passes, status.n_done, status.n_errors) == (2, 5, 0)


def test_a_failing_pass_is_counted_logged_and_backs_off(project: Project) -> None:
    def fail(project: Project) -> int:
        raise ValueError("row 7 is odd")

    loop = DaemonLoop("validator", fail, project)
    pauses = []
    for _ in range(8):
        assert loop.guarded_pass() == 0
        pauses.append(loop.pause())
    assert pauses[:3] == [4.0, 8.0, 16.0]
    assert pauses[-1] == LONGEST_BACKOFF_SECONDS
    status = _status(project)
    assert (status.n_errors, status.last_error) == (8, "ValueError: row 7 is odd")


def test_one_good_pass_ends_the_back_off(project: Project) -> None:
    passes = [ValueError("once"), 0]

    def one_pass(project: Project) -> int:
        outcome = passes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    loop = DaemonLoop("validator", one_pass, project)
    loop.guarded_pass()
    loop.guarded_pass()
    assert loop.pause() == 2.0
    assert loop.n_errors == 1


def test_an_idle_daemon_writes_its_heart_beat_seldom(project: Project, clock: Clock) -> None:
    loop = DaemonLoop("validator", lambda project: 0, project)
    loop.guarded_pass()
    assert _status(project).last_pass == 1000.0
    clock.now += HEARTBEAT_SECONDS - 1
    loop.guarded_pass()
    assert _status(project).last_pass == 1000.0
    clock.now += 1
    loop.guarded_pass()
    assert _status(project).last_pass == 1000.0 + HEARTBEAT_SECONDS
    assert _status(project).n_passes == 3


def test_a_database_that_is_away_does_not_end_the_daemon(project: Project, tmp_path: Path) -> None:
    loop = DaemonLoop("validator", lambda project: 1, project)
    with project.database.write() as session:
        session.connection().exec_driver_sql("drop table daemon_status")
    assert loop.guarded_pass() == 1


def test_an_interrupt_is_not_swallowed(project: Project) -> None:
    def interrupted(project: Project) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DaemonLoop("validator", interrupted, project).guarded_pass()


def test_only_daemons_are_found() -> None:
    assert callable(find_daemon("transitioner"))
    for name in ("loop", "gardener", "../x", ""):
        with pytest.raises(ConfigError, match="There is no daemon"):
            find_daemon(name)


class _Stop:
    def __init__(self, sleep) -> None:
        self.stopped, self.sleep = False, sleep
