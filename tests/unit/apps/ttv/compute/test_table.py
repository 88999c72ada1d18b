from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from apps.ttv.compute.table import parse_table
from boinc_project.errors import UnitError

DATA = Path(__file__).parents[5] / "examples" / "data"
GOOD = (
    b"# a comment\nplanet,epoch,bkjd,sigma_days\nb,0,10.0,0.001\nc,3,11.5,0.002\nb,2,30.25,0.003\n"
)


def test_reads_each_planets_transits() -> None:
    table = parse_table(GOOD)
    assert [planet.planet for planet in table.planets] == ["b", "c"]
    b = table.of("b")
    assert b is not None
    np.testing.assert_array_equal(b.epochs, [0, 2])
    np.testing.assert_array_equal(b.times, [10.0, 30.25])
    np.testing.assert_array_equal(b.sigmas, [0.001, 0.003])
    assert (table.first, table.last, table.smallest_sigma, table.n_transit) == (10, 30.25, 0.001, 3)
    assert table.of("d") is None


def test_linear_ephemeris_is_the_least_squares_line() -> None:
    table = parse_table(
        b"planet,epoch,bkjd,sigma_days\nb,1,12.1,1\nb,2,14.0,1\nb,4,18.2,1\nb,7,24.1,1\n"
    )
    slope, start = np.polyfit([1, 2, 4, 7], [12.1, 14.0, 18.2, 24.1], 1)
    assert table.planets[0].linear_ephemeris() == pytest.approx((start, slope), rel=1e-12)


def test_one_transit_has_no_ephemeris() -> None:
    assert (
        parse_table(b"planet,epoch,bkjd,sigma_days\nb,1,12.1,1\n").planets[0].linear_ephemeris()
        is None
    )


def test_a_transit_may_be_measured_several_times() -> None:
    table = parse_table(
        b"planet,epoch,bkjd,sigma_days\nb,1,12.1,1\nb,1,12.1,2\nb,1,12.2,1\nb,2,14.0,1\n"
    )
    np.testing.assert_array_equal(table.planets[0].epochs, [1, 1, 1, 2])
    assert (table.n_transit, table.first, table.last) == (4, 12.1, 14.0)


def test_one_transit_measured_twice_has_no_ephemeris() -> None:
    table = parse_table(b"planet,epoch,bkjd,sigma_days\nb,1,12.1,1\nb,1,12.2,1\n")
    assert table.planets[0].linear_ephemeris() is None


@pytest.mark.parametrize(
    ("name", "planets", "transits"),
    [("kepler-9", "bc", 107), ("kepler-51", "bcd", 53), ("kepler-307", "bc", 224)],
)
def test_published_tables_are_read_whole(name: str, planets: str, transits: int) -> None:
    text = (DATA / f"{name}.csv").read_text()
    table = parse_table(text.encode())
    assert "".join(planet.planet for planet in table.planets) == planets
    assert table.n_transit == transits
    assert re.search(r"^# Paper: .+\d{4}", text, re.MULTILINE)
    assert re.search(r"^# Taken from: github.com/", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no transits"),
        (b"planet,epoch,bkjd,sigma_days\n", "no transits"),
        (b"planet,epoch,time,sigma_days\nb,0,1,1\n", "line 1: the first row is not planet"),
        (b"planet,epoch,bkjd,sigma_days\nb,0,1\n", "line 2: this is not a row"),
        (b"planet,epoch,bkjd,sigma_days\n,0,1,1\n", "line 2: this is not a row"),
        (b"planet,epoch,bkjd,sigma_days\nb,0.5,1,1\n", "line 2: a cell is not a number"),
        (b"planet,epoch,bkjd,sigma_days\nb,0,nan,1\n", "line 2: epoch or time"),
        (b"planet,epoch,bkjd,sigma_days\nb,0,1,nan\n", "line 2: sigma_days is nan"),
        (b"planet,epoch,bkjd,sigma_days\nb,0,1,-1\n", "line 2: sigma_days is -1"),
        (b"planet,epoch,bkjd,sigma_days\nb,0,1,0\n", "line 2: sigma_days is 0"),
        (b"planet,epoch,bkjd,sigma_days\nb,99999999,1,1\n", "line 2: epoch or time"),
        (b"planet,epoch,bkjd,sigma_days\nb,1,2,1\nb,1,1,1\n", "line 3: epochs and times"),
        (b"planet,epoch,bkjd,sigma_days\nb,2,1,1\nb,1,2,1\n", "line 3: epochs and times"),
        (b"planet,epoch,bkjd,sigma_days\nb,1,2,1\nb,2,2,1\n", "line 3: epochs and times"),
        (b"planet,epoch,bkjd,sigma_days\nb,\xff,2,1\n", "not UTF-8"),
    ],
)
def test_anything_else_is_refused_with_its_line(data: bytes, sentence: str) -> None:
    with pytest.raises(UnitError, match=sentence):
        parse_table(data)
