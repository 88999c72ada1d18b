"""Centre, width and tails of every parameter with their errors, in coordinates of the prior.

In the coordinates of `apps.ttv.compute.whitening` an unconstrained parameter is normal, whatever
its prior: a mass that may be 0.1 or 300 Earth masses is compared in its own scale, and no prior
has an edge.

Errors come from leaving out one block at a time (the jackknife), where blocks are what is
independent: sub-chains, or populations. That holds for quantiles, too, since a block has many
points (Shao & Wu 1989, Annals of Statistics 17, 1176).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.merge.verdict.significance import equivalent_errors

KINDS = ("mean", "width", "5 % tail", "95 % tail")
"""The numbers that a shape consists of."""

PROBABILITIES = (0.05, 0.158655, 0.841345, 0.95)
"""Of the quantiles; half the distance of the middle ones is the width."""

NEGLIGIBLE = 0.03
"""Difference of widths, or of places in units of the width, that is not asked about. It is well
below the 5 % to which a product's width is known at the stop rule's effective size of 400: the two
quantiles of a normal distribution give 0.96 / sqrt(400)."""

NORMAL_VARIANCE = np.array([1.0, 0.921, 4.466, 4.466])
"""Variances of the four numbers of a normal distribution, in units of its own over the number of
independent draws: 1; by the two quantiles' densities and covariance; p (1 - p) / density^2."""

N_POOLED = 3
"""Rounds in which shared errors and the factors of samples are found; more change nothing."""

MAX_POINTS = 1000
"""Points of a block that are looked at. More cost time, and are not independent."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Marginals by few numbers.

    Attributes
    ----------
    values : ndarray
        float64 (4, n_dim): mean, logarithm of the width, 5 % and 95 % quantile.
    errors : ndarray
        float64 (4, n_dim), their standard errors.
    freedom : float
        Degrees of freedom of the errors.
    """

    values: Floats
    errors: Floats
    freedom: float

    @property
    def width(self) -> Floats:
        """Half the distance of the 16 % and 84 % quantiles, (n_dim,)."""
        return np.asarray(np.exp(self.values[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """By how much shapes differ.

    Attributes
    ----------
    relative : ndarray
        float64 (4, n_dim): places in units of the width, widths as differences of logarithms.
    errors : ndarray
        float64 (4, n_dim), of these.
    freedom : ndarray
        float64 (4, n_dim), degrees of freedom of the errors.
    """

    relative: Floats
    errors: Floats
    freedom: Floats

    @property
    def significance(self) -> Floats:
        """How many errors they are beyond what is negligible, (4, n_dim)."""
        beyond = np.maximum(np.abs(self.relative) - NEGLIGIBLE, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(self.errors > 0.0, beyond / self.errors, np.nan)
        return equivalent_errors(ratios, self.freedom)


def statistics(points: Floats) -> Floats:
    """Return mean, log width and tails of points (n, n_dim), (4, n_dim)."""
    return _of_sorted(np.sort(points, axis=0))


def jackknife(points: Floats, blocks: NDArray[np.int64]) -> Floats:
    """Return the statistics without one block after the other, (n_block, 4, n_dim).

    Nothing is left without the only one of them: (0, 4, n_dim).

    Parameters
    ----------
    points : ndarray
        float64 (n, n_dim).
    blocks : ndarray
        int64 (n,), which block each point is of.
    """
    labels = np.unique(blocks)
    labels = labels if len(labels) > 1 else labels[:0]
    left_out = np.empty((len(labels), len(KINDS), points.shape[1]))
    for column in range(points.shape[1]):
        order = np.argsort(points[:, column], kind="stable")
        ordered, owner = points[order, column, None], blocks[order]
        for place, label in enumerate(labels):
            left_out[place, :, column] = _of_sorted(ordered[owner != label])[:, 0]
    return left_out


def shape_of(points: Floats, blocks: NDArray[np.int64]) -> Shape:
    """Return the shape of points with errors from their blocks; see `jackknife`."""
    return Shape(statistics(points), *jackknife_errors(jackknife(points, blocks)))


def jackknife_errors(left_out: Floats) -> tuple[Floats, float]:
    """Return standard errors from numbers without one block each, and their degrees of freedom.

    Fewer than two blocks have no error: NaN.
    """
    n = len(left_out)
    if n < 2:
        return np.full(left_out.shape[1:], np.nan), 0.0
    spread = left_out - left_out.mean(axis=0)
    return np.sqrt((n - 1) / n * np.square(spread).sum(axis=0)), float(n - 1)


def contrast(shapes: Sequence[Shape], coefficients: Floats) -> Differences:
    """Return a combination of independent shapes whose coefficients add up to zero.

    Errors of unlike shapes are not pooled, and the degrees of freedom are Welch's and
    Satterthwaite's (Welch 1947, Biometrika 34, 28).
    """
    scale = _scale(shapes)
    variances = np.array(
        [np.square(c * shape.errors) for c, shape in zip(coefficients, shapes, strict=True)]
    )
    freedom = np.array([shape.freedom for shape in shapes])[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        total = variances.sum(axis=0)
        degrees = np.square(total) / (np.square(variances) / freedom).sum(axis=0)
    values = np.array([shape.values for shape in shapes])
    difference = np.tensordot(coefficients, values, axes=1)
    return _steadied(difference / scale, np.sqrt(total) / scale, degrees)


def pooled(shapes: Sequence[Shape]) -> list[Shape]:
    """Return shapes of like samples with errors that they share, but for a factor of each.

    Errors of single numbers rest on a few blocks each, and chance makes some of them far too small.
    How well a sample mixes scales all of its errors alike, and is known well; what is left is the
    same for all samples.

    Parameters
    ----------
    shapes : Sequence[Shape]
        At least one, whose errors come from equally large blocks.
    """
    freedom = np.array([shape.freedom for shape in shapes])
    # By block, so that samples of unlike size can share it.
    sizes = freedom + 1.0
    variances = np.array([n * shape.errors**2 for n, shape in zip(sizes, shapes, strict=True)])
    factors = np.ones(len(shapes))
    for _ in range(N_POOLED):
        shared = np.average(variances / factors[:, None, None], axis=0, weights=freedom)
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = (variances / shared).mean(axis=(1, 2))
    return [
        Shape(shape.values, np.sqrt(factor * shared / n), float(freedom.sum()))
        for shape, factor, n in zip(shapes, factors, sizes, strict=True)
    ]


def paired(first: Floats, second: Floats, blocks: NDArray[np.int64]) -> Differences:
    """Return how the second points differ from the first, where both are of the same blocks.

    Parameters
    ----------
    first, second : ndarray
        float64 (n, n_dim) each.
    blocks : ndarray
        int64 (n,), of the first and of the second points alike.
    """
    before, after = jackknife(first, blocks), jackknife(second, blocks)
    errors, freedom = jackknife_errors(after - before)
    shapes = [Shape(statistics(points), errors, freedom) for points in (first, second)]
    scale = _scale(shapes)
    difference = shapes[1].values - shapes[0].values
    return _steadied(difference / scale, errors / scale, np.full_like(errors, freedom))


def _steadied(relative: Floats, errors: Floats, freedom: Floats) -> Differences:
    """Return differences whose errors are not smaller by chance than those of a normal posterior.

    The error of a tail rests on few points of few blocks, and is sometimes far too small. A normal
    posterior's error follows from the number of independent draws, whose median over all numbers
    is known better. The larger error of both is taken; half of the parameters count for its degrees
    of freedom, because they are correlated.
    """
    variances, known = errors**2, np.isfinite(errors)
    if not known.any():
        return Differences(relative, errors, freedom)
    inflation = np.median((variances / NORMAL_VARIANCE[:, None])[known])
    least = np.sqrt(inflation * NORMAL_VARIANCE)[:, None]
    joint = np.median(freedom[known]) * max(1.0, 0.5 * errors.shape[1])
    return Differences(
        relative, np.maximum(errors, least), np.where(errors < least, joint, freedom)
    )


def thinned(draws: Floats) -> Floats:
    """Return some of a sub-chain's draws (n_draw, n_walker, n_dim), evenly spaced, (n, n_dim)."""
    flat = draws.reshape(-1, draws.shape[-1])
    n = min(len(flat), MAX_POINTS)
    return flat[np.linspace(0, len(flat) - 1, n).astype(np.int64)]


def _scale(shapes: Sequence[Shape]) -> Floats:
    """Return the common width, by which places are divided; logarithms of widths are not."""
    width = np.exp(np.mean([shape.values[1] for shape in shapes], axis=0))
    return np.array([width, np.ones_like(width), width, width])


def _of_sorted(ordered: Floats) -> Floats:
    places = np.array(PROBABILITIES) * (len(ordered) - 1)
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    part = (places - below)[:, None]
    low, near, far, high = (1.0 - part) * ordered[below] + part * ordered[above]
    # A parameter without a width has no logarithm of it: NaN.
    width = np.log(np.where(far > near, 0.5 * (far - near), np.nan))
    return np.array([ordered.mean(axis=0), width, low, high])
