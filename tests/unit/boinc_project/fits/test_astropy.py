"""Astropy reads what we write, bit for bit, and we read what astropy writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from boinc_project.errors import FitsError
from boinc_project.fits.cards import card
from boinc_project.fits.files import open_fits
from boinc_project.fits.images import Image
from boinc_project.fits.tables import read_table
from boinc_project.fits.writing import create_fits

fits = pytest.importorskip("astropy.io.fits")

RNG = np.random.default_rng(4)
SHAPE = (61, 83)


def sample(dtype: str) -> np.ndarray:
    values = RNG.normal(60, 9, SHAPE)
    values[5:9] = 7.0
    array = values.astype(dtype)
    if array.dtype.kind == "f":
        array[3, 4] = np.nan
    else:
        info = np.iinfo(dtype)
        array[20:40] = RNG.integers(info.min, info.max, (20, SHAPE[1]), dtype, endpoint=True)
    return array


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4"])
def test_astropy_reads_what_we_write(tmp_path: Path, dtype: str) -> None:
    values, path = sample(dtype), tmp_path / "x.fits"
    methods = ["GZIP_2"] if dtype == "f4" else ["GZIP_2", "RICE_1"]
    rows = np.array([(1, 2.5)], [("N", "i4"), ("X", "f8")])
    with create_fits(path) as file:
        file.primary([card("ORIGIN", "it's us")])
        for method in methods:
            file.compressed(method, values, method=method, tile=(16, 32), cards=[card("A", 1.5)])
        file.image("PLAIN", values)
        file.table("ROWS", rows)
    with fits.open(path) as opened:
        opened.verify("exception")
        assert opened[0].header["ORIGIN"] == "it's us"
        for name in (*methods, "PLAIN"):
            data = opened[name].data
            assert data.dtype.newbyteorder("=") == values.dtype
            assert data.astype(values.dtype).tobytes() == values.tobytes()
        assert opened["GZIP_2"].header["A"] == 1.5
        assert opened["ROWS"].data["X"].tolist() == [2.5]


def test_astropy_scales_our_steps(tmp_path: Path) -> None:
    stored = np.array([[-4096, 3], [4, 5]], np.int32)
    cards = [card("BSCALE", 0.5), card("BZERO", 10.0), card("BLANK", -4096)]
    with create_fits(tmp_path / "x.fits") as file:
        file.primary()
        file.compressed("A", stored, cards=cards)
    with fits.open(tmp_path / "x.fits") as opened:
        values = opened["A"].data
    assert np.array_equal(values, [[np.nan, 11.5], [12.0, 12.5]], equal_nan=True)


@pytest.mark.parametrize("tile", [(1, SHAPE[1]), (16, 20)])
@pytest.mark.parametrize("method", ["RICE_1", "GZIP_1", "GZIP_2"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4"])
def test_we_read_what_astropy_writes(
    tmp_path: Path, dtype: str, method: str, tile: tuple[int, int]
) -> None:
    values, path = sample(dtype), tmp_path / "x.fits"
    options = {}
    if dtype == "f4":
        options = {"quantize_level": 0} if method != "RICE_1" else {"quantize_method": -1}
    hdu = fits.CompImageHDU(values, name="A", compression_type=method, tile_shape=tile, **options)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    with fits.open(path) as opened:
        expected = np.array(opened["A"].data).astype(dtype)
    with open_fits(path) as opened:
        assert np.array_equal(Image(opened, opened["A"]).all(), expected, equal_nan=True)


def test_unsigned_integers_of_astropy(tmp_path: Path) -> None:
    values = RNG.integers(0, 65535, SHAPE, np.uint16)
    hdu = fits.CompImageHDU(values, name="A", compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "x.fits")
    with open_fits(tmp_path / "x.fits") as opened:
        assert np.array_equal(Image(opened, opened["A"]).float32_rows(0, SHAPE[0]), values)


def test_dithered_images_are_refused(tmp_path: Path) -> None:
    hdu = fits.CompImageHDU(
        sample("f4"), name="A", compression_type="RICE_1", quantize_method=1, dither_seed=1
    )
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "x.fits")
    with pytest.raises(FitsError, match="dithered"), open_fits(tmp_path / "x.fits") as opened:
        Image(opened, opened["A"])


def test_tables_of_astropy(tmp_path: Path) -> None:
    rows = np.array([(1, 2.5, b"ab"), (2, 3.5, b"c")], [("N", "i4"), ("X", "f8"), ("T", "S2")])
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(rows, name="T")]).writeto(tmp_path / "x.fits")
    with open_fits(tmp_path / "x.fits") as opened:
        table = read_table(opened, opened["T"])
    assert table["N"].tolist() == [1, 2]
    assert table["T"].tolist() == [b"ab", b"c"]
