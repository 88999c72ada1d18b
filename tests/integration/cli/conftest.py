"""A project made by the command line, and a small signed app version."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from server.cli import main
from server.executors.kept import CACHE_DIRECTORY, PROJECT_DIRECTORY

Run = Callable[..., subprocess.CompletedProcess[str]]

PLATFORM = "x86_64-pc-linux-gnu"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a user's cache: what one test has prepared, others use again."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    for name in list(os.environ):
        if name.startswith("OPENASTRO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


def openastro(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line's own entry in this process: what it prints, and its exit code."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def refused() -> Callable[..., None]:
    """Return an assertion: one sentence on stderr with these words, exit code 2, nothing else."""

    def check(done: subprocess.CompletedProcess[str], *words: str) -> None:
        assert done.returncode == 2, done
        assert done.stdout == ""
        assert done.stderr.startswith("openastro: ")
        assert done.stderr.count("\n") == 1
        assert done.stderr.rstrip().endswith(".")
        for word in words:
            assert word in done.stderr

    return check


@pytest.fixture(scope="session")
def run() -> Run:
    return openastro


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made")
    done = openastro("init", directory / "project", "--signing-keys", directory / "off-line")
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def project(tmp_path: Path, _made_once: Path, cache: Path) -> Path:
    """Return an initialised project that trusts the key in ``tmp_path / 'off-line'``.

    Its preparations are those of the user's cache: the same for all tests.
    """
    # A project moves with its directory: nothing in it knows where it is.
    shutil.copytree(_made_once, tmp_path, dirs_exist_ok=True)
    (cache / CACHE_DIRECTORY).mkdir(parents=True, exist_ok=True)
    (tmp_path / "project" / PROJECT_DIRECTORY).symlink_to(cache / CACHE_DIRECTORY)
    return tmp_path / "project"


@pytest.fixture
def signing_key(tmp_path: Path) -> Path:
    return tmp_path / "off-line" / "code_sign_private"


Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Return a function that makes a build directory as the freezer does."""

    def make(
        *,
        version: int = 100,
        launcher: bytes = b"#!/bin/sh\nexit 0\n",
        archive: bytes = b"not really a tar",
        where: str = "build",
        **changes: Any,
    ) -> Path:
        directory = tmp_path / where
        directory.mkdir(parents=True, exist_ok=True)
        files = {f"ttv_mcmc_{version}_{PLATFORM}": launcher, f"ttv_mcmc_{version}.tar.gz": archive}
        for name, data in files.items():
            (directory / name).write_bytes(data)
        write_manifest(directory, list(files), version=version, **changes)
        return directory

    return make


def write_manifest(directory: Path, names: Sequence[str], *, version: int, **changes: Any) -> None:
    manifest = {
        "app": "ttv_mcmc",
        "version_num": version,
        "platform": PLATFORM,
        "api_version": "7.5.0",
        "files": [
            {
                "name": name,
                "sha256": hashlib.sha256((directory / name).read_bytes()).hexdigest(),
                "nbytes": (directory / name).stat().st_size,
                "main_program": index == 0,
                "executable": index == 0,
            }
            for index, name in enumerate(names)
        ],
        **changes,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
