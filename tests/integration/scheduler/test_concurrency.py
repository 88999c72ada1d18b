"""Many hosts at once: every task to one host, every report kept, no failure but one's own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select
from sqlalchemy.exc import OperationalError

from boinc_project.protocol.request import WorkRequest
from boinc_project.states import Outcome
from server.db import Database, make_engine
from server.models import App, Result
from server.services.group_commit import GroupCommit


def at_once(n: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` for 0, ..., n - 1 in as many threads, started together."""
    start = threading.Barrier(n)

    def run(i: int) -> Any:
        start.wait()
        return work(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(run, range(n)))


def test_no_task_goes_to_two_hosts(world: Any, campaign: int) -> None:
    """Kills: sending without a condition, or reporting over another's transaction."""
    world.workunits(12, campaign=campaign, copies=2)
    clients = [world.client() for _ in range(6)]
    for client in clients:
        client.rpc()

    def life(i: int) -> list[str]:
        client, done = clients[i], []
        for _ in range(4):
            reply = client.ask()
            done += [task.name for task in reply.results]
            if client.hand:
                client.report(client.hand[0])
        return done

    world.http = _PerThread(world.app)
    names = Counter(name for done in at_once(6, life) for name in done)
    assert set(names.values()) == {1}
    with world.database.read() as session:
        rows = session.scalars(select(Result).where(Result.name.in_(list(names)))).all()
        assert len(rows) == len(names)
        assert {row.outcome for row in rows} == {Outcome.SUCCESS}
        pairs = [(row.workunitid, row.userid) for row in rows]
        assert len(pairs) == len(set(pairs))


class _PerThread:
    """Flask's test client is not made for threads: each gets its own."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._local = threading.local()

    def post(self, *arguments: Any, **options: Any) -> Any:
        if not hasattr(self._local, "client"):
            self._local.client = self._app.test_client()
        return self._local.client.post(*arguments, **options)


def test_two_hosts_of_a_user_never_get_copies_of_the_same(world: Any, campaign: int) -> None:
    # More copies than one request looks at: each of the hosts could find one that is not locked.
    world.workunits(1, campaign=campaign, copies=60)
    key = world.user()
    clients = [world.client(key=key) for _ in range(5)]
    for i, client in enumerate(clients):
        client.host = replace(client.host, host_cpid=f"{i}" * 32)
        client.rpc(allow_multiple_clients=True)
    assert len(world.hosts()) == 5
    world.http = _PerThread(world.app)
    replies = at_once(
        5, lambda i: clients[i].rpc(work=WorkRequest(1.0), allow_multiple_clients=True)
    )
    assert sum(len(reply.results) for reply in replies) == 1


@pytest.fixture
def sqlite(tmp_path: Any) -> Any:
    """Yield a SQLite database with one table filled by these tests."""
    database = Database(make_engine(f"sqlite:///{tmp_path / 'group.sqlite'}"))
    App.metadata.create_all(database.engine, tables=[App.__table__])  # type: ignore[list-item]
    yield database
    database.dispose()


def add(connection: Connection, name: str) -> str:
    connection.execute(insert(App), {"name": name, "user_friendly_name": "", "create_time": 0.0})
    if name.startswith("bad"):
        raise ValueError(name)
    return name.upper()


def names(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(App.name)))


def test_a_failing_job_undoes_itself_only(sqlite: Database) -> None:
    """Kills: one savepoint for all, an error that everybody gets, a result for the failed one."""
    group: GroupCommit[str, str] = GroupCommit(sqlite, add)

    def run(i: int) -> str | ValueError:
        try:
            return group.run(f"{'bad' if i % 3 == 0 else 'good'}{i}")
        except ValueError as error:
            return error

    outcomes = at_once(24, run)
    for i, outcome in enumerate(outcomes):
        if i % 3 == 0:
            assert isinstance(outcome, ValueError)
            assert str(outcome) == f"bad{i}"
        else:
            assert outcome == f"GOOD{i}"
    assert names(sqlite) == {f"good{i}" for i in range(24) if i % 3}


def test_jobs_that_wait_share_a_commit(sqlite: Database) -> None:
    commits: list[int] = []
    event.listen(sqlite.engine, "commit", lambda connection: commits.append(1))
    inside, waiting = threading.Event(), threading.Event()

    def work(connection: Connection, name: str) -> str:
        if name == "first":
            inside.set()
            assert waiting.wait(30)
        return add(connection, name)

    group: GroupCommit[str, str] = GroupCommit(sqlite, work)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(group.run, "first")
        assert inside.wait(30)
        others = [pool.submit(group.run, f"other{i}") for i in range(8)]
        while len(group._waiting) < 8:
            pass
        waiting.set()
        assert first.result(30) == "FIRST"
        assert {one.result(30) for one in others} == {f"OTHER{i}" for i in range(8)}
    assert len(names(sqlite)) == 9
    assert len(commits) == 2


def test_nobody_is_answered_when_the_common_commit_fails(sqlite: Database) -> None:
    """Kills: an answer before the commit."""

    class Failing(Database):
        def write_connection(self) -> Any:
            from contextlib import contextmanager

            @contextmanager
            def opened() -> Any:
                with sqlite.engine.connect() as connection:
                    with connection.begin() as transaction:
                        yield connection
                        transaction.rollback()
                    raise OperationalError("COMMIT", None, Exception("disk full"))

            return opened()

    group: GroupCommit[str, str] = GroupCommit(Failing(sqlite.engine), add)

    def run(i: int) -> bool:
        with pytest.raises(OperationalError):
            group.run(f"good{i}")
        return True

    assert all(at_once(6, run))
    assert names(sqlite) == set()
