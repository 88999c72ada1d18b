"""Measures of a stack: fluxes of stars, noise over the optimum, its own word on it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import ndimage

from bench.truth.scenes import Scene
from bench.truth.sky import WIDTH_OF_SIGMA, Doubles, Stars, Taken, header, paint
from bench.truth.stacks import Stack, grid_side

BINS = (3e3, 3e4, 2e5, 1e6)
"""Edges of the bins of brightness."""
WINDOW = 2.0
"""Standard deviation, pixels, of the Gaussian that sums are weighted by: some 25 pixels, as a small
aperture has. A square of 1000 pixels has 20,000 of them, which tell a variance to 1 %."""
EDGE = 24
_OVER = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """Measures of a stack, against the truth.

    Attributes
    ----------
    program : str
        Which made it.
    bias, scatter : tuple[float, ...]
        Relative, of the fluxes of stars, in each bin of brightness.
    noise_ratio : float
        Noise of sums over that of an inverse-variance weighted mean of all frames.
    weight_error : float or None
        Variance that the weights say over the measured one, less 1: the worst of all parts.
    position : float
        Median distance of the bright stars' centroids from the truth, milliarcseconds.
    survivors, on_trails : int
        Pixels of cosmic rays and of trails above 5 standard deviations, where three frames are.
    seconds : float
        CPU.
    ratios : ndarray
        float64 (n_star): measured over true flux of each star; NaN where it cannot be measured.
    """

    program: str
    bias: tuple[float, ...]
    scatter: tuple[float, ...]
    noise_ratio: float
    weight_error: float | None
    position: float
    survivors: int
    on_trails: int
    seconds: float
    ratios: Doubles = field(repr=False)


def measure(scene: Scene, stars: Stars, taken: Sequence[Taken], stack: Stack) -> Measured:
    """Measure a stack against the truth."""
    n = grid_side(scene)
    grid = WCS(header(n, scene.scale))
    at = np.array(grid.wcs_world2pix(stars.ra, stars.dec, 0))
    widest = max(exposure.how.fwhm for exposure in taken) / scene.scale
    light = paint(n, at, stars.flux * stack.transparency, widest)
    optimum = optimum_variance(scene, taken, grid) * stack.transparency**2
    usual = float(np.sqrt(np.nanmedian(optimum)))
    hits = _on_grid([(exposure, exposure.hits) for exposure in taken], grid, n)
    trails = _on_grid([(exposure, exposure.trails) for exposure in taken], grid, n)
    lit = ndimage.binary_dilation(light > 0.05 * usual, iterations=2)
    struck = ndimage.binary_dilation(hits | trails, iterations=3)
    image = stack.image - background(np.where(lit | struck, np.nan, stack.image))
    quiet = np.isfinite(image) & ~lit & ~struck
    quiet[:EDGE] = quiet[-EDGE:] = False
    quiet[:, :EDGE] = quiet[:, -EDGE:] = False
    ratios = fluxes(image, at, stars.flux * stack.transparency, 2.5 * widest)
    bias, scatter = in_bins(ratios, stars.flux)
    sums, of_optimum = normal_sums(image, quiet, optimum)
    noise_ratio = clipped(sums / np.sqrt(of_optimum))
    error = None if stack.weight is None else weight_error(scene, image, quiet, stack.weight)
    bright = stars.flux >= BINS[-2]
    off = offsets(image, at[:, bright], widest)
    # Of two frames nobody can tell which is right.
    left = (image > 5 * usual) & ~lit & (reached(taken, grid, n) >= 3)
    return Measured(
        program=stack.program,
        bias=bias,
        scatter=scatter,
        noise_ratio=noise_ratio,
        weight_error=error,
        position=1e3 * scene.scale * float(np.nanmedian(off)),
        survivors=int((left & hits).sum()),
        on_trails=int((left & trails & ~hits).sum()),
        seconds=stack.seconds,
        ratios=ratios,
    )


def optimum_variance(scene: Scene, taken: Sequence[Taken], grid: WCS) -> Doubles:
    """Return the least variance of a pixel of the grid in areas, for a unit transparency.

    A pixel of the grid is ``a`` of a frame's, whose flux has a variance of ``a sigma**2``.
    """
    n = grid_side(scene)
    sky = _directions(grid, n)
    total = np.zeros(n * n)
    for exposure in taken:
        place = WCS(exposure.header).wcs_world2pix(sky, 0).round().astype(int)
        inside = ((place >= 0) & (place < exposure.side)).all(axis=1)
        sigma = exposure.how.sigma(exposure.side)[place[inside, 1], place[inside, 0]]
        area = (scene.scale / exposure.how.scale) ** 2
        total[inside] += exposure.how.transparency**2 / (area * sigma**2)
    with np.errstate(divide="ignore"):
        return (1.0 / total).reshape(n, n)


def reached(taken: Sequence[Taken], grid: WCS, n: int) -> NDArray[np.int64]:
    """Return how many frames reach each pixel of the grid, int64 (n, n)."""
    sky = _directions(grid, n)
    count = np.zeros(n * n, np.int64)
    for exposure in taken:
        place = WCS(exposure.header).wcs_world2pix(sky, 0)
        count += ((place >= 0) & (place <= exposure.side - 1)).all(axis=1)
    return count.reshape(n, n)


def _directions(grid: WCS, n: int) -> Doubles:
    """Return right ascension and declination of all pixels of a grid, degrees, (n * n, 2)."""
    y, x = np.mgrid[0:n, 0:n]
    return np.asarray(grid.wcs_pix2world(np.column_stack([x.ravel(), y.ravel()]), 0))


def weight_error(scene: Scene, image: Doubles, quiet: NDArray[np.bool_], weight: Doubles) -> float:
    """Return the error of the variance that weights say, in the part where it is worst."""
    with np.errstate(divide="ignore"):
        variance = np.where(weight > 0, 1.0 / weight, np.nan)
    worst = 0.0
    for _, (begin, end) in scene.parts:
        part = np.zeros_like(quiet)
        n = quiet.shape[1]
        # Where two parts meet, pixels of both are in a frame that is turned.
        part[
            :, int(begin * n) + (EDGE if begin else 0) : int(end * n) - (EDGE if end < 1 else 0)
        ] = 1
        sums, said = normal_sums(image, quiet & part, variance)
        error = 1.0 / clipped(sums / np.sqrt(said)) ** 2 - 1.0
        worst = error if abs(error) > abs(worst) else worst
    return worst


def normal_sums(
    image: Doubles, quiet: NDArray[np.bool_], variance: Doubles
) -> tuple[Doubles, Doubles]:
    """Return sums weighted by a Gaussian, and the variance that independent pixels would give."""
    reach = int(4 * WINDOW)
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / WINDOW) ** 2)
    known = quiet & np.isfinite(variance)

    def summed(plane: Doubles, weights: Doubles) -> Doubles:
        plane = np.where(known, plane, 0.0)
        for axis in (0, 1):
            plane = ndimage.convolve1d(plane, weights, axis=axis, mode="constant")
        return plane

    whole = summed(np.ones_like(image), line) > 0.9 * line.sum() ** 2
    return summed(image, line)[whole], summed(variance, line**2)[whole]


def fluxes(image: Doubles, at: Doubles, flux: Doubles, radius: float) -> Doubles:
    """Return measured over true fluxes in circles, float64 (n_star); NaN where one is not whole."""
    return np.array([aperture(image, x, y, radius) for x, y in at.T]) / flux


def in_bins(ratios: Doubles, flux: Doubles) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return median less 1, and scatter, of the ratios in bins of true fluxes."""
    bias, scatter = [], []
    for low, high in itertools.pairwise(BINS):
        inside = np.isfinite(ratios) & (flux >= low) & (flux < high)
        enough = inside.sum() > 4
        bias.append(float(np.median(ratios[inside]) - 1) if enough else float("nan"))
        scatter.append(robust(ratios[inside]) if enough else float("nan"))
    return tuple(bias), tuple(scatter)


def aperture(image: Doubles, x: float, y: float, radius: float) -> float:
    """Return the flux in a circle above the level around; NaN if it is not whole."""
    reach = int(radius + 8)
    i, j = round(x), round(y)
    if min(i, j) < reach + 4 or max(i, j) >= len(image) - reach - 4:
        return float("nan")
    stamp = image[j - reach : j + reach + 1, i - reach : i + reach + 1]
    offset = np.arange(-reach, reach + 1)
    distance = np.hypot(offset + i - x, (offset + j - y)[:, np.newaxis])
    ring = stamp[(distance > radius + 2) & (distance < radius + 7)]
    fine = np.arange(-reach - 0.5 + 0.5 / _OVER, reach + 0.5, 1 / _OVER)
    inside = np.hypot(fine + i - x, (fine + j - y)[:, np.newaxis]) < radius
    share = inside.reshape(2 * reach + 1, _OVER, 2 * reach + 1, _OVER).mean(axis=(1, 3))
    light = (stamp - np.nanmedian(ring)) * share
    return float(light[share > 0].sum())


def offsets(image: Doubles, at: Doubles, fwhm: float) -> Doubles:
    """Return the distances of stars' windowed centroids from their places, pixels; NaN if lost.

    The window is a Gaussian of the stars' width (Bertin's ``XWIN_IMAGE``), and follows the star.
    """
    sigma = fwhm / WIDTH_OF_SIGMA
    reach = round(4 * sigma)
    distances = np.full(at.shape[1], np.nan)
    for number, (x, y) in enumerate(at.T):
        i, j = round(x), round(y)
        if min(i, j) < reach or max(i, j) >= len(image) - reach:
            continue
        stamp = image[j - reach : j + reach + 1, i - reach : i + reach + 1]
        if not np.isfinite(stamp).all():
            continue
        along, across = np.arange(-reach, reach + 1) + i, np.arange(-reach, reach + 1) + j
        u, v = x, y
        for _ in range(8):
            window = np.exp(-0.5 * ((across - v) / sigma) ** 2)[:, np.newaxis]
            light = stamp * window * np.exp(-0.5 * ((along - u) / sigma) ** 2)
            u += 2 * float((light * (along - u)).sum() / light.sum())
            v += 2 * float((light * (across - v)[:, np.newaxis]).sum() / light.sum())
        distances[number] = np.hypot(u - x, v - y)
    return distances


def background(image: Doubles, block: int = 64) -> Doubles:
    """Return the level of the sky: medians of blocks, linear in between."""
    n = len(image)
    count = max(1, n // block)
    edges = np.linspace(0, n, count + 1).astype(int)
    medians = np.array(
        [[_median(image[a:b, c:d]) for c, d in itertools.pairwise(edges)]
         for a, b in itertools.pairwise(edges)]
    )  # fmt: skip
    medians[~np.isfinite(medians)] = np.nanmedian(medians)
    at = np.interp(np.arange(n), (edges[:-1] + edges[1:] - 1) / 2, np.arange(count))
    y, x = np.meshgrid(at, at, indexing="ij")
    return np.asarray(ndimage.map_coordinates(medians, [y, x], order=1, mode="nearest"))


def robust(values: Doubles) -> float:
    """Return the standard deviation that the median absolute deviation tells."""
    return float(1.482602 * np.median(np.abs(values - np.median(values))))


def clipped(values: Doubles) -> float:
    """Return the standard deviation of what is within four of them, three rounds."""
    kept = values
    for _ in range(3):
        kept = kept[np.abs(kept - np.median(kept)) < 4 * kept.std()]
    return float(kept.std())


def _median(values: Doubles) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) > 50 else float("nan")


def _on_grid(
    marked: Sequence[tuple[Taken, NDArray[np.bool_]]], grid: WCS, n: int
) -> NDArray[np.bool_]:
    """Return the pixels of the grid that a marked pixel of any frame is in."""
    hits = np.zeros((n, n), bool)
    for exposure, pixels in marked:
        y, x = np.nonzero(pixels)
        if not len(x):
            continue
        sky = WCS(exposure.header).wcs_pix2world(np.column_stack([x, y]), 0)
        place = grid.wcs_world2pix(sky, 0).round().astype(int)
        place = place[((place >= 0) & (place < n)).all(axis=1)]
        hits[place[:, 1], place[:, 0]] = True
    return hits
