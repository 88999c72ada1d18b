"""Flux scales: the same stars in every frame, summed in one aperture.

Stars are found in the reference frame. In each frame their flux is summed within radii from small
to large above a local background; the one radius used is the smallest that holds nearly all light
in the frame of the worst seeing, so that unlike seeing does not pass for unlike flux.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HALF = 24
"""Pixels from a star's middle to the edge of its cut-out."""
RADII = (3.0, 4.0, 6.0, 8.0, 11.0, 15.0)
"""Radii of apertures, pixels."""
RING = (18.0, 24.0)
"""Where a star's local background is taken."""
HELD = 0.995
"""Share of the light that the aperture must hold in every frame: unlike seeing then changes a ratio
of fluxes by less than 0.5 %. What lies outside is measured, and corrected for where it is certain.
"""
CERTAIN = 3.0
"""Standard errors by which the light outside must be unlike: else a correction adds its noise."""
DETECTION = 20.0
"""Peak of a star over its background, in standard deviations of the sky in a pixel."""
ISOLATION = 12
"""Pixels within which no other peak may be brighter than a tenth of a star's."""
MAX_STARS = 300
"""Brightest stars used; their ratios' mean is then good to a hundredth of one star's."""
MIN_STARS = 5
"""Stars that a scale needs."""
_MOST_STEPS = 30
"""Newton's steps to the common scatter: eight are usual."""
SHARP = 0.15
"""Mean of the eight neighbours over the peak below which a peak is a hot pixel or a cosmic ray: a
star of 1.2 pixels full width at half maximum has 0.2."""

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

_Y, _X = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]
_DISTANCE = np.hypot(_X, _Y)
_INNER, _OUTER = RING
_IN_RING = np.flatnonzero((_DISTANCE >= _INNER) & (_DISTANCE <= _OUTER))
_INSIDE = tuple(np.flatnonzero(np.less_equal(_DISTANCE, radius)) for radius in RADII)


@dataclass(frozen=True, slots=True)
class FluxScale:
    """A frame's flux scale.

    Attributes
    ----------
    value : float
        Flux of the reference over flux of the frame; 1 if it was not measured.
    error : float or None
        Standard error; None if it was not measured.
    n_star : int
        Stars it rests on.
    remark : str
        Why it was not measured; else empty.
    """

    value: float
    error: float | None
    n_star: int
    remark: str = ""


def find_peaks(rows: Floats, noise: float, saturation: float) -> list[tuple[float, int, int]]:
    """Return stars' peaks in some rows: height over the rows' median, row, column.

    The first and last `HALF` rows are there for the others' neighbourhood only.

    Parameters
    ----------
    rows : ndarray
        float32 (n_row, nx).
    noise : float
        Standard deviation of the sky in one of these pixels.
    saturation : float
        Value from which a peak is no star's.
    """
    filled = np.nan_to_num(rows, nan=-np.inf)
    finite = rows[::4, ::4][np.isfinite(rows[::4, ::4])]
    if not len(finite):
        return []
    level = float(np.median(finite))
    peak = highest_around(filled)
    candidate = (filled == peak) & (filled > level + DETECTION * noise) & (filled < saturation)
    candidate[:HALF] = candidate[max(HALF, len(rows) - HALF) :] = False
    candidate[:, :HALF] = candidate[:, max(HALF, rows.shape[1] - HALF) :] = False
    found = []
    for y, x in zip(*np.nonzero(candidate), strict=True):
        height = float(rows[y, x]) - level
        around = float(rows[y - 1 : y + 2, x - 1 : x + 2].sum(dtype=np.float64)) - 9 * level
        if (around - height) / 8 >= SHARP * height:
            found.append((height, int(y), int(x)))
    return found


def highest_around(rows: Floats) -> Floats:
    """Return the highest value within three rows and columns of each pixel, float32 (ny, nx).

    scipy's ``maximum_filter`` of size 7 gives the same; importing it takes longer than stacking a
    few frames. Maxima over 2, 4 and then 7 pixels are made of each other.
    """
    reach = np.pad(rows, 3, constant_values=-np.inf)
    for axis in (0, 1):
        along = np.moveaxis(reach, axis, 0)
        two = np.maximum(along[:-1], along[1:])
        four = np.maximum(two[:-2], two[2:])
        reach = np.moveaxis(np.maximum(four[:-3], four[3:]), 0, axis)
    return reach


def choose_stars(peaks: Sequence[tuple[float, int, int]]) -> NDArray[np.int64]:
    """Return rows and columns of the brightest isolated peaks, int64 (n, 2)."""
    ranked = sorted(peaks, key=lambda peak: (-peak[0], peak[1], peak[2]))[: 10 * MAX_STARS]
    heights = np.array([height for height, _, _ in ranked])
    places = np.array([place for _, *place in ranked], dtype=np.int64).reshape(-1, 2)
    chosen = []
    for number in range(len(ranked)):
        off = np.abs(places - places[number]).max(axis=1)
        near = (off <= ISOLATION) & (heights > 0.1 * heights[number])
        if near.sum() == 1:
            chosen.append(number)
        if len(chosen) == MAX_STARS:
            break
    return places[chosen]


class Cutouts:
    """Squares round the stars of one frame, filled while the frame's rows go by.

    Parameters
    ----------
    stars : ndarray
        int64 (n_star, 2): rows and columns of the grid.
    """

    def __init__(self, stars: NDArray[np.int64]) -> None:
        self.stars = stars
        side = 2 * HALF + 1
        self.pixels = np.full((len(stars), side, side), np.nan, np.float32)

    def add(self, rows: Floats, y0: int, x0: int) -> None:
        """Take what belongs to the stars from rows that begin at (y0, x0) of the grid."""
        stop, end = y0 + len(rows), x0 + rows.shape[1]
        near = (self.stars[:, 0] + HALF >= y0) & (self.stars[:, 0] - HALF < stop)
        for number in np.flatnonzero(near):
            y, x = self.stars[number] - HALF
            side = 2 * HALF + 1
            top, bottom = max(y, y0), min(y + side, stop)
            left, right = max(x, x0), min(x + side, end)
            if right > left:
                self.pixels[number, top - y : bottom - y, left - x : right - x] = rows[
                    top - y0 : bottom - y0, left - x0 : right - x0
                ]

    def levels(self) -> Doubles:
        """Return the local backgrounds, float64 (n_star); NaN where too little of one is there."""
        ring = self._within(_IN_RING)
        ring[~np.isfinite(ring)] = np.nan
        ring.sort(axis=1)  # NaN goes last
        count = np.isfinite(ring).sum(axis=1)
        star, last = np.arange(len(ring)), len(_IN_RING) - 1
        low, high = (
            ring[star, np.clip(place, 0, last)].astype(np.float64)
            for place in ((count - 1) // 2, count // 2)
        )
        return np.where(count >= len(_IN_RING) // 2, 0.5 * (low + high), np.nan)

    def growth(self, levels: Doubles, saturation: float) -> Doubles:
        """Return fluxes within `RADII`, float64 (n_star, n_radius); NaN where one is not whole.

        Parameters
        ----------
        levels : ndarray
            From `levels`.
        saturation : float
            Pixel value from which a star's flux is not believed.
        """
        inner = self._within(_INSIDE[-1])
        whole = np.isfinite(inner).all(axis=1) & np.isfinite(levels)
        whole[whole] = inner[whole].max(axis=1) < saturation
        fluxes = np.full((len(self.stars), len(RADII)), np.nan)
        level = levels[whole, np.newaxis]
        for place, inside in enumerate(_INSIDE):
            above = self._within(inside)[whole].astype(np.float64) - level
            fluxes[whole, place] = above.sum(axis=1)
        return fluxes

    def _within(self, places: NDArray[np.int64]) -> Floats:
        """Return the pixels at some places of each square, float32 (n_star, n), as a copy."""
        return np.take(self.pixels.reshape(len(self.pixels), _DISTANCE.size), places, axis=1)


def choose_radius(growths: Sequence[Doubles]) -> int:
    """Return the place in `RADII` of the smallest that holds `HELD` of the light in all frames."""
    place = 0
    for growth in growths:
        bright = growth[growth[:, -1] > 0]
        if len(bright) < MIN_STARS:
            continue
        held = np.median(bright / bright[:, -1:], axis=0)
        within = np.flatnonzero(held >= HELD)
        place = max(place, int(within[0]))
    return place


def flux_scale(
    reference: Doubles,
    frame: Doubles,
    radius: int,
    noises: tuple[float, float],
    gains: tuple[float | None, float | None] = (None, None),
) -> FluxScale:
    """Return a frame's flux scale.

    Parameters
    ----------
    reference, frame : ndarray
        Growth curves of the same stars.
    radius : int
        Place of the aperture in `RADII`.
    noises : tuple[float, float]
        Standard deviations of the sky in a pixel of the reference and of the frame.
    gains : tuple
        Their electrons for each unit of flux; None if it is not known.

    Notes
    -----
    The weighted mean of the logarithms of the ratios, those beyond 3 standard deviations set apart
    (variable stars, cosmic rays). The noise of sky and photons is not all that they scatter by:
    flats do, and where on a pixel a star falls changes fluxes of stars 1 pixel wide by 4 %.
    What they scatter by on top is given to all alike, since else a few bright stars would decide.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.log(reference[:, radius] / frame[:, radius])
        area = math.pi * RADII[radius] ** 2
        # The local background adds the noise of its own mean over the aperture.
        area *= 1 + area / (math.pi * (RING[1] ** 2 - RING[0] ** 2))
        variance = area * (
            (noises[0] / reference[:, radius]) ** 2 + (noises[1] / frame[:, radius]) ** 2
        )
        for gain, growth in zip(gains, (reference, frame), strict=True):
            if gain is not None:
                variance += 1 / (gain * growth[:, radius])
    # Two negative fluxes have a ratio, too, but photons would take from its variance.
    good = np.isfinite(ratio) & (variance < 0.01) & (reference[:, radius] > 0)
    ratio, weight = ratio[good], 1 / variance[good]
    for _ in range(10):
        if len(ratio) < MIN_STARS:
            remark = f"Fewer than {MIN_STARS} stars are common with the reference."
            return FluxScale(1.0, None, len(ratio), remark)
        spread = 1.4826 * float(np.median(np.abs(ratio - np.median(ratio))))
        allowed = 3 * np.maximum(spread, np.sqrt(1 / weight))
        kept = np.abs(ratio - np.median(ratio)) <= allowed
        if kept.all():
            break
        ratio, weight = ratio[kept], weight[kept]
    weight = _widened(ratio, 1 / weight)
    mean = float((weight * ratio).sum() / weight.sum())
    chi_square = float((weight * (ratio - mean) ** 2).sum()) / (len(ratio) - 1)
    error = math.sqrt(max(1.0, chi_square) / float(weight.sum()))
    outside, doubt = _unlike_light(reference, frame, radius, noises)
    value = math.exp(mean + outside)
    return FluxScale(value, value * math.hypot(error, doubt), len(ratio))


def _unlike_light(
    reference: Doubles, frame: Doubles, radius: int, noises: tuple[float, float]
) -> tuple[float, float]:
    """Return by how much more of the reference's light is outside of the aperture, and its error.

    In natural logarithms; 0 and 0 unless it is certain.
    """
    parts = [
        _outside(growth, radius, noise)
        for growth, noise in zip((reference, frame), noises, strict=True)
    ]
    if any(part is None for part in parts):
        return 0.0, 0.0
    (of_reference, error), (of_frame, other) = (part for part in parts if part is not None)
    difference, doubt = of_reference - of_frame, math.hypot(error, other)
    return (difference, doubt) if abs(difference) > CERTAIN * doubt else (0.0, 0.0)


def _outside(growth: Doubles, radius: int, noise: float) -> tuple[float, float] | None:
    """Return the logarithm of all light over that in the aperture, and its error.

    None if too few stars are bright enough. Light beyond the largest radius is not counted.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.log(growth[:, -1] / growth[:, radius])
        ring = math.pi * (RADII[-1] ** 2 - RADII[radius] ** 2)
        ring *= 1 + ring / (math.pi * (RING[1] ** 2 - RING[0] ** 2))
        variance = ring * (noise / growth[:, radius]) ** 2
    good = np.isfinite(ratio) & (variance < 0.01) & (growth[:, radius] > 0)
    ratio, variance = ratio[good], variance[good]
    if len(ratio) < MIN_STARS or RADII[radius] == RADII[-1]:
        return None
    # Neighbours and cosmic rays in the ring make a few far too bright.
    spread = 1.4826 * float(np.median(np.abs(ratio - np.median(ratio))))
    kept = np.abs(ratio - np.median(ratio)) <= 3 * np.maximum(spread, np.sqrt(variance))
    if kept.sum() < MIN_STARS:
        return None
    weight = _widened(ratio[kept], variance[kept])
    return float((weight * ratio[kept]).sum() / weight.sum()), float(weight.sum()) ** -0.5


def _widened(ratio: Doubles, variance: Doubles) -> Doubles:
    """Return the weights of ratios that scatter by a common variance on top of their own.

    The common one is that with which the weighted squares of the residuals are as many as degrees
    of freedom (Paule & Mandel 1982, J. Res. NBS 87, 377); 0 if they are fewer already.
    """
    extra = 0.0
    for _ in range(_MOST_STEPS):
        weight = 1 / (variance + extra)
        residual = ratio - float((weight * ratio).sum() / weight.sum())
        excess = float((weight * residual**2).sum()) - (len(ratio) - 1)
        if excess <= 1e-6 * len(ratio):
            break
        # Newton's step; the sum is convex in the variance, so that none goes too far.
        extra += excess / float((weight**2 * residual**2).sum())
    return 1 / (variance + extra)
