"""What a campaign of images states beside its images: stars of known magnitude, units, unions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from apps.images.plan import units as reprojection
from apps.images.plan.photometry_table import TABLE_FILE
from apps.images.plan.sky.solution import make_solution
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from tests.unit.apps.images.plan.image_campaign import write_campaign, write_field
from work_generator.campaign_file import load_campaign

CHOOSE = '[images]\nfiles = ["night"]\n[reference]\nchoose = true\n'
TABLE = Table(
    {
        "RA_ICRS": [150.001, 150.002, 150.01, 10.0], "DE_ICRS": [2.001, 1.99, 2.01, 2.0],
        "rmag": [16.5, 14.25, np.nan, 12.0], "e_rmag": [0.02, np.nan, 0.01, 0.01],
    }
)  # fmt: skip
STATED = '[photometry]\ntable = "{}"\nmag = "rmag"\nmag_error = "e_rmag"\nband = "r"\n'


@pytest.fixture
def field(tmp_path: Path) -> Path:
    write_field(tmp_path / "night")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "form"), [("s.csv", "ascii.csv"), ("s.ecsv", "ascii.ecsv"), ("s.fits", "fits")]
)
def test_stars_on_the_images_are_kept_with_the_campaign(field: Path, name: str, form: str) -> None:
    TABLE.write(field / name, format=form)
    campaign = load_campaign(write_campaign(field, CHOOSE + STATED.format(name)))
    assert json.loads(campaign.inputs[TABLE_FILE]) == {
        "ra": [150.002, 150.001], "dec": [1.99, 2.001], "mag": [14.25, 16.5], "error": [0.0, 0.02],
        "band": "r", "radius": None,
    }  # fmt: skip
    # Volunteers are sent nothing of it.
    done = reprojection.prepare(campaign, None, InputStore(field / "inputs"))
    assert TABLE_FILE not in str(reprojection.plan(done, reprojection.Progress()))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('table = "none.csv"', r'\[photometry\] the file .*none.csv does not exist'),
        ('table = "s.csv"\nmag = "gmag"', 'no column "gmag"; it has RA_ICRS'),
        ('table = "s.csv"', "no column that is known as mag"),
        ('table = "s.csv"\nmag = "name"', "the column name of .* has no numbers"),
        ('table = "s.txt"\nmag = "rmag"', r"is none of \.csv, \.ecsv"),
        ('table = "broken.ecsv"\nmag = "rmag"', "cannot be read as a table"),
        ('table = "far.csv"\nmag = "rmag"', "none of the 4 stars of .* is on the images"),
        ('table = "s.csv"\nmag = "rmag"\nbend = "r"', "bend"),
        ('table = "s.csv"\nmag = "rmag"\nradius_arcsec = 0', "radius_arcsec"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_one_sentence(field: Path, text: str, match: str) -> None:
    table = TABLE.copy()
    table["name"] = list("abcd")
    table.write(field / "s.csv", format="ascii.csv")
    (field / "s.txt").write_text("ra dec\n")
    (field / "broken.ecsv").write_text("# %ECSV 1.0\nnothing\n")
    table["DE_ICRS"] = -table["DE_ICRS"]
    table.write(field / "far.csv", format="ascii.csv")
    with pytest.raises(InputError, match=match):
        load_campaign(write_campaign(field, CHOOSE + f"[photometry]\n{text}\n"))


def test_units_of_surface_brightness_are_not_resampled_as_fluxes(tmp_path: Path) -> None:
    write_field(tmp_path / "night", BUNIT="MJy/sr")
    campaign = load_campaign(write_campaign(tmp_path, CHOOSE))
    assert campaign.settings["flux"] == "surface_brightness"
    stated = CHOOSE + '[reproject]\nflux = "conserve"\n'
    with pytest.raises(InputError, match=r'MJy/sr, a surface brightness, which flux = "conserve"'):
        load_campaign(write_campaign(tmp_path, stated))
    paths = write_field(tmp_path / "counts", BUNIT="adu")
    paths[0].rename(tmp_path / "night" / "counts.fits")
    with pytest.raises(InputError, match="bring them to one unit"):
        load_campaign(write_campaign(tmp_path, CHOOSE))


def test_units_of_flux_are_resampled_as_the_file_says(field: Path) -> None:
    assert load_campaign(write_campaign(field, CHOOSE)).settings["flux"] == "conserve"
    stated = CHOOSE + '[reproject]\nflux = "surface_brightness"\n'
    assert load_campaign(write_campaign(field, stated)).settings["flux"] == "surface_brightness"


def test_a_union_covers_all_frames_of_a_campaign(field: Path) -> None:
    union = CHOOSE.replace("choose = true", 'grid = "union"')
    campaign = load_campaign(write_campaign(field, union))
    assert "a grid that covers all of them" in reprojection.describe(campaign)[0]
    done = reprojection.prepare(campaign, None, InputStore(field / "inputs"))
    grid = done.settings["grid"]
    assert done.settings["chosen"] == "all images, with the scale of frame1.fits"
    assert "cover" not in done.settings
    header = fits.Header([fits.Card.fromstring(card) for card in grid["cards"]])
    whole = make_solution(header, grid["nx"], grid["ny"], "union")
    for path in (field / "night").iterdir():
        image = make_solution(fits.getheader(path), 200, 160, path.name)
        x, y = np.meshgrid([-0.5, 199.5], [-0.5, 159.5])
        at_x, at_y = whole.pixel(*image.sky(x, y))
        assert (at_x > -0.5).all()
        assert (at_x < grid["nx"] - 0.5).all()
        assert (at_y > -0.5).all()
        assert (at_y < grid["ny"] - 0.5).all()


def test_a_union_is_of_a_grid_that_is_chosen(field: Path) -> None:
    header = '[images]\nfiles = ["night"]\n[reference]\nimage = "night/frame0.fits"\n'
    with pytest.raises(InputError, match="grid says what a chosen grid"):
        load_campaign(write_campaign(field, header + 'grid = "union"\n'))
    with pytest.raises(InputError, match='there is no grid "all"'):
        load_campaign(write_campaign(field, CHOOSE + 'grid = "all"\n'))
