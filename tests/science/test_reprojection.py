"""Reprojection against reproject, and against what is known of simulated skies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from apps.images.compute.app import OUTPUT_FILE
from apps.images.compute.built import load_kernel
from apps.images.compute.computing import run
from apps.images.output import open_reprojection_output
from apps.runtime.runtime import open_runtime
from boinc_project.errors import UnitError
from boinc_project.fits.cards import Header, card
from boinc_project.fits.writing import create_fits
from boinc_project.unit import Unit
from tests.reprojection_units import (
    frame_settings,
    nodes,
    seal_unit,
    sky,
    unit_settings,
    write_kernel,
)

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

N = 220
GRID = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 110.0, "CRPIX2": 100.0,
    "CRVAL1": 150.0, "CRVAL2": 2.2, "CD1_1": -3e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 3e-4,
    "RADESYS": "ICRS",
}  # fmt: skip


def frame_wcs() -> dict[str, Any]:
    """A frame turned by 17 degrees, with SIP of some pixels at its corners."""
    c, s = 3.2e-4 * np.cos(np.radians(17)), 3.2e-4 * np.sin(np.radians(17))
    return {
        **GRID,
        "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRPIX1": 112.3, "CRPIX2": 104.9,
        "CD1_1": -float(c), "CD1_2": float(s), "CD2_1": float(s), "CD2_2": float(c),
        "A_ORDER": 3, "B_ORDER": 3, "A_2_0": 1e-4, "A_0_2": -3e-5, "B_1_1": 8e-5, "A_3_0": 4e-7,
        "B_0_3": -3e-7,
    }  # fmt: skip


def cards(values: dict[str, Any]) -> list[Any]:
    return [card(key, value) for key, value in values.items()]


def make(
    directory: Path,
    pixels: np.ndarray,
    *,
    with_wcs: bool = True,
    step: int = 16,
    tolerance: float = 1e-9,
    **changes: Any,
) -> tuple[Unit, dict[str, Path]]:
    """Seal a unit of one frame whose map comes from astropy's transform.

    `tolerance`, in pixels, is that of astropy's iteration for the inverse of SIP.
    """
    astropy_wcs, fits = pytest.importorskip("astropy.wcs"), pytest.importorskip("astropy.io.fits")

    def solution(values: dict[str, Any]) -> Any:
        return astropy_wcs.WCS(fits.Header(values))

    source, target = solution(frame_wcs()), solution(GRID)

    def transform(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tuple(source.all_world2pix(*target.all_pix2world(x, y, 0), 0, tolerance=tolerance))

    directory.mkdir(exist_ok=True)
    write_kernel(directory / "kernel.fits", 1024)
    with create_fits(directory / "frame_00.fits") as file:
        file.primary()
        extra = cards(frame_wcs()) if with_wcs else []
        file.compressed("PIXELS", pixels, method="GZIP_2", cards=extra)
        file.image("MAP", nodes(transform, (N, N), step), cards({"STEP": step, "NX": N, "NY": N}))
    settings = unit_settings([frame_settings((N, N), x0=0, y0=0)], **changes)
    settings["grid"]["cards"] = [one.text.rstrip() for one in Header(cards(GRID))]
    return seal_unit(directory, settings)


def computed(slot: Path, unit: Unit, inputs: dict[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    with open_runtime(slot) as runtime:
        run(unit, inputs, slot / OUTPUT_FILE, runtime)
    with open_reprojection_output(slot / OUTPUT_FILE) as output:
        return output.frames[0].rows(0, N)


def test_bilinear_is_that_of_reproject(tmp_path: Path) -> None:
    """Within 1e-6 of each value, with the same footprint, masked pixels included.

    At reproject's own places: it inverts SIP to 1e-4 pixels only, and its values show that.
    """
    pytest.importorskip("reproject")
    pixels = sky((N, N - 10), 3)
    pixels[50, 60] = pixels[120, 30] = np.nan
    found = []
    for method in ("bilinear", "reproject"):
        slot = tmp_path / method
        unit, inputs = make(
            slot,
            pixels,
            method=method,
            output={"kind": "float"},
            flux="surface_brightness",
            step=1,
            tolerance=1e-4,
        )
        found.append(computed(slot, unit, inputs)[0])
    ours, theirs = found
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    assert 0.05 < np.isnan(ours).mean() < 0.5
    good = ~np.isnan(ours)
    assert np.abs(ours[good] / theirs[good] - 1.0).max() < 1e-6


def test_reproject_needs_world_coordinates(tmp_path: Path) -> None:
    pytest.importorskip("reproject")
    unit, inputs = make(tmp_path, sky((N, N)), with_wcs=False, method="reproject")
    with open_runtime(tmp_path) as runtime, pytest.raises(UnitError, match="no world coordinates"):
        run(unit, inputs, tmp_path / OUTPUT_FILE, runtime)


@pytest.mark.parametrize("method", ["cubic", "lanczos3"])
def test_stars_keep_their_flux(tmp_path: Path, method: str) -> None:
    """Within 0.2 % over the field, while the area of pixels changes by more than 2 %."""
    rng = np.random.default_rng(6)
    y, x = np.indices((N, N), dtype=float)
    pixels, stars = np.zeros((N, N)), []
    for row in range(30, N - 20, 40):
        for column in range(30, N - 20, 40):
            x0, y0 = column + rng.uniform(-0.5, 0.5), row + rng.uniform(-0.5, 0.5)
            pixels += np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 1.8**2))
            stars.append((x0, y0))
    unit, inputs = make(
        tmp_path, (1e4 * pixels).astype("f4"), method=method, output={"kind": "float"}
    )
    values, _ = computed(tmp_path, unit, inputs)
    astropy_wcs, fits = pytest.importorskip("astropy.wcs"), pytest.importorskip("astropy.io.fits")
    source, target = (astropy_wcs.WCS(fits.Header(one)) for one in (frame_wcs(), GRID))
    truth, errors = 1e4 * 2 * np.pi * 1.8**2, []
    for x0, y0 in target.all_world2pix(source.all_pix2world(stars, 0), 0):
        if not (14 < x0 < N - 14 and 14 < y0 < N - 14):
            continue
        near = (x - x0) ** 2 + (y - y0) ** 2 < 11**2
        errors.append(values[near].astype(float).sum() / truth - 1.0)
    assert len(errors) >= 12
    assert np.abs(errors).max() < 2e-3


@pytest.mark.parametrize("flux", ["conserve", "surface_brightness"])
@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos3"])
def test_the_variance_is_that_of_the_noise_in_areas(tmp_path: Path, method: str, flux: str) -> None:
    """Sums over 24 skies of white noise, weighted by a Gaussian of 5 pixels.

    The variance of a weighted sum is the sum of squared weights times the variance, as if pixels
    were independent: what interpolation takes from each it gives to the covariances. 24 skies have
    some 24 * 30,000 / (4 pi 25) = 2,300 independent sums, whose chi square is known to 0.03; the
    bound is four of them. By itself a pixel of lanczos3 has 0.8 of that, and of bilinear 0.45.
    """
    rng = np.random.default_rng(7)
    weights = np.exp(-0.5 * (np.arange(-15, 16) / 5.0) ** 2)
    ratios = []
    for _ in range(24):
        unit, inputs = make(
            tmp_path, rng.normal(0, 12, (N, N)).astype("f4"), method=method, flux=flux,
            output={"kind": "float"},
        )  # fmt: skip
        values, variance = computed(tmp_path, unit, inputs)
        sums = values.astype(float)
        for axis in (0, 1):
            sums = ndimage.convolve1d(sums, weights, axis=axis, mode="constant", cval=np.nan)
        good = ~np.isnan(sums)
        expected = (weights**2).sum() ** 2 * variance[good].astype(float)
        ratios.append((sums[good] ** 2 / expected).mean())
        for left in ("checkpoint", "checkpoint.previous", "tiles.spool"):
            (tmp_path / left).unlink(missing_ok=True)
    assert abs(np.mean(ratios) - 1.0) < 0.12


def test_steps_add_half_a_percent_of_noise(tmp_path: Path) -> None:
    """Rounding to sigma/4 adds a variance of (1/4)^2 / 12 = 0.52 % of sigma squared."""
    pixels = np.random.default_rng(8).normal(300, 12, (N, N)).astype("f4")
    found = []
    for kind in ({"kind": "float"}, {"kind": "steps", "step_sigma": 0.25}):
        slot = tmp_path / str(kind["kind"])
        unit, inputs = make(slot, pixels, output=kind)
        found.append(computed(slot, unit, inputs)[0])
    good = ~np.isnan(found[0])
    assert np.array_equal(good, ~np.isnan(found[1]))
    error = (found[1][good] - found[0][good]).astype(float)
    assert np.abs(error).max() <= 1.5 + 1e-3
    assert error.var() / 144 == pytest.approx(0.25**2 / 12, rel=0.05)
