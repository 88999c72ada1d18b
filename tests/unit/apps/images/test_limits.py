"""Limits of images: planner, app, kernel, files, uploads and merge agree on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.images.compute.engine import MARGIN_AFTER, MARGIN_BEFORE, MARGIN_ROWS
from apps.images.compute.settings import ReprojectionSettings
from apps.images.limits import (
    INPUT_LIMITS,
    MAX_DENSE_PIXELS,
    MAX_FRAMES,
    MAX_PIXELS,
    MAX_SIDE,
    MOST_BYTES,
    OUTPUT_LIMITS,
    most_frames,
    most_output_bytes,
)
from apps.images.output import (
    open_reprojection_output,
    write_reprojection_output,
)
from apps.images.output_frame import (
    FrameHead,
    FramePixels,
    FrameRecord,
    Tiling,
    head_cards,
    read_head,
)
from apps.images.plan.sky import pixel_map
from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.pixel_map import make_map
from apps.images.plan.sky.reference import check_size
from boinc_project.errors import FitsError, InputError, UnitError
from boinc_project.fits.cards import Header, card
from boinc_project.fits.files import open_fits
from boinc_project.fits.images import Image
from boinc_project.fits.writing import RICE, encode_tile
from tests.reprojection_units import frame_settings, unit_settings
from work_generator.estimate import Cost

LARGEST = [(20_000, 20_000), (MAX_SIDE, MAX_PIXELS // MAX_SIDE), (MAX_PIXELS // MAX_SIDE, MAX_SIDE)]
TOO_LARGE = [(20_001, 20_000), (MAX_SIDE + 1, 10), (10, MAX_SIDE + 1)]


def planner(nx: int, ny: int) -> None:
    check_size(nx, ny, "the grid")


def app(nx: int, ny: int) -> None:
    ReprojectionSettings.from_mapping(unit_settings([frame_settings((nx, ny), x0=0, y0=0)]))


def upload(nx: int, ny: int) -> None:
    read_head(Header(head_cards(FrameHead("a.fits", 0, 0, nx, ny, 1.0))))


def header_of_a_frame(directory: Path, nx: int, ny: int) -> None:
    """Read a file that claims so many pixels, and has none of them."""
    path = directory / "frame.fits"
    cards = [
        card("SIMPLE", True), card("BITPIX", 16), card("NAXIS", 2), card("NAXIS1", nx),
        card("NAXIS2", ny),
    ]  # fmt: skip
    path.write_bytes(Header(cards).to_bytes())
    with path.open("r+b") as stream:
        stream.truncate(2880 * (2 + nx * ny * 2 // 2880))  # a sparse file
    find_images(path)
    with open_fits(path, INPUT_LIMITS) as file:
        Image(file, file.hdus[0])


@pytest.mark.parametrize(("nx", "ny"), LARGEST)
def test_the_largest_image_is_taken_everywhere(tmp_path: Path, nx: int, ny: int) -> None:
    for room in (planner, app, upload):
        room(nx, ny)
    header_of_a_frame(tmp_path, nx, ny)
    # The kernel counts pixels in memory, margins included, in 32 bits.
    assert (ny + 2 * MARGIN_ROWS + 1) * (nx + MARGIN_BEFORE + MARGIN_AFTER) < 2**31


@pytest.mark.parametrize(("nx", "ny"), TOO_LARGE)
def test_a_larger_one_is_taken_nowhere(tmp_path: Path, nx: int, ny: int) -> None:
    for room, error in ((planner, InputError), (app, UnitError), (upload, FitsError)):
        with pytest.raises(error):
            room(nx, ny)
    with pytest.raises(InputError, match="at most 400,000,000"):
        header_of_a_frame(tmp_path, nx, ny)


def largest_output(path: Path, nx: int, ny: int) -> None:
    """Write an output of one frame whose tiles are all the same."""
    tiling, kind = Tiling(nx, ny, 2048), np.dtype("i4")
    pixels, variance = [], []
    known: dict[tuple[int, int], tuple[bytes, bytes]] = {}
    for number in range(tiling.n_tile):
        _, _, width, height = tiling.box(number)
        if (width, height) not in known:
            codes = np.ones((-(-height // 8), -(-width // 8)), np.int16)
            tile = np.full((height, width), 7, kind)
            known[width, height] = encode_tile(tile, RICE), encode_tile(codes, RICE)
        pixels.append(known[width, height][0])
        variance.append(known[width, height][1])
    counts = np.array([np.prod(tiling.box(i)[2:]) for i in range(tiling.n_tile)], np.int32)
    record = FrameRecord(
        FrameHead("a.fits", 0, 0, nx, ny, 1.0),
        np.zeros((tiling.n_tile, 32), np.uint8),
        counts,
        FramePixels(0.25, 0.0, -4096, pixels, variance, []),
    )
    write_reprojection_output(
        path, unit_digest="0" * 64, app_version=101, platform="x", app_digest="0" * 64, tile=2048,
        frames=[record],
    )  # fmt: skip


def test_the_largest_output_is_read(tmp_path: Path) -> None:
    path = tmp_path / "output.fits"
    largest_output(path, 20_000, 20_000)
    with open_reprojection_output(path) as output:
        assert output.n_pixel == MAX_PIXELS
        values, _ = output.frames[0].rows(19_990, 20_000)
        assert (values == 1.75).all()


@pytest.mark.parametrize("kind", sorted(MOST_BYTES))
def test_the_largest_upload_is_accepted_and_read(kind: str) -> None:
    for tile in (64, 256, 2048):
        n_tile = Tiling(20_000, 20_000, tile).n_tile
        most = most_output_bytes(MAX_PIXELS, kind, n_tile)
        assert most <= OUTPUT_LIMITS.max_bytes
        assert Cost(1, 1.0, 0, 0, 1, 1.0, 1.0, most_up=most).max_nbytes >= most
        assert n_tile <= OUTPUT_LIMITS.max_tiles


@pytest.mark.parametrize("kind", sorted(MOST_BYTES))
@pytest.mark.parametrize("side", [200, 4096, 9000, 20_000])
def test_a_unit_has_as_many_frames_as_its_output_holds(kind: str, side: int) -> None:
    for tile in (64, 256):
        n = most_frames(side * side, kind, tile)
        whole = most_output_bytes(n * side * side, kind, n * Tiling(side, side, tile).n_tile)
        assert 1 <= n <= MAX_FRAMES
        assert whole <= OUTPUT_LIMITS.max_bytes
    assert n == MAX_FRAMES or whole * (n + 1) / n > 0.95 * OUTPUT_LIMITS.max_bytes


def test_the_largest_input_is_read() -> None:
    """Descriptors of tiles are of 32 bits, and noise as float32 takes a little more than itself."""
    noise = np.random.default_rng(1).integers(0, 2**32, (256, 256), dtype=np.uint32)
    code = len(encode_tile(noise.view(np.float32), "GZIP_2")) / noise.size
    rice = len(encode_tile(noise.view(np.int32), RICE)) / noise.size
    assert max(code, rice) <= 4.25
    assert 4.25 * MAX_PIXELS < 2**31
    dense = 16 * (MAX_DENSE_PIXELS + 3 * 2 * MAX_SIDE)
    assert (2 * 4.25 + 1.05) * MAX_PIXELS + dense < INPUT_LIMITS.max_bytes
    assert INPUT_LIMITS.max_bytes > 3 * 4.25 * MAX_PIXELS
    assert INPUT_LIMITS.max_pixels >= 2 * (MAX_DENSE_PIXELS + 3 * 2 * MAX_SIDE)


def test_maps_that_no_file_could_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transform with a kink in each pixel needs a dense map."""

    def kinked(x: Any, y: Any) -> tuple[Any, Any]:
        return x + 0.01 * (np.floor(x) % 2), y

    assert make_map(kinked, (100, 100), (100, 100)).step == 1
    monkeypatch.setattr(pixel_map, "MAX_DENSE_PIXELS", 9_999)
    with pytest.raises(InputError, match="at most 9,999 can have it"):
        make_map(kinked, (100, 100), (100, 100))
