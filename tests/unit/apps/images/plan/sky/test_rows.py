"""Images that are read a band at a time, and samples of them."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from apps.images.plan import pack as reprojection_pack
from apps.images.plan import units as reprojection
from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.pixels import check_pixels, read_raw, read_rows
from apps.images.plan.sky.rows import BAND, Rows, Sample
from boinc_project.campaign import Progress
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from tests.unit.apps.images.plan.image_campaign import write_campaign
from tests.unit.apps.images.plan.sky.headers import sky, tan, write
from work_generator.campaign_file import load_campaign


def counted(image: np.ndarray) -> tuple[Rows, list[tuple[int, int]]]:
    """Return rows of an array, and a list of what is read of them."""
    asked: list[tuple[int, int]] = []

    def read(start: int, stop: int) -> np.ndarray:
        asked.append((start, stop))
        return image[start:stop]

    return Rows(image.shape, image.dtype, read), asked


def test_rows_are_cut_like_an_array() -> None:
    image = np.random.default_rng(1).integers(0, 1000, (3 * BAND + 17, 40))
    rows, asked = counted(image)
    for key in (
        np.s_[3:9], np.s_[BAND - 2 : BAND + 3, 5:9], np.s_[:, 3:4], np.s_[2 * BAND :, :],
        np.s_[7:7], np.s_[5:700:3, ::7], np.s_[3 * BAND : 5 * BAND],
    ):  # fmt: skip
        assert np.array_equal(rows[key], image[key])
    assert np.array_equal(np.asarray(rows), image)
    assert np.asarray(rows, dtype=float).dtype == float
    assert max(stop - start for start, stop in asked) == BAND
    asked.clear()
    for column in range(0, 40, 8):  # tiles of a row of tiles need one band
        assert np.array_equal(rows[0:BAND, column : column + 8], image[:BAND, column : column + 8])
    assert asked == [(0, BAND)]


def test_what_is_made_of_rows() -> None:
    image = np.zeros((2 * BAND + 5, 6))
    rows, _ = counted(image)
    assert not rows.any()
    assert rows.map(lambda band: band == 0, bool).any()
    image[-1, -1] = 3.0
    rows, _ = counted(image)
    assert rows.any()
    assert np.asarray(rows.map(np.sqrt, float)).sum() == np.sqrt(3.0)


@pytest.mark.parametrize(
    "how",
    ["plain", "swapped", "unsigned", "scaled", "f8", "RICE_1", "GZIP_2", "quantised", "gz", "cube"],
)
def test_rows_of_files_are_those_of_the_whole(tmp_path: Path, how: str) -> None:
    data: Any = sky(300, 600).astype({"swapped": ">f4", "f8": "f8"}.get(how, "f4"))
    path = tmp_path / "a.fits"
    if how in ("plain", "RICE_1", "unsigned", "scaled"):
        data = data.astype("u2" if how == "unsigned" else "i2")
    if how in ("RICE_1", "GZIP_2", "quantised"):
        method = "RICE_1" if how == "quantised" else how
        options: Any = {} if how == "quantised" else {"quantize_level": 0.0}
        hdu = fits.CompImageHDU(data, compression_type=method, **options)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    else:
        write(path, data[np.newaxis] if how == "cube" else data)
    if how == "scaled":
        fits.setval(path, "BSCALE", value=0.5)
        fits.setval(path, "BZERO", value=100.0)
    if how == "gz":
        packed = tmp_path / "a.fits.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    (image,) = find_images(path)
    rows, whole = read_rows(image), read_raw(image)
    assert rows.dtype == whole.dtype
    assert np.array_equal(np.asarray(rows), whole)
    assert np.array_equal(rows[250:270, 10:20], whole[250:270, 10:20])


def test_empty_images_are_refused_band_by_band(tmp_path: Path) -> None:
    (image,) = find_images(write(tmp_path / "a.fits", sky(30, 600), tan()))
    nothing = np.full((600, 30), np.nan, np.float32)
    with pytest.raises(InputError, match="no finite pixel"):
        check_pixels(image, counted(nothing)[0])
    nothing[550:] = 7.0
    with pytest.raises(InputError, match="the same value, 7"):
        check_pixels(image, counted(nothing)[0])
    nothing[599, 29] = 8.0
    check_pixels(image, counted(nothing)[0])


def test_a_sample_is_squares_of_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.images.plan.sky.rows.MOST_SAMPLED", 2_000_000)
    image = np.arange(4096 * 3000).reshape(4096, 3000)
    sample = Sample.of(image.shape)
    taken = sample.take(image)
    assert 1_000_000 < taken.size <= 2_000_000
    assert len(np.unique(taken)) == taken.size
    assert np.array_equal(
        taken[:512, :512], image[sample.rows[0] :, sample.columns[0] :][:512, :512]
    )
    assert np.array_equal(Sample.all().take(image), image)
    assert np.array_equal(Sample.of((300, 200)).take(image[:300, :200]), image[:300, :200])
    spread = np.asarray(sample.spread(taken, image.shape))
    assert np.array_equal(sample.take(spread), taken)
    assert spread[0, 0] == taken[0, 0]
    assert spread[-1, -1] == taken[-1, -1]
    # From the first to the last part of it.
    assert sample.rows[0] < 1024
    assert sample.rows[-1] >= 3072


PLANES = """[images]
files = ["a.fits"]
mask = { files = ["m.fits"] }
weight = { files = ["w.fits"] }
[reference]
choose = true
"""


def planes(path: Path, nx: int, ny: int) -> Path:
    rng = np.random.default_rng(3)
    data = (100 * rng.normal(50, 1, (ny, nx))).astype("i2")
    write(path / "a.fits", data, tan(nx=nx, ny=ny))
    write(path / "m.fits", (rng.random((ny, nx)) < 0.01).astype("i2"))
    weight = rng.uniform(0.5, 2.0, (ny, nx)).astype("f4")
    weight[5:9, 7] = 0.0
    weight[11, 13] = np.nan
    write(path / "w.fits", weight)
    return write_campaign(path, PLANES)


LIT = """[images]
files = ["a.fits"]
variance = { files = ["v.fits"] }
[calibration]
bias = "bias.fits"
flat = "flat.fits"
[reference]
choose = true
"""


def lit(path: Path, nx: int, ny: int) -> Path:
    """Write a frame whose map of variances holds the photons of its stars, and its masters."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:ny, 0:nx]
    sky_variance, light = 25.0 * (1 + x / nx), np.zeros((ny, nx))
    for at_x, at_y, peak in rng.uniform((9, 9, 500), (nx - 9, ny - 9, 9000), (80, 3)):
        light += peak * np.exp(-0.5 * ((x - at_x) ** 2 + (y - at_y) ** 2) / 1.6**2)
    variance = sky_variance + light / 2.0
    data = 300 + 0.1 * y + light + rng.normal(0, 1, (ny, nx)) * np.sqrt(variance)
    flat, bias = 1 + 0.2 * np.sin(x / 90), 100 + 0.1 * x
    data[200:210, 30:50] = np.nan
    write(path / "a.fits", (data * flat + bias).astype("f4"), tan(nx=nx, ny=ny))
    for name, plane in (("v", variance), ("flat", 1000 * flat / np.median(flat)), ("bias", bias)):
        write(path / f"{name}.fits", plane.astype("f4"))
    return write_campaign(path, LIT)


@pytest.mark.parametrize("written", [planes, lit])
def test_large_frames_are_packed_as_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: Callable[[Path, int, int], Path]
) -> None:
    """A frame of fewer pixels than a square has the same sample, and so the same unit."""
    path = written(tmp_path, 400, 450)
    units = []
    for most in (reprojection_pack.MOST_AT_ONCE, 1000):
        monkeypatch.setattr(reprojection_pack, "MOST_AT_ONCE", most)
        campaign = reprojection.prepare(load_campaign(path), None, InputStore(tmp_path / "inputs"))
        units += reprojection.plan(campaign, Progress())
    assert units[0].digest == units[1].digest
    (frame,) = campaign.settings["frames"]
    assert (frame["gain"] is not None) == (written is lit)  # the light was seen


def test_memory_does_not_grow_with_a_large_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times the rows, and hardly more memory: bands of it are what is held."""
    monkeypatch.setattr(reprojection_pack, "MOST_AT_ONCE", 1000)
    monkeypatch.setattr("apps.images.plan.sky.rows.MOST_SAMPLED", 2**18)
    peaks = []
    for ny in (2048, 8192):
        directory = tmp_path / str(ny)
        directory.mkdir()
        path = planes(directory, 512, ny)
        tracemalloc.start()
        try:
            reprojection.prepare(load_campaign(path), None, InputStore(directory / "inputs"))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
