"""Several requests, one durable commit.

A commit waits for the disk; a SQLite database has one writer. Requests that arrive while one commit
waits therefore gather, and the next of them does the work of all in one transaction, each behind a
savepoint of its own: a request that fails undoes itself and none of the others, and nobody is
answered before the common commit is durable. Waiting threads queue up for a lock instead of asking
SQLite again and again, which is also fair.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection

from server.db import Database

T = TypeVar("T")
R = TypeVar("R")

MOST_AT_ONCE = 32
"""Requests of one transaction. Beyond a few the commit's cost per request is small; the bound keeps
daemons, which want the same writer's lock, from waiting for more than some 50 ms."""


class _Job(Generic[T, R]):
    __slots__ = ("done", "error", "result", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        self.done = False
        self.result: R | None = None
        self.error: BaseException | None = None


class GroupCommit(Generic[T, R]):
    """Runs `work` for many threads, with few commits.

    Parameters
    ----------
    database : Database
        Where the transactions are.
    work : Callable[[Connection, T], R]
        What to do for a request inside a write transaction; it must not commit.
    """

    def __init__(self, database: Database, work: Callable[[Connection, T], R]) -> None:
        self._database = database
        self._work = work
        self._waiting: deque[_Job[T, R]] = deque()
        self._leading = threading.Lock()

    def run(self, value: T) -> R:
        """Do the work for one request; returns when it is durable.

        Raises
        ------
        Exception
            What `work` raised for this request, or what the transaction of all of them did; then
            nothing of this request is in the database.
        """
        job: _Job[T, R] = _Job(value)
        self._waiting.append(job)
        # Whoever holds the lock works for all that wait. A job is in the queue before its thread
        # asks for the lock, so when the thread gets it, its job is done or still in the queue.
        with self._leading:
            while not job.done:
                self._lead()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def _lead(self) -> None:
        jobs = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        try:
            with self._database.write_connection() as connection:
                for job in jobs:
                    self._do(connection, job, alone=len(jobs) == 1)
        except BaseException as error:
            for job in jobs:
                job.error = job.error or error
            if not isinstance(error, Exception):
                raise
        finally:
            for job in jobs:
                job.done = True

    def _do(self, connection: Connection, job: _Job[T, R], *, alone: bool) -> None:
        if alone:
            job.result = self._work(connection, job.value)
            return
        # On the driver's own cursor: SQLAlchemy's savepoints cost more than some jobs do.
        driver = connection.connection.cursor()
        driver.execute("SAVEPOINT job")
        try:
            job.result = self._work(connection, job.value)
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits for it
            driver.execute("ROLLBACK TO job")
            job.error = error
        finally:
            driver.execute("RELEASE job")
            driver.close()
