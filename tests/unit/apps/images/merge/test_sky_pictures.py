"""What pictures say of the sky: north, east, the scale and the centre; footprints; cut-outs."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from mocpy import MOC
from PIL import Image

from apps.images.merge.canonical import merge
from apps.images.merge.coverage_moc import order_of, write_moc
from apps.images.merge.cutout import cut_out
from apps.images.merge.picture_marks import COLOUR, Marks, centre_words, scale_bar
from apps.images.merge.pictures import coverage_plot, preview
from apps.images.merge.sky_grid import read_sky_grid
from boinc_project.errors import InputError, OutputError
from tests.made_stack import cards, world
from tests.reprojected import campaign, canonicals
from tests.sky_frames import Exposure, Field

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    of, field = campaign(200, 1), Field(size=200, n_star=9, seed=4)
    frame = field.expose(0, Exposure())[0].frame
    path = tmp_path_factory.mktemp("product")
    merge(of, canonicals(of, tmp_path_factory.mktemp("o"), [frame]), created_at=NOW).write(path)
    return path


@pytest.mark.parametrize("turn", [0.0, 37.0, 90.0, 201.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_north_and_east_are_where_astropy_has_them(turn: float, mirrored: bool) -> None:
    texts = cards(300, 200, turn=turn, mirrored=mirrored)
    north, east = read_sky_grid(texts).north_and_east(140.0, 90.0)
    here = SkyCoord.from_pixel(140, 90, world(texts), 0)
    for direction, angle in ((north, 0.0), (east, 90.0)):
        there = here.directional_offset_by(angle * units.deg, 1 * units.arcsec)
        x, y = (float(value) for value in there.to_pixel(world(texts), 0))
        assert direction == pytest.approx((x - 140, y - 90), abs=1e-3)
        assert math.hypot(*direction) == pytest.approx(1.0)


def test_places_of_other_frames_are_turned_into_the_icrs() -> None:
    header = world(cards(50, 50)).to_header()
    header["CTYPE1"], header["CTYPE2"] = "GLON-TAN", "GLAT-TAN"
    header["CRVAL1"], header["CRVAL2"] = 120.0, 30.0
    del header["RADESYS"]
    grid = read_sky_grid([card.image for card in header.cards])
    ra, dec = grid.sky(np.array([24.0]), np.array([24.0]))
    true = SkyCoord(l=120 * units.deg, b=30 * units.deg, frame="galactic").icrs
    assert (ra[0], dec[0]) == pytest.approx((true.ra.deg, true.dec.deg), abs=1e-9)
    assert grid.pixel(ra, dec) == pytest.approx((24.0, 24.0), abs=1e-6)
    assert grid.scale(24.0, 24.0) == pytest.approx(1.0, rel=1e-4)
    with pytest.raises(OutputError, match="no coordinates of the sky"):
        read_sky_grid(["CTYPE1  = 'WAVE    '", "CTYPE2  = 'LINEAR  '"])


def test_scale_bars_are_round_and_never_longer_than_a_part_of_the_picture() -> None:
    assert scale_bar(256.0) == (60.0, "1 arcmin")
    assert scale_bar(100.0) == (20.0, "20 arcsec")
    assert scale_bar(36000.0) == (7200.0, "2 deg")
    assert scale_bar(0.02) == (0.005, "5 mas")
    for width in 10 ** np.linspace(-2, 5, 50):
        assert 0.09 * width < scale_bar(float(width))[0] <= 0.28 * width


def test_centres_are_written_in_hours_and_degrees() -> None:
    assert centre_words(150.0, 2.0) == "10h00m00.0s  +02°00'00\""
    assert centre_words(359.99999, -0.5) == "00h00m00.0s  -00°30'00\""
    assert centre_words(0.0, 89.9999) == "00h00m00.0s  +90°00'00\""


def test_a_preview_is_marked_at_three_of_its_corners() -> None:
    dark = np.random.default_rng(1).normal(0, 1, (120, 160))
    plain = Image.open(io.BytesIO(preview(dark)))
    marks = Marks((0.0, 1.0), (-1.0, 0.0), 160.0, 150.0, 2.0)
    marked = Image.open(io.BytesIO(preview(dark, marks)))
    assert plain.size == marked.size == (640, 480)  # small images are enlarged
    yellow = (np.asarray(marked) == COLOUR).all(axis=2)
    parts = [yellow[:240, :320], yellow[:240, 320:], yellow[240:, :320], yellow[240:, 320:]]
    assert [bool(part.any()) for part in parts] == [True, True, True, False]
    assert not (np.asarray(plain) == COLOUR).all(axis=2).any()


def test_the_plot_of_the_coverage_has_one_colour_for_each_depth() -> None:
    count = np.zeros((40, 60))
    count[:, 20:40], count[:, 40:] = 1, 2
    plot = np.asarray(Image.open(io.BytesIO(coverage_plot(count, "A field", (60, 40)))))
    row = plot[plot.shape[0] // 2]
    assert (row == (253, 231, 37)).all(axis=1).sum() > 150
    assert preview(np.full((3, 2), np.nan)).startswith(b"\x89PNG")
    assert coverage_plot(np.full((3, 2), np.nan), "Nothing", (2, 3)).startswith(b"\x89PNG")


def test_the_footprint_is_the_part_of_the_sky_that_frames_have(tmp_path: Path) -> None:
    texts = cards(300, 200, turn=20.0)
    count = np.ones((200, 300), np.uint16)
    count[:, :150] = 0
    path = tmp_path / "moc.fits"
    write_moc(path, [count[:80], count[80:]], (300, 200), read_sky_grid(texts), 1.0)
    moc = MOC.from_fits(path)
    area = moc.sky_fraction * 4 * math.pi * (180 / math.pi) ** 2 * 3600**2
    assert area == pytest.approx(150 * 200, rel=0.06)
    inside = SkyCoord.from_pixel([200, 290, 160], [100, 10, 190], world(texts), 0)
    outside = SkyCoord.from_pixel([50, 145, 310], [100, 100, 100], world(texts), 0)
    assert moc.contains_skycoords(inside).all()
    assert not moc.contains_skycoords(outside).any()
    assert [order_of(step) for step in (1.0, 0.05, 200000.0)] == [16, 21, 0]


def test_a_cut_out_has_the_pixels_and_coordinates_of_the_image(product: Path) -> None:
    with fits.open(product / "image.fits") as hdus:
        whole, header = hdus["SCI"].data, hdus["SCI"].header
        scale = 3600 * 3e-4
        ra, dec = world([card.image for card in header.cards]).all_pix2world(120.0, 60.0, 0)
        data = cut_out(product, float(ra), float(dec), 21 * scale)
        assert data is not None
        with fits.open(io.BytesIO(data)) as cut:
            cut.verify("exception")
            part = cut["SCI"]
            assert np.array_equal(part.data, whole[50:71, 110:131], equal_nan=True)
            assert part.header["CRPIX1"] == header["CRPIX1"] - 110
            assert part.header["CRPIX2"] == header["CRPIX2"] - 50
            assert part.header["BUNIT"] == header["BUNIT"]
            assert cut[0].header["OADIGEST"] == hdus[0].header["OADIGEST"]
    counted = cut_out(product, float(ra), float(dec), 5 * scale, "count")
    assert counted is not None
    with fits.open(io.BytesIO(counted)) as cut:
        assert (cut["COUNT"].data == 1).all()
        assert cut["COUNT"].data.shape == (5, 5)


def test_cut_outs_end_at_the_edge_and_are_refused_where_they_make_no_sense(product: Path) -> None:
    header = fits.getheader(product / "image.fits", "SCI")
    place = world([card.image for card in header.cards]).all_pix2world(1.0, 199.0, 0)
    ra, dec = (float(value) for value in place)
    edge = cut_out(product, ra, dec, 21 * 1.08)
    assert edge is not None
    assert fits.getdata(io.BytesIO(edge), 1).shape == (11, 12)
    assert cut_out(product, ra + 1, dec, 20) is None
    assert cut_out(product, ra + 180, -dec, 20) is None
    for arguments, match in (
        ((ra, 91.0, 60.0), "degrees"),
        ((ra, dec, 0.0), "above 0"),
        ((math.nan, dec, 1.0), "degrees"),
        ((ra, dec, 1e6), "pixels a side"),
        ((ra, dec, 60.0, "../secret"), "no such plane"),
        ((ra, dec, 60.0, "image-r"), "has no image-r.fits"),
    ):
        with pytest.raises(InputError, match=match):
            cut_out(product, *arguments)  # type: ignore[arg-type]


def test_a_footprint_is_written_without_the_library_of_plots(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", FOOTPRINT, str(tmp_path / "a.fits")],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert said.stdout.split() == ["False"]
    ra, dec = np.array([150.0, 151.0]), np.array([20.0, 20.5])
    moc = MOC.from_lonlat(ra * units.deg, dec * units.deg, max_norder=10)
    moc.save(tmp_path / "b.fits", format="fits")
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


FOOTPRINT = """
import sys
import numpy as np
from apps.images.merge.coverage_moc import _library
library = _library()
moc = library.from_lonlat(10, np.array([150.0, 151.0]), np.array([20.0, 20.5]))
open(sys.argv[1], "wb").write(library.to_fits_raw(moc, False))
print("matplotlib" in sys.modules)
"""
