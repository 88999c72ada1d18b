"""The frozen reprojection app: numpy only, and with the bytes of the unfrozen one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.images.compute.app import OUTPUT_FILE, Frames
from apps.images.compute.built import load_kernel
from apps.images.compute.computing import run
from apps.images.output import open_reprojection_output
from apps.runtime.runtime import open_runtime
from boinc_project.states import ExitStatus
from tests.frozen import install, start, tree_of
from tests.reprojection_units import make_unit

pytestmark = [
    pytest.mark.frozen,
    pytest.mark.slow,
    pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(Frames.name, Frames.version, tmp_path_factory.mktemp("project"))


def test_it_has_numpy_and_nothing_else(program: Path) -> None:
    # Of packages, their metadata and their libraries; reprojection is the app itself.
    names = {
        re.split("[-.]", path.name.lower().lstrip("_"))[0] for path in tree_of(program).rglob("*")
    }
    assert "numpy" in names
    unwanted = {"astropy", "scipy", "h5py", "emcee", "ttvfast", "reproject", "matplotlib"}
    assert not names & unwanted


def test_it_computes_the_bytes_of_the_unfrozen_one(program: Path, tmp_path: Path) -> None:
    slots = [tmp_path / name for name in ("frozen", "unfrozen")]
    for slot in slots:
        unit, inputs = make_unit(slot, n_frame=2, dtype="u2", variance="map")
    done = start(program, slots[0])
    assert done.returncode == 0, done.stderr
    with open_runtime(slots[1]) as runtime:
        run(unit, inputs, slots[1] / OUTPUT_FILE, runtime)
    digests = []
    for slot in slots:
        with open_reprojection_output(slot / OUTPUT_FILE) as output:
            digests.append(output.content_digest)
    assert digests[0] == digests[1]


def test_it_says_that_it_has_no_reproject(program: Path, tmp_path: Path) -> None:
    make_unit(tmp_path, method="reproject")
    done = start(program, tmp_path)
    assert done.returncode == int(ExitStatus.UNSUPPORTED_UNIT)
    assert "needs the Python packages reproject and astropy" in done.stderr
