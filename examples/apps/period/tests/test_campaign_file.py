"""Campaign files: what is read of them, and one sentence with file and line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from openastro_period.application import Period
from openastro_period.curves import read_curves
from openastro_period.settings import read_search
from work_generator.campaign_file import load_campaign

HEAD = '[campaign]\nname = "stars"\ntitle = "Stars"\napp = "period"\nseed = 1\n\n'
CURVES = '[light_curves]\nfiles = ["*.csv"]\nmagnitude = "mag"\nerror = "err"\n'
SEARCH = "[search]\nmin_period = 0.2\nmax_period = 10.0\n"


def rows(n: int = 30) -> list[tuple[float, float, float]]:
    rng = np.random.default_rng(n)
    time = np.sort(rng.uniform(0.0, 50.0, n))
    value = 12 + 0.1 * rng.normal(size=n)
    return [(t, v, 0.1) for t, v in zip(time.tolist(), value.tolist(), strict=True)]


def write_csv(path: Path, header: str = "time,mag,err", *, n: int = 30, extra: str = "") -> None:
    lines = [",".join(map(repr, row)) + extra for row in rows(n)]
    path.write_text(header + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


def load(folder: Path, curves: str = CURVES, search: str = SEARCH) -> Campaign:
    path = folder / "stars.toml"
    path.write_text(HEAD + curves + search, encoding="utf-8")
    return load_campaign(path)


def curves_of(campaign: Campaign) -> list:
    return [curve for data in campaign.inputs.values() for curve in read_curves(data)]


def test_targets_are_files_and_settings_have_defaults(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv")
    write_csv(tmp_path / "b.csv", n=40)
    campaign = load(tmp_path)
    assert {curve.name for curve in curves_of(campaign)} == {"a", "b"}
    search = read_search(campaign.settings["search"])
    assert (search.n_terms, search.bootstrap, search.transits) == (1, 0, None)
    assert search.grid.first == pytest.approx(0.1)
    assert search.grid.last >= 5.0
    assert search.grid.step == pytest.approx(0.1 / max(c.span for c in curves_of(campaign)))
    assert campaign.stop.max_units == 1


@pytest.mark.parametrize("end", ["csv", "ecsv", "fits"])
def test_tables_of_all_forms_have_the_same_points(tmp_path: Path, end: str) -> None:
    table = Table(rows=rows(), names=("time", "mag", "err"))
    table.write(
        tmp_path / f"star.{end}", format={"csv": "ascii.csv", "ecsv": "ascii.ecsv"}.get(end, end)
    )
    (curve,) = curves_of(load(tmp_path, CURVES.replace("csv", end)))
    assert np.array_equal(curve.time, [row[0] for row in rows()])
    assert np.array_equal(curve.value, [row[1] for row in rows()])


def test_one_table_may_have_many_targets_and_bands(tmp_path: Path) -> None:
    names = [("x", "y")[place % 2] for place in range(80)]
    bands = ["grz"[place % 3] for place in range(80)]
    table = Table(rows=rows(80), names=("time", "mag", "err"))
    table["star"], table["filter"] = names, bands
    table.write(tmp_path / "all.fits")
    keys = CURVES.replace("csv", "fits") + 'target = "star"\nband = "filter"\n'
    curves = curves_of(load(tmp_path, keys, SEARCH + 'bands = ["g", "r"]\n'))
    assert [curve.name for curve in curves] == ["x", "y"]
    assert {band for curve in curves for band in curve.band.tolist()} == {"g", "r"}


@pytest.mark.parametrize(("unit", "days"), [("h", 1 / 24), ("min", 1 / 1440), ("s", 1 / 86400)])
def test_times_are_converted_to_days(tmp_path: Path, unit: str, days: float) -> None:
    write_csv(tmp_path / "a.csv")
    keys = CURVES + f'time_unit = "{unit}"\n'
    periods = f"[search]\nmin_period = {0.2 * days!r}\nmax_period = {10 * days!r}\n"
    (curve,) = curves_of(load(tmp_path, keys, periods))
    assert curve.time == pytest.approx(np.array([row[0] for row in rows()]) * days)


def test_points_that_are_not_finite_are_left_out_and_counted(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open("a", encoding="utf-8") as stream:
        stream.write("20.0,nan,0.1\n21.0,,0.1\n")
    campaign = load(tmp_path)
    assert campaign.settings["left_out"] == 2
    assert len(curves_of(campaign)[0].time) == 30
    assert any("2 points" in line for line in Period().describe(campaign))


def test_targets_are_split_and_targets_of_one_sampling_stay_together(tmp_path: Path) -> None:
    for name in "acbd":
        write_csv(tmp_path / f"{name}.csv", n=30 if name in "ab" else 40)
    campaign = load(tmp_path, search=SEARCH + "targets_per_unit = 2\n")
    units = [set(entry["targets"]) for entry in campaign.settings["units"]]
    assert sorted(map(sorted, units)) == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize(
    ("curves", "search", "line", "words"),
    [
        (CURVES.replace("*.csv", "no/*.csv"), SEARCH, 8, "names no file"),
        (CURVES.replace('"mag"', '"magnitude"'), SEARCH, 8, "no column magnitude; there are time"),
        (CURVES + 'flux = "mag"\n', SEARCH, 7, "write one of magnitude"),
        (CURVES + 'time_unit = "y"\n', SEARCH, 11, 'time_unit = "y" is not known'),
        (CURVES + "colour = 1\n", SEARCH, 11, "colour is not a known key"),
        (CURVES, "[search]\nmin_period = 0.2\n", 11, "one of max_period and min_frequency"),
        (CURVES, SEARCH + "max_frequency = 5.0\n", 11, "one of min_period and max_frequency"),
        (CURVES, "[search]\nmin_period = 10.0\nmax_period = 1.0\n", 11, "has to be shorter"),
        (CURVES, "[search]\nmin_period = 1e-9\nmax_period = 1.0\n", 11, "are more than"),
        (CURVES, SEARCH + "n_terms = 0\n", 14, "out of range"),
        (CURVES, SEARCH + 'bands = ["g"]\n', 7, "write their column"),
        (CURVES, SEARCH + "false_alarm = 2.0\n", 14, "no probability"),
        (CURVES, SEARCH + "bootstrap = -1\n", 14, "out of range"),
        (CURVES, SEARCH + "bootstrap = 50\n", 14, "write bootstrap = 100 or more"),
        (CURVES, SEARCH + "[search.bls]\ndurations = [0.0]\n", 15, "must be days"),
        (
            CURVES,
            SEARCH + "[search.bls]\ndurations = [0.1]\nmin_period = 1.0\nmax_period = 90.0\n",
            14,
            "periods have to rise",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_with_its_line(
    tmp_path: Path, curves: str, search: str, line: int, words: str
) -> None:
    write_csv(tmp_path / "a.csv")
    with pytest.raises(InputError) as refused:
        load(tmp_path, curves, search)
    message = refused.value.message
    assert message.startswith(f"{tmp_path / 'stars.toml'}:{line}: "), message
    assert words in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,mag,err\n1.0,12.0,0.1\n2.0,abc,0.1\n", "a.csv:3: this line has something else"),
        ("time,mag,err\n1.0,12.0,0.1\n\n2.0,12.0,-0.1\n", "a.csv:4: this line has an error"),
        ("time,mag,err\n1.0,12.0,0.1\n2.0,12.0,0.1\n", "a has 2 points, and this search needs 10"),
        ("time,mag,err\n" + "".join(f"{t},12.0,0.1\n" for t in range(12)), "are the same"),
        ("", "a.csv has no columns"),
        ("\x00\x01\x02", "a.csv"),
    ],
)
def test_a_bad_table_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        load(tmp_path)
    assert words in refused.value.message
    assert refused.value.message.startswith(f"{tmp_path / 'stars.toml'}:8: [light_curves] ")


def test_targets_that_cannot_be_searched_may_be_skipped(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv")
    write_csv(tmp_path / "b.csv", n=9)
    campaign = load(tmp_path, CURVES + "skip = true\n")
    assert [curve.name for curve in curves_of(campaign)] == ["a"]
    assert campaign.settings["skipped"] == ["b"]
    assert any("1 targets are left out, as b." in line for line in Period().describe(campaign))
    (tmp_path / "a.csv").unlink()
    with pytest.raises(InputError, match="none of 1 targets has 10 points"):
        load(tmp_path, CURVES + "skip = true\n")


def test_rows_of_targets_may_stand_in_any_order(tmp_path: Path) -> None:
    table = Table(rows=rows(60), names=("time", "mag", "err"))
    table["star"] = [("x", "y")[place % 2] for place in range(60)]
    mixed = table[np.random.default_rng(1).permutation(60)]
    table.write(tmp_path / "a.ecsv", format="ascii.ecsv")
    sorted_ones = curves_of(load(tmp_path, CURVES.replace("csv", "ecsv") + 'target = "star"\n'))
    mixed.write(tmp_path / "a.ecsv", format="ascii.ecsv", overwrite=True)
    others = curves_of(load(tmp_path, CURVES.replace("csv", "ecsv") + 'target = "star"\n'))
    assert [curve.plain() for curve in others] == [curve.plain() for curve in sorted_ones]


def test_two_light_curves_of_one_target_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    write_csv(tmp_path / "a.csv")
    write_csv(tmp_path / "one" / "a.csv")
    with pytest.raises(InputError, match="another light curve of a"):
        load(tmp_path, CURVES.replace('"*.csv"', '"*.csv", "one/*.csv"'))


def test_only_one_machine_can_search_transits(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv")
    boxes = "[search.bls]\ndurations = [0.1, 0.2]\nmin_period = 1.0\nmax_period = 10.0\n"
    app = Period()
    assert app.not_for_volunteers(load(tmp_path).settings) == ""
    assert "astropy" in app.not_for_volunteers(load(tmp_path, search=SEARCH + boxes).settings)
