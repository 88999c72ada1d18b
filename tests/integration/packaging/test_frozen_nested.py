"""The frozen nested app: without matplotlib and emcee, and with the numbers of the unfrozen one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apps.runtime.runtime import open_runtime
from apps.ttv_nested import APP_NAME, APP_VERSION, run
from boinc_project.nested_output import content_digest, read_nested_output
from boinc_project.unit import seal
from tests.unit.validator import nested_case, ttv_case

ROOT = Path(__file__).resolve().parents[3]
NAME = f"{APP_NAME}_{APP_VERSION}_x86_64-pc-linux-gnu"

pytestmark = [pytest.mark.frozen, pytest.mark.slow]


@pytest.fixture(scope="module")
def built() -> Path:
    """The app as `make app` leaves it; built if it is not there or not of these sources."""
    out = ROOT / "build" / "apps"
    command = [sys.executable, "packaging/build.py", APP_NAME, "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return out / NAME


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client's project directory, unpacked by the app's first start."""
    directory = tmp_path_factory.mktemp("project")
    for name in (NAME, f"{NAME}.tar.gz"):
        shutil.copy2(built / name, directory / name)
    done = subprocess.run(
        [directory / NAME, "--version"], capture_output=True, encoding="utf-8", check=True
    )
    digest = json.loads((built / "build.json").read_text("utf-8"))["app_digest"]
    assert done.stdout.split() == [APP_NAME, str(APP_VERSION), "x86_64-pc-linux-gnu", digest]
    return directory


def test_what_is_not_needed_is_not_in_the_bundle(installed: Path) -> None:
    names = {path.name.lower() for path in (installed / f"{NAME}.d").rglob("*")}
    for unwanted in ("matplotlib", "mpl-data", "pil", "emcee", "pandas", "tkinter"):
        assert not [name for name in names if name.startswith(unwanted)], unwanted
    licences = (installed / f"{NAME}.d" / "LICENSES").read_text("utf-8")
    assert "dynesty 3" in licences
    assert "scipy 1" in licences
    assert "matplotlib 3" not in licences


def test_it_computes_the_bytes_of_the_unfrozen_one(installed: Path, tmp_path: Path) -> None:
    unit, inputs = nested_case.make_unit(max_segments=8), ("unit.json", "transits.csv")
    slots = [tmp_path / name for name in ("frozen", "unfrozen")]
    for slot in slots:
        seal(unit, {"transits.csv": ttv_case.table()}, slot)
    done = subprocess.run(
        [installed / NAME],
        cwd=slots[0],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with open_runtime(slots[1]) as runtime:
        paths = {name: slots[1] / name for name in inputs}
        run(unit, paths, slots[1] / "output.h5", runtime)
    frozen, unfrozen = (read_nested_output(slot / "output.h5") for slot in slots)
    assert content_digest(frozen) == content_digest(unfrozen)
