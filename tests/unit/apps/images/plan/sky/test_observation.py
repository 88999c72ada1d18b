"""What headers of observatories and capture programs say of an observation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from apps.images.plan.sky.frame import Image, find_images
from apps.images.plan.sky.observation import observation, same_filter
from tests.unit.apps.images.plan.sky.headers import sky, tan


def image(tmp_path: Path, primary: dict[str, Any] | None = None, **cards: Any) -> Image:
    """Return an image with these cards, in an extension if there is a primary header."""
    header = tan()
    header.update({name.replace("__", "-"): value for name, value in cards.items()})
    path = tmp_path / "a.fits"
    if primary is None:
        fits.PrimaryHDU(sky(), header).writeto(path, overwrite=True)
    else:
        first = fits.PrimaryHDU()
        first.header.update(primary)
        fits.HDUList([first, fits.ImageHDU(sky(), header, "SCI")]).writeto(path, overwrite=True)
    return find_images(path)[0]


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"FILTER": "Ha"}, "Ha"),
        ({"FILTER": " r  DECam SDSS c0002 6415.0 1480.0"}, "r DECam SDSS c0002 6415.0 1480.0"),
        ({"FILTER1": "CLEAR1L", "FILTER2": "F606W"}, "F606W"),
        ({"FILTER1": "F814W", "FILTER2": "CLEAR2S"}, "F814W"),
        ({"FILTER1": "CLEAR1S", "FILTER2": "CLEAR2S"}, "CLEAR1S"),
        ({"FILTER": "F444W", "PUPIL": "F405N"}, "F405N"),
        ({"FILTER": "F444W", "PUPIL": "CLEAR"}, "F444W"),
        ({"FILTNAM1": "F555W"}, "F555W"),
        ({"BAND": 1}, "1"),
        ({"HIERARCH ESO INS FILT1 NAME": "R_SPECIAL"}, "R_SPECIAL"),
        ({"FILTER": "none", "FILTER2": "V"}, "V"),
        ({"FILTER": ""}, ""),
        ({}, ""),
    ],
)
def test_filters(tmp_path: Path, cards: dict[str, Any], name: str) -> None:
    assert observation(image(tmp_path, **cards)).filter == name
    assert observation(image(tmp_path, cards)).filter == name


def test_a_filter_s_keyword_can_be_stated(tmp_path: Path) -> None:
    assert observation(image(tmp_path, FILTER="x", MYFILT="Ha"), "MYFILT").filter == "Ha"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("Ha", "H-alpha", True), ("HA", "ha", True), ("R", "r", False), ("Lum", "Luminance", True),
     ("F606W", "f606w", True), ("SII", "S II", True), ("B", "V", False)],
)  # fmt: skip
def test_spellings_of_one_filter(one: str, other: str, same: bool) -> None:
    assert (same_filter(one) == same_filter(other)) is same


@pytest.mark.parametrize(
    ("cards", "seconds"),
    [
        ({"EXPTIME": 30.0}, 30.0), ({"EXPOSURE": "60.0 s"}, 60.0), ({"XPOSURE": 311.4}, 311.4),
        ({"EXP": 15.0}, 15.0), ({"EXPTIME": "unknown", "EXPOSURE": 5}, 5.0),
        ({"EXPTIME": 0.0}, 0.0),
        ({"EXPTIME": -1.0}, 0.0), ({}, 0.0),
    ],
)  # fmt: skip
def test_exposure_times(tmp_path: Path, cards: dict[str, Any], seconds: float) -> None:
    assert observation(image(tmp_path, **cards)).exposure_s == seconds


NOON = 58999.5
"""2020-05-30T12:00:00 as a modified Julian date."""


@pytest.mark.parametrize(
    ("cards", "start"),
    [
        ({"DATE-OBS": "2020-05-30T12:00:00.0000000"}, NOON),
        ({"DATE-OBS": "2020-05-30T12:00:00Z"}, NOON),
        ({"DATE-OBS": "2020-05-30", "TIME-OBS": "12:00:00.00"}, NOON),
        ({"DATE-OBS": "2020-05-30", "UT": "12:00:00"}, NOON),
        ({"DATE-OBS": "2020/05/30", "UTSTART": "12:00:00"}, NOON),
        ({"DATE-OBS": "30/05/97", "TIME-OBS": "12:00:00"}, 50598.5),
        ({"MJD-OBS": 58999.5}, NOON),
        ({"EXPSTART": 58999.5}, NOON),
        ({"JD": 2459000.0}, NOON),
        ({"DATE-OBS": "yesterday", "MJD-OBS": "58999.5"}, NOON),
        ({"DATE-OBS": "0000-00-00"}, None),
        ({"MJD-OBS": -1.0}, None),
        ({}, None),
    ],
)
def test_dates(tmp_path: Path, cards: dict[str, Any], start: float | None) -> None:
    assert observation(image(tmp_path, **cards)).exposed.begin == start


@pytest.mark.parametrize(
    ("word", "kind"),
    [("Light Frame", ""), ("LIGHT", ""), ("object", ""), ("Dark Frame", "Dark Frame"),
     ("FLAT", "FLAT"), ("Flat Field", "Flat Field"), ("bias", "bias"), ("zero", "zero"),
     ("Master Dark", "Master Dark"), ("SKY,FLAT", ""), ("", "")],
)  # fmt: skip
def test_calibration_frames(tmp_path: Path, word: str, kind: str) -> None:
    assert observation(image(tmp_path, IMAGETYP=word)).kind == kind


def test_names_are_plain_texts(tmp_path: Path) -> None:
    cards: dict[str, Any] = {"OBJECT": "  M 61 ", "TELESCOP": "x" * 66, "INSTRUME": 7}
    told = observation(image(tmp_path, **cards, SATURATE=60000)).exposed.plain()
    assert (told["object"], told["telescope"]) == ("M 61", "x" * 60)
    assert (told["instrument"], told["saturation"]) == ("", 60000.0)
