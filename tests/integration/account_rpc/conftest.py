"""A project whose attach wizards are about to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from boinc_project.settings import settings_from
from server.app import create_app
from server.db import Database


@pytest.fixture
def make_http(database: Database, tmp_path: Path) -> Any:
    """Return a function that makes a client of a project with settings of its own."""

    def build(**sections: Any) -> FlaskClient:
        keys = tmp_path / "keys"
        keys.mkdir()
        (keys / "session_key").write_bytes(b"0" * 32)
        settings = settings_from(sections, root=tmp_path)
        return create_app(settings, database=database, clock=lambda: 1.7e9).test_client()

    return build


@pytest.fixture
def http(make_http: Any) -> FlaskClient:
    """Return a client of a project with default settings."""
    client: FlaskClient = make_http()
    return client
