"""Reading frames: extensions, scaled integers, compression, and what is refused."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.pixels import check_pixels, physical, read_raw
from boinc_project.errors import InputError
from tests.real_images import decam, real_image
from tests.unit.apps.images.plan.sky.headers import sky, tan, write

DATA = sky()


def test_integers_stay_as_the_camera_wrote_them() -> None:
    (image,) = find_images(real_image("gc_2mass_k.fits"))
    raw = read_raw(image)
    assert raw.dtype == np.int16
    with fits.open(image.path) as hdus:
        expected = hdus[0].data  # scaled in single precision, ours in double
    assert np.allclose(physical(raw, image.scaling), expected, rtol=3e-7, atol=0)
    assert image.scaling.bzero == 1500.0


def test_unsigned_integers_of_a_raw_frame() -> None:
    (image,) = find_images(real_image("M13_blue_0001.fits"))
    raw = read_raw(image)
    assert (raw.dtype, image.scaling.bzero) == (np.dtype(np.int16), 32768.0)
    with fits.open(image.path) as hdus:
        assert np.array_equal(physical(raw, image.scaling), hdus[0].data.astype(np.float32))


def test_the_first_image_is_found_behind_an_empty_primary() -> None:
    (image,) = find_images(decam("ooi")[0])
    assert (image.hdu, image.nx, image.ny) == (1, 100, 100)
    assert image.number("EXPTIME") == 150.0  # from the primary header


def three(path: Path) -> Path:
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(DATA, tan(), name="SCI"),
        fits.ImageHDU(np.ones_like(DATA), name="ERR"),
        fits.ImageHDU(np.zeros(DATA.shape, np.int16), name="DQ"),
        fits.BinTableHDU.from_columns([fits.Column("x", "D", array=np.zeros(3))], name="CAT"),
    ]
    fits.HDUList(hdus).writeto(path)
    return path


def test_files_of_three_extensions(tmp_path: Path) -> None:
    path = three(tmp_path / "a.fits")
    assert [image.label for image in find_images(path)] == [f"{path}[SCI]"]
    assert find_images(path, "DQ")[0].hdu == 3
    assert find_images(path, 2)[0].hdu == 2
    assert len(find_images(path, "all")) == 3
    with pytest.raises(InputError, match=r'no extension "WHT": it has 0 PRIMARY \(empty\), 1 SCI'):
        find_images(path, "WHT")
    with pytest.raises(InputError, match=r'"CAT" of .* is not an image'):
        find_images(path, "CAT")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_tile_compressed_integers(tmp_path: Path, dtype: type) -> None:
    data = np.clip(DATA, 0, 255).astype(dtype)
    path = tmp_path / "a.fits.fz"
    hdu = fits.CompImageHDU(data, tan(), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    (image,) = find_images(path)
    assert read_raw(image).dtype == dtype
    assert np.array_equal(read_raw(image), data)
    assert image.header["CTYPE1"] == "RA---TAN"


def test_tile_compressed_unsigned_integers(tmp_path: Path) -> None:
    data = (DATA * 300).astype(np.uint16)
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, tan())]).writeto(path)
    (image,) = find_images(path)
    assert np.array_equal(physical(read_raw(image), image.scaling), data.astype(np.float32))


def test_tile_compressed_floats(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    hdu = fits.CompImageHDU(DATA, tan(), compression_type="GZIP_2", quantize_level=0.0)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    (image,) = find_images(path)
    assert np.array_equal(read_raw(image), DATA)


@pytest.mark.parametrize("name", ["b.fits.gz", "b.fits"])
def test_whole_file_compression(tmp_path: Path, name: str) -> None:
    plain = write(tmp_path / "a.fits", DATA, tan())
    packed = tmp_path / name
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    (image,) = find_images(packed)
    assert np.array_equal(read_raw(image), DATA)


def test_blank_is_nothing_known_and_only_for_integers(tmp_path: Path) -> None:
    header = tan(BLANK=-32768, BSCALE=0.5, BZERO=10.0)
    data = np.full((160, 200), 7, np.int16)
    data[3, 4] = -32768
    hdu = fits.PrimaryHDU(data, header, do_not_scale_image_data=True)
    hdu.header.update({"BLANK": -32768, "BSCALE": 0.5, "BZERO": 10.0})
    hdu.writeto(tmp_path / "a.fits")
    (image,) = find_images(tmp_path / "a.fits")
    values = physical(read_raw(image), image.scaling)
    assert values[0, 0] == 13.5
    assert np.isnan(values[3, 4])
    assert np.isnan(values).sum() == 1


def test_doubles_become_floats() -> None:
    (image,) = find_images(real_image("gc_msx_e.fits"))
    with fits.open(image.path) as hdus:
        assert np.array_equal(read_raw(image), hdus[0].data.astype(np.float32), equal_nan=True)


def edited(path: Path, name: str, value: str) -> Path:
    """Change a card in the bytes: astropy would mend it."""
    data = path.read_bytes()
    start = data.index(f"{name:8}=".encode())
    card = f"{name:8}= {value:>20}".ljust(80).encode()
    path.write_bytes(data[:start] + card + data[start + 80 :])
    return path


@pytest.mark.parametrize("card", [("BSCALE", "0.0"), ("BZERO", "'many'"), ("BSCALE", "'x'")])
def test_scalings_that_mean_nothing(tmp_path: Path, card: tuple[str, str]) -> None:
    path = write(tmp_path / "a.fits", (DATA * 300).astype(np.uint16), tan())
    edited(path, *card)
    with pytest.raises(InputError, match=rf"a\.fits has BSCALE = 0|a\.fits has {card[0]} = '"):
        find_images(path)


def test_truncated_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", DATA, tan())
    path.write_bytes(path.read_bytes()[:-40_000])
    with pytest.raises(InputError, match=r"a\.fits is truncated: \d+ bytes are missing"):
        find_images(path)
    packed = tmp_path / "b.fits.gz"
    packed.write_bytes(gzip.compress(write(tmp_path / "c.fits", DATA, tan()).read_bytes())[:-9000])
    with pytest.raises(InputError, match=r"b\.fits\.gz (is truncated|cannot be read)"):
        read_raw(find_images(packed)[0])


@pytest.mark.parametrize("module", [gzip, lzma])
def test_damaged_compressed_files(tmp_path: Path, module: Any) -> None:
    packed = bytearray(module.compress(write(tmp_path / "a.fits", DATA, tan()).read_bytes()))
    packed[20:28] = b"\xff\x00" * 4
    path = tmp_path / "b.fits.packed"
    path.write_bytes(packed)
    with pytest.raises(InputError, match=r"b\.fits\.packed cannot be read as a FITS file: .+\.$"):
        find_images(path)


@pytest.mark.parametrize("method", ["RICE_1", "GZIP_2"])
def test_damaged_tiles(tmp_path: Path, method: str) -> None:
    path = tmp_path / "a.fits"
    hdu = fits.CompImageHDU((DATA * 300).astype(np.int32), tan(), compression_type=method)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    (image,) = find_images(path)
    data = bytearray(path.read_bytes())
    data[-20_000:-5_000] = b"\xaa" * 15_000
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.fits (cannot be read as a FITS|is truncated)"):
        read_raw(image)


def test_sizes_below_zero(tmp_path: Path) -> None:
    path = edited(write(tmp_path / "a.fits", DATA, tan()), "NAXIS1", "-5")
    with pytest.raises(InputError, match=r"HDU 0 of a negative size: correct its NAXIS"):
        find_images(path)


@pytest.mark.parametrize("content", [b"", b"# a table\n1 2\n", b"\x89PNG" * 1000])
def test_what_is_no_fits_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.fits (cannot be read as a FITS file|is truncated)"):
        find_images(path)


def test_missing_files_and_files_without_an_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.fits cannot be read"):
        find_images(tmp_path / "nowhere.fits")
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(InputError, match="has no image of two axes: it has 0 PRIMARY"):
        find_images(tmp_path / "empty.fits")
    cube = write(tmp_path / "cube.fits", np.zeros((5, 40, 50), np.float32))
    with pytest.raises(InputError, match=r"0 PRIMARY \(50 x 40 x 5\)"):
        find_images(cube)


@pytest.mark.parametrize(("value", "words"), [(np.nan, "no finite pixel"), (0.0, "the same value")])
def test_images_that_say_nothing(tmp_path: Path, value: float, words: str) -> None:
    path = write(tmp_path / "a.fits", np.full((40, 50), value, np.float32), tan())
    (image,) = find_images(path)
    with pytest.raises(InputError, match=words):
        check_pixels(image, physical(read_raw(image), image.scaling))


def test_integers_of_64_bits_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", np.ones((40, 50), np.int64), tan())
    with pytest.raises(InputError, match="64-bit integers"):
        read_raw(find_images(path)[0])
