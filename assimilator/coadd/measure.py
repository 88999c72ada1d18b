"""Look through each frame once: the levels of its blocks, and its stars; then match all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assimilator.coadd import photometry, sky
from assimilator.coadd.frames import Source
from assimilator.coadd.options import SURFACES, Options
from assimilator.coadd.photometry import HALF, RADII, Cutouts, FluxScale
from assimilator.coadd.sky import BLOCK

STEP = 4 * BLOCK
"""Rows that are looked at together: a row of tiles, as frames have them."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grid:
    """Size of the reference grid, pixels."""

    nx: int
    ny: int

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of blocks; the last ones may stand out over the edge."""
        return -(-self.ny // BLOCK), -(-self.nx // BLOCK)


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """How each frame is brought to the reference; all in the order of the sources given.

    Attributes
    ----------
    reference : int
        Place of the reference.
    scales : tuple[FluxScale, ...]
        Flux scales.
    surfaces : Surfaces
        Backgrounds relative to the reference, in its flux units.
    weight : ndarray
        float64 (n_frame): inverse variance of the sky after scaling.
    radius : float or None
        Of the aperture that the scales were measured in, pixels.
    """

    reference: int
    scales: tuple[FluxScale, ...]
    surfaces: sky.Surfaces
    weight: Doubles
    radius: float | None

    @property
    def scale(self) -> Doubles:
        """Values of the scales, float64 (n_frame)."""
        return np.array([one.value for one in self.scales])


def choose_reference(sources: Sequence[Source], name: str) -> int:
    """Return the place of the frame of that name; else of the one of most weight."""
    for place, source in enumerate(sources):
        if name and source.frame.name == name:
            return place
    sizes = [one.frame.nx * one.frame.ny / one.sky_variance for one in sources]
    return int(np.argmax(sizes))


def match(sources: Sequence[Source], grid: Grid, options: Options) -> Matched:
    """Measure all frames and match them to the reference.

    Parameters
    ----------
    sources : sequence of Source
        In the order of their digests.
    grid : Grid
        What all of them are on.
    options : Options
        What is matched, and how.
    """
    reference = choose_reference(sources, options.reference)
    stars = np.empty((0, 2), np.int64)
    if options.flux == "stars" and len(sources) > 1:
        stars = _find_stars(sources[reference])
    levels, growths = [], []
    idle = options.background == "none" and not len(stars)
    for source in sources:
        level, growth = _nothing_seen(grid, stars) if idle else _look(source, grid, stars)
        levels.append(level)
        growths.append(growth)
    radius = photometry.choose_radius(growths)
    scales = tuple(_scale(sources, growths, reference, place, radius, options)
                   for place in range(len(sources)))  # fmt: skip
    scale = np.array([one.value for one in scales])
    weight = 1.0 / (scale**2 * np.array([one.sky_variance for one in sources]))
    n_term = SURFACES[options.background]
    size = (grid.ny, grid.nx)
    surfaces = sky.match_backgrounds(levels, size, scale, weight, reference, n_term)
    return Matched(reference, scales, surfaces, weight, RADII[radius] if len(stars) else None)


def _scale(
    sources: Sequence[Source],
    growths: Sequence[Doubles],
    reference: int,
    place: int,
    radius: int,
    options: Options,
) -> FluxScale:
    if place == reference:
        n_star = int(np.isfinite(growths[reference][:, radius]).sum())
        return FluxScale(1.0, 0.0, n_star, "The reference.")
    if options.flux == "none":
        return FluxScale(1.0, None, 0, "Fluxes were to be left as they are.")
    noises = tuple(math.sqrt(sources[one].sky_variance) for one in (reference, place))
    return photometry.flux_scale(growths[reference], growths[place], radius, (noises[0], noises[1]))


def _find_stars(source: Source) -> NDArray[np.int64]:
    """Return rows and columns of the grid of the reference's stars, int64 (n, 2)."""
    frame = source.frame
    peaks: list[tuple[float, int, int]] = []
    for start in range(0, frame.ny, STEP):
        first, last = max(0, start - HALF), min(frame.ny, start + STEP + HALF)
        rows = frame.rows(first, last)[0]
        found = photometry.find_peaks(rows, frame.noise, source.saturation)
        peaks += [
            (height, y + first + frame.y0, x + frame.x0)
            for height, y, x in found
            if start <= y + first < start + STEP
        ]
    return photometry.choose_stars(peaks)


def _nothing_seen(grid: Grid, stars: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
    """Return what `_look` says of a frame that has nothing."""
    return np.full(grid.blocks, np.nan), Cutouts(stars).growth(math.inf)


def _look(source: Source, grid: Grid, stars: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
    """Return a frame's block levels, and its stars' growth curves."""
    frame = source.frame
    levels = np.full(grid.blocks, np.nan)
    cutouts = Cutouts(stars)
    # Whole blocks of the grid, so that a block's level does not depend on how the frame is read.
    for start in range(frame.y0 // STEP * STEP, frame.y0 + frame.ny, STEP):
        first, last = max(start, frame.y0), min(start + STEP, frame.y0 + frame.ny)
        rows = frame.rows(first - frame.y0, last - frame.y0)[0]
        cutouts.add(rows, first, frame.x0)
        for block in range(first // BLOCK, -(-last // BLOCK)):
            begin, end = max(first, block * BLOCK), min(last, (block + 1) * BLOCK)
            levels[block] = sky.block_levels(
                rows[begin - first : end - first], frame.x0, grid.blocks[1]
            )
    return levels, cutouts.growth(source.saturation)
