"""Look through each frame once: the levels of its blocks, and its stars; then match all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd import depth, photometry, sky
from apps.images.merge.coadd.bins import BinFile, Bins
from apps.images.merge.coadd.blanks import Blanks, CutStar, Trail
from apps.images.merge.coadd.cores import core_parts, core_squares
from apps.images.merge.coadd.cut_stars import CutStars
from apps.images.merge.coadd.frames import Source
from apps.images.merge.coadd.light import stack_levels
from apps.images.merge.coadd.options import SURFACES, Options
from apps.images.merge.coadd.photometry import HALF, RADII, Cutouts, FluxScale
from apps.images.merge.coadd.sky import BLOCK
from apps.images.merge.coadd.trails import find_trails
from boinc_project.parallel import parallel_map

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
        float64 (n_frame): inverse of the typical variance of the sky after scaling.
    radius : float or None
        Of the aperture that the scales were measured in, pixels.
    core : ndarray
        float64 (n_frame): see `apps.images.merge.coadd.cores.core_parts`.
    photon : ndarray
        float64 (n_frame): variance after scaling that a unit of light adds; 0 without a gain.
    light : ndarray
        float64 (n_block_y, n_block_x): level of the stack's sky, see `light.stack_levels`.
    limit : ndarray
        float64 (n_frame): see `depth.limits`.
    blanks : Blanks
        What is left out of each frame.
    fluxes : ndarray
        float64 (n_frame, n_star): of the stars that scales were measured with, after scaling; NaN
        where one is not whole.
    """

    reference: int
    scales: tuple[FluxScale, ...]
    surfaces: sky.Surfaces
    weight: Doubles
    radius: float | None
    core: Doubles
    photon: Doubles
    light: Doubles
    limit: Doubles
    blanks: Blanks = field(default_factory=Blanks)
    fluxes: Doubles = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def scale(self) -> Doubles:
        """Values of the scales, float64 (n_frame)."""
        return np.array([each.value for each in self.scales])


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What was seen of a frame.

    Levels of blocks, the variance of the sky, growth curves and cores of stars, and cut stars.
    """

    levels: Doubles
    variance: float
    growth: Doubles
    cores: Floats
    cut: tuple[CutStar, ...]


def match(
    sources: Sequence[Source],
    grid: Grid,
    options: Options,
    scratch: Path | None = None,
    jobs: int = 1,
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
    jobs : int
        Frames that are looked through at once.
    """
    reference, stars = _stars(sources, options)
    with ExitStack() as stack:
        binned = None
        if scratch is not None and len(sources) > 1 and options.clip == "noise":
            binned = stack.enter_context(closing(BinFile(scratch, len(sources), grid)))

        def look(number: int) -> _Seen:
            bins = None if binned is None else Bins(grid)
            seen = _look(sources[number], grid, stars, bins)
            if binned is not None and bins is not None:
                binned.planes[number] = bins.means()
            return seen

        every = list(parallel_map(look, range(len(sources)), jobs))
        return _match(sources, every, grid, options, reference, binned)


def _match(
    sources: Sequence[Source],
    seen: Sequence[_Seen],
    grid: Grid,
    options: Options,
    reference: int,
    binned: BinFile | None,
) -> Matched:
    growths = [look.growth for look in seen]
    variance = np.array([look.variance for look in seen])
    radius = photometry.choose_radius(growths)
    gains = [source.gain for source in sources]
    fluxes = _Fluxes(growths, variance, gains, radius, options)
    scales = fluxes.scales(reference)
    if depth.named(sources, options.reference) is None:
        reference = depth.deepest(sources, scales, variance)
        scales = fluxes.scales(reference)
    scale = np.array([each.value for each in scales])
    weight = 1.0 / (scale**2 * variance)
    n_term = SURFACES[options.background]
    size = (grid.ny, grid.nx)
    levels = [look.levels for look in seen]
    surfaces = sky.match_backgrounds(levels, size, scale, weight, reference, n_term)
    measured = options.flux == "stars" and len(growths[0]) > 0
    return Matched(
        reference=reference,
        scales=scales,
        surfaces=surfaces,
        weight=weight,
        radius=RADII[radius] if measured else None,
        core=core_parts([look.cores for look in seen], scale, weight),
        photon=np.array([0.0 if gain is None else 1.0 / gain for gain in gains]) * scale,
        light=stack_levels(levels, size, scale, surfaces),
        limit=depth.limits(sources, scales, variance),
        blanks=Blanks(
            stars=tuple(look.cut for look in seen), trails=_trails(binned, surfaces, scale, weight)
        ),
        fluxes=np.array([growth[:, radius] for growth in growths]) * scale[:, np.newaxis],
    )


@dataclass(frozen=True, slots=True)
class _Fluxes:
    """Growth curves of the stars in each frame, the variance of its sky, and its gain."""

    growths: Sequence[Doubles]
    variance: Doubles
    gains: Sequence[float | None]
    radius: int
    options: Options

    def scales(self, reference: int) -> tuple[FluxScale, ...]:
        """Return the flux scale of each frame relative to one of them."""
        return tuple(self._scale(reference, place) for place in range(len(self.growths)))

    def _scale(self, reference: int, place: int) -> FluxScale:
        if place == reference:
            count = int(np.isfinite(self.growths[place][:, self.radius]).sum())
            return FluxScale(1.0, 0.0, count, "The reference.")
        if self.options.flux == "none":
            return FluxScale(1.0, None, 0, "Fluxes were to be left as they are.")
        noises = np.sqrt(self.variance[[reference, place]])
        return photometry.flux_scale(
            self.growths[reference],
            self.growths[place],
            self.radius,
            (float(noises[0]), float(noises[1])),
            (self.gains[reference], self.gains[place]),
        )


def _stars(sources: Sequence[Source], options: Options) -> tuple[int, NDArray[np.int64]]:
    """Return a frame to begin with, and the stars in it: the named one, or one of many stars."""
    stars = np.empty((0, 2), np.int64)
    stated = depth.named(sources, options.reference)
    tried = depth.candidates(sources) if stated is None else [stated]
    first = tried[0]
    if len(sources) == 1 or (options.flux != "stars" and options.clip != "noise"):
        return first, stars
    for place in tried:
        seen = _find_stars(sources[place])
        if len(seen) > len(stars):
            first, stars = place, seen
        if len(stars) >= depth.ENOUGH_STARS:
            break
    return first, stars


def _find_stars(source: Source) -> NDArray[np.int64]:
    """Return rows and columns of the grid of the reference's stars, int64 (n, 2)."""
    frame = source.frame
    peaks: list[tuple[float, int, int]] = []
    for start in range(0, frame.ny, STEP):
        first, last = max(0, start - HALF), min(frame.ny, start + STEP + HALF)
        rows, spread = frame.rows(first, last)
        # Not the noise of the input: a pixel that averages or sums many of its pixels has another.
        noise = math.sqrt(_typical([_sampled(spread)], frame.noise))
        peaks += [
            (height, y + first + frame.y0, x + frame.x0)
            for height, y, x in photometry.find_peaks(rows, noise, source.saturation)
            if start <= y + first < start + STEP
        ]
    return photometry.choose_stars(peaks)


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
    cut: CutStars | None = None
    variances = []
    # Whole blocks of the grid, so that a block's level does not depend on how the frame is read.
    for start in range(frame.y0 // STEP * STEP, frame.y0 + frame.ny, STEP):
        first, last = max(start, frame.y0), min(start + STEP, frame.y0 + frame.ny)
        rows, spread = frame.rows(first - frame.y0, last - frame.y0)
        variances.append(_sampled(spread))
        cutouts.add(rows, first, frame.x0)
        if cut is None:
            cut = CutStars(math.sqrt(_typical(variances, frame.noise)), frame.x0)
        cut.add(rows, first)
        if bins is not None:
            bins.add(rows, first, frame.x0)
        for block in range(first // BLOCK, -(-last // BLOCK)):
            begin, end = max(first, block * BLOCK), min(last, (block + 1) * BLOCK)
            levels[block] = sky.block_levels(
                rows[begin - first : end - first], frame.x0, grid.blocks[1]
            )
    local = cutouts.levels()
    growth = cutouts.growth(local, source.saturation)
    return _Seen(
        levels=levels,
        variance=_typical(variances, frame.noise),
        growth=growth,
        cores=core_squares(cutouts, local, growth),
        cut=() if cut is None else cut.finish(),
    )


def _sampled(variance: Floats) -> Floats:
    """Return some of the variances that are known, (n).

    They come in blocks of 8 x 8, or change slowly: a value of each block says it.
    """
    sample = variance[::8, ::8]
    return sample[(sample > 0) & (sample < np.inf)]


def _typical(samples: Sequence[NDArray[np.float32]], noise: float) -> float:
    """Return the variance whose inverse is the mean of all inverses: what a frame weighs by.

    Variances below a tenth of the median count as such, because a few pixels of a map that claim
    to be perfect say nothing of the frame. If none is known, the noise of the frame stands in.
    """
    variances = np.concatenate(samples).astype(np.float64)
    if not len(variances):
        return noise * noise
    least = 0.1 * float(np.median(variances))
    return float(1.0 / np.mean(1.0 / np.maximum(variances, least)))
