"""A project with its web application, and the same behind a real web server."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from boinc_project import signing
from boinc_project.protocol.upload import FileUpload
from boinc_project.settings import Settings, load_settings
from server.app import create_app
from server.services.projects import NewProject, make_project


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made")
    url = f"http://127.0.0.1:{free_port()}/"
    make_project(directory / "project", NewProject(url=url, signing_keys=directory / "off-line"))
    return directory


@pytest.fixture
def settings(tmp_path: Path, _made_once: Path) -> Settings:
    # A project moves with its directory: nothing in it knows where it is.
    shutil.copytree(_made_once, tmp_path, dirs_exist_ok=True)
    return load_settings(tmp_path / "project" / "openastro.toml")


@pytest.fixture
def app(settings: Settings) -> Flask:
    return create_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def upload_key(settings: Settings) -> signing.PrivateKey:
    return signing.load_private_key(settings.path("keys") / "upload_private")


Header = Callable[..., bytes]


@pytest.fixture
def header(upload_key: signing.PrivateKey) -> Header:
    """Return a function that makes the header of an upload, as a client would send it."""

    def make(
        data: bytes, *, name: str = "wu_1_r77_0", max_nbytes: int = 10**7, offset: int = 0
    ) -> bytes:
        return FileUpload(
            name=name,
            max_nbytes=max_nbytes,
            nbytes=len(data),
            md5=hashlib.md5(data).hexdigest(),
            offset=offset,
            signature=signing.sign_upload(name, max_nbytes, upload_key).rstrip(),
        ).to_bytes()

    return make


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class WebServer:
    """``openastro web`` in processes of its own, which can be killed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        host, port = settings.web.bind.rsplit(":", 1)
        self.address = (host, int(port))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.settings.root / "web.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server.cli", "--project", str(self.settings.root), "web"],
                start_new_session=True,
                stderr=log,
            )
        for _ in range(600):
            assert self.process.poll() is None, (self.settings.root / "web.log").read_text()
            try:
                self.get("download/nothing")
            except urllib.error.HTTPError as answer:
                answer.close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the web server does not answer")

    def kill(self) -> None:
        """SIGKILL to the server and all its workers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.settings.project.url + path, timeout=30) as reply:
            return bytes(reply.read())

    def post(self, body: bytes) -> bytes:
        url = self.settings.project.url + "file_upload_handler"
        with urllib.request.urlopen(url, data=body, timeout=30) as reply:
            return bytes(reply.read())


@pytest.fixture
def web(settings: Settings) -> Iterator[WebServer]:
    server = WebServer(settings)
    server.start()
    yield server
    server.kill()
