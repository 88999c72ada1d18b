"""The frozen reprojection app: numpy only, and with the bytes of the unfrozen one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apps.reprojection import APP_NAME, APP_VERSION, OUTPUT_FILE, run
from apps.reprojection.built import load_kernel
from apps.runtime.runtime import open_runtime
from boinc_project.reprojection_output import open_reprojection_output
from boinc_project.states import ExitStatus
from tests.reprojection_units import make_unit

ROOT = Path(__file__).resolve().parents[3]
NAME = f"{APP_NAME}_{APP_VERSION}_x86_64-pc-linux-gnu"

pytestmark = [
    pytest.mark.frozen,
    pytest.mark.slow,
    pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built"),
]


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


def start(installed: Path, slot: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [installed / NAME],
        cwd=slot,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_it_has_numpy_and_nothing_else(installed: Path) -> None:
    # Of packages, their metadata and their libraries; reprojection is the app itself.
    names = {
        re.split("[-.]", path.name.lower().lstrip("_"))[0]
        for path in (installed / f"{NAME}.d").rglob("*")
    }
    assert "numpy" in names
    unwanted = {"astropy", "scipy", "h5py", "emcee", "ttvfast", "reproject", "matplotlib"}
    assert not names & unwanted


def test_it_computes_the_bytes_of_the_unfrozen_one(installed: Path, tmp_path: Path) -> None:
    slots = [tmp_path / name for name in ("frozen", "unfrozen")]
    for slot in slots:
        unit, inputs = make_unit(slot, n_frame=2, dtype="u2", variance="ccd")
    done = start(installed, slots[0])
    assert done.returncode == 0, done.stderr
    with open_runtime(slots[1]) as runtime:
        run(unit, inputs, slots[1] / OUTPUT_FILE, runtime)
    digests = []
    for slot in slots:
        with open_reprojection_output(slot / OUTPUT_FILE) as output:
            digests.append(output.content_digest)
    assert digests[0] == digests[1]


def test_it_says_that_it_has_no_reproject(installed: Path, tmp_path: Path) -> None:
    make_unit(tmp_path, method="reproject")
    done = start(installed, tmp_path)
    assert done.returncode == int(ExitStatus.UNSUPPORTED_UNIT)
    assert "needs the Python packages reproject and astropy" in done.stderr
