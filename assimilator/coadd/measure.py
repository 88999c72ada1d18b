"""Look through each frame once: the levels of its blocks, and its stars; then match all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assimilator.coadd import photometry, sky
from assimilator.coadd.bins import BinFile, Bins
from assimilator.coadd.blanks import Blanks, CutStar, Trail
from assimilator.coadd.cores import core_parts, core_squares
from assimilator.coadd.cut_stars import CutStars
from assimilator.coadd.frames import Source
from assimilator.coadd.options import SURFACES, Options
from assimilator.coadd.photometry import HALF, RADII, Cutouts, FluxScale
from assimilator.coadd.sky import BLOCK
from assimilator.coadd.trails import find_trails

STEP = 4 * BLOCK
"""Rows that are looked at together: a row of tiles, as frames have them."""

Floats = NDArray[np.float32]
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
    core : ndarray
        float64 (n_frame): see `assimilator.coadd.cores.core_parts`.
    blanks : Blanks
        What is left out of each frame.
    """

    reference: int
    scales: tuple[FluxScale, ...]
    surfaces: sky.Surfaces
    weight: Doubles
    radius: float | None
    core: Doubles
    blanks: Blanks = field(default_factory=Blanks)

    @property
    def scale(self) -> Doubles:
        """Values of the scales, float64 (n_frame)."""
        return np.array([one.value for one in self.scales])


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What was seen of a frame: levels of blocks, growth curves and cores of stars, cut stars."""

    levels: Doubles
    growth: Doubles
    cores: Floats
    cut: tuple[CutStar, ...]


def choose_reference(sources: Sequence[Source], name: str) -> int:
    """Return the place of the frame of that name; else of the one of most weight."""
    for place, source in enumerate(sources):
        if name and source.frame.name == name:
            return place
    sizes = [one.frame.nx * one.frame.ny / one.sky_variance for one in sources]
    return int(np.argmax(sizes))


def match(
    sources: Sequence[Source], grid: Grid, options: Options, scratch: Path | None = None
) -> Matched:
    """Measure all frames and match them to the reference.

    Parameters
    ----------
    sources : sequence of Source
        In the order of their digests.
    grid : Grid
        What all of them are on.
    options : Options
        What is matched, and how.
    scratch : Path, optional
        A directory for a file of the frames' bins: one byte for 16 pixels of the grid and a frame.
        Without it trails are not looked for.
    """
    reference = choose_reference(sources, options.reference)
    stars = np.empty((0, 2), np.int64)
    if len(sources) > 1 and (options.flux == "stars" or options.clip == "noise"):
        stars = _find_stars(sources[reference])
    wanted = options.background != "none" or options.clip == "noise" or len(stars)
    with ExitStack() as stack:
        binned = None
        if scratch is not None and len(sources) > 1 and options.clip == "noise":
            binned = stack.enter_context(closing(BinFile(scratch, len(sources), grid)))
        seen = []
        for number, source in enumerate(sources):
            bins = None if binned is None else Bins(grid)
            seen.append(_look(source, grid, stars, bins) if wanted else _nothing_seen(grid, stars))
            if binned is not None and bins is not None:
                binned.planes[number] = bins.means()
        return _match(sources, seen, grid, options, reference, binned)


def _match(
    sources: Sequence[Source],
    seen: Sequence[_Seen],
    grid: Grid,
    options: Options,
    reference: int,
    binned: BinFile | None,
) -> Matched:
    growths = [one.growth for one in seen]
    radius = photometry.choose_radius(growths)
    scales = tuple(_scale(sources, growths, reference, place, radius, options)
                   for place in range(len(sources)))  # fmt: skip
    scale = np.array([one.value for one in scales])
    weight = 1.0 / (scale**2 * np.array([one.sky_variance for one in sources]))
    n_term = SURFACES[options.background]
    size = (grid.ny, grid.nx)
    levels = [one.levels for one in seen]
    surfaces = sky.match_backgrounds(levels, size, scale, weight, reference, n_term)
    core = core_parts([one.cores for one in seen], scale, weight)
    measured = options.flux == "stars" and len(growths[0]) > 0
    return Matched(
        reference,
        scales,
        surfaces,
        weight,
        RADII[radius] if measured else None,
        core,
        Blanks(
            stars=tuple(one.cut for one in seen), trails=_trails(binned, surfaces, scale, weight)
        ),
    )


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


def _nothing_seen(grid: Grid, stars: NDArray[np.int64]) -> _Seen:
    """Return what `_look` says of a frame that has nothing."""
    cutouts = Cutouts(stars)
    growth = cutouts.growth(math.inf)
    return _Seen(np.full(grid.blocks, np.nan), growth, core_squares(cutouts, growth), ())


def _trails(
    binned: BinFile | None, surfaces: sky.Surfaces, scale: Doubles, weight: Doubles
) -> tuple[tuple[Trail, ...], ...]:
    """Return the trails of each frame; nothing if they are not looked for."""
    if binned is None:
        return ()
    binned.compare(surfaces, scale, weight)
    return tuple(find_trails(np.array(plane)) for plane in binned.planes)


def _look(source: Source, grid: Grid, stars: NDArray[np.int64], bins: Bins | None) -> _Seen:
    """Look through the rows of a frame, and put them into bins."""
    frame = source.frame
    levels = np.full(grid.blocks, np.nan)
    cutouts = Cutouts(stars)
    cut = CutStars(math.sqrt(source.sky_variance), frame.x0)
    # Whole blocks of the grid, so that a block's level does not depend on how the frame is read.
    for start in range(frame.y0 // STEP * STEP, frame.y0 + frame.ny, STEP):
        first, last = max(start, frame.y0), min(start + STEP, frame.y0 + frame.ny)
        rows = frame.rows(first - frame.y0, last - frame.y0)[0]
        cutouts.add(rows, first, frame.x0)
        cut.add(rows, first)
        if bins is not None:
            bins.add(rows, first, frame.x0)
        for block in range(first // BLOCK, -(-last // BLOCK)):
            begin, end = max(first, block * BLOCK), min(last, (block + 1) * BLOCK)
            levels[block] = sky.block_levels(
                rows[begin - first : end - first], frame.x0, grid.blocks[1]
            )
    growth = cutouts.growth(source.saturation)
    return _Seen(levels, growth, core_squares(cutouts, growth), cut.finish())
