from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest


def _lines(done, word: str) -> list[str]:
    return [line for line in done.stdout.splitlines() if word in line]


@pytest.fixture
def published(run, project: Path, signing_key: Path, build) -> Path:
    directory = build()
    run("app", "sign", directory, "--key", signing_key)
    assert run("--project", project, "app", "publish", directory).returncode == 0
    return project


def _heartbeat(project: Path, name: str, *, age: float, n_errors: int = 0) -> None:
    with sqlite3.connect(project / "project.sqlite") as connection:
        connection.execute(
            "insert into daemon_status values (?, 1, 'h', 0, ?, 1, 0, ?, 'ValueError: oh')",
            (name, time.time() - age, n_errors),
        )
    connection.close()


def test_a_sound_project_is_called_sound(run, published: Path) -> None:
    done = run("--project", published, "doctor")
    assert done.returncode == 0, done.stdout
    assert len(_lines(done, "matches its signature")) == 2
    assert "0 wrong" in done.stdout


def test_a_silent_daemon_is_told_from_a_failing_and_a_running_one(run, published: Path) -> None:
    _heartbeat(published, "transitioner", age=1)
    _heartbeat(published, "validator", age=1, n_errors=3)
    _heartbeat(published, "assimilator", age=7200)
    done = run("--project", published, "doctor")
    assert done.returncode == 1
    assert _lines(done, "transitioner")[0].split()[0] == "ok"
    assert "3 failed passes; the last: ValueError: oh" in _lines(done, "validator")[0]
    assert "BAD" in _lines(done, "assimilator")[0]
    assert "120 minutes" in _lines(done, "assimilator")[0]
    assert "never run" in _lines(done, "work_generator")[0]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda p: (p / "products").rmdir(), "There is no directory"),
        (lambda p: (p / "keys" / "upload_public").unlink(), "upload_public"),
        (lambda p: (p / "keys" / "upload_private").chmod(0o644), "chmod 600"),
        (lambda p: (p / "keys" / "code_sign_private").touch(), "move it off-line"),
        (lambda p: (p / "project.sqlite").unlink(), "There is no database"),
        (lambda p: (p / "download" / "ttv_mcmc_100.tar.gz").unlink(), "missing below download"),
        (
            lambda p: (p / "download" / "ttv_mcmc_100.tar.gz").write_bytes(b"bad"),
            "does not match its signature",
        ),
    ],
)
def test_each_harm_is_found_and_the_rest_is_still_looked_at(
    run, published: Path, harm, words: str
) -> None:
    harm(published)
    done = run("--project", published, "doctor")
    assert done.returncode == 1
    assert any("BAD" in line for line in _lines(done, words)), done.stdout
    assert "are free for uploads" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_nearly_full_disk_is_bad(run, published: Path, monkeypatch) -> None:
    monkeypatch.setenv("OPENASTRO_FILES__MIN_FREE_BYTES", str(10**18))
    done = run("--project", published, "doctor")
    assert done.returncode == 1
    assert "uploads are put off" in done.stdout


def test_it_needs_a_project(run, tmp_path: Path, refused) -> None:
    refused(run("--project", tmp_path, "doctor"), os.fspath(tmp_path), "openastro init")
