from __future__ import annotations

import re
from pathlib import Path

import pytest

from boinc_project.errors import InputError
from work_generator.transit_table import Transit, read_transit_table

HEADER = "# comment\nplanet,epoch,bkjd,sigma_days\n"


def written(tmp_path: Path, rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes((header + rows).encode())
    return path


def refused(path: Path, planets: tuple[str, ...] = ("b",)) -> tuple[str, int]:
    with pytest.raises(InputError) as caught:
        read_transit_table(path, planets=planets)
    message = str(caught.value)
    found = re.match(r".*?t\.csv:(\d+): ", message)
    assert found, message
    assert int(found.group(1)) == caught.value.line
    assert message.endswith(".")
    return message, caught.value.line


def test_reads_rows_and_keeps_the_text(tmp_path: Path) -> None:
    path = written(tmp_path, "b,0,101.5,0.001\n# gap\nb, 2, 121.5, 0.002\n")
    table = read_transit_table(path, planets=["b"])
    assert table.transits == (
        Transit("b", 0, 101.5, 0.001, 3),
        Transit("b", 2, 121.5, 0.002, 5),
    )
    assert table.text == path.read_text(encoding="utf-8")


def test_rows_of_several_planets_may_be_mixed(tmp_path: Path) -> None:
    path = written(tmp_path, "b,0,101,0.1\nc,7,99,0.1\nb,1,111,0.1\nc,8,119,0.1\n")
    table = read_transit_table(path, planets=["b", "c"])
    assert [row.epoch for row in table.of("c")] == [7, 8]


GOOD = "b,0,101,0.001\nb,1,111,0.001\n"
BAD = {
    "NaN time": ("b,0,101,0.001\nb,1,nan,0.001\n", 4, "bkjd is nan"),
    "NaN sigma": ("b,0,101,nan\n", 3, "sigma_days is nan"),
    "infinite time": ("b,0,inf,0.001\n", 3, "bkjd is inf"),
    "infinite sigma": ("b,0,101,inf\n", 3, "sigma_days is inf"),
    "negative sigma": (GOOD + "b,2,121,-0.001\n", 5, "sigma_days is negative (-0.001)"),
    "zero sigma": ("b,0,101,0.0\n", 3, "sigma_days is zero"),
    "sigma in seconds": ("b,0,101,86.4\n", 3, "write a standard error in days"),
    "unsorted": ("b,1,111,0.001\nb,0,101,0.001\n", 4, "sort each planet's rows by epoch"),
    "time runs back": ("b,0,101,0.001\nb,1,100,0.001\n", 4, "one of the two times is wrong"),
    "duplicate row": (GOOD + "b,1,111,0.001\n", 5, "has epoch 1 twice (first in line 4)"),
    "duplicate later": (GOOD + "b,2,121,0.1\nb,0,101,0.1\n", 6, "epoch 0 twice (first in line 3)"),
    "unknown planet": (GOOD + "d,0,105,0.001\n", 5, "planet 'd' is not an observed planet"),
    "no name": (",0,101,0.001\n", 3, "the planet has no name"),
    "missing column": ("b,0,101\n", 3, "this row has 3 columns"),
    "extra column": ("b,0,101,0.001,x\n", 3, "this row has 5 columns"),
    "epoch is not whole": ("b,0.5,101,0.001\n", 3, "epoch is '0.5'"),
    "epoch out of range": ("b,99999999999,101,0.001\n", 3, "out of range"),
    "time is a word": ("b,0,early,0.001\n", 3, "bkjd is 'early'"),
    "time in BJD": ("b,0,2454934.25,0.001\n", 3, "write 101.250000"),
    "time in JD of another age": ("b,0,1e9,0.001\n", 3, "BKJD is BJD_TDB - 2454833"),
    "empty cell": ("b,0,,0.001\n", 3, "bkjd is ''"),
    "quoted name": ('"b",0,101,0.001\n', 3, "is not an observed planet"),
    "no rows": ("", 2, "no transits"),
}


@pytest.mark.parametrize(("rows", "line", "words"), BAD.values(), ids=BAD)
def test_refuses_with_the_line(tmp_path: Path, rows: str, line: int, words: str) -> None:
    message, found = refused(written(tmp_path, rows))
    assert words in message
    assert found == line


def test_refuses_other_columns(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD, header="planet,epoch,time,error\n")
    message, line = refused(path)
    assert "must be planet,epoch,bkjd,sigma_days, not planet,epoch,time,error" in message
    assert line == 1


def test_refuses_an_empty_table(tmp_path: Path) -> None:
    message, line = refused(written(tmp_path, "", header=""))
    assert "the table is empty" in message
    assert line == 1


def test_refuses_a_planet_without_transits(tmp_path: Path) -> None:
    message, line = refused(written(tmp_path, GOOD), planets=("b", "c"))
    assert "no transits of planet 'c'" in message
    assert line == 2


def test_rows_that_are_not_used_are_still_checked(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD + "c,0,105,-1\n")
    with pytest.raises(InputError, match=r"t\.csv:5: sigma_days is negative"):
        read_transit_table(path, planets=["b"], use=["b"])
