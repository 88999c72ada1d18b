"""World coordinates where they are difficult: the seam, the poles, tables, and bad headers."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable

from apps.images.plan.sky.pixel_map import OUTSIDE, interpolate, make_map
from apps.images.plan.sky.solution import Solution, make_solution
from apps.images.plan.sky.window import coverage, find_window, transform
from boinc_project.errors import InputError
from tests.unit.apps.images.plan.sky.headers import tan


def solved(header: fits.Header, nx: int = 200, ny: int = 160) -> Solution:
    return make_solution(header, nx, ny, "a.fits")


def worst(grid: Solution, frame: Solution) -> float:
    """Return by how much the map of `frame` is wrong, at random places that are in it."""
    window = find_window(grid, frame)
    assert window is not None
    exact = transform(grid, frame, window)
    made = make_map(exact, (window.nx, window.ny), (frame.nx, frame.ny))
    x, y = np.random.default_rng(5).uniform(0, (window.nx - 1, window.ny - 1), (3000, 2)).T
    there = np.array(
        frame.wcs.world_to_pixel(grid.wcs.pixel_to_world(x + window.x0, y + window.y0))
    )
    inside = (there > -0.5).all(axis=0) & (there[0] < frame.nx - 0.5) & (there[1] < frame.ny - 0.5)
    assert inside.mean() > 0.2
    return float(
        np.abs(np.array(interpolate(made.nodes, made.step, x, y)) - there)[:, inside].max()
    )


@pytest.mark.parametrize(
    ("grid", "frame"),
    [
        pytest.param(tan(0.01, 10.0), tan(359.99, 10.0, turn=30.0), id="right ascension 0"),
        pytest.param(tan(20.0, 89.99), tan(200.0, 89.99, turn=70.0), id="north pole inside"),
        pytest.param(tan(20.0, -89.99), tan(120.0, -89.985, scale=0.8), id="south pole inside"),
        pytest.param(tan(150, 2, EQUINOX=2000.0), tan(150, 2, RADESYS="ICRS"), id="equinox"),
        pytest.param(tan(150, 2, EQUINOX=1975.0, RADESYS="FK5"), tan(150.32, 1.88), id="1975"),
    ],
)
def test_maps_are_right_where_coordinates_are_singular(
    grid: fits.Header, frame: fits.Header
) -> None:
    assert worst(solved(grid), solved(frame)) < 1.1e-4


def test_an_equinox_without_a_system_is_fk5() -> None:
    middle = np.array([100.0]), np.array([80.0])
    ra, _ = solved(tan(EQUINOX=2000.0)).sky(*middle)
    bare, _ = solved(tan()).sky(*middle)
    assert abs(ra - bare)[0] * 3600 > 0.005


def sip(**cards: float) -> fits.Header:
    header = tan(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, B_ORDER=2)
    header.update(cards)
    return header


def test_polynomials_are_inverted_by_iteration_and_a_wrong_inverse_is_ignored() -> None:
    true = sip(A_2_0=2e-4, B_1_1=-1e-4)
    wrong = sip(A_2_0=2e-4, B_1_1=-1e-4)
    wrong.update({"AP_ORDER": 2, "BP_ORDER": 2, "AP_2_0": 5e-4, "BP_0_2": 1e-4})
    places = solved(true).sky(np.array([10.0, 190.0]), np.array([150.0, 20.0]))
    for header in (true, wrong):
        assert np.array(solved(header).pixel(*places)) == pytest.approx(
            np.array([[10.0, 190.0], [150.0, 20.0]]), abs=1e-8
        )


def test_a_distortion_that_folds_over_is_refused() -> None:
    with pytest.raises(InputError, match=r"a\.fits cannot be inverted"):
        solved(sip(A_2_0=2e-2, B_0_2=2e-2))


def test_what_folds_over_far_outside_does_no_harm() -> None:
    """A grid much larger than the frame, whose polynomials mean nothing out there."""
    frame, grid = solved(sip(A_2_0=8e-4, B_0_2=5e-4)), solved(tan(nx=3000, ny=3000), 3000, 3000)
    window = find_window(grid, frame)
    assert window is not None
    assert max(window.nx, window.ny) < 300
    assert worst(grid, frame) < 1.1e-4


def with_tables(amplitude: float) -> Solution:
    wcs = WCS(tan())
    ny, nx = 17, 21
    y, x = np.mgrid[0:ny, 0:nx]
    table = (amplitude * np.sin(x / 3.0) * np.cos(y / 4.0)).astype(np.float32)
    wcs.cpdis1 = DistortionLookupTable(table, (1, 1), (1, 1), (10, 10))
    wcs.cpdis2 = DistortionLookupTable(-table, (1, 1), (1, 1), (10, 10))
    return Solution(wcs, 200, 160, "a.fits")


def test_lookup_tables_are_applied_and_inverted() -> None:
    frame = with_tables(0.3)
    assert frame.tables
    x, y = np.random.default_rng(4).uniform(5, 150, (2, 300))
    back = np.array(frame.pixel(*frame.sky(x, y)))
    assert np.abs(back - [x, y]).max() < 1e-7
    bare = np.array(solved(tan()).pixel(*frame.sky(x, y)))
    assert np.abs(bare - [x, y]).max() > 0.1


def test_where_no_step_will_do_the_map_is_dense_and_exact() -> None:
    """Tables are not smooth: their kinks lie between the nodes of any grid."""
    frame, grid = with_tables(0.3), solved(tan(turn=20.0))
    window = find_window(grid, frame)
    assert window is not None
    exact = transform(grid, frame, window)
    made = make_map(exact, (window.nx, window.ny), (frame.nx, frame.ny))
    assert made.step == 1
    assert made.nodes.shape == (2, window.ny + 3, window.nx + 3)
    x, y = np.meshgrid(np.arange(window.nx), np.arange(window.ny))
    expected = np.array(exact(x.astype(float), y.astype(float)))
    inside = np.isfinite(expected).all(axis=0)
    assert np.array_equal(made.nodes[:, 1:-2, 1:-2][:, inside], expected[:, inside])


def test_the_step_is_halved_until_the_map_is_right() -> None:
    def wavy(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x + 0.2 * np.sin(x / 15), y + 0.2 * np.cos(y / 15)

    made = make_map(wavy, (300, 300), (300, 300))
    assert 1 < made.step < 16
    coarser = make_map(wavy, (300, 300), (300, 300), tolerance=1e-2)
    assert coarser.step > made.step


def test_what_is_nowhere_is_outside_of_the_frame() -> None:
    """Pixels of the grid beyond the horizon of a TAN frame."""

    def half(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gone = x > 50
        return np.where(gone, np.nan, x), np.where(gone, np.nan, y)

    made = make_map(half, (100, 40), (100, 40))
    assert made.step == 1
    assert (made.nodes[:, :, 52:] == OUTSIDE).all()
    assert (made.nodes[0, :, 51] == 50).all()


def unparsable(name: str) -> fits.Header:
    """Return a header with a card that is no FITS."""
    text = tan().tostring(sep="\n", endcard=False, padding=False)
    lines = [f"{name:8}= 1.2.3" if line.startswith(name) else line for line in text.split("\n")]
    return fits.Header.fromstring("\n".join(lines), sep="\n")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (fits.Header(), "has no WCS"),
        (tan(CD1_1=0.0, CD1_2=0.0), "singular CD matrix"),
        (tan(CD1_1=1e-4, CD1_2=1e-4, CD2_1=1e-4, CD2_2=1e-4), "singular CD matrix"),
        (tan(CD1_1="east"), "not made of numbers"),
        (tan(CRVAL1="here"), "CRVAL1 = 'here', which is no number"),
        (tan(CRPIX2=True), "CRPIX2 = True, which is no number"),
        (unparsable("CRVAL1"), r"cannot be used: .*CRVAL1"),
        (tan(CTYPE1="LINEAR", CTYPE2="LINEAR"), "not of the sky"),
        (tan(CTYPE1="RA---XXX", CTYPE2="DEC--XXX"), "cannot be used"),
        (tan(CTYPE2="DEC--SIN"), "cannot be used"),
        (tan(CRVAL2=120.0), r"cannot be|none of its pixels"),
    ],
)
def test_bad_headers_get_a_sentence(header: fits.Header, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        solved(header)
    assert "a.fits" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_coverage_is_the_part_that_is_shared() -> None:
    grid = solved(tan())
    assert coverage(grid, solved(tan())) == 1.0
    assert coverage(grid, solved(tan(dec=2.0 + 80 / 3600))) == pytest.approx(0.5, abs=0.1)
    assert coverage(grid, solved(tan(dec=-40.0))) == 0.0
