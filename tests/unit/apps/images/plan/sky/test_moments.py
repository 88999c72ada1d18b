"""Moments of exposures, in the forms in which headers state them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from astropy.time import Time

from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.moments import read_span
from tests.unit.apps.images.plan.sky.headers import sky, tan, write

START = Time("2024-05-01T22:10:03.5", scale="utc").mjd


def span(
    tmp_path: Path, exposure_s: float = 60.0, **cards: Any
) -> tuple[float | None, float | None]:
    path = write(tmp_path / "a.fits", sky(40, 30), tan(nx=40, ny=30, **cards))
    return read_span(find_images(path)[0], exposure_s)


@pytest.mark.parametrize(
    "cards",
    [
        {"DATE__OBS": "2024-05-01T22:10:03.5"},
        {"DATE__OBS": "2024-05-01T22:10:03.500Z"},
        {"DATE__OBS": "2024-05-01 22:10:03.5"},
        {"DATE__OBS": "2024-05-01", "TIME__OBS": "22:10:03.5"},
        {"DATE__OBS": "2024-05-01", "UT": "22:10:03.5"},
        {"DATE__OBS": "2024/05/01", "UTSTART": "22:10:03.5"},
        {"JD": START + 2400000.5},
        {"DATE__OBS": "2024-05-01", "MJD_OBS": START},
        {"MJD__OBS": START},
        {"EXPSTART": START},
        {"DATE__BEG": "2024-05-01T22:10:03.5", "DATE__OBS": "2020-01-01T00:00:00"},
        {"DATE__OBS": "2024-05-01T22:10:40.5", "TIMESYS": "TAI"},
        {"DATE__OBS": "2024-05-01T22:11:12.684", "TIMESYS": "TT"},
        {"DATE__OBS": "not set", "MJD__OBS": START},
    ],
)
def test_the_beginning_is_found_under_every_name(tmp_path: Path, cards: dict[str, Any]) -> None:
    begin, end = span(tmp_path, **cards)
    assert begin == pytest.approx(START, abs=1e-8)
    assert end == pytest.approx(START + 60 / 86400, abs=1e-8)


@pytest.mark.parametrize(
    "cards",
    [{}, {"DATE__OBS": "2024-05-01"}, {"DATE__OBS": "1970-13-41T00:00:00"},
     {"MJD__OBS": 0.0}, {"MJD__OBS": 2460432.4}, {"DATE__OBS": "1066-10-14T09:00:00"}],
)  # fmt: skip
def test_what_is_no_moment_is_not_known(tmp_path: Path, cards: dict[str, Any]) -> None:
    assert span(tmp_path, **cards) == (None, None)


def test_the_old_form_of_dates_is_of_the_last_century(tmp_path: Path) -> None:
    begin, _ = span(tmp_path, DATE__OBS="24/12/93", TIME__OBS="01:02:03")
    assert begin == pytest.approx(Time("1993-12-24T01:02:03").mjd, abs=1e-8)


def test_the_plates_of_the_nineteenth_century_have_dates(tmp_path: Path) -> None:
    begin, _ = span(tmp_path, DATE__OBS="1889-12-24T01:02:03")
    assert begin == pytest.approx(11360 + (3600 + 123) / 86400, abs=1e-8)


def test_an_end_that_cannot_be_one_is_the_beginning_and_the_exposure(tmp_path: Path) -> None:
    begin = {"DATE__OBS": "2024-05-01T22:10:03.5"}
    _, stated = span(tmp_path, **begin, DATE__END="2024-05-01T22:12:00")
    assert stated == pytest.approx(Time("2024-05-01T22:12:00").mjd, abs=1e-8)
    for end in ("2024-05-01T22:00:00", "2025-05-01T22:00:00", "?"):
        assert span(tmp_path, **begin, DATE__END=end)[1] == pytest.approx(START + 60 / 86400)
    assert span(tmp_path, 0.0, **begin)[1] == pytest.approx(START)
