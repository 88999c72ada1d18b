"""What is said when something is missing, and one real build of the smallest app."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from boinc_project.states import ExitStatus
from boinc_project.unit import Unit, seal
from server.services.app_manifest import check_build, read_manifest

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "tests" / "unit" / "apps" / "runtime" / "data" / "tiny_app.py"
NAME = "tiny_app_100_x86_64-pc-linux-gnu"

Scripts = dict[str, ModuleType]


@pytest.mark.parametrize(
    ("programs", "sentence"),
    [(["objdump"], "no C compiler"), (["cc"], "objdump is missing")],
)
def test_a_missing_program_is_named(
    packaging: Scripts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    programs: list[str],
    sentence: str,
) -> None:
    for name in programs:
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(packaging["tools"].BuildError, match=sentence):
        packaging["tools"].require_programs()


@pytest.mark.parametrize(
    ("lack", "sentence"),
    [
        ("venv", "python3.11-venv"),
        ("libpython", "install libpython3.11)"),
        ("header", "libpython3.11-dev"),
    ],
)
def test_an_incomplete_python_is_named(packaging: Scripts, lack: str, sentence: str) -> None:
    found: dict[str, Any] = {"venv": True, "libpython": "/lib/libpython.so", "header": True}
    found[lack] = None
    assert sentence in packaging["tools"]._lack(Path("/usr/bin/python3.11"), found)


def test_a_failing_program_shows_its_last_words(packaging: Scripts) -> None:
    with pytest.raises(packaging["tools"].BuildError, match=r"(?s)Trying failed .*status 3.*alas"):
        packaging["tools"].run(["sh", "-c", "echo alas >&2; exit 3"], what="Trying")


NEW = """
from boinc_project.computation import Computation


class New(Computation):
    name = {name}
    version = {version}

    def compute(self, unit, inputs, output, runtime):
        pass
"""


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (None, "no app an_app:New"),
        ("", "no app an_app:New"),
        (NEW.format(name=3, version=100), "has to set"),
        (NEW.format(name="'new'", version="'1.0'"), "has to set"),
    ],
)
def test_an_app_says_its_name_and_version(
    packaging: Scripts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str | None,
    sentence: str,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "an_app", raising=False)
    if source is not None:
        (tmp_path / "an_app.py").write_text(source, encoding="ascii")
    with pytest.raises(packaging["build"].BuildError, match=sentence):
        packaging["build"].loaded("an_app:New")


def test_an_app_that_is_not_installed_is_refused(packaging: Scripts) -> None:
    with pytest.raises(packaging["build"].BuildError, match=r"no app .nonsense"):
        packaging["build"].computation_of("nonsense")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the smallest app among its apps."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy2(ROOT / "setup.py", root / "setup.py")
    for name in ("apps", "boinc_project", "requirements", "packaging"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    text = TINY.read_text("utf-8").replace('"tiny"', '"tiny_app"')
    (root / "apps" / "tiny_app.py").write_text(text, encoding="utf-8")
    return root


def build(project: Path) -> str:
    command = [sys.executable, "packaging/build.py", "apps.tiny_app:Tiny", "--out", "build/apps"]
    # The environment is the one that `make app` uses, made if it is not there yet.
    command += ["--work", str(ROOT / "build" / "freeze")]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(project: Path) -> Path:
    assert "built in" in build(project)
    return project / "build" / "apps" / NAME


@pytest.fixture
def client(tmp_path: Path, built: Path) -> Path:
    """A client's data directory with a project directory and a slot that holds a unit."""
    installed, slot = tmp_path / "projects" / "p", tmp_path / "slots" / "0"
    installed.mkdir(parents=True)
    for name in (NAME, f"{NAME}.tar.gz"):
        shutil.copy2(built / name, installed / name)
    numbers = b"41"
    inputs = {"numbers.txt": hashlib.sha256(numbers).hexdigest()}
    unit = Unit("tiny_app", 100, "c", 7, 0, 1, {"n_step": 50, "misbehave": "threads"}, inputs)
    seal(unit, {"numbers.txt": numbers}, slot)
    return tmp_path


def run_in_slot(client: Path) -> subprocess.CompletedProcess[str]:
    # What a BOINC client's service gives an app: no HOME, no locale, its own library path.
    library_path = "../../projects/p:.:../.."
    return subprocess.run(
        [f"../../projects/p/{NAME}"],
        cwd=client / "slots" / "0",
        env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": library_path},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.frozen
@pytest.mark.slow
def test_the_manifest_is_what_signing_reads(built: Path) -> None:
    manifest = read_manifest(built)
    check_build(built, manifest)
    assert manifest.label == NAME
    assert [file.name for file in manifest.files if file.main_program] == [NAME]


@pytest.mark.frozen
@pytest.mark.slow
def test_nothing_changed_is_not_built_again(project: Path, built: Path) -> None:
    before = (built / f"{NAME}.tar.gz").stat().st_mtime_ns
    assert "up to date" in build(project)
    assert (built / f"{NAME}.tar.gz").stat().st_mtime_ns == before


@pytest.mark.frozen
@pytest.mark.slow
def test_the_frozen_app_runs_in_a_slot(client: Path, built: Path) -> None:
    done = run_in_slot(client)
    assert done.returncode == 0, done.stderr
    digest = json.loads((built / "build.json").read_text("utf-8"))["app_digest"]
    output = (client / "slots" / "0" / "output.h5").read_text("utf-8")
    assert output.startswith("41 ")
    assert output.endswith(digest)
    assert "threads 1 1\n" in done.stderr


@pytest.mark.frozen
@pytest.mark.slow
def test_the_bundle_states_its_licences(client: Path) -> None:
    run_in_slot(client)
    text = (client / "projects" / "p" / f"{NAME}.d" / "LICENSES").read_text("utf-8")
    assert "ttvfast, which is under the GNU General Public License, version 2" in text
    for name in ("numpy 2", "emcee 3", "h5py 3", "ttvfast 0"):
        assert name in text


@pytest.mark.frozen
@pytest.mark.slow
def test_a_tampered_library_is_refused_and_then_replaced(client: Path) -> None:
    assert run_in_slot(client).returncode == 0
    internal = client / "projects" / "p" / f"{NAME}.d" / "_internal"
    library = next(internal.glob("numpy/random/_sfc64*.so"))
    data = library.read_bytes()
    library.write_bytes(data + b"\0")
    done = run_in_slot(client)
    assert done.returncode == ExitStatus.BAD_APP_FILES
    assert f"_internal/numpy/random/{library.name} has been changed" in done.stderr
    assert run_in_slot(client).returncode == 0
    assert library.read_bytes() == data
