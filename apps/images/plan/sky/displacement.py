"""Displacements of a frame's pixels from where its header puts them: low-order polynomials.

A displacement is fitted to matched stars in three orders: a shift, a linear one (6 numbers) and a
quadratic one (12). Each counts only if it is significant and large enough to matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.fixed_point import solve

ORDERS = ("none", "shift", "linear", "quadratic")
"""Words for the orders -1 to 2 of `Displacement.order`, in this order."""
LEAST_STARS = (3, 6, 20)
"""Stars that each order needs. Three tell a shift and whether they agree; of five or fewer a turn
would rest on two or three of them; twenty leave a quadratic one more residuals than numbers."""
CHANCE = 1e-4
"""Probability that one order is taken by chance, by an F-test: of a hundred frames with perfect
headers and three orders each, three campaigns of a hundred have one."""
_SURE = 3.0
"""Standard errors, over the whole frame, by which an order's displacement must stand out: what
stars in one corner tell of the others is not applied."""
_REACH = 8.0
"""Half sides of a frame up to which a polynomial is followed; beyond, it keeps its value there.
Only what is within a few pixels of the frame must be right."""
_SIDE = 9
"""Places along each side that stand for a frame."""
_ROUNDS = 20

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Displacement:
    """A shift of pixels, added to the coordinates that a header gives a direction.

    Attributes
    ----------
    nx, ny : int
        Size of the frame, pixels.
    order : int
        -1 (nothing), 0 (a shift), 1 or 2.
    x, y : tuple[float, ...]
        Coefficients, pixels: of 1; a, b; and a^2 - <a^2>, a b, b^2 - <b^2>, where a and b run from
        the frame's middle in half longer sides. The first is the mean over the frame.
    """

    nx: int
    ny: int
    order: int
    x: tuple[float, ...]
    y: tuple[float, ...]

    def of(self, u: Doubles, v: Doubles) -> tuple[Doubles, Doubles]:
        """Return the displacement at pixel coordinates that a header gives."""
        terms = basis(u, v, self.nx, self.ny, self.order)
        return terms @ np.array(self.x), terms @ np.array(self.y)

    def moved(self, u: Doubles, v: Doubles) -> tuple[Doubles, Doubles]:
        """Return true pixel coordinates of those that a header gives."""
        off_x, off_y = self.of(u, v)
        return u + off_x, v + off_y

    def unmoved(self, x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
        """Return those that a header gives of true ones."""
        u, v, _ = solve(self.of, x, y, _ROUNDS)
        return u, v

    def largest(self, u: Doubles, v: Doubles) -> float:
        """Return the largest distance that it moves any of some places by, pixels."""
        return float(np.hypot(*self.of(u, v)).max())

    def rms(self, u: Doubles, v: Doubles) -> float:
        """Return the root of its mean square at some places, pixels."""
        off_x, off_y = self.of(u, v)
        return math.sqrt(float((off_x**2 + off_y**2).mean()))


def nothing(nx: int, ny: int) -> Displacement:
    """Return the displacement that leaves all as it is."""
    return Displacement(nx, ny, -1, (), ())


def basis(u: Doubles, v: Doubles, nx: int, ny: int, order: int) -> Doubles:
    """Return the polynomials of an order at pixel coordinates, (..., n_term)."""
    half = max(nx, ny) / 2.0
    a = np.clip((u - (nx - 1) / 2.0) / half, -_REACH, _REACH)
    b = np.clip((v - (ny - 1) / 2.0) / half, -_REACH, _REACH)
    terms = [np.ones_like(a)]
    if order >= 1:
        terms += [a, b]
    if order >= 2:
        terms += [a * a - (nx / 2.0 / half) ** 2 / 3.0, a * b, b * b - (ny / 2.0 / half) ** 2 / 3.0]
    # A place that is nowhere stays nowhere.
    terms[0] = np.where(np.isfinite(a) & np.isfinite(b), 1.0, np.nan)
    return np.stack(terms, axis=-1)[..., : n_term(order)]


def n_term(order: int) -> int:
    """Return how many numbers a displacement of an order, -1 to 2, has along an axis."""
    return (order + 1) * (order + 2) // 2


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A displacement fitted to stars.

    Attributes
    ----------
    displacement : Displacement
        The fitted one.
    square : float
        Weighted sum of the squares of both axes' residuals.
    covariance : ndarray
        Of an axis' coefficients, pixels squared.
    """

    displacement: Displacement
    square: float
    covariance: Doubles

    def error(self, u: Doubles, v: Doubles) -> float:
        """Return the standard error of the displacement, both axes, over some places, pixels."""
        shape = self.displacement
        terms = basis(u, v, shape.nx, shape.ny, shape.order)
        variance = np.einsum("nt,ts,ns->n", terms, self.covariance, terms)
        return math.sqrt(2.0 * float(variance.mean()))


def fit(
    u: Doubles, v: Doubles, off: Doubles, weight: Doubles, size: tuple[int, int], order: int
) -> Fit:
    """Fit a displacement of an order by weighted least squares.

    Parameters
    ----------
    u, v : ndarray
        Pixel coordinates that the header gives the stars, (n_star).
    off : ndarray
        (n_star, 2): how far they are from there, pixels.
    weight : ndarray
        One over the variance of that, along an axis; right but for a factor.
    size : tuple[int, int]
        Of the frame, (nx, ny).
    order : int
        -1 to 2.
    """
    if order < 0:
        square = float((weight[:, None] * off**2).sum())
        return Fit(nothing(*size), square, np.empty((0, 0)))
    terms = basis(u, v, *size, order)
    root = np.sqrt(weight)[:, None]
    solved, *_ = np.linalg.lstsq(root * terms, root * off, rcond=1e-10)
    square = float((weight[:, None] * (off - terms @ solved) ** 2).sum())
    freedom = 2 * (len(off) - terms.shape[1])
    normal = np.linalg.pinv((root * terms).T @ (root * terms), rcond=1e-14, hermitian=True)
    covariance = normal * (square / freedom if freedom > 0 else math.inf)
    along, across = (tuple(float(value) for value in column) for column in solved.T)
    return Fit(Displacement(*size, order, along, across), square, covariance)


def highest_order(n_star: int) -> int:
    """Return the highest order that so many stars are fitted with; -1 if there are too few."""
    return sum(n_star >= least for least in LEAST_STARS) - 1


def choose_order(fits: Sequence[Fit], n_star: int, size: tuple[int, int], limit: float) -> int:
    """Return the highest order that is significant, sure all over the frame, and matters.

    Parameters
    ----------
    fits : Sequence[Fit]
        Of the orders from -1 on.
    n_star : int
        Stars that each was fitted to.
    size : tuple[int, int]
        Of the frame, (nx, ny).
    limit : float
        Displacement that matters wherever it is, pixels.
    """
    u, v = places(*size)
    chosen = -1
    for order in range(len(fits) - 1):
        lower, higher = fits[order], fits[order + 1]
        n_new = 2 * (n_term(order) - n_term(order - 1))
        freedom = 2 * (n_star - n_term(order))
        if higher.square <= 0 or freedom <= 0:
            continue
        ratio = (lower.square - higher.square) / n_new / (higher.square / freedom)
        own = _without(higher.displacement, lower.displacement)
        if (
            chance_of(ratio, n_new, freedom) < CHANCE
            and own.largest(u, v) >= limit
            and own.rms(u, v) >= _SURE * higher.error(u, v)
        ):
            chosen = order
    return chosen


def chance_of(ratio: float, n_new: int, freedom: float) -> float:
    """Return the probability of an F-distributed ratio at least as large; `n_new` is even.

    With z = freedom / (freedom + n_new ratio) it is the incomplete beta function I_z(freedom / 2,
    n_new / 2), which is a sum of n_new / 2 terms (Abramowitz & Stegun 26.6.4). The sum stands here
    because scipy, which has it, would take most of the time that commands of images need to start.
    """
    if ratio <= 0:
        return 1.0
    z = freedom / (freedom + n_new * ratio)
    term, total = 1.0, 1.0
    for j in range(1, n_new // 2):
        term *= (freedom / 2.0 + j - 1.0) / j * (1.0 - z)
        total += term
    return float(total * z ** (freedom / 2.0))


def places(nx: int, ny: int) -> tuple[Doubles, Doubles]:
    """Return pixel coordinates all over a frame, (81)."""
    x, y = np.meshgrid(np.linspace(0, nx - 1, _SIDE), np.linspace(0, ny - 1, _SIDE))
    return x.ravel(), y.ravel()


def _without(higher: Displacement, lower: Displacement) -> Displacement:
    """Return what one displacement has beyond another of less order."""
    n_more = len(higher.x)
    along, across = (
        tuple(np.array(more) - np.pad(np.array(less, float), (0, n_more - len(less))))
        for more, less in ((higher.x, lower.x), (higher.y, lower.y))
    )
    return Displacement(higher.nx, higher.ny, higher.order, along, across)
