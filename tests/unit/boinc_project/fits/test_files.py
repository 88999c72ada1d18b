"""FITS files: written and read again, exactly; damaged ones are one clear error."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boinc_project.errors import FitsError
from boinc_project.fits.cards import Header, card, parse_card
from boinc_project.fits.files import Limits, open_fits
from boinc_project.fits.images import Image, images
from boinc_project.fits.tables import read_table
from boinc_project.fits.writing import create_fits, encode_tile

RNG = np.random.default_rng(3)
STEPS = np.rint(RNG.normal(0, 4, (70, 90))).astype(np.int32)


def write_sample(path: Path) -> None:
    with create_fits(path) as file:
        file.primary([card("ORIGIN", "here")])
        file.compressed("STEPS", STEPS, tile=(16, 32), cards=[card("BSCALE", 0.25)])
        file.image("MAP", np.arange(24.0).reshape(2, 3, 4), [card("STEP", 8)])
        rows = np.zeros(3, [("SHA256", "u1", (4,)), ("NPIX", "i4")])
        rows["NPIX"] = [1, 2, 3]
        file.table("TABLE", rows)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fits") / "sample.fits"
    write_sample(path)
    return path


@pytest.mark.parametrize("method", ["RICE_1", "GZIP_2"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4"])
def test_pixels_come_back_bit_for_bit(tmp_path: Path, dtype: str, method: str) -> None:
    values = RNG.normal(60, 9, (45, 31)).astype(dtype)
    if dtype == "f4":
        values[3, 4], values[5, 6] = np.nan, -0.0
        if method == "RICE_1":
            with pytest.raises(FitsError, match="does not compress"):
                encode_tile(values, method)
            return
    path = tmp_path / "x.fits"
    with create_fits(path) as file:
        file.primary()
        file.compressed("A", values, method=method, tile=(16, 10))
        file.image("B", values)
    with open_fits(path) as opened:
        for name in ("A", "B"):
            image = Image(opened, opened[name])
            assert image.all().tobytes() == values.tobytes()
            assert image.rows(7, 40).tobytes() == values[7:40].tobytes()
        assert np.array_equal(
            Image(opened, opened["A"]).tile(5), values[16:32, 10:20], equal_nan=True
        )
        assert [name for name, _ in images(opened)] == ["A", "B"]


def test_values_follow_from_scale_and_blank(tmp_path: Path) -> None:
    stored = np.array([[1, 2], [-9, 4]], np.int16)
    path = tmp_path / "x.fits"
    with create_fits(path) as file:
        file.primary()
        cards = [card("BSCALE", 0.5), card("BZERO", 100.0), card("BLANK", -9)]
        file.image("A", stored, cards)
    with open_fits(path) as opened:
        values = Image(opened, opened["A"]).float32_rows(0, 2)
    assert values.dtype == np.float32
    assert np.array_equal(values, np.array([[100.5, 101.0], [np.nan, 102.0]]), equal_nan=True)


@pytest.mark.parametrize("blank", [32768, -(10**29)])
def test_a_blank_that_the_type_cannot_hold_is_none(tmp_path: Path, blank: int) -> None:
    path = tmp_path / "x.fits"
    with create_fits(path) as file:
        file.primary()
        file.image("A", np.array([[1, -32768]], np.int16), [card("BLANK", blank)])
    with open_fits(path) as opened:
        image = Image(opened, opened["A"])
        assert image.scale.blank is None
        assert image.float32_rows(0, 1).tolist() == [[1.0, -32768.0]]


def test_unsigned_integers_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    with create_fits(path) as file:
        file.primary()
        stored = np.array([[-32768, 32767]], np.int16)
        file.compressed("A", stored, cards=[card("BZERO", 32768.0)])
    with open_fits(path) as opened:
        assert Image(opened, opened["A"]).float32_rows(0, 1).tolist() == [[0.0, 65535.0]]


def test_a_table_comes_back(sample: Path) -> None:
    with open_fits(sample) as opened:
        rows = read_table(opened, opened["TABLE"])
    assert rows["NPIX"].tolist() == [1, 2, 3]
    assert rows["SHA256"].shape == (3, 4)


def test_a_failed_file_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with create_fits(tmp_path / "x.fits") as file:
            file.primary()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("KEY     =                    T / yes", True),
        ("KEY     =                   -7", -7),
        ("KEY     = 1.5D-3 / Fortran", 1.5e-3),
        ("KEY     = 'it''s  '  / text", "it's"),
        ("KEY     = (1, 2)", None),
        ("KEY     =", None),
        ("COMMENT = 'not a value'", None),
        ("HIERARCH ESO X = 1", None),
    ],
)
def test_cards(text: str, value: object) -> None:
    assert parse_card(text).value == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_a_card(number: float) -> None:
    assert parse_card(card("KEY", number).text).value == number


@pytest.mark.parametrize("value", [float("nan"), "x" * 80, "caf\u00e9", None])
def test_values_that_do_not_fit(value: str | float | None) -> None:
    with pytest.raises(FitsError):
        card("KEY", value)


def test_a_header_says_what_is_wrong_with_a_value() -> None:
    header = Header([card("N", 5), card("T", "text")])
    with pytest.raises(FitsError, match="N is 5; a number from 0 to 4"):
        header.count("N", most=4)
    with pytest.raises(FitsError, match="T is 'text' where a number belongs"):
        header.number("T")
    with pytest.raises(FitsError, match="X is missing"):
        header.count("X")


def read_all(path: Path, limits: Limits) -> None:
    with open_fits(path, limits) as opened:
        for _, image in images(opened):
            image.all()
        for hdu in opened.hdus:
            if hdu.kind == "BINTABLE":
                read_table(opened, hdu)


def changed(sample: Path, old: str, new: str) -> bytes:
    data = sample.read_bytes()
    assert data.count(old.encode()) == 1, old
    return data.replace(old.encode(), new.ljust(len(old)).encode()[: len(old)])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ZNAXIS1 =                   90", "ZNAXIS1 =                  190", "each of its tiles"),
        ("ZNAXIS1 =                   90", "ZNAXIS1 =              9999999", "more than"),
        ("ZTILE1  =                   32", "ZTILE1  =                    0", "tiles of"),
        ("ZCMPTYPE= 'RICE_1  '", "ZCMPTYPE= 'HCOMP_1 '", "HCOMP_1 is not read"),
        ("ZVAL2   =                    4", "ZVAL2   =                    3", "3 bytes"),
        ("ZBITPIX =                   32", "ZBITPIX =                   33", "no image"),
        ("TFORM1  = '1PB(", "TFORM1  = '9ZB(", "no format"),
        ("NAXIS3  =                    2", "NAXIS3  =              9999999", "truncated"),
        ("NAXIS3  =                    2", "NAXIS3  =                   -2", "NAXIS3 is -2"),
        ("BSCALE  =                 0.25", "BSCALE  =                    T", "BSCALE is True"),
        ("SIMPLE  =", "SIMPEL  =", "not a FITS file"),
        ("XTENSION= 'IMAGE   '", "XTENSOIN= 'IMAGE   '", "no header"),
        ("ORIGIN  = 'here", "ORIGIN  = 'her\x07", "not a card"),
    ],
)
def test_each_defect_has_its_sentence(
    sample: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "bad.fits"
    path.write_bytes(changed(sample, old, new))
    with pytest.raises(FitsError, match=message) as caught:
        read_all(path, Limits(max_pixels=10**6))
    assert caught.value.message.startswith("bad.fits: ")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_bytes=1000), "at most 1000 are read"),
        (Limits(max_hdu=2), "more than 2 parts"),
        (Limits(max_pixels=5000), "more than 5000 pixels"),
        (Limits(max_tiles=5), "from 0 to 5"),
        (Limits(max_tile_pixels=300), "tiles of"),
        (Limits(max_header_blocks=0), "longer than 0 blocks"),
    ],
)
def test_limits_hold(sample: Path, limits: Limits, message: str) -> None:
    with pytest.raises(FitsError, match=message):
        read_all(sample, limits)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A tile's code of a gigabyte, where 1600 bytes belong."""
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    path = tmp_path / "bomb.fits"
    with create_fits(path) as file:
        file.primary()
        file.compressed_tiles(
            "A", [bomb], shape=(20, 20), dtype=np.dtype("f4"), method="GZIP_2", tile=(20, 20)
        )
    with pytest.raises(FitsError, match="not of its number of pixels"):
        read_all(path, Limits())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_damage_is_an_error_or_harmless(sample: Path, data: st.DataObject) -> None:
    content = bytearray(sample.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, 2 * len(content)))]
    path = sample.with_name("damaged.fits")
    path.write_bytes(bytes(content))
    with suppress(FitsError):
        read_all(path, Limits(max_pixels=10**6, max_tile_pixels=10**6))
