"""Frames that are finer than the grid, and undersampled ones: light, noise and resolution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from apps.images.compute.app import OUTPUT_FILE
from apps.images.compute.built import load_kernel
from apps.images.compute.computing import run
from apps.images.output import open_reprojection_output
from apps.runtime.runtime import open_runtime
from tests.reprojection_units import (
    Transform,
    frame_settings,
    seal_unit,
    unit_settings,
    write_frame,
)

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

FLOAT = {"kind": "float"}


def turned(frame: tuple[int, int], window: int, scale: float, angle: float) -> Transform:
    """Return a turn about both middles; a pixel of the window is `scale` pixels of the frame."""
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))

    def transform(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, v = x - 0.5 * (window - 1), y - 0.5 * (window - 1)
        return c * u - s * v + 0.5 * (frame[1] - 1), s * u + c * v + 0.5 * (frame[0] - 1)

    return transform


def stars(shape: tuple[int, int], x: np.ndarray, y: np.ndarray, sigma: float) -> np.ndarray:
    """Return Gaussian stars of unit flux, integrated over pixels."""

    def along(centre: float, n: int) -> np.ndarray:
        edges = erf((np.arange(n + 1) - 0.5 - centre) / (sigma * np.sqrt(2)))
        return 0.5 * np.diff(edges)

    return sum(np.outer(along(b, shape[0]), along(a, shape[1])) for a, b in zip(x, y, strict=True))


def brought(
    directory: Path, pixels: np.ndarray, window: int, transform: Transform, **changes: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return values and variances of a frame on the grid, by the whole app."""
    directory.mkdir(parents=True, exist_ok=True)
    write_frame(
        directory / "frame_00.fits", pixels.astype("f4"), (window, window), transform, step=16
    )
    frame = frame_settings((window, window), x0=0, y0=0)
    settings = unit_settings([frame], **{"method": "area", "output": FLOAT, **changes})
    unit, inputs = seal_unit(directory, settings)
    with open_runtime(directory) as runtime:
        run(unit, inputs, directory / OUTPUT_FILE, runtime)
    with open_reprojection_output(directory / OUTPUT_FILE) as output:
        return output.frames[0].rows(0, window)


@pytest.mark.parametrize("flux", ["conserve", "surface_brightness"])
@pytest.mark.parametrize(("scale", "angle"), [(4.0, 10.0), (20.0, 33.0), (2.0, 45.0), (7.3, 90.0)])
def test_light_is_kept_down_to_any_scale(
    tmp_path: Path, scale: float, angle: float, flux: str
) -> None:
    """Within 0.05 % of each star, where one sample in 4 or 400 pixels would be anywhere."""
    window, n = 36, int(40 * scale)
    transform = turned((n, n), window, scale, angle)
    rng = np.random.default_rng(4)
    x, y = (one.ravel() for one in np.meshgrid([8.0, 18.0, 27.0], [8.0, 18.0, 27.0]))
    x, y = x + rng.uniform(-0.5, 0.5, 9), y + rng.uniform(-0.5, 0.5, 9)
    pixels = 1e5 * stars((n, n), *transform(x, y), sigma=1.3)
    values, _ = brought(tmp_path, pixels, window, transform, flux=flux)
    row, column = np.indices((window, window))
    for a, b in zip(x, y, strict=True):
        near = (np.abs(column - a) < 4.5) & (np.abs(row - b) < 4.5)
        light = values[near].sum(dtype=float) * (1 if flux == "conserve" else scale**2)
        assert light == pytest.approx(1e5, rel=5e-4)


@pytest.mark.parametrize(("scale", "angle"), [(4.0, 10.0), (20.0, 33.0)])
def test_noise_is_that_of_all_pixels(tmp_path: Path, scale: float, angle: float) -> None:
    """In squares of 5 x 5 output pixels, where neighbours' shares add up to whole pixels.

    The optimum is the noise of as many pixels of the frame. With 36 squares a sky, 12 skies, the
    standard deviation is known to 1/(2 * 432)^0.5 = 3.4 %; the bound of 12 % is 3.5 of these, so
    that a false alarm comes in one run of 2000.
    """
    window, n = 36, int(60 * scale)
    transform = turned((n, n), window, scale, angle)
    rng = np.random.default_rng(5)
    sums, stated = [], []
    for number in range(12):
        values, variance = brought(
            tmp_path / str(number), rng.normal(0, 12, (n, n)), window, transform
        )
        squares = [
            one[3:33, 3:33].astype(float).reshape(6, 5, 6, 5).sum(axis=(1, 3)).ravel()
            for one in (values, variance)
        ]
        sums += squares[0].tolist()
        stated += squares[1].tolist()
    optimum = 12 * 5 * scale
    assert np.sqrt(stated) == pytest.approx(optimum, rel=1e-5)
    assert np.std(sums) == pytest.approx(optimum, rel=0.12)


def test_it_is_that_of_reproject_exact(tmp_path: Path) -> None:
    """Within 1e-5 of the noise: one clips on the sphere, the other in the frame."""
    reproject = pytest.importorskip("reproject")
    astropy_wcs, fits = pytest.importorskip("astropy.wcs"), pytest.importorskip("astropy.io.fits")
    grid = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 20.0, "CRPIX2": 18.0,
        "CRVAL1": 150.0, "CRVAL2": 2.2, "CD1_1": -1e-3, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-3,
    }  # fmt: skip
    c, s = (3.1e-4 * f(np.radians(17)) for f in (np.cos, np.sin))
    frame = {
        **grid, "CRPIX1": 70.3, "CRPIX2": 61.9, "CRVAL1": 150.002,
        "CD1_1": -float(c), "CD1_2": float(s), "CD2_1": float(s), "CD2_2": float(c),
    }  # fmt: skip
    source, target = (astropy_wcs.WCS(fits.Header(one)) for one in (frame, grid))

    def transform(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tuple(source.wcs_world2pix(*target.wcs_pix2world(x, y, 0), 0))

    pixels = np.random.default_rng(6).normal(300, 12, (120, 140)).astype("f4")
    window = 40
    values, _ = brought(tmp_path, pixels, window, transform, flux="surface_brightness")
    theirs, footprint = reproject.reproject_exact(
        (pixels.astype(float), source), target, shape_out=(window, window), parallel=False
    )
    good = ~np.isnan(values)
    assert good.sum() > 900
    assert (footprint[good] > 0.87).all()
    whole = good & (footprint > 1 - 1e-9)
    assert whole.sum() > 800
    assert np.abs(values[whole] - theirs[whole]).max() < 2e-3


@pytest.mark.parametrize(
    ("method", "scale", "pixfrac"),
    [("drizzle", 0.5, 0.5), ("drizzle", 1.0, 0.6), ("drizzle", 0.5, 1.0), ("area", 2.0, 1.0)],
)
def test_variances_of_dithered_frames_are_those_of_areas(
    tmp_path: Path, method: str, scale: float, pixfrac: float
) -> None:
    """The noise under Gaussian windows of 9.4 pixels FWHM, of means by weight of 8 frames.

    Nine windows in each of 20 skies know a variance to (2/180)^0.5 = 10.5 %. The bound of 40 % is
    3.8 of these: a false alarm in one of 1700 runs of the four.
    """
    rng, window, n_frame = np.random.default_rng(8), 64, 8
    n = int(window * scale) + 8
    row, column = np.indices((window, window))
    windows = np.array(
        [
            np.exp(-((row - a) ** 2 + (column - b) ** 2) / (2 * 4.0**2))
            for a in (16, 32, 48)
            for b in (16, 32, 48)
        ]
    )
    sums, stated = [], []
    for sky in range(20):
        total, weight = np.zeros((2, window, window))
        for number in range(n_frame):
            base, shift = turned((n, n), window, scale, 0.0), rng.uniform(-1, 1, 2)

            def transform(x: Any, y: Any, base: Any = base, shift: Any = shift) -> Any:
                return tuple(one + by for one, by in zip(base(x, y), shift, strict=True))

            pixels = rng.normal(0, 12, (n, n))
            slot = tmp_path / f"{sky}-{number}"
            values, variance = brought(
                slot, pixels, window, transform, method=method, pixfrac=pixfrac
            )
            good = ~np.isnan(values)
            total[good] += values[good] / variance[good]
            weight[good] += 1 / variance[good]
        inner = weight > 0
        mean = np.where(inner, total / np.where(inner, weight, 1), 0)
        spread = np.where(inner, 1 / np.where(inner, weight, 1), 0)
        sums += (windows * mean).sum(axis=(1, 2)).tolist()
        stated += (windows**2 * spread).sum(axis=(1, 2)).tolist()
    assert np.mean(np.square(sums)) == pytest.approx(np.mean(stated), rel=0.4)


def undersampled(directory: Path, method: str, n_frame: int, **changes: Any) -> np.ndarray:
    """Return the mean of dithered frames, of stars of 1.2 pixels FWHM, on a grid twice as fine.

    Weighted by the inverse of each pixel's variance.
    """
    rng, window, n = np.random.default_rng(7), 96, 60
    total, count = np.zeros((window, window)), np.zeros((window, window))
    for number in range(n_frame):
        base = turned((n, n), window, 0.5, 0.0)
        dx, dy = rng.uniform(-1, 1, 2)

        def transform(x: Any, y: Any, base: Any = base, dx: Any = dx, dy: Any = dy) -> Any:
            u, v = base(x, y)
            return u + dx, v + dy

        x, y = (one.ravel() for one in np.meshgrid([30.0, 48.3, 66.0], [30.0, 47.6, 66.0]))
        pixels = 1e4 * stars((n, n), *transform(x, y), sigma=1.2 / 2.355)
        pixels += rng.normal(0, 1, pixels.shape)
        slot = directory / f"{method}{number}"
        values, variance = brought(slot, pixels, window, transform, method=method, **changes)
        good = ~np.isnan(values)
        total[good] += values[good] / variance[good]
        count[good] += 1 / variance[good]
    assert (count > 0).all()
    return total / count


def test_drizzle_keeps_light_and_resolution_of_dithered_frames(tmp_path: Path) -> None:
    """Two dozen frames of stars that are undersampled, FWHM 1.2 pixels.

    The sampled star has the pixel's width in it: variance 0.51^2 + 1/12 frame pixels squared. A
    drop of 0.5 and a pixel of the grid of 0.5 frame pixels add their own, (0.5^2 + 0.5^2) / 12; the
    whole pixel adds (1 + 0.5^2) / 12.
    """
    widths = {}
    for method, pixfrac in (("drizzle", 0.5), ("area", 1.0)):
        image = undersampled(tmp_path / method, method, 24, pixfrac=pixfrac)
        row, column = np.indices(image.shape)
        fluxes, spreads = [], []
        for a in (30.0, 48.3, 66.0):
            for b in (30.0, 47.6, 66.0):
                near = np.hypot(column - a, row - b) < 7
                light = image[near].sum()
                fluxes.append(light)
                radius = (column - a) ** 2 + (row - b) ** 2
                spreads.append((image * radius)[near].sum() / light / 2 / 4)
        assert np.mean(fluxes) == pytest.approx(1e4, rel=5e-3)
        assert np.std(fluxes) < 150
        widths[method] = float(np.mean(spreads))
    assert widths["drizzle"] < 0.95 * widths["area"]
    assert widths["drizzle"] == pytest.approx((1.2 / 2.355) ** 2 + 1 / 12 + 0.5 / 12, rel=0.1)
