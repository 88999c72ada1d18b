"""The headers of an image product, by astropy's strict verification and by fitsverify."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from astropy.wcs import WCS

from apps.images.merge.canonical import merge
from apps.images.merge.header import StackedFrame, date_text, grid_cards, history_cards
from boinc_project.campaign import Campaign
from boinc_project.outputs import Canonical
from tests.conftest import missing
from tests.reprojected import campaign, canonicals, unit_of, write_output
from tests.sky_frames import Exposure, Field

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIELD = Field(size=200, n_star=16, seed=2)
ZERO_POINT = 27.5


def described(of: Campaign, stars: bool = True) -> Campaign:
    """Return the campaign with what headers said of its frames, and a table of stars."""
    told = [
        {
            "begin": 60000.5 + number, "end": 60000.5 + number + 60 / 86400, "object": "It's M 61",
            "telescope": f"T{number % 2}", "instrument": "camera", "unit": "adu", "gain": 2.0,
            "saturation": 50000.0,
        }
        for number in range(3)
    ]  # fmt: skip
    frames = [
        {"sha256": f"{number}" * 64, "exposed": each, "area": 1.0}
        for number, each in enumerate(told)
    ]
    inputs = {}
    if stars:
        world = WCS(fits.Header([fits.Card.fromstring(t) for t in of.settings["grid"]["cards"]]))
        ra, dec = world.all_pix2world(FIELD.x, FIELD.y, 0)
        magnitudes = ZERO_POINT - 2.5 * np.log10(FIELD.flux)
        inputs["photometry.json"] = json.dumps(
            {
                "ra": ra.tolist(), "dec": dec.tolist(), "mag": magnitudes.tolist(),
                "error": [0.0] * len(ra), "band": "r", "radius": None,
            }
        ).encode()  # fmt: skip
    return replace(of, settings={**of.settings, "frames": frames}, inputs=inputs)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    of = described(campaign(200, 3, {"reference": "frame 1"}))
    made = [FIELD.expose(number, Exposure()) for number in range(3)]
    outputs = canonicals(of, tmp_path_factory.mktemp("outputs"), [one.frame for one, _ in made])
    named = [
        replace(one, unit=replace(one.unit, inputs={"frame_00.fits": f"{number}" * 64}))
        for number, one in enumerate(outputs)
    ]
    path = tmp_path_factory.mktemp("product")
    for one in named:  # the output repeats the digest of its unit
        one.path.unlink()
    for one, (source, _) in zip(named, made, strict=True):
        write_output(one.path, one.unit, [source.frame])
    merge(of, named, created_at=NOW).write(path)
    return path


def files(directory: Path) -> Iterator[Path]:
    paths = sorted(directory.glob("*.fits"))
    assert {path.name for path in paths} >= {
        "image.fits", "weight.fits", "variance.fits", "count.fits", "rejected.fits",
        "catalogue.fits", "coverage.moc.fits",
    }  # fmt: skip
    yield from paths


def test_astropy_finds_nothing_to_mend(directory: Path) -> None:
    for path in files(directory):
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")


def test_fitsverify_finds_neither_errors_nor_warnings(directory: Path) -> None:
    program = shutil.which("fitsverify")
    if program is None:
        missing("fitsverify", "it is not installed (apt-get install fitsverify)")
        return
    for path in files(directory):
        done = subprocess.run([program, path], capture_output=True, text=True, check=False)
        assert "0 warning(s) and 0 error(s)" in done.stdout, done.stdout


def test_both_headers_say_when_of_what_and_with_what(directory: Path) -> None:
    with fits.open(directory / "image.fits") as hdus:
        for header in (hdus[0].header, hdus["SCI"].header):
            assert (header["OBJECT"], header["TELESCOP"]) == ("It's M 61", "T0+T1")
            assert (header["INSTRUME"], header["FILTER"]) == ("camera", "r")
            assert (header["EXPTIME"], header["TEXPTIME"]) == (60.0, 180.0)
            assert Time(header["DATE-OBS"]).mjd == pytest.approx(60000.5, abs=1e-8)
            assert Time(header["DATE-END"]).mjd == pytest.approx(60002.5 + 60 / 86400, abs=1e-8)
            middle = 60001.5 + 30 / 86400  # of three frames of like weight
            assert header["MJD-AVG"] == pytest.approx(middle, abs=0.05)
            assert Time(header["DATE-AVG"]).mjd == pytest.approx(header["MJD-AVG"], abs=1e-8)
            assert header["GAIN"] == pytest.approx(6.0, rel=0.02)
            assert header["SATURATE"] == pytest.approx(50000.0, rel=0.02)
            assert header["TIMESYS"] == "UTC"
        names = [line.split(" ", 2)[2] for line in list(hdus[0].header["HISTORY"])[1:]]
        assert sorted(names) == ["frame 0", "frame 1", "frame 2"]
        assert (hdus["SCI"].header["BUNIT"], hdus["SCI"].header["RADESYS"]) == ("adu", "ICRS")
    for name, unit in (("weight", "adu**-2"), ("variance", "adu**2")):
        assert fits.getheader(directory / f"{name}.fits", 1)["BUNIT"] == unit


def test_the_zero_point_is_that_of_the_stars_and_gives_magnitudes(directory: Path) -> None:
    header = fits.getheader(directory / "image.fits", "SCI")
    assert header["MAGZP"] == pytest.approx(ZERO_POINT, abs=0.01)
    assert header["MAGZPUNC"] < 0.003
    assert (header["MAGZPBND"], header["MAGZPNST"] >= 10) == ("r", True)
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["zero_point"]["value"] == pytest.approx(header["MAGZP"], abs=1e-5)
    table = Table.read(directory / "catalogue.fits", hdu=1)
    text = Table.read(directory / "catalogue.ecsv")
    assert table.colnames == text.colnames
    assert len(table) == len(text) == summary["n_source"] == FIELD.n_star
    assert np.allclose(table["mag"], text["mag"], atol=1e-4)
    assert (str(table["ra"].unit), str(text["flux"].unit)) == ("deg", "adu")
    true = np.sort(ZERO_POINT - 2.5 * np.log10(FIELD.flux))
    assert np.allclose(np.sort(table["mag"]), true, atol=0.05)
    assert text.meta["MAGZP"] == header["MAGZP"]


def test_a_table_of_another_field_gives_no_zero_point_but_a_reason(tmp_path: Path) -> None:
    of = described(campaign(200, 1))
    stars = json.loads(of.inputs["photometry.json"])
    stars["dec"] = [dec + 1 for dec in stars["dec"]]
    of = replace(of, inputs={"photometry.json": json.dumps(stars).encode()})
    frame = FIELD.expose(0, Exposure())[0].frame
    product = merge(of, canonicals(of, tmp_path, [frame]), created_at=NOW)
    assert product.summary()["zero_point"] is None
    assert any("zero point was not measured: 0 good" in one for one in product.summary()["remarks"])


def test_stars_of_a_band_are_those_of_its_filter(tmp_path: Path) -> None:
    of = described(campaign(200, 2))
    made = []
    for number, name in enumerate(("r", "Ha")):
        frame = FIELD.expose(number, Exposure())[0].frame
        unit = unit_of(of, number, [frame])
        (entry,) = unit.settings["frames"]
        unit = replace(unit, settings={**unit.settings, "frames": [{**entry, "filter": name}]})
        path = write_output(tmp_path / f"{number}.fits", unit, [frame])
        made.append(
            Canonical(unit=unit, path=path, workunit=unit.name, app_version=100, platform="x",
                      result="", quorum="", n_agreeing=2)
        )  # fmt: skip
    summary = merge(of, made, created_at=NOW).summary()
    points = {each["filter"]: each["zero_point"] for each in summary["filters"]}
    assert points["r"]["value"] == pytest.approx(ZERO_POINT, abs=0.02)
    assert points["Ha"] is None
    assert (summary["zero_point"], summary["observation"]) == (None, None)
    assert summary["n_source"] == 2 * FIELD.n_star


def test_a_campaign_may_do_without_a_catalogue(tmp_path: Path) -> None:
    of = campaign(200, 1)
    of = replace(of, settings={**of.settings, "catalogue": False})
    frame = FIELD.expose(0, Exposure())[0].frame
    merge(of, canonicals(of, tmp_path, [frame]), created_at=NOW).write(tmp_path / "product")
    names = {path.name for path in (tmp_path / "product").iterdir()}
    assert "image.fits" in names
    assert not any(name.startswith("catalogue") for name in names)


def test_dates_are_rounded_to_the_millisecond() -> None:
    assert date_text(60000.0) == "2023-02-25T00:00:00.000"
    assert date_text(60000.0 + 0.9999999 / 86400) == "2023-02-25T00:00:01.000"
    assert Time(date_text(51544.123456789)).mjd == pytest.approx(51544.123456789, abs=1e-8)


def test_the_frame_that_the_standard_implies_is_written_out() -> None:
    plain = ["CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'"]
    assert grid_cards(plain)[-1].value == "ICRS"
    assert grid_cards([*plain, "EQUINOX =               2000.0"])[-1].value == "FK5"
    assert grid_cards([*plain, "EQUINOX =               1950.0"])[-1].value == "FK4"
    stated = [*plain, "RADESYS = 'FK5     '"]
    assert [card.value for card in grid_cards(stated)] == ["RA---TAN", "DEC--TAN", "FK5"]
    galactic = ["CTYPE1  = 'GLON-CAR'", "CTYPE2  = 'GLAT-CAR'"]
    assert len(grid_cards(galactic)) == 2


def test_a_long_history_ends_with_the_number_that_is_left_out() -> None:
    frames = [StackedFrame(f"{number:060d}", 1.0, 0.001) for number in range(1005)]
    lines = [card.text for card in history_cards(frames)]
    assert len(lines) == 1002
    assert "And 5 more" in lines[-1]
    assert max(map(len, lines)) == 80
