"""Stack one band of rows, clipped by known noise: each value against the others of its pixel.

The standard deviation of few values says little: one of n is at most (n - 1) / sqrt(n) of them from
the mean, however far off. But the noise of each value is known. A value v of variance s is out if

    |v - c| - (b + b') R  >  sigma sqrt(s + u),

c being what the others say and u the variance of that. In the first round c is the lower median of
all values, because what spoils a value is nearly always light, and a lower median stands as many
spoilt values as good ones; u is then that of a median of values of unlike noise,
pi n / (2 (sum 1 / sqrt(s))**2). In the later rounds c is the weighted mean of the other values that
are still in.

R is the range of the middles in the 5 x 5 pixels around, less what their noise makes of it. Where
they differ much, as in the core of a star, frames of unlike seeing, and dithered ones of few pixels
a star, differ by a part b of it; that part is measured from stars for each frame
(`apps.images.merge.coadd.cores`). b' is that of the others, weighted as they are; 0 in the first
round, because b is measured against the middle. The Hubble pipeline's ``driz_cr`` allows for a
part of the gradient, for the same reason (Fruchter & Hook 2002, PASP 114, 144, section 4).

s is the larger of two: the variance of the frame's sky in the pixel and, where the gain is known,
of the photons of the middle of all values; and the variance of its sky times that by which the
values scatter more than their skies, around here. The second holds where no gain is stated. The
scatter is the shortest interval that holds more than half of the values (Rousseeuw & Leroy 1987),
which spoilt values do not widen, its median over 9 x 9 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd import plain_noise
from apps.images.merge.coadd.built import load_kernel
from apps.images.merge.coadd.clip import (
    PLAIN,
    Clip,
    Matching,
    Stacked,
    flat,
    flat_matching,
    levels,
    sorting_network,
)

_kernel = load_kernel()

REACH = 4
"""Pixels, each way, that a pixel's surroundings are."""
STEEP = 2
"""Pixels, each way, that a range is taken over: 5 x 5 hold a star's steep part."""
RANGE_OF_NOISE = 3.9
"""Mean range of 25 normal values, in their standard deviations (Tippett 1925): what a range of
middles is of a sky of nothing."""
_SHORTEST = (0.0, 0.0, 0.0, 2.207, 1.008, 1.546, 1.011, 1.317, 0.990, 1.200, 0.972, 1.128, 0.955,
             1.077, 0.941, 1.040, 0.927, 1.013, 0.918, 0.989, 0.907)  # fmt: skip
"""Standard deviation over the mean length of the shortest interval of n // 2 + 1 of n normal
values, for n up to 20: from two million values each, good to 0.2 %."""
_LIMIT, _ODD, _EVEN = 0.7413, 1.69, 1.31
"""For more values it is 1 / 1.349, that of the quartiles, and a rest that falls as n**(-2/3); the
two parities' rests were fitted at 21 to 255 values, and are good to 1 %."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What is known of the surroundings of each pixel of a band; float32 (n_row, n_x) each.

    Attributes
    ----------
    middle : ndarray
        Lower median of the pixel's values.
    span : ndarray
        Range of the middles around.
    part : ndarray
        Least part of the range that a frame may differ by, if it is more than its own.
    inflation : ndarray
        Variance of the values around over that of their skies.
    light : ndarray or None
        The middle over the level of the sky, whose photons add to the variances of the values.
    """

    middle: Floats
    span: Floats
    part: Floats
    inflation: Floats
    light: Floats | None = None

    @property
    def lights(self) -> Floats:
        """`light`, 0 if it is not known."""
        return np.zeros_like(self.middle) if self.light is None else self.light

    def over(self, sky: Doubles) -> Surroundings:
        """Return the surroundings with the light over the level of the sky, (n_row, n_x)."""
        light = np.nan_to_num(np.maximum(self.middle - sky, 0.0), nan=0.0)
        return replace(self, light=light.astype(np.float32))

    def rows(self, start: int, stop: int) -> Surroundings:
        """Return some of the rows."""
        part = slice(start, stop)
        return Surroundings(
            self.middle[part],
            self.span[part],
            self.part[part],
            self.inflation[part],
            None if self.light is None else self.light[part],
        )


@lru_cache(maxsize=8)
def factors(n_frame: int) -> Doubles:
    """Return standard deviation over length of the shortest half, float64 (n_frame + 1)."""
    n = np.arange(n_frame + 1)
    rest = np.where(n % 2, _ODD, _EVEN) * np.maximum(n, 1) ** (-2.0 / 3.0)
    ratios = _LIMIT + rest
    ratios[: len(_SHORTEST)] = _SHORTEST[: n_frame + 1]
    return ratios


@dataclass(frozen=True, slots=True, eq=False)
class Centre:
    """What the values of each pixel of some rows are about; float32 (n_row, n_x) each.

    Attributes
    ----------
    middle : ndarray
        The lower median; NaN where no frame has anything.
    excess : ndarray
        Standard deviation of the values over that of their skies; 0 where there are fewer than
        three.
    error : ndarray
        Standard deviation of the middle, from the noise of the skies.
    """

    middle: Floats
    excess: Floats
    error: Floats

    @classmethod
    def empty(cls, n_row: int, n_x: int) -> Centre:
        """Return rows of nothing."""
        nothing = np.full((n_row, n_x), np.nan, np.float32)
        return cls(nothing, np.zeros_like(nothing), nothing.copy())

    def rows(self, start: int, stop: int) -> Centre:
        """Return some of the rows."""
        part = slice(start, stop)
        return Centre(self.middle[part], self.excess[part], self.error[part])

    def followed_by(self, other: Centre) -> Centre:
        """Return these rows and others behind them."""
        pairs = (
            (self.middle, other.middle), (self.excess, other.excess), (self.error, other.error)
        )  # fmt: skip
        return Centre(*(np.concatenate(pair) for pair in pairs))


def centre_band(values: Floats, matching: Matching, level: str | None = None) -> Centre:
    """Return the middle of each pixel's values, and how much they scatter.

    Parameters
    ----------
    values, matching, level
        See `apps.images.merge.coadd.clip.stack_band`.
    """
    n_frame, n_row, n_x = values.shape
    level = level or levels()[0]
    factor = factors(n_frame)
    if level == PLAIN:
        return Centre(
            *plain_noise.centre(
                values, matching.x, matching.surface, matching.scale, matching.weight, factor
            )
        )
    made = Centre.empty(n_row, n_x)
    _kernel.centre(
        level, (n_frame, n_row, n_x), flat(values, np.float32), *flat_matching(matching),
        sorting_network(n_frame), factor, made.middle, made.excess, made.error,
    )  # fmt: skip
    return made


def surroundings(centre: Centre, start: int, stop: int) -> Surroundings:
    """Return the surroundings of the pixels of some rows.

    Parameters
    ----------
    centre : Centre
        With `REACH` rows beyond those that are asked for, unless the grid ends there.
    start, stop : int
        Which rows of these are asked for.
    """
    low, high = max(0, start - REACH), min(len(centre.middle), stop + REACH)
    near = centre.rows(low, high)
    inner = slice(start - low, stop - low)
    span = _extreme(near.middle, np.fmax) - _extreme(near.middle, np.fmin)
    span = np.maximum(span - np.float32(RANGE_OF_NOISE) * near.error, np.float32(0))
    span[~np.isfinite(span)] = 0.0
    scatter = _median(near.excess)
    return Surroundings(
        np.ascontiguousarray(near.middle[inner]),
        np.ascontiguousarray(span[inner]),
        np.zeros(span[inner].shape, np.float32),
        np.ascontiguousarray((scatter * scatter)[inner]),
    )


def stack_band(
    values: Floats,
    variance: Floats | None,
    matching: Matching,
    core: Doubles,
    around: Surroundings,
    clip: Clip,
    level: str | None = None,
) -> Stacked:
    """Stack one band.

    Parameters
    ----------
    values, variance, matching, level
        See `apps.images.merge.coadd.clip.stack_band`.
    core : ndarray
        float64 (n_frame): the part of the range around that each frame may differ by.
    around : Surroundings
        Of the same rows.
    clip : Clip
        `sigma`, and how many rounds.
    """
    n_frame, n_row, n_x = values.shape
    level = level or levels()[0]
    if level == PLAIN:
        return Stacked(
            *plain_noise.stack(
                values, variance, matching.x, matching.surface, matching.scale, matching.weight,
                matching.photons, core, around.middle, around.span, around.part, around.inflation,
                around.lights, clip.sigma, clip.iterations,
            )
        )  # fmt: skip
    made = Stacked.empty((n_row, n_x), with_variance=variance is not None)
    nothing = bytearray()
    _kernel.stack(
        level, (n_frame, n_row, n_x), flat(values, np.float32),
        nothing if variance is None else flat(variance, np.float32), *flat_matching(matching),
        flat(matching.photons), sorting_network(n_frame), flat(core), around.middle, around.span,
        around.part, around.inflation, around.lights, clip.sigma, clip.sigma, clip.iterations,
        made.image, made.weight,
        nothing if made.variance is None else made.variance, made.count, made.rejected,
        made.doubtful,
    )  # fmt: skip
    return made


def _extreme(plane: Floats, choose: np.ufunc) -> Floats:
    """Return the largest or the smallest of the pixels within `STEEP` of each, NaN left out."""
    wide = np.pad(plane, STEEP, constant_values=np.nan)
    n_row, n_x = plane.shape
    rows = wide[:n_row]
    for shift in range(1, 2 * STEEP + 1):
        rows = choose(rows, wide[shift : shift + n_row])
    chosen = rows[:, :n_x]
    for shift in range(1, 2 * STEEP + 1):
        chosen = choose(chosen, rows[:, shift : shift + n_x])
    return chosen


def _median(excess: Floats) -> Floats:
    """Return the median over 9 x 9 pixels around each, as a median of medians.

    A median, because a pixel with two spoilt values must not vouch for itself, and because the
    photons of a star's core say nothing of the pixels beside it; of 9 x 9, because three values
    say little of their scatter and interpolated neighbours say nearly the same.
    """
    known = np.where(excess < np.inf, excess, np.float32(0))
    if not known.any():  # as where there are fewer than three frames
        return known
    return _median_of_nine(_median_of_nine(known, 1), 3)


def _median_of_nine(plane: Floats, stride: int) -> Floats:
    """Return the median of each pixel and eight that are `stride` away; edges are repeated."""
    wide = np.pad(plane, stride, mode="edge")
    n_row, n_x = plane.shape
    places = (0, stride, 2 * stride)
    nine = [wide[dy : dy + n_row, dx : dx + n_x] for dy in places for dx in places]
    for low, high in _MEDIAN_OF_9:
        nine[low], nine[high] = (
            np.minimum(nine[low], nine[high]),
            np.maximum(nine[low], nine[high]),
        )
    return nine[4]


_MEDIAN_OF_9 = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3),
    (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip
"""Comparators that bring the median of nine values to place 4 (Paeth 1990, Graphics Gems, 171)."""
