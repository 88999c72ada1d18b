"""Kill the app anywhere, start it again, and the output is the same, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.images.compute.app import OUTPUT_FILE
from apps.images.compute.built import load_kernel
from apps.images.compute.checkpoint import CHECKPOINT_FILE, SPOOL_FILE
from apps.images.compute.computing import run
from apps.images.output import open_reprojection_output
from apps.images.output_frame import tile_digest
from apps.runtime.init_data import INIT_DATA_FILE
from apps.runtime.runtime import open_runtime
from boinc_project.errors import FitsError, UnitError
from boinc_project.fits.writing import create_fits
from boinc_project.unit import open_unit
from tests.killing import run_killed
from tests.reprojection_units import make_unit

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

# The real app in a process of its own, with a checkpoint after every tile, and time to be hit.
EPISODE = """
import sys, time
from pathlib import Path
from apps.images.compute import computing as reprojection
from apps.runtime.errors import QuitRequested
from apps.runtime.runtime import open_runtime
from boinc_project.unit import open_unit
slot = Path(sys.argv[1])
inputs = {path.name: path for path in slot.iterdir() if path.suffix in (".json", ".fits")}
with open_runtime(slot, checkpoint_period=0.0, catch_signals=True) as runtime:
    poll = runtime.poll
    def slow_poll():
        time.sleep(0.01)
        poll()
    runtime.poll = slow_poll
    print("ready", flush=True)
    try:
        reprojection.run(open_unit(inputs), inputs, slot / "output.fits", runtime)
    except QuitRequested:
        sys.exit(3)
"""

OPTIONS = {"n_frame": 2, "tile": 32, "variance": "map", "dtype": "u2"}


def compute(slot: Path, inputs: dict[str, Path], *, name: str = "") -> Path:
    if name:
        text = f"<app_init_data><result_name>{name}</result_name></app_init_data>"
        (slot / INIT_DATA_FILE).write_text(text)
    with open_runtime(slot) as runtime:
        run(open_unit(inputs), inputs, slot / OUTPUT_FILE, runtime)
    return slot / OUTPUT_FILE


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    slot = tmp_path_factory.mktemp("undisturbed")
    _, inputs = make_unit(slot, **OPTIONS)
    return compute(slot, inputs).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_anywhere_the_output_is_the_same(
    tmp_path: Path, undisturbed: bytes, seed: int
) -> None:
    make_unit(tmp_path, **OPTIONS)
    run_killed(EPISODE, tmp_path, seed, (0.05, 0.4))
    assert (tmp_path / OUTPUT_FILE).read_bytes() == undisturbed


def interrupt(slot: Path, inputs: dict[str, Path], after: int) -> None:
    """Run the app in this process, and end it after some tiles, without a farewell."""
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise KeyboardInterrupt

    with open_runtime(slot, checkpoint_period=0.0) as runtime:
        runtime.poll = poll  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            run(open_unit(inputs), inputs, slot / OUTPUT_FILE, runtime)


@pytest.mark.parametrize("damage", ["checkpoint", "both", "spool cut", "spool changed", "longer"])
def test_damage_costs_time_only(
    tmp_path: Path, undisturbed: bytes, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, inputs = make_unit(tmp_path, **OPTIONS)
    interrupt(tmp_path, inputs, 30)
    newest, spool = tmp_path / CHECKPOINT_FILE, tmp_path / SPOOL_FILE
    if damage in ("checkpoint", "both"):
        newest.write_bytes(newest.read_bytes()[:-10])
    if damage == "both":
        newest.with_name(newest.name + ".previous").write_bytes(b"nothing")
    data = bytearray(spool.read_bytes())
    if damage == "spool cut":
        spool.write_bytes(data[:-1])
    elif damage == "spool changed":
        data[len(data) // 2] ^= 1
        spool.write_bytes(data)
    elif damage == "longer":
        spool.write_bytes(data + b"unfinished")
    capsys.readouterr()
    assert compute(tmp_path, inputs).read_bytes() == undisturbed
    resumed = {"checkpoint": "Resumed after 29 of", "longer": "Resumed after 30 of"}
    said = capsys.readouterr().err
    assert (resumed[damage] in said) if damage in resumed else ("Resumed" not in said)


def test_the_fraction_done_grows_to_one(tmp_path: Path) -> None:
    _, inputs = make_unit(tmp_path, **OPTIONS)
    seen = []
    with open_runtime(tmp_path) as runtime:
        runtime.set_fraction_done = seen.append  # type: ignore[method-assign]
        run(open_unit(inputs), inputs, tmp_path / OUTPUT_FILE, runtime)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 20


def test_the_output_says_what_was_computed(tmp_path: Path) -> None:
    unit, inputs = make_unit(tmp_path, n_frame=2)
    with open_reprojection_output(compute(tmp_path, inputs)) as output:
        assert output.unit_digest == unit.digest
        assert [frame.name for frame in output.frames] == ["night0.fits", "night1.fits"]
        frame = output.frames[0]
        assert (frame.x0, frame.y0, frame.nx, frame.ny) == (3, 5, 160, 140)
        # The reference pixel of the grid, counted from the window.
        assert frame.header.number("CRPIX1") == 97.0
        assert frame.header.number("CRPIX2") == 85.0
        for number in range(frame.tiling.n_tile):
            assert tile_digest(*frame.tile(number)) == frame.tile_digests[number].tobytes()


@pytest.mark.parametrize(("name", "has_pixels"), [("stack_0", True), ("stack_1", False)])
def test_every_second_result_reports_digests_only(
    tmp_path: Path, name: str, has_pixels: bool
) -> None:
    _, inputs = make_unit(tmp_path, digest_only=True)
    with open_reprojection_output(compute(tmp_path, inputs, name=name)) as output:
        assert output.frames[0].has_pixels == has_pixels
        digest = output.content_digest
    other = tmp_path / "other"
    _, inputs = make_unit(other, digest_only=True)
    with open_reprojection_output(compute(other, inputs)) as output:
        assert output.content_digest == digest


def test_a_unit_without_its_table_is_refused(tmp_path: Path) -> None:
    unit, inputs = make_unit(tmp_path)
    del inputs["kernel.fits"]
    with open_runtime(tmp_path) as runtime, pytest.raises(UnitError, match=r"kernel\.fits is miss"):
        run(unit, inputs, tmp_path / OUTPUT_FILE, runtime)


@pytest.mark.parametrize(
    ("missing", "message"), [("PIXELS", "no extension PIXELS"), ("MAP", "no extension MAP")]
)
def test_a_frame_without_its_parts_is_refused(tmp_path: Path, missing: str, message: str) -> None:
    unit, inputs = make_unit(tmp_path)
    path = inputs["frame_00.fits"]
    data = path.read_bytes()
    old = f"EXTNAME = '{missing:8}'".encode()
    path.write_bytes(data.replace(old, old.replace(missing.encode(), b"X" * len(missing))))
    with open_runtime(tmp_path) as runtime, pytest.raises(FitsError, match=message):
        run(unit, inputs, tmp_path / OUTPUT_FILE, runtime)


def test_a_map_of_another_window_is_refused(tmp_path: Path) -> None:
    unit, inputs = make_unit(tmp_path)
    with create_fits(inputs["frame_00.fits"]) as file:
        file.primary()
        file.image("PIXELS", np.zeros((5, 5), np.float32))
        file.image("MAP", np.zeros((2, 5, 5)))
    with open_runtime(tmp_path) as runtime, pytest.raises(FitsError, match=r"frame_00\.fits: "):
        run(unit, inputs, tmp_path / OUTPUT_FILE, runtime)
