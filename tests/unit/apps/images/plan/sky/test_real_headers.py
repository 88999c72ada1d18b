"""World coordinates and pixel maps of real headers, against astropy's own transforms."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.pixel_map import interpolate, make_map
from apps.images.plan.sky.solution import Solution, read_solution
from apps.images.plan.sky.window import Window, find_window, transform
from tests.real_images import decam, real_image

Frames = list[tuple[Path, int]]


def solved(path: Path) -> Solution:
    return read_solution(find_images(path)[0])


def astropys(path: Path, hdu: int = 0) -> WCS:
    with warnings.catch_warnings(action="ignore"), fits.open(path) as hdus:
        return WCS(hdus[hdu].header, hdus, naxis=2)


NAMES = ["goto_virgo_1.fits", "gc_2mass_k.fits", "gc_msx_e.fits", "decam"]


def file_of(name: str) -> tuple[Path, int]:
    return (decam("ooi")[0], 1) if name == "decam" else (real_image(name), 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_sky_is_where_astropy_says(name: str) -> None:
    path, hdu = file_of(name)
    solution, theirs = solved(path), astropys(path, hdu)
    x, y = np.random.default_rng(1).uniform(0, (solution.nx, solution.ny), (500, 2)).T
    expected = theirs.pixel_to_world(x, y).icrs
    ra, dec = solution.sky(x, y)
    off = np.hypot((ra - expected.ra.deg) * np.cos(np.radians(dec)), dec - expected.dec.deg)
    assert off.max() * 3600 < 1e-7


@pytest.mark.parametrize("name", NAMES)
def test_every_pixel_comes_back_from_the_sky(name: str) -> None:
    path, hdu = file_of(name)
    solution, theirs = solved(path), astropys(path, hdu)
    x, y = np.random.default_rng(2).uniform(-50, (solution.nx + 50, solution.ny + 50), (500, 2)).T
    back_x, back_y = solution.pixel(*solution.sky(x, y))
    assert max(np.abs(back_x - x).max(), np.abs(back_y - y).max()) < 1e-6
    # By astropy's frames and its own iteration on the forward polynomials.
    there = theirs.pixel_to_world(x, y)
    expected = theirs.world_to_pixel(there.icrs.transform_to(there.frame))
    assert np.abs(np.array(expected) - [back_x, back_y]).max() < 1e-4


def test_the_headers_own_inverse_is_wrong_and_not_used() -> None:
    path = real_image("goto_virgo_1.fits")
    solution, theirs = solved(path), astropys(path)
    x, y = np.array([900.0]), np.array([100.0])
    ra, dec = solution.sky(x, y)
    core = theirs.wcs_world2pix(*_native(theirs, x, y), 0)
    by_header = theirs.sip_foc2pix(*core, 0)
    assert np.hypot(by_header[0] - x, by_header[1] - y)[0] > 0.5
    assert np.hypot(*(np.array(solution.pixel(ra, dec)) - [x, y]))[0] < 1e-8


def _native(wcs: WCS, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    return list(wcs.all_pix2world(x, y, 0))


def test_fk5_is_turned_to_the_icrs() -> None:
    """The rotation of 0.02 arcseconds: 0.015 pixels on this frame."""
    solution = solved(real_image("goto_virgo_1.fits"))
    x, y = np.array([500.0]), np.array([500.0])
    ra, dec = solution.sky(x, y)
    bare = solution.wcs.all_pix2world(x, y, 0)
    off = np.hypot((ra - bare[0]) * np.cos(np.radians(dec)), dec - bare[1])[0] * 3600
    assert 0.01 < off < 0.03
    assert solution.scale == pytest.approx(1.24, abs=0.02)


@pytest.mark.parametrize(
    ("grid", "frame"),
    [
        ("gc_2mass_k.fits", "gc_msx_e.fits"),
        ("gc_msx_e.fits", "gc_2mass_k.fits"),
        ("decam", "decam-2"),
        ("goto_virgo_1.fits", "goto_virgo_1.fits"),
    ],
)
def test_a_map_is_right_off_its_nodes(grid: str, frame: str) -> None:
    def path(name: str) -> Path:
        return decam("ooi")[5] if name == "decam-2" else file_of(name)[0]

    reference, image = solved(path(grid)), solved(path(frame))
    window = find_window(reference, image)
    assert window is not None
    exact = transform(reference, image, window)
    made = make_map(exact, (window.nx, window.ny), (image.nx, image.ny))
    assert made.step >= 64
    assert made.error < 1e-4
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, (window.nx - 1, window.ny - 1), (2000, 2)).T
    # astropy's high-level path, which knows nothing of ours.
    there = reference.wcs.pixel_to_world(x + window.x0, y + window.y0)
    expected = np.array(image.wcs.world_to_pixel(there))
    inside = (expected[0] > -1) & (expected[0] < image.nx)
    inside &= (expected[1] > -1) & (expected[1] < image.ny)
    assert inside.sum() > 100
    mapped = np.array(interpolate(made.nodes, made.step, x, y))
    assert np.abs(mapped - expected)[:, inside].max() < 1.1e-4


def test_frames_of_two_projections_share_what_they_share() -> None:
    grid, frame = solved(real_image("gc_2mass_k.fits")), solved(real_image("gc_msx_e.fits"))
    window = find_window(grid, frame)
    assert window is not None
    y, x = np.mgrid[0 : grid.ny, 0 : grid.nx]
    there = np.array(frame.wcs.world_to_pixel(grid.wcs.pixel_to_world(x, y)))
    inside = (there[0] > -0.5) & (there[0] < frame.nx - 0.5)
    inside &= (there[1] > -0.5) & (there[1] < frame.ny - 0.5)
    rows, columns = np.nonzero(inside)
    assert window.x0 <= columns.min()
    assert columns.max() < window.x0 + window.nx
    assert window.y0 <= rows.min()
    assert rows.max() < window.y0 + window.ny
    # Not much larger than needed, either.
    assert window.nx <= np.ptp(columns) + 10
    assert window.ny <= np.ptp(rows) + 10


def test_frames_far_apart_share_nothing() -> None:
    goto, galactic = solved(real_image("goto_virgo_1.fits")), solved(real_image("gc_2mass_k.fits"))
    assert find_window(goto, galactic) is None
    assert find_window(galactic, goto) is None


def test_raw_frames_have_no_coordinates() -> None:
    from boinc_project.errors import InputError

    with pytest.raises(InputError, match=r"M13_blue_0001\.fits has no WCS"):
        solved(real_image("M13_blue_0001.fits"))


def test_windows_begin_where_they_say() -> None:
    solution = solved(real_image("gc_2mass_k.fits"))
    window = Window(100, 50, 10, 10)
    x, y = transform(solution, solution, window)(np.array([3.0]), np.array([4.0]))
    assert (x[0], y[0]) == pytest.approx((103, 54), abs=1e-8)
