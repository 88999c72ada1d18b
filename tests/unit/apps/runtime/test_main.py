"""The shared entry: every ending has its exit status and its sentence."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apps.main import exit_status
from apps.runtime.errors import AppFilesError
from apps.runtime.self_check import own_digest
from boinc_project.errors import ConfigError, OpenAstroError
from boinc_project.states import ExitStatus
from boinc_project.unit import Unit, seal

ROOT = Path(__file__).resolve().parents[4]
DATA = Path(__file__).parent / "data"
CLIENT_FILES = "<wu_cpu_time>0</wu_cpu_time><checkpoint_period>60</checkpoint_period>"


def sealed(slot: Path, *, app: str = "tiny", version: int = 100, **settings: Any) -> Unit:
    numbers = b"41"
    settings = {"n_step": 3, **settings}
    inputs = {"numbers.txt": hashlib.sha256(numbers).hexdigest()}
    unit = Unit(app, version, "c", 7, 0, 1, settings, inputs)
    seal(unit, {"numbers.txt": numbers}, slot)
    return unit


def run(slot: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": f"{DATA}:{ROOT}", "PATH": os.environ["PATH"], "LC_ALL": "C"}
    program = "from apps.main import main; main('tiny_app:Tiny')"
    return subprocess.run(
        [sys.executable, "-c", program, *(arguments or ("--slot", str(slot)))],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def under_a_client(slot: Path) -> None:
    """Make the slot look as if a client had made it; nobody reads or writes its channels."""
    (slot / "init_data.xml").write_text(CLIENT_FILES, encoding="ascii")
    (slot / "boinc_mmap_file").write_bytes(bytes(8192))


def test_a_good_unit_is_computed_and_told(tmp_path: Path) -> None:
    unit = sealed(tmp_path)
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output.h5").read_text(encoding="utf-8").endswith(own_digest())
    for told in (unit.digest, unit.name, "seed 7, branch [0, 1]", "tiny 100 on", own_digest()):
        assert told in done.stderr


def test_version_names_app_platform_and_digest(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout.split()[::3] == ["tiny", own_digest()]


@pytest.mark.parametrize(
    ("how", "status", "sentence"),
    [
        ("internal", ExitStatus.INTERNAL, "ZeroDivisionError: a defect — with a dash"),
        ("unsupported", ExitStatus.UNSUPPORTED_UNIT, "a sampler that is not here"),
    ],
)
def test_a_failure_has_its_status(
    tmp_path: Path, how: str, status: ExitStatus, sentence: str
) -> None:
    sealed(tmp_path, misbehave=how)
    under_a_client(tmp_path)
    done = run(tmp_path)
    assert done.returncode == status
    assert sentence in done.stderr
    assert ("Traceback" in done.stderr) == (status == ExitStatus.INTERNAL)
    finish = (tmp_path / "boinc_finish_called").read_text(encoding="utf-8")
    assert finish.startswith(f"{int(status)}\n")


@pytest.mark.parametrize("how", ["transient", "disk full"])
def test_an_obstacle_that_passes_is_waited_for(tmp_path: Path, how: str) -> None:
    sealed(tmp_path, misbehave=how)
    under_a_client(tmp_path)
    done = run(tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "boinc_temporary_exit").read_bytes().startswith(b"600\n")
    assert not (tmp_path / "boinc_finish_called").exists()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("changed", "numbers.txt does not match its digest"),
        ("missing", "numbers.txt is missing"),
        ("no unit", "There is no unit.json"),
        ("no json", "unit.json cannot be read"),
        ("other app", "for the app other, not for tiny"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path: Path, spoil: str, sentence: str) -> None:
    sealed(tmp_path, app="other" if spoil == "other app" else "tiny")
    if spoil == "changed":
        (tmp_path / "numbers.txt").write_bytes(b"42")
    if spoil == "missing":
        (tmp_path / "numbers.txt").unlink()
    if spoil == "no unit":
        (tmp_path / "unit.json").unlink()
    if spoil == "no json":
        (tmp_path / "unit.json").write_bytes(b"{")
    done = run(tmp_path)
    assert done.returncode == ExitStatus.BAD_INPUT
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_unit_for_a_later_version_is_refused(tmp_path: Path) -> None:
    sealed(tmp_path, version=101)
    done = run(tmp_path)
    assert done.returncode == ExitStatus.UNSUPPORTED_UNIT
    assert "needs tiny 101; this is 100" in done.stderr


def test_soft_links_are_followed_both_ways(tmp_path: Path) -> None:
    slot, project = tmp_path / "slots" / "0", tmp_path / "projects" / "p"
    sealed(project)
    slot.mkdir(parents=True)
    for logical, physical in {
        "unit.json": "unit.json",
        "numbers.txt": "numbers.txt",
        "output.h5": "wu_r77",
    }.items():
        link = f"<soft_link>../../projects/p/{physical}</soft_link>\n"
        (slot / logical).write_text(link, encoding="ascii")
    assert run(slot).returncode == 0
    assert (project / "wu_r77").read_text(encoding="utf-8").startswith("41 ")
    assert (slot / "output.h5").read_text(encoding="ascii").startswith("<soft_link>")


def test_numerical_libraries_get_one_thread(tmp_path: Path) -> None:
    sealed(tmp_path, misbehave="threads")
    done = run(tmp_path)
    assert "threads 1 1\n" in done.stderr, done.stderr


def test_the_entry_does_not_load_numpy() -> None:
    program = "import apps.main, sys; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_errors_without_a_cure_have_their_status() -> None:
    assert exit_status(AppFilesError()) is ExitStatus.BAD_APP_FILES
    assert exit_status(ConfigError()) is ExitStatus.UNSUPPORTED_UNIT
    assert exit_status(OpenAstroError()) is ExitStatus.INTERNAL
