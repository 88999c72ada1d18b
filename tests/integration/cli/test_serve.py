from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.daemons.loop import DAEMONS


def _wait(condition: Callable[[], object], what: str) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _children(pid: int) -> dict[int, str]:
    """Return the running child processes, with their command lines."""
    found = {}
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if _alive(int(child)):
                    found[int(child)] = line
    return found


class Served:
    """``openastro serve`` on a project, in its own process group."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.ready = project / "ready"
        with (project / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *[sys.executable, "-m", "server.cli", "--project", str(project), "serve"],
                    *["--once-ready-file", str(self.ready)],
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _wait(lambda: self.ready.exists() or self.process.poll() is not None, self.log())
        assert self.process.poll() is None, self.log()

    def log(self) -> str:
        return (self.project / "server.log").read_text()

    def child(self, word: str) -> int | None:
        return next((p for p, line in _children(self.process.pid).items() if word in line), None)

    def answers(self) -> bool:
        url = self.ready.read_text().strip()
        try:
            with urllib.request.urlopen(url + "get_project_config.php", timeout=10) as reply:
                return b"<project_config>" in reply.read()
        except OSError:
            return False

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def local_project(tmp_path: Path, project: Path) -> Path:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = project / "openastro.toml"
    path.write_text(path.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
    return project


@pytest.fixture
def served(local_project: Path) -> Iterator[Served]:
    server = Served(local_project)
    yield server
    server.end()


def test_one_command_runs_everything_and_brings_back_what_dies(served: Served) -> None:
    assert served.answers()
    # Two of the five are enough to see that a child which dies comes back.
    for word in ("web", "transitioner", "file_deleter"):
        _wait(lambda word=word: served.child(word), f"{word} runs")
        first = served.child(word)
        os.kill(first, signal.SIGKILL)
        _wait(lambda: served.child(word) not in (None, first), f"{word} is back")  # noqa: B023
    _wait(served.answers, "the web server answers again")
    assert served.process.poll() is None

    children = list(_children(served.process.pid))
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0
    assert not [pid for pid in children if _alive(pid)]
    assert "Traceback" not in served.log()


def test_connections_wait_while_the_web_server_is_replaced(served: Served) -> None:
    url = served.ready.read_text().strip()
    web = served.child("web")
    os.kill(web, signal.SIGSTOP)  # so that it takes nothing more
    for worker in _children(web):
        os.kill(worker, signal.SIGKILL)
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"GET /get_project_config.php HTTP/1.0\r\n\r\n")
        os.kill(web, signal.SIGKILL)
        assert connection.recv(100).split()[1] == b"200"


def test_nothing_outlives_a_supervisor_that_is_killed(served: Served) -> None:
    _wait(lambda: len(_children(served.process.pid)) >= 1 + len(DAEMONS) - 2, "all run")
    web = served.child("web")
    _wait(lambda: _children(web), "a worker runs")
    everyone = [*_children(served.process.pid), *_children(web)]
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait()
    for pid in everyone:
        _wait(lambda pid=pid: not _alive(pid), f"process {pid} ends")


def test_a_port_in_use_is_one_sentence(run, local_project: Path, refused) -> None:
    from boinc_project.settings import load_settings

    host, port = load_settings(local_project / "openastro.toml").web.bind.split(":")
    with socket.socket() as other:
        other.bind((host, int(port)))
        other.listen()
        for command in ("serve", "web"):
            refused(
                run("--project", local_project, command), f"{host}:{port}", "in use", "web.bind"
            )


@pytest.mark.parametrize("bind", ["8080", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999", ":1"])
def test_an_address_that_is_none_is_one_sentence(run, project: Path, refused, bind: str) -> None:
    path = project / "openastro.toml"
    path.write_text(path.read_text().replace('127.0.0.1:8080"\n# Proc', f'{bind}"\n# Proc'))
    assert f'bind = "{bind}"' in path.read_text()
    refused(run("--project", project, "serve"), "web.bind", "ADDRESS:PORT")


def test_a_missing_database_is_named_and_not_made(run, project: Path, refused) -> None:
    (project / "project.sqlite").unlink()
    for command in (("serve",), ("web",), ("daemon", "transitioner"), ("app", "list")):
        refused(run("--project", project, *command), "There is no database", "openastro init")
    assert not (project / "project.sqlite").exists()


def test_an_old_or_empty_database_is_named(run, project: Path, refused) -> None:
    (project / "project.sqlite").write_bytes(b"")
    refused(run("--project", project, "serve"), "schema none", "openastro init")


def test_a_file_that_is_no_database_is_named(run, project: Path, refused) -> None:
    (project / "project.sqlite").write_bytes(b"this is no database" * 100)
    refused(run("--project", project, "serve"), "cannot be used", "not a database")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("code_sign_public", "openastro app keygen"),
        ("upload_private", "openastro init"),
        ("upload_public", "openastro init"),
        ("session_key", "openastro init"),
    ],
)
def test_a_missing_key_is_named_with_its_remedy(
    run, project: Path, refused, name: str, words: str
) -> None:
    (project / "keys" / name).unlink()
    for command in ("serve", "web"):
        refused(run("--project", project, command), name, words)


def test_keys_that_do_not_belong_together_are_named(run, project: Path, refused) -> None:
    shutil.copy(project / "keys" / "code_sign_public", project / "keys" / "upload_public")
    refused(run("--project", project, "serve"), "do not belong together")
    (project / "keys" / "code_sign_public").write_text("nonsense")
    refused(run("--project", project, "serve"), "code_sign_public is not a BOINC key")


def test_a_daemon_does_one_pass(run, project: Path, refused) -> None:
    done = run("--project", project, "daemon", "transitioner", "--once")
    assert done.returncode == 0, done.stderr
    assert "transitioner: 0 done." in done.stdout
    refused(run("--project", project, "daemon", "gardener"), "gardener", "transitioner")
