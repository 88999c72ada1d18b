"""What headers say of exposures, in the forms in which they say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from astropy.time import Time

from tests.unit.work_generator.sky.headers import sky, tan, write
from work_generator.sky.exposure import read_exposure
from work_generator.sky.frame import find_images

START = Time("2024-05-01T22:10:03.5", scale="utc").mjd


def told(tmp_path: Path, exposure: float = 60.0, **cards: Any) -> dict[str, Any]:
    path = write(tmp_path / "a.fits", sky(40, 30), tan(nx=40, ny=30, **cards))
    return read_exposure(find_images(path)[0], exposure)


@pytest.mark.parametrize(
    "cards",
    [
        {"DATE__OBS": "2024-05-01T22:10:03.5"},
        {"DATE__OBS": "2024-05-01T22:10:03.500Z"},
        {"DATE__OBS": "2024-05-01 22:10:03.5"},
        {"DATE__OBS": "2024-05-01", "TIME__OBS": "22:10:03.5"},
        {"DATE__OBS": "2024-05-01", "UT": "22:10:03.5"},
        {"MJD__OBS": START},
        {"EXPSTART": START},
        {"DATE__BEG": "2024-05-01T22:10:03.5", "DATE__OBS": "2020-01-01T00:00:00"},
        {"DATE__OBS": "2024-05-01T22:10:40.5", "TIMESYS": "TAI"},
        {"DATE__OBS": "2024-05-01T22:11:12.684", "TIMESYS": "TT"},
        {"DATE__OBS": "not set", "MJD__OBS": START},
    ],
)
def test_the_beginning_is_found_under_every_name(tmp_path: Path, cards: dict[str, Any]) -> None:
    found = told(tmp_path, **cards)
    assert found["begin"] == pytest.approx(START, abs=1e-8)
    assert found["end"] == pytest.approx(START + 60 / 86400, abs=1e-8)


@pytest.mark.parametrize(
    "cards",
    [{}, {"DATE__OBS": "2024-05-01"}, {"DATE__OBS": "1970-13-41T00:00:00"},
     {"MJD__OBS": 0.0}, {"MJD__OBS": 2460432.4}, {"DATE__OBS": "1066-10-14T09:00:00"}],
)  # fmt: skip
def test_what_is_no_moment_is_not_known(tmp_path: Path, cards: dict[str, Any]) -> None:
    found = told(tmp_path, **cards)
    assert (found["begin"], found["end"]) == (None, None)


def test_the_old_form_of_dates_is_of_the_last_century(tmp_path: Path) -> None:
    found = told(tmp_path, DATE__OBS="24/12/93", TIME__OBS="01:02:03")
    assert found["begin"] == pytest.approx(Time("1993-12-24T01:02:03").mjd, abs=1e-8)


def test_an_end_that_cannot_be_one_is_the_beginning_and_the_exposure(tmp_path: Path) -> None:
    begin = {"DATE__OBS": "2024-05-01T22:10:03.5"}
    stated = told(tmp_path, **begin, DATE__END="2024-05-01T22:12:00")
    assert stated["end"] == pytest.approx(Time("2024-05-01T22:12:00").mjd, abs=1e-8)
    for end in ("2024-05-01T22:00:00", "2025-05-01T22:00:00", "?"):
        assert told(tmp_path, **begin, DATE__END=end)["end"] == pytest.approx(START + 60 / 86400)
    assert told(tmp_path, 0.0, **begin)["end"] == pytest.approx(START)


@pytest.mark.parametrize(
    ("cards", "gain"),
    [
        ({"BUNIT": "electron"}, 1.0),
        ({"BUNIT": "ELECTRONS"}, 1.0),
        ({"BUNIT": "electrons/s"}, 60.0),
        ({"BUNIT": "e-/s"}, 60.0),
        ({"BUNIT": "adu", "EGAIN": 0.25}, 0.25),
        ({"BUNIT": "adu", "GAIN": 120}, None),  # a setting of the camera, for all we know
        ({"EGAIN": -1.0}, None),
        ({}, None),
    ],
)
def test_gains_are_read_where_they_leave_no_doubt(
    tmp_path: Path, cards: dict[str, Any], gain: float | None
) -> None:
    assert told(tmp_path, **cards)["gain"] == gain


def test_names_are_plain_texts(tmp_path: Path) -> None:
    found = told(tmp_path, OBJECT="  M 61 ", TELESCOP="x" * 66, INSTRUME=7, SATURATE=60000)
    assert (found["object"], found["telescope"]) == ("M 61", "x" * 60)
    assert (found["instrument"], found["saturation"]) == ("", 60000.0)
