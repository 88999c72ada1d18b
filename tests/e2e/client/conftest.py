"""What the tests with the stock client share: reading the project's rows from outside."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from boinc_project.settings import SETTINGS_FILE, load_settings
from server.db import Database, open_database
from server.demo.live_project import LiveProject
from server.models import Result


@pytest.fixture
def rows(project: LiveProject) -> Database:
    """Open the served project's database, to look only."""
    return open_database(load_settings(project.directory / SETTINGS_FILE))


@pytest.fixture
def results(rows: Database) -> Callable[[], list[Result]]:
    """Return a function that reads all results, detached from their session."""

    def read() -> list[Result]:
        with rows.read() as session:
            found = list(session.scalars(select(Result).order_by(Result.id)))
            session.expunge_all()
            return found

    return read
