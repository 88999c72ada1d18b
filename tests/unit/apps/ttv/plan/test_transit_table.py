from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from apps.ttv.compute.table import parse_table
from apps.ttv.plan.transit_table import Transit, both_halves, read_transit_table
from boinc_project.errors import InputError

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
    "sigma below a second": ("b,0,101,1e-9\n", 3, "less than a tenth of a second"),
    "placeholder": ("b,0,--,0.001\n", 3, "write a number of days, or leave the row out"),
    "one number for two transits": (
        "b,0,101,0.001\nb,1,111,0.001\nb,1,121,0.001\nb,3,131,0.001\n",
        5,
        "two times of transit 1 of planet b (lines 4 and 5) are 10.000 days apart",
    ),
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


FORMS = {
    "byte order mark": "\ufeffplanet,epoch,bkjd,sigma_days\nb,0,101.5,0.001\nb,1,111.5,0.002\n",
    "carriage returns": "planet,epoch,bkjd,sigma_days\r\nb,0,101.5,0.001\r\nb,1,111.5,0.002\r\n",
    "semicolons": "planet;epoch;bkjd;sigma_days\nb;0;101.5;0.001\nb;1;111.5;0.002\n",
    "tabs": "planet\tepoch\tbkjd\tsigma_days\nb\t0\t101.5\t0.001\nb\t1\t111.5\t0.002\n",
    "spaces": "planet epoch   bkjd sigma_days\nb 0  101.5 0.001\nb 1  111.5 0.002\n",
    "capitals": "Planet,EPOCH,BKJD,Sigma_Days\nb,0,101.5,0.001\nb,1,111.5,0.002\n",
    "quotes": '"planet","epoch","bkjd","sigma_days"\n"b",0,101.5,0.001\n"b","1",111.5,0.002\n',
    "another order": "bkjd,sigma_days,planet,epoch\n101.5,0.001,b,0\n111.5,0.002,b,1\n",
    "commas at the ends": "planet,epoch,bkjd,sigma_days,\nb,0,101.5,0.001,\nb,1,111.5,0.002,,\n",
    "floats": "planet,epoch,bkjd,sigma_days\nb,0.0,101.5,0.001\nb,1.0,111.5,0.002\n",
    "blank lines": "\nplanet,epoch,bkjd,sigma_days\n\nb,0,101.5,0.001\n   \nb,1,111.5,0.002\n\n",
    "unsorted": "planet,epoch,bkjd,sigma_days\nb,1,111.5,0.002\nb,0,101.5,0.001\n",
    "exponents": "planet,epoch,bkjd,sigma_days\nb,0,101.5,1e-3\nb,1,111.5, 20e-4\n",
    "a further column": "planet,epoch,bkjd,sigma_days,depth\nb,0,101.5,0.001,x\nb,1,111.5,0.002,\n",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_the_app_gets_the_same_of_every_form(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    planet = parse_table(read_transit_table(path, planets=["b"]).text.encode()).planets[0]
    assert planet.epochs.tolist() == [0, 1]
    assert planet.times.tolist() == [101.5, 111.5]
    assert planet.sigmas.tolist() == [0.001, 0.002]


def test_comments_stay_where_they_are_in_a_sorted_table(tmp_path: Path) -> None:
    rows = "c,5,99,0.1\nb,1,111,0.002\n # between\nb,0,101,0.001\n"
    table = read_transit_table(written(tmp_path, rows), planets=["b", "c"])
    assert table.text == HEADER + "c,5,99,0.1\nb,0,101,0.001\n# between\nb,1,111,0.002\n"
    assert [(row.planet, row.epoch, row.line) for row in table.transits] == [
        ("c", 5, 3),
        ("b", 0, 6),
        ("b", 1, 4),
    ]


def test_a_header_in_a_comment_is_found_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, "b 0 101 0.001\n", header="# planet epoch bkjd sigma_days\n")
    message, line = refused(path)
    assert "remove its #" in message
    assert line == 1
    path.write_text(path.read_text().replace("# ", ""))
    assert len(read_transit_table(path, planets=["b"]).transits) == 1


def test_a_table_without_header_is_told_where_to_write_it(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD, header="")
    message, line = refused(path)
    assert "must be planet,epoch,bkjd,sigma_days, not b,0,101,0.001: write it above" in message
    assert line == 1
    path.write_text("planet,epoch,bkjd,sigma_days\n" + path.read_text())
    assert len(read_transit_table(path, planets=["b"]).transits) == 2


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("planet,n,tn,sigma_days", "call n epoch"),
        ("pl,epoch,bkjd,sigma_days", "call pl planet"),
        ("planet,epoch,bjd_tdb,sigma_days", "call bjd_tdb bkjd and subtract 2454833"),
        ("planet,epoch,btjd,sigma_days", "call btjd bkjd and add 2167"),
        ("planet,epoch,mjd,sigma_days", "call mjd bkjd and subtract 54832.5"),
        ("planet,epoch,time,sigma_days", "call time bkjd and make its times BJD_TDB - 2454833"),
        ("planet,epoch,bkjd,sigma_minutes", "call sigma_minutes sigma_days and divide it by 1440"),
        ("planet,epoch,bkjd,err_sec", "call err_sec sigma_days and divide it by 86400"),
        ("planet,epoch,bkjd,sigma_hours", "call sigma_hours sigma_days and divide it by 24"),
        ("planet,epoch,bkjd,error", "call error sigma_days and make it standard errors in days"),
        ("planet,epoch,bkjd,sigma_plus", "no sigma_minus: write both, or sigma_days"),
        ("planet,epoch,bkjd,bkjd", "two columns 'bkjd'"),
        ("planet,epoch,bkjd,E_T0,e_T0", "call them sigma_plus and sigma_minus"),
    ],
)
def test_columns_of_other_tables_are_told_what_to_do(
    tmp_path: Path, header: str, words: str
) -> None:
    message, line = refused(written(tmp_path, GOOD, header=header + "\n"))
    assert words in message
    assert line == 1


def test_a_decimal_comma_is_told_with_the_point(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("planet;epoch;bkjd;sigma_days\nb;0;101,25;0,001\n")
    message, line = refused(path)
    assert "bkjd is '101,25': write 101.25" in message
    assert line == 2


ASYMMETRIC = "planet,epoch,bkjd,sigma_plus,sigma_minus\n"


def test_upper_and_lower_errors_become_one(tmp_path: Path) -> None:
    path = written(tmp_path, "b,0,101,0.001,-0.002\nb,1,111,0.003,0.003\n", header=ASYMMETRIC)
    table = read_transit_table(path, planets=["b"])
    sigmas = parse_table(table.text.encode()).planets[0].sigmas
    assert sigmas.tolist() == [row.sigma_days for row in table.transits]
    assert sigmas == pytest.approx([0.001 * 3**0.5, 0.003], rel=1e-5)
    assert "differ by a factor of up to 2 (transit 0 of b)" in table.remarks[0]


@pytest.mark.parametrize(("plus", "minus"), [(1.0, 1.0), (1.0, 2.0), (5.0, 1.0)])
def test_one_sigma_of_both_halves_gives_a_chi2_of_one(plus: float, minus: float) -> None:
    """Split normal distributions; false alarms: 6e-5 each (four standard errors)."""
    rng = np.random.default_rng(5)
    n = 100_000
    sides = np.where(rng.random(n) < plus / (plus + minus), plus, -minus)
    chi2 = (sides * np.abs(rng.normal(size=n)) / both_halves(plus, minus)) ** 2
    assert chi2.mean() == pytest.approx(1.0, abs=4.0 * chi2.std() / n**0.5)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("b,0,101,-0.001,0.002", "sigma_plus is negative"),
        ("b,0,101,0.001,0", "sigma_minus is zero"),
        ("b,0,101,0.001,", "sigma_minus is ''"),
    ],
)
def test_halves_of_errors_are_checked_like_whole_ones(tmp_path: Path, row: str, words: str) -> None:
    message, line = refused(written(tmp_path, row + "\n", header=ASYMMETRIC))
    assert words in message
    assert line == 2


TWO = "b,0,101,0.001{}\nb,1,111.0,0.001{}\nb,1,111.0005,0.0008{}\nb,2,121,0.001{}\n"
TELESCOPES = "planet,epoch,bkjd,sigma_days,telescope\n"


@pytest.mark.parametrize(
    ("header", "names"),
    [(HEADER, ("", "", "", "")), (TELESCOPES, (",LT", ",LT", ",NTT", ",LT"))],
    ids=["unnamed", "named"],
)
def test_both_times_of_one_transit_are_used(
    tmp_path: Path, header: str, names: tuple[str, ...]
) -> None:
    table = read_transit_table(written(tmp_path, TWO.format(*names), header), planets=["b"])
    planet = parse_table(table.text.encode()).planets[0]
    assert planet.epochs.tolist() == [0, 1, 1, 2]
    assert planet.sigmas.tolist() == [0.001, 0.001, 0.0008, 0.001]
    assert any("transits of b that were measured several times are used: 1." in remark
               for remark in table.remarks)  # fmt: skip


def test_tables_of_two_telescopes_may_follow_each_other(tmp_path: Path) -> None:
    rows = "b,0,101,0.001,A\nb,1,111,0.001,A\nb,0,101,0.002,B\nb,1,111.001,0.002,B\n"
    table = read_transit_table(written(tmp_path, rows, TELESCOPES), planets=["b"])
    assert parse_table(table.text.encode()).planets[0].epochs.tolist() == [0, 0, 1, 1]


def test_one_telescope_measures_a_transit_once(tmp_path: Path) -> None:
    path = written(tmp_path, TWO.format(",LT", ",LT", ",LT", ",LT"), TELESCOPES)
    message, line = refused(path)
    assert "has epoch 1 twice by LT (first in line 3): leave one of the two rows out" in message
    assert line == 4


def test_equal_times_count_twice_if_two_telescopes_are_named(tmp_path: Path) -> None:
    message, _ = refused(written(tmp_path, "b,0,101,0.001\nb,0,101,0.002\n"))
    assert "or name both telescopes in a column telescope" in message
    rows = "b,0,101,0.001,LT\nb,0,101,0.002,NTT\n"
    path = written(tmp_path, rows, TELESCOPES)
    assert len(read_transit_table(path, planets=["b"]).transits) == 2


def test_times_of_one_transit_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    rows = "b,0,101,0.001\nb,1,111,0.001\nb,1,111.02,0.001\nb,2,121,0.001\n"
    table = read_transit_table(written(tmp_path, rows), planets=["b"])
    assert "transit 1 of b (lines 4 and 5) differ by 14.1 standard errors" in table.remarks[-1]


def test_columns_that_are_not_used_are_told(tmp_path: Path) -> None:
    header = "planet,epoch,bkjd,sigma_days,instrument,depth\n"
    table = read_transit_table(written(tmp_path, "b,0,101,0.001,K,9\n", header), planets=["b"])
    assert table.remarks[0] == "The column depth of the table is not used."
    assert "The column instrument of the table tells several measurements" in table.remarks[1]
    assert parse_table(table.text.encode()).n_transit == 1


def test_measurements_that_agree_are_told_by_their_numbers_alone(tmp_path: Path) -> None:
    rows = [f"b,{n},{101 + 10 * n + late},0.001" for n in range(12) for late in (0.0, 0.004)]
    table = read_transit_table(written(tmp_path, "\n".join(rows) + "\n"), planets=["b"])
    numbers = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..."
    assert table.remarks == (
        f"All times of transits of b that were measured several times are used: {numbers}.",
    )
