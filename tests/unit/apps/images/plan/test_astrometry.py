"""Coordinates of a campaign's images, refined by the stars that these share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from apps.images.plan import units as reprojection
from apps.images.plan.astrometry import PLACES
from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from tests.unit.apps.images.plan.image_campaign import write_campaign
from tests.unit.apps.images.plan.sky.headers import tan
from tests.unit.apps.images.plan.sky.test_stars import frame
from work_generator.campaign_file import load_campaign
from work_generator.definition import from_definition, to_definition

SIDE = 360
GRID = 'choose = true\ngrid = "union"'


@dataclass(frozen=True)
class Shot:
    """How a frame is pointed, what its header has wrong (pixels, degrees), and how deep it is."""

    at: tuple[float, float] = (0.0, 0.0)
    wrong: tuple[float, float] = (0.0, 0.0)
    turned: float = 0.0
    depth: float = 1.0


class Night:
    """A folder of frames of one field of stars, and a campaign of them."""

    def __init__(self, directory: Path, n_star: int = 400) -> None:
        self.directory = directory
        rng = np.random.default_rng(21)
        self.ra = 150 + rng.uniform(-0.15, 0.15, n_star)
        self.dec = 2 + rng.uniform(-0.1, 0.1, n_star)
        self.flux = 10 ** rng.uniform(3.5, 5.0, n_star)
        self.n = 0

    def take(self, *shots: Shot) -> None:
        """Write frames; 1 arcsecond a pixel."""
        (self.directory / "night").mkdir(exist_ok=True)
        for shot in shots:
            true = self.header(shot.at)
            x, y = WCS(true).all_world2pix(self.ra, self.dec, 0)
            image = frame(x, y, shot.depth * self.flux, shape=(SIDE, SIDE), seed=self.n)
            stated = self.header(tuple(np.add(shot.at, shot.wrong)), turn=shot.turned)
            fits.PrimaryHDU(image, stated).writeto(self.directory / f"night/{self.n}.fits")
            self.n += 1

    def header(self, at: Any, turn: float = 0.0) -> fits.Header:
        header = tan(nx=SIDE, ny=SIDE, turn=turn, EXPTIME=30.0)
        header["CRPIX1"] += at[0]
        header["CRPIX2"] += at[1]
        return header

    def campaign(self, images: str = "", reference: str = GRID, more: str = "") -> Campaign:
        text = f'[images]\nfiles = ["night"]\n{images}\n[reference]\n{reference}\n{more}\n'
        self.file = write_campaign(self.directory, text)
        return load_campaign(self.file)

    def prepared(self, *args: str, **kwargs: str) -> list[dict[str, Any]]:
        """Return what the campaign's frames say of their astrometry."""
        self.store = InputStore(self.directory / "inputs")
        self.made = reprojection.prepare(self.campaign(*args, **kwargs), None, self.store)
        self.remarks = self.made.settings["remarks"]
        return [frame.get("astrometry") for frame in self.made.settings["frames"]]


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def four(wrong: dict[int, Shot]) -> list[Shot]:
    """Return four frames at unlike places, some of them as stated."""
    places = [(0.0, 0.0), (12.4, -7.3), (-20.7, 15.2), (5.5, 30.1)]
    return [
        Shot(place, wrong[number].wrong, wrong[number].turned, wrong[number].depth)
        if number in wrong
        else Shot(place)
        for number, place in enumerate(places)
    ]


@pytest.mark.parametrize("by", [(0.3, 0.0), (-1.2, 1.6), (40.0, 35.0)])
def test_the_image_whose_header_is_wrong_is_moved(night: Night, by: tuple[float, float]) -> None:
    night.take(*four({2: Shot(wrong=by)}))
    frames = night.prepared()
    assert [frame["applied"] for frame in frames] == ["none", "none", "shift", "none"]
    # CRPIX is too large by so much: the frame is so far to the west, and to the north.
    assert frames[2]["shift_ra"] == pytest.approx(-by[0], abs=0.03)
    assert frames[2]["shift_dec"] == pytest.approx(by[1], abs=0.03)
    assert frames[2]["rms_before"] == pytest.approx(np.hypot(*by), abs=0.05)
    assert frames[2]["rms_after"] < 0.15
    assert frames[2]["correction"] == pytest.approx(np.hypot(*by), abs=0.03)
    assert frames[2]["n_star"] > 30
    (line,) = night.remarks
    assert line.startswith("The coordinates of 1 of 4 images are corrected by ")


def test_several_at_once_are_measured_as_one_after_the_other(night: Night) -> None:
    night.take(*four({2: Shot(wrong=(0.7, 0.2))}))
    frames = night.prepared()
    at_once = reprojection.prepare(night.campaign(), None, night.store, jobs=3)
    assert [frame["astrometry"] for frame in at_once.settings["frames"]] == frames
    assert at_once.files == night.made.files


def test_a_header_that_is_turned_is_turned_back(night: Night) -> None:
    night.take(*four({0: Shot(depth=3.0), 1: Shot(turned=0.06)}))
    frames = night.prepared()
    assert [frame["applied"] for frame in frames] == ["none", "linear", "none", "none"]
    assert frames[1]["rms_after"] < 0.7 * frames[1]["rms_before"]


def test_headers_that_are_right_give_the_files_of_headers_alone(night: Night) -> None:
    night.take(*four({}))
    frames = night.prepared()
    assert [frame["applied"] for frame in frames] == ["none"] * 4
    assert night.remarks == []
    files = night.made.files
    assert night.prepared('astrometry = "header"') == [None] * 4
    assert night.made.files == files


@pytest.mark.parametrize("wrong", [{"wrong": (3.0, 0.0)}, {"turned": 0.1}])
def test_the_deepest_image_is_moved_where_the_others_agree(
    night: Night, wrong: dict[str, Any]
) -> None:
    night.take(*four({1: Shot(depth=4.0, **wrong)}))
    frames = night.prepared()
    assert {frame["reference"] for frame in frames} == {"1.fits"}
    assert [frame["applied"] != "none" for frame in frames] == [False, True, False, False]
    if "wrong" in wrong:
        assert frames[1]["shift_ra"] == pytest.approx(-3.0, abs=0.03)


def test_headers_that_all_differ_are_brought_to_their_mean(night: Night) -> None:
    errors = np.random.default_rng(4).normal(0, 0.5, (4, 2))
    night.take(*four({number: Shot(wrong=tuple(error)) for number, error in enumerate(errors)}))
    frames = night.prepared()
    moved = np.array([(frame["shift_ra"], frame["shift_dec"]) for frame in frames])
    left = moved * (-1, 1) - errors
    # All are where the mean of those that count is, and that is nearer than one of them.
    assert left.std(axis=0).max() < 0.05
    assert np.hypot(*left.mean(axis=0)) < 0.5


def test_of_two_headers_the_reference_is_right(night: Night) -> None:
    night.take(Shot(depth=3.0), Shot((9.3, 2.0), wrong=(1.0, 0.0)))
    frames = night.prepared()
    assert [frame["applied"] for frame in frames] == ["none", "shift"]


def test_an_image_that_is_the_grid_is_where_it_says(night: Night) -> None:
    night.take(*four({0: Shot(wrong=(1.0, 0.0))}))
    frames = night.prepared(reference='image = "night/0.fits"')
    assert [frame["applied"] for frame in frames] == ["none", "shift", "shift", "shift"]
    assert frames[1]["shift_ra"] == pytest.approx(1.0, abs=0.03)


def test_of_images_with_one_header_the_one_with_other_pixels_is_moved(night: Night) -> None:
    """The grid's header is that of all four, so that it tells nothing."""
    night.take(
        *(Shot(at, wrong=(-at[0], -at[1])) for at in [(0.0, 0.0), (1.5, 0.0)] + 2 * [(0.0, 0.0)])
    )
    frames = night.prepared(reference='image = "night/1.fits"')
    assert [frame["applied"] for frame in frames] == ["none", "shift", "none", "none"]
    assert frames[1]["shift_ra"] == pytest.approx(1.5, abs=0.03)


def test_an_image_that_is_nowhere_near_is_not_believed(night: Night) -> None:
    night.take(*four({3: Shot(wrong=(110.0, 30.0))}))
    frames = night.prepared()
    assert [frame["applied"] for frame in frames] == ["none"] * 4
    (line,) = night.remarks
    assert line.startswith("3.fits: Its stars are not within 60 arcseconds")
    assert "cannot be believed" in line


def test_images_without_stars_keep_their_headers(tmp_path: Path) -> None:
    night = Night(tmp_path, n_star=0)
    night.take(*four({}))
    frames = night.prepared()
    assert [frame["n_star"] for frame in frames] == [0] * 4
    (line,) = night.remarks
    assert line.startswith("1.fits, 2.fits, 3.fits: It has too few stars")


def test_five_stars_tell_a_shift(tmp_path: Path) -> None:
    night = Night(tmp_path, n_star=0)
    night.ra = 150 + np.array([-0.03, 0.02, 0.0, 0.03, -0.01])
    night.dec = 2 + np.array([-0.02, 0.01, 0.03, -0.03, 0.0])
    night.flux = np.full(5, 3e4)
    night.take(*four({2: Shot(wrong=(1.5, 0.0), turned=0.05)}))
    frames = night.prepared()
    assert [frame["applied"] for frame in frames] == ["none", "none", "shift", "none"]
    assert {frame["fitted"] for frame in frames} == {"none", "shift"}


def test_images_beyond_the_reference_are_measured_against_their_neighbours(night: Night) -> None:
    """Each shares stars with the next one alone."""
    places = [(-200.0, 0.0), (0.0, 0.0), (200.0, 0.0), (380.0, 0.0)]
    night.take(Shot(places[0], wrong=(1.0, 0.0)), *(Shot(at) for at in places[1:]))
    frames = night.prepared()
    assert frames[0]["reference"] == "2.fits"
    assert [frame["applied"] for frame in frames] == ["shift", "none", "none", "none"]
    assert frames[0]["shift_ra"] == pytest.approx(-1.0, abs=0.05)


def test_a_table_of_stars_tells_where_all_are(night: Night) -> None:
    lines = [f"{ra},{dec},10" for ra, dec in zip(night.ra, night.dec, strict=True)]
    (night.directory / "stars.csv").write_text("ra,dec,mag\n" + "\n".join(lines))
    night.take(*four({number: Shot(wrong=(0.8, -0.5)) for number in range(4)}))
    photometry = '[photometry]\ntable = "stars.csv"'
    assert [frame["applied"] for frame in night.prepared(more=photometry)] == ["none"] * 4
    frames = night.prepared('astrometry = "catalogue"', more=photometry)
    assert [frame["applied"] for frame in frames] == ["shift"] * 4
    for entry in frames:
        assert (entry["shift_ra"], entry["shift_dec"]) == pytest.approx((-0.8, -0.5), abs=0.03)


def test_a_table_of_another_place_is_told(night: Night) -> None:
    lines = [f"{ra + 0.012},{dec - 0.021},10" for ra, dec in zip(night.ra, night.dec, strict=True)]
    (night.directory / "stars.csv").write_text("ra,dec,mag\n" + "\n".join(lines))
    night.take(*four({}))
    frames = night.prepared('astrometry = "catalogue"', more='[photometry]\ntable = "stars.csv"')
    assert [frame["applied"] for frame in frames] == ["none"] * 4
    assert any("not matched with those of the table" in line for line in night.remarks)


def test_images_that_join_are_measured_against_the_same_stars(night: Night) -> None:
    night.take(Shot(), Shot((9.3, 2.0)), Shot((3.3, 9.0)))
    night.prepared(reference="choose = true")
    issued = from_definition(to_definition(night.made))
    places = issued.settings[PLACES]
    night.take(Shot((-8.0, 4.0), wrong=(2.0, 0.0), depth=9.0), Shot((4.0, 4.0)))
    extension = reprojection.extend(
        issued, night.campaign(reference="choose = true"), night.file, None, night.store
    )
    new = [frame["astrometry"] for frame in extension.campaign.settings["frames"][3:]]
    assert [frame["applied"] for frame in new] == ["shift", "none"]
    assert {frame["reference"] for frame in new} == {places["reference"]}
    assert extension.campaign.settings[PLACES] == places
    remarks = extension.campaign.settings["remarks"]
    assert any(line.startswith("The coordinates of 1 of 2") for line in remarks)


def test_campaigns_of_before_keep_headers_when_images_join(night: Night) -> None:
    night.take(Shot(), Shot((9.3, 2.0)), Shot((3.3, 9.0)))
    night.prepared(reference="choose = true")
    settings = {
        key: value
        for key, value in night.made.settings.items()
        if key not in (PLACES, "astrometry")
    }
    old = from_definition(to_definition(night.made))
    old = type(old)(
        **{**{name: getattr(old, name) for name in old.__slots__}, "settings": settings}
    )
    night.take(Shot((-8.0, 4.0), wrong=(2.0, 0.0)))
    extension = reprojection.extend(
        old, night.campaign(reference="choose = true"), night.file, None, night.store
    )
    assert "astrometry" not in extension.campaign.settings["frames"][3]


def test_warm_pixels_do_not_bring_frames_together(tmp_path: Path) -> None:
    """Six stars and hundreds of warm pixels: by these, frames would be moved by their dithering."""
    night = Night(tmp_path, n_star=40)
    places = [(0.0, 0.0), (22.0, -7.0), (-20.0, 15.0), (5.0, 31.0)]
    night.take(*(Shot(at, wrong=(0.5, 0.0) if at[0] == 22 else (0.0, 0.0)) for at in places))
    y, x = np.random.default_rng(9).integers(15, SIDE - 15, (2, 300))
    for path in (tmp_path / "night").iterdir():
        with fits.open(path, mode="update") as hdus:
            hdus[0].data[y, x] += np.float32(500)
            hdus[0].data[y, x + 1] += np.float32(480)
    for entry in night.prepared():
        assert abs(entry["shift_ra"] or 0.0) < 0.6
        assert abs(entry["shift_dec"] or 0.0) < 0.1


def test_stars_are_looked_for_behind_dark_and_flat(night: Night) -> None:
    """A dark of hot groups of pixels would hide the stars of half of the frame."""
    night.take(*four({2: Shot(wrong=(1.0, 0.0))}))
    dark = np.zeros((SIDE, SIDE), np.float32)
    dark[:, ::3], dark[:, 1::3] = 9000.0, 4000.0
    fits.PrimaryHDU(dark + 1.0).writeto(night.directory / "dark.fits")
    for path in (night.directory / "night").iterdir():
        with fits.open(path, mode="update") as hdus:
            hdus[0].data += dark
    frames = night.prepared(more='[calibration]\ndark = "dark.fits"')
    assert [frame["applied"] for frame in frames] == ["none", "none", "shift", "none"]


def test_the_reference_implementation_has_headers(night: Night) -> None:
    night.take(*four({2: Shot(wrong=(1.0, 0.0))}))
    assert night.prepared(more='[reproject]\nmethod = "reproject"') == [None] * 4


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ('astrometry = "gaia"', "there is no astrometry"),
        ('astrometry = "catalogue"', "needs stars of known places"),
    ],
)
def test_what_cannot_be_is_refused(night: Night, images: str, sentence: str) -> None:
    night.take(Shot(), Shot((9.0, 2.0)))
    with pytest.raises(InputError, match=sentence):
        night.campaign(images)
