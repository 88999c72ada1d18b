"""Headers as the world writes them: each kind is read as it is meant, and said."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from apps.images.plan.sky.frame import Image, find_images
from apps.images.plan.sky.header import mend_header, number_of
from apps.images.plan.sky.pixels import physical, read_raw
from apps.images.plan.sky.solution import read_solution
from boinc_project.errors import InputError
from tests.unit.apps.images.plan.sky.headers import sky, tan, write
from tests.unit.apps.images.plan.sky.raw_cards import write_cards

DATA = sky()
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-5, "B_0_2": -1e-5}
SIP_TYPES = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"}
TPV_TYPES = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"}
PV = {"PV1_0": 0.0, "PV1_1": 1.0, "PV1_4": 1e-3, "PV1_7": 0.5, "PV2_1": 1.0, "PV2_5": 2e-3}
WAT1 = (
    'wtype=tnx axtype=ra lngcor = "3. 3. 3. 2. -0.05 0.05 -0.05 0.05 '
    '1E-5 2E-4 3E-4 1E-4 2E-4 1E-4 "'
)
X, Y = np.meshgrid([0.0, 100.0, 199.0], [0.0, 80.0, 159.0])


def image_of(path: Path) -> Image:
    (image,) = find_images(path)
    return image


def off(path: Path, header: fits.Header) -> float:
    """Return how far the file's sky is from the sky that astropy makes of a header, arcseconds."""
    ra, dec = read_solution(image_of(path)).sky(X, Y)
    with warnings.catch_warnings(action="ignore"):
        there = WCS(header, naxis=2 if "CTYPE3" in header else None).pixel_to_world(X, Y).icrs
    apart = (ra - there.ra.deg + 180) % 360 - 180
    return float(np.hypot(apart * np.cos(np.radians(dec)), dec - there.dec.deg).max() * 3600)


def matrixless(**cards: Any) -> fits.Header:
    header = tan(**cards)
    for name in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
        del header[name]
    header.update({"CDELT1": -1 / 3600, "CDELT2": 1 / 3600})
    header.update(cards)
    return header


VALUES = [
    ("CRVAL1  =              1.5D+02", "exponent D of CRVAL1"),
    ("CD1_1   =  -2.7777777777777777D-04", "exponent D of CD1_1"),
    ("CD2_2   =   2.7777777777777777d-04", "exponent D of CD2_2"),
    ("CRVAL1  = '150.0'", "as numbers: CRVAL1"),
    ("CRVAL1  = '1.5d2   '", "as numbers: CRVAL1"),
    ("CRVAL1  = '150,0'", "as numbers: CRVAL1"),
    ("CRVAL1  = '150.0 deg'", "as numbers: CRVAL1"),
    ("CRVAL1  =150.0/ no space", "equals sign are read all the same: CRVAL1"),
    ("CRVAL1  = +000150.", ""),
    ("CRVAL1  = 150", ""),
    ("CRVAL1  = 1.5e2", ""),
    ("CTYPE1  = 'ra---tan'", "understood: CTYPE1"),
    ("CTYPE2  = ' DEC--TAN '", "understood: CTYPE2"),
    ("CTYPE1  = 'RA--TAN '", "understood: CTYPE1"),
    ("CUNIT1  = 'DEGREES '", "understood: CUNIT1"),
    ("CUNIT2  = 'Degree  '", "understood: CUNIT2"),
    ("LONPOLE = '180.0   '", "as numbers: LONPOLE"),
    ("OBSERVER= 'José'", ""),
    ("AIRMASS = nan", ""),
    ("WCSAXES = '2       '", "as numbers: WCSAXES"),
]


@pytest.mark.parametrize(("card", "words"), VALUES)
def test_every_form_of_a_value_is_the_value(tmp_path: Path, card: str, words: str) -> None:
    path = write_cards(tmp_path / "a.fits", DATA, tan(), card)
    assert off(path, tan()) < 1e-6
    said = " ".join(image_of(path).remarks)
    assert (words in said) if words else not said


@pytest.mark.parametrize(
    "card", ["CRVAL1  = '10:00:00'", "CRVAL1  = T", "CRPIX2  = 'NaN'", "CRVAL1  =  NaN"]
)
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, card: str) -> None:
    path = write_cards(tmp_path / "a.fits", DATA, tan(), card)
    with pytest.raises(InputError, match=r"which is no number"):
        read_solution(image_of(path))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (tan(**SIP_TYPES, **SIP), ""),
        (tan(**SIP_TYPES, **SIP, **PV), "SIP is used, PV is not"),
        (tan(**SIP), "does not end in -SIP"),
        (tan(**SIP, **PV), "read as TPV, as SCAMP means them. SIP"),
        (tan(**PV), "read as TPV"),
        (tan(**TPV_TYPES, **PV), ""),
        (tan(**TPV_TYPES, **PV, **SIP), "SIP coefficients are beside CTYPE = TPV"),
        (tan(**SIP_TYPES), "no SIP coefficients"),
        (tan(PV1_1=0.0, PV1_2=2.0, PV1_3=180.0), ""),
        (tan(CDELT1=-1 / 1800, CDELT2=1 / 1800), "another scale than the CD matrix"),
        (tan(CDELT1=-1 / 3600, CDELT2=1 / 3600, CROTA2=0.0), ""),
        (tan(CDELT1=1.0, CDELT2=1.0), ""),
        (tan(CDELT1=-1e-4, CDELT2=1e-4, PC1_1=0.8, PC1_2=-0.6, PC2_1=0.6, PC2_2=0.8),
         "PC is taken"),
        (matrixless(CROTA2=30.0), ""),
        (matrixless(CROTA1=30.0, CROTA2=30.0), ""),
        (matrixless(PC1_1=0.8, PC1_2=-0.6, PC2_1=0.6, PC2_2=0.8), ""),
        (matrixless(PC1_1=0.8, PC1_2=-0.6, PC2_1=0.6, PC2_2=0.8, CROTA2=9.0), "beside CROTA2"),
        (matrixless(PC001001=0.8, PC001002=-0.6, PC002001=0.6, PC002002=0.8), ""),
        (tan(LONPOLE=0.0), ""),
        (tan(LONPOLE=150.0, LATPOLE=10.0), ""),
        (tan(EQUINOX=2000.0), ""),
        (tan(EPOCH=2000.0), ""),
        (tan(EQUINOX=1950.0), ""),
        (tan(RADECSYS="FK5", EQUINOX=2000.0), ""),
        (tan(RADESYS="ICRS", EQUINOX=1950.0), "EQUINOX = 1950 beside RADESYS = ICRS"),
        (tan(RADESYS="ICRS", RADECSYS="FK5"), "RADECSYS = FK5 contradicts"),
        (tan(RADESYS="FK5", EQUINOX=2024.5), ""),
        (tan(RADESYS="FK4-NO-E", EQUINOX=1950.0), ""),
        (tan(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"), ""),
        (tan(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=2.0, CRVAL2=150.0), ""),
        (tan(CTYPE1="RA---ZPN", CTYPE2="DEC--ZPN", PV2_1=1.0, PV2_3=0.1), ""),
        (tan(CTYPE1="RA---HPX", CTYPE2="DEC--HPX", CRVAL2=0.0), ""),
        (tan(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", PV2_1=0.1, PV2_2=0.05), ""),
        (tan(CTYPE3="FREQ", CRVAL3=1.4e9, CRPIX3=1.0, CDELT3=1e6, CUNIT3="Hz"), ""),
    ],
)  # fmt: skip
def test_what_astropy_reads_is_read_the_same(
    tmp_path: Path, header: fits.Header, words: str
) -> None:
    path = write(tmp_path / "a.fits", DATA, header)
    assert off(path, fits.getheader(path)) < 1e-6
    said = " ".join(image_of(path).remarks)
    assert (words in said) if words else not said


@pytest.mark.parametrize(
    ("card", "meant"),
    [
        ("EQUINOX = '2000.0  '", {"EQUINOX": 2000.0}),
        ("EQUINOX = 'J2000.0 '", {"EQUINOX": 2000.0}),
        ("EQUINOX = 'B1950   '", {"EQUINOX": 1950.0}),
        ("RADESYS = 'fk5     '", {"RADESYS": "FK5"}),
        ("RADESYS = 'J2000   '", {"RADESYS": "FK5"}),
        ("RADESYS = 'ICRF    '", {"RADESYS": "ICRS"}),
    ],
)
def test_systems_of_coordinates_are_understood(
    tmp_path: Path, card: str, meant: dict[str, Any]
) -> None:
    path = write_cards(tmp_path / "a.fits", DATA, tan(), card)
    assert off(path, tan(**meant)) < 1e-6
    assert image_of(path).remarks


def test_the_last_of_two_cards_counts_as_for_wcslib(tmp_path: Path) -> None:
    path = write_cards(tmp_path / "a.fits", DATA, tan(), "+CRVAL1  =  151.0")
    assert off(path, tan(151.0)) < 1e-6
    assert "there twice, with two values, the last is taken: CRVAL1" in image_of(path).remarks[0]


def test_distortions_of_cubes_are_settled_before_axes_are_taken_out(tmp_path: Path) -> None:
    header = tan(**SIP_TYPES, **SIP, **PV, WCSAXES=3, CTYPE3="WAVE", CRPIX3=1.0, CDELT3=1e-9)
    path = write(tmp_path / "a.fits", DATA[np.newaxis], header)
    assert off(path, tan(**SIP_TYPES, **SIP)) < 1e-6


def test_iraf_s_distortions_are_read_by_wcslib(tmp_path: Path) -> None:
    wat = {"WAT0_001": "system=image"}
    for axis, text in ((1, WAT1), (2, WAT1.replace("=ra lng", "=dec lat"))):
        wat |= {f"WAT{axis}_00{n + 1}": text[68 * n : 68 * n + 68] for n in range(2)}
    header = tan(CTYPE1="RA---TNX", CTYPE2="DEC--TNX", **wat)
    path = write(tmp_path / "a.fits", DATA, header)
    assert off(path, header) < 1e-6
    plain = write(tmp_path / "plain.fits", DATA, tan())
    assert off(plain, header) > 0.01


@pytest.mark.parametrize("card", ["BZERO   = '32768.0'", "BZERO   = 3.2768D+04"])
def test_scales_of_pixels_are_numbers_too(tmp_path: Path, card: str) -> None:
    data = np.arange(32000, dtype=np.uint16).reshape(160, 200)
    path = write_cards(tmp_path / "a.fits", data, tan(), card)
    image = image_of(path)
    assert np.array_equal(physical(read_raw(image), image.scaling), data.astype(np.float32))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0), ("3", 3.0), (" 60.0 s", 60.0), ("1.5D+02", 150.0), ("1e3", 1000.0),
        ("30,5", 30.5), (".5", 0.5), ("1.4 e-/ADU", 1.4), ("12:30", None), ("", None), (True, None),
        (None, None), ("1,234.5", None), ("x", None), ("nan", None),
    ],
)  # fmt: skip
def test_numbers_in_texts(value: object, number: float | None) -> None:
    assert number_of(value) == number


def test_numbers_of_a_frame_are_read_from_texts(tmp_path: Path) -> None:
    path = write_cards(
        tmp_path / "a.fits", DATA, tan(), "EXPTIME = '60.0 s  '", "GAIN    = 1.5D+00",
        "RDNOISE =  NaN",
    )  # fmt: skip
    image = image_of(path)
    assert (image.number("EXPTIME"), image.number("GAIN"), image.number("RDNOISE")) == (
        60,
        1.5,
        None,
    )


def test_where_a_telescope_points_is_no_solution(tmp_path: Path) -> None:
    header = tan(SCALE=0.654, ANGLE=258.37)
    for name in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
        del header[name]
    path = write(tmp_path / "a.fits", DATA, header)
    with pytest.raises(InputError, match="has no scale in its header"):
        read_solution(image_of(path))


def test_cards_that_are_no_fits_disturb_nothing(tmp_path: Path) -> None:
    cards = ["WARNING = 'Warning scale was inaccurate! Set FOV=0.79d",
             "SWCREATE=  Sky Simulator for Ascom and Alpaca", "HIERARCH ESO DET X = 5 / x",
             "LONGSTR = 'aaa&'", "+CONTINUE  'bbb'", "BAD KEY = 5", "NOVALUE ="]  # fmt: skip
    path = write_cards(tmp_path / "a.fits", DATA, tan(), *cards, "CRVAL1  = 1.5D2")
    assert off(path, tan()) < 1e-6
    assert image_of(path).keyword("LONGSTR") == "aaabbb"
    assert image_of(path).keyword("NOVALUE") is None


def test_a_header_that_is_right_is_not_touched(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", DATA, tan(**SIP_TYPES, **SIP, OBJECT="M 31", EXPTIME=30.0))
    header = fits.getheader(path)
    mended, remarks = mend_header(header)
    assert not remarks
    assert [card.image for card in mended.cards] == [card.image for card in header.cards]
