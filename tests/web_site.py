"""A project's web server for tests: in the process, or on a loopback port."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from boinc_project.settings import Settings
from server.app import create_app
from server.db import Database, make_engine
from server.models import User
from server.schema import upgrade
from tests.factories import PASSWORD, Factory, FakeClock, project_settings

_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass
class Site:
    """A project with its web application, and ways to make rows and requests."""

    settings: Settings
    database: Database
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.make = Factory(self.database, start=self.clock.now)
        self.app: Flask = create_app(self.settings, database=self.database, clock=self.clock)

    @property
    def products(self) -> Path:
        return self.settings.path("products")

    def browser(self, user: User | None = None) -> FlaskClient:
        """Return a client that accepts pages; with a user (who has a password), logged in."""
        client = self.app.test_client()
        client.environ_base["HTTP_ACCEPT"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        if user is not None:
            sent = send_form(client, "/login", email=user.email_addr, password=PASSWORD)
            assert sent.status_code == 303, sent.text
        return client

    def product_file(self, campaign: str, name: str, data: bytes) -> Path:
        """Put a file into a campaign's product, as the assimilator does: by renaming."""
        directory = self.products / campaign
        directory.mkdir(parents=True, exist_ok=True)
        new = directory / f".new-{name}"
        new.write_bytes(data)
        return new.replace(directory / name)


def send_form(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    """Open a page with a form, fill it in, send it."""
    page = client.get(path)
    token = _TOKEN.search(page.text)
    assert token is not None, f"{path} has no form with a token"
    return client.post(path, data={"csrf_token": token[1], **fields})


@contextmanager
def open_site(root: Path, database: Database | None = None, **sections: Any) -> Iterator[Site]:
    """Make a site in `root`; without a database, on SQLite."""
    settings = project_settings(root, **sections)
    if database is not None:
        yield Site(settings, database)
        return
    own = Database(make_engine(settings.database_url))
    try:
        upgrade(own)
        yield Site(settings, own)
    finally:
        own.dispose()


class _Quiet(WSGIRequestHandler):
    def log_request(self, *arguments: Any) -> None:
        """Say nothing of requests: a failing test has better things to show."""


@contextmanager
def served(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve an application on loopback; yields its URL."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
