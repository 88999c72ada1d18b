"""Fixtures that every test may use: databases, and what the machine has.

Whether a part of the outside world is required is said by ``OPENASTRO_REQUIRE``, a comma-separated
list of ``client``, ``postgres``, ``browser``, ``clang``, ``fits``, ``fitsverify`` and ``kernel``: a
test that misses a required part fails, where it would otherwise be skipped. Whole modules are
skipped where a kernel was not compiled; so if that is required no test runs without them all.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, text

from server.db import Database, make_engine
from server.demo.ports import free_port
from server.schema import upgrade

# No test asserts on time: a busy machine would fail those of Hypothesis, which has a limit else.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

REQUIRED = set(filter(None, os.environ.get("OPENASTRO_REQUIRE", "").split(",")))


def missing(part: str, reason: str) -> None:
    """Skip the test, or fail it if the part is required."""
    if part in REQUIRED:
        pytest.fail(f"{part} is required here, but {reason}")
    pytest.skip(reason)


KERNELS = (
    "apps.ttv.compute._kernel",
    "apps.images.compute._kernel",
    "apps.images.merge.coadd._kernel",
    "apps.images.plan.sky._kernel",
    "boinc_project.fits._rice",
)


def pytest_sessionstart() -> None:
    """Run no test if a compiled kernel is required and missing."""
    absent = [name for name in KERNELS if importlib.util.find_spec(name) is None]
    if "kernel" in REQUIRED and absent:
        pytest.exit(f"kernel is required here, but {', '.join(absent)} was not built", 1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a PostgreSQL server of our own on loopback; yields its URL without a database name."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        programs.insert(0, Path(on_path).parent)
    if not programs:
        missing("postgres", "no PostgreSQL server is installed (apt-get install postgresql)")
    directory = Path(tempfile.mkdtemp(prefix="openastro-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(directory, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data, port = directory / "data", free_port()
    subprocess.run(
        [*as_user, programs[0] / "initdb", "-D", data, "-U", "openastro", "-A", "trust", "-N"],
        check=True,
        capture_output=True,
        cwd=directory,
    )
    # Durability is tested on SQLite; here speed matters.
    options = f"-h 127.0.0.1 -p {port} -k {directory} -c fsync=off -c max_connections=50"
    pg_ctl = [*as_user, str(programs[0] / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run(
        [*pg_ctl, "-o", options, "-l", directory / "log", "start"],
        check=True,
        capture_output=True,
        cwd=directory,
    )
    try:
        yield f"postgresql+psycopg://openastro@127.0.0.1:{port}"
    finally:
        subprocess.run(
            [*pg_ctl, "-m", "immediate", "stop"], check=False, capture_output=True, cwd=directory
        )
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(
    params=[
        pytest.param("sqlite", id="sqlite"),
        pytest.param("postgres", id="postgres", marks=pytest.mark.postgres),
    ]
)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.sqlite'}"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"t{os.urandom(6).hex()}"
    admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield f"{server}/{name}"
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a migrated database, on SQLite and on PostgreSQL."""
    opened = Database(make_engine(database_url))
    upgrade(opened)
    try:
        yield opened
    finally:
        opened.dispose()
