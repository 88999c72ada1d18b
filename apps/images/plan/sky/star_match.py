"""Which stars of a frame are which of the reference, and how far from where its header puts them.

The shift of most pairs is found first, by votes: of all pairs within the search radius those of
the same star have one shift, and the others any. A peak of votes counts if chance would not make
it in a million frames. From there pairs are matched, each other's nearest, within a distance that
follows their scatter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.displacement import (
    LEAST_STARS,
    Displacement,
    Fit,
    choose_order,
    fit,
    highest_order,
)

_BINS = (3.0, 10.0)
"""Pixels; of the histogram of shifts, in which four bins together are a vote. Three are enough for
headers that are turned by 0.1 degrees at 2,000 pixels, ten for 0.5."""
_CHANCE = 1e-6
"""Probability that votes by chance are taken for a match, over all bins."""
_ROUNDS = 12
_FAR = 4.0
"""Standard deviations from which a pair is none: another star, or one that moves."""
_UNSURE = 10.0
"""Stars at which that is doubled: few of them tell their own scatter badly, as with Student's t,
and one that is set apart by chance makes the others look too sure."""
_CLOSEST = 0.02
"""Pixels; no scatter is believed to be less when pairs are set apart."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Stars of a frame and the same of the reference.

    Attributes
    ----------
    star, known : ndarray
        Their numbers in either list, int64 (n).
    u, v : ndarray
        Pixel coordinates that the header gives those of the reference.
    off : ndarray
        (n, 2): how far the frame's are from there, pixels.
    """

    star: NDArray[np.int64]
    known: NDArray[np.int64]
    u: Doubles
    v: Doubles
    off: Doubles

    def __len__(self) -> int:
        return len(self.star)

    def rest(self, displacement: Displacement) -> Doubles:
        """Return how far the frame's are from there with a displacement, (n, 2)."""
        return self.off - np.column_stack(displacement.of(self.u, self.v))

    def fit_alike(self, size: tuple[int, int]) -> Displacement:
        """Return the displacement of the highest order that so many allow, all weighted alike."""
        weight, order = np.ones(len(self)), highest_order(len(self))
        return fit(self.u, self.v, self.off, weight, size, order).displacement


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """How far a frame is from where its header puts it.

    Attributes
    ----------
    pairs : Pairs
        The stars it rests on.
    order : int
        That is significant and matters; -1: none.
    fits : tuple[Fit, ...]
        Of the orders from -1 on, as far as the stars allow.
    scatter : float
        Of a pair along an axis beyond the noise of the sky, pixels.
    """

    pairs: Pairs
    order: int
    fits: tuple[Fit, ...]
    scatter: float

    @property
    def displacement(self) -> Displacement:
        """The displacement that is to be applied; nothing if none is."""
        return self.fits[self.order + 1].displacement

    @property
    def shown(self) -> Fit:
        """The fit of the order that is applied; of a shift if none is."""
        return self.fits[max(self.order, 0) + 1]

    @property
    def error(self) -> float:
        """The standard error of the mean displacement along an axis, pixels."""
        return math.sqrt(float(self.shown.covariance[0, 0]))

    def rms(self, order: int) -> float:
        """Return the root mean square distance of the pairs, with a displacement of an order."""
        rest = self.pairs.rest(self.fits[order + 1].displacement)
        return math.sqrt(float((rest**2).sum(axis=1).mean()))


def measure(
    stars: tuple[Doubles, Doubles, Doubles],
    known: tuple[Doubles, Doubles, Doubles],
    size: tuple[int, int],
    *,
    radius: float,
    limit: float,
) -> Measured | None:
    """Match stars, and fit their displacement.

    Parameters
    ----------
    stars : tuple[ndarray, ndarray, ndarray]
        Pixel coordinates of a frame's stars, and their standard errors along an axis.
    known : tuple[ndarray, ndarray, ndarray]
        Those of the reference's, where the frame's header puts them.
    size : tuple[int, int]
        Of the frame, (nx, ny).
    radius : float
        Of the search, pixels.
    limit : float
        Displacement that matters, pixels.

    Returns
    -------
    Measured or None
        None if no shift brings more stars together than chance would.
    """
    for width in _BINS:
        start = vote(stars[0], stars[1], known[0], known[1], size, radius, width)
        if start is not None:
            break
    else:
        return None
    guess = Displacement(*size, 0, (start[0],), (start[1],))
    pairs = _matched(stars, known, size, guess, 2.0 * width)
    if len(pairs) < LEAST_STARS[0]:
        return None
    error = np.hypot(stars[2][pairs.star], known[2][pairs.known])
    scatter = _scatter(pairs, error, size)
    weight = 1.0 / (error**2 + scatter**2)
    orders = range(-1, highest_order(len(pairs)) + 1)
    fits = tuple(fit(pairs.u, pairs.v, pairs.off, weight, size, order) for order in orders)
    return Measured(pairs, choose_order(fits, len(pairs), size, limit), fits, scatter)


def vote(
    x: Doubles,
    y: Doubles,
    u: Doubles,
    v: Doubles,
    size: tuple[int, int],
    radius: float,
    width: float,
) -> tuple[float, float] | None:
    """Return the shift from (u, v) to (x, y) that most pairs have; None if chance may have made it.

    Parameters
    ----------
    x, y, u, v : ndarray
        Pixel coordinates of two lists of stars.
    size : tuple[int, int]
        Of the frame, (nx, ny).
    radius : float
        Largest shift along an axis, pixels.
    width : float
        Of a bin, pixels.
    """
    off_x, off_y = (a[:, None] - b[None, :] for a, b in ((x, u), (y, v)))
    near = (np.abs(off_x) < radius) & (np.abs(off_y) < radius)
    off_x, off_y = off_x[near], off_y[near]
    n_bin = max(4, math.ceil(2.0 * radius / width))
    edges = (np.arange(n_bin + 1) - n_bin / 2.0) * width
    votes, _, _ = np.histogram2d(off_x, off_y, bins=(edges, edges))
    four = votes[:-1, :-1] + votes[1:, :-1] + votes[:-1, 1:] + votes[1:, 1:]
    column, row = divmod(int(four.argmax()), four.shape[1])
    count = float(four[column, row])
    # Of stars that stand anywhere in the frame; those beyond its edges are as dense.
    expected = len(x) * len(u) * 4.0 * width**2 / (size[0] * size[1])
    expected = max(expected, _expected(votes, column, row))
    if count < LEAST_STARS[0] or _chance(count, expected) * four.size > _CHANCE:
        return None
    here = (off_x >= edges[column]) & (off_x < edges[column + 2])
    here &= (off_y >= edges[row]) & (off_y < edges[row + 2])
    return float(np.median(off_x[here])), float(np.median(off_y[here]))


def _expected(votes: Doubles, column: int, row: int) -> float:
    """Return how many votes four bins have by chance: by all others, or by those around."""
    total = float(votes.sum())
    own = float(votes[column : column + 2, row : row + 2].sum())
    anywhere = 4.0 * (total - own) / max(votes.size - 4, 1)
    around = votes[max(0, column - 4) : column + 6, max(0, row - 4) : row + 6]
    ring = around.sum() - votes[max(0, column - 1) : column + 3, max(0, row - 1) : row + 3].sum()
    n_ring = around.size - votes[max(0, column - 1) : column + 3, max(0, row - 1) : row + 3].size
    # Stars that stand in a cluster vote for shifts that are small.
    beside = 4.0 * float(ring) / n_ring if n_ring else 0.0
    return max(anywhere, beside)


def _chance(count: float, expected: float) -> float:
    """Return a bound on the probability of so many of a Poisson variable's counts (Chernoff)."""
    if count <= expected:
        return 1.0
    if expected <= 0:
        return 0.0
    return math.exp(count - expected - count * math.log(count / expected))


def _matched(
    stars: tuple[Doubles, Doubles, Doubles],
    known: tuple[Doubles, Doubles, Doubles],
    size: tuple[int, int],
    guess: Displacement,
    distance: float,
) -> Pairs:
    """Return pairs that are each other's nearest, within what their own scatter allows."""
    before: Pairs | None = None
    for _ in range(_ROUNDS):
        pairs = _nearest(stars, known, guess, distance)
        if len(pairs) < LEAST_STARS[0]:
            return pairs
        if before is not None and np.array_equal(pairs.star, before.star):
            return pairs
        before = pairs
        # A pair's weight hardly changes which are pairs.
        guess = pairs.fit_alike(size)
        rest = pairs.rest(guess)
        freedom = len(pairs) / max(len(pairs) - len(guess.x), 1)
        spread = 1.4826 * float(np.median(np.abs(rest))) * math.sqrt(freedom)
        far = _FAR * (1.0 + _UNSURE / len(pairs)) * math.sqrt(2.0)
        distance = min(distance, far * max(spread, _CLOSEST))
    return before if before is not None else pairs


def _nearest(
    stars: tuple[Doubles, Doubles, Doubles],
    known: tuple[Doubles, Doubles, Doubles],
    guess: Displacement,
    distance: float,
) -> Pairs:
    u, v = known[0], known[1]
    x, y = guess.moved(u, v)
    square = (stars[0][:, None] - x) ** 2 + (stars[1][:, None] - y) ** 2
    of_star, of_known = square.argmin(axis=1), square.argmin(axis=0)
    star = np.arange(len(of_star))
    good = (of_known[of_star] == star) & (square[star, of_star] <= distance**2)
    star = star[good]
    other = of_star[good]
    off = np.column_stack([stars[0][star] - u[other], stars[1][star] - v[other]])
    return Pairs(star, other, u[other], v[other], off)


def _scatter(pairs: Pairs, error: Doubles, size: tuple[int, int]) -> float:
    """Return the scatter that pairs have beyond their errors, so that chi^2 is what it should be.

    By the residuals of the highest order that the stars allow, weighted equally. It is at least the
    median error: few stars may look as if they had none, and a linear displacement through the
    three brightest of six would then seem to explain all that counts.
    """
    displacement = pairs.fit_alike(size)
    rest = pairs.rest(displacement)
    freedom = 2 * (len(pairs) - len(displacement.x))
    low, high = 0.0, math.sqrt(float((rest**2).sum()))
    least = float(np.median(error))
    for _ in range(40):
        middle = 0.5 * (low + high)
        square = float((rest**2 / (error**2 + middle**2)[:, None]).sum())
        low, high = (middle, high) if square > freedom else (low, middle)
    return max(high, least)
