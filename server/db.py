"""The database: one engine, read and write sessions, row locks.

SQLite runs in WAL mode with one writer. A write transaction takes the writer's lock at its
beginning (``BEGIN IMMEDIATE``): a transaction that first reads and then writes would otherwise
fail at once, whatever the busy timeout, when another has written in between. ``synchronous = FULL``
makes a commit durable before it returns: what is acknowledged to a client is never lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from boinc_project.errors import ConfigError
from boinc_project.settings import Settings

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for another: far above the longest transaction, a merge's row."""

S = TypeVar("S", bound=Select[Any])


class Database:
    """The engine, and the only ways to open a transaction on it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is the embedded default."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that only reads; nothing is committed."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session in one write transaction: committed at the end, undone on an exception."""
        with (
            self.engine.connect().execution_options(write=True) as connection,
            Session(connection) as session,
        ):
            yield session
            session.commit()

    @contextmanager
    def write_connection(self) -> Iterator[Connection]:
        """Open a bare connection in one write transaction, for the hot paths without the ORM."""
        with (
            self.engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def locked(self, statement: S) -> S:
        """Lock the rows that `statement` selects, skipping those that another holds.

        SQLite has one writer, who holds everything already.
        """
        return statement if self.is_sqlite else statement.with_for_update(skip_locked=True)

    def dispose(self) -> None:
        """Close all connections (after a fork, and at the end)."""
        self.engine.dispose()


def open_database(settings: Settings) -> Database:
    """Open the project's database; nothing connects yet.

    Raises
    ------
    ConfigError
        If ``database.url`` is not a URL, or names a database without a driver here.
    """
    try:
        return Database(make_engine(settings.database_url))
    except (ArgumentError, ImportError) as error:
        raise ConfigError(
            f"database.url cannot be used: {str(error).splitlines()[0].rstrip('.')}. Write "
            "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME."
        ) from error


def make_engine(url: str) -> Engine:
    """Return an engine with the pragmas and the transaction starts described above."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: Any) -> None:
    del record
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "cache_size = -65536",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
