"""The modes of a posterior, found on the server before the first unit is made.

A chain that starts in the wrong place spends the volunteers' time on walking, and one that starts
in the only mode that was looked for never tells of another. Everything here follows from its
arguments; the random generator is one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from apps.ttv.likelihood import Posterior
from apps.ttv.priors import Prior
from apps.ttv.settings import Problem
from apps.ttv.table import PlanetTransits, TransitTable
from boinc_project.errors import InputError
from work_generator.fit import Fit, Round, scales

N_START = 96
"""Starting points of a mode search if all planets are seen; see `default_starts`."""
DELTA = 50.0
"""Modes whose -2 log(posterior) at the peak is within this of the best one's are kept: 50 is a
factor e^25 in density, more than the volumes of two modes of timing posteriors have been seen to
differ by."""

# How far apart, in the norm of the better one's covariance, two fits are two modes.
_SAME_MODE = 3.0
_PHASES = Round(8, moving="timing")
# Shares of the starts that go on, and their iterations. Along a curved ridge a fit can stop 20
# short of its minimum and look like a mode of its own, so the last ones are long.
_ROUNDS = (_PHASES, Round(18), Round(25, keep=0.4), Round(60, keep=0.5))
_SEARCH_ROUNDS = (
    Round(6, moving="rest"),
    Round(6),
    Round(10, keep=0.4),
    Round(25, keep=0.3),
    Round(80, keep=0.5),
    Round(300, keep=0.4),
)
# Iterations of a last polish of each fit that may be a mode: those along a ridge are many.
_POLISH = 1500
# Two fits are one mode if a path between them climbs by less than this in -2 log(posterior), a
# dip of e^-2 in density, which chains cross; points on the path, and iterations that relax it.
_BARRIER, _PATH, _RELAX = 4.0, 7, 30
# Cells of the grid over an unseen planet's orbit: phases; and per period cell, the drift in phase
# over the table, in cycles of the strongest term that a second-order resonance may have.
_GRID_PHASES = 8
_GRID_DRIFT = 0.25
_MOST_STARTS = 4096

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """A local maximum of the posterior.

    Attributes
    ----------
    params : ndarray
        float64 (n_dim,), the free parameters in the problem's order.
    chi2 : float
        -2 log(likelihood) of the transit times: for Gaussian noise without jitter the sum of
        squared residuals in units of sigma.
    covariance : ndarray
        float64 (n_dim, n_dim), of the normal approximation there, priors included.
    n_found : int
        Starts that ended here.
    """

    params: Vector
    chi2: float
    covariance: Vector
    n_found: int = 1


def find_mode(
    problem: Problem,
    table: TransitTable,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
    *,
    n_start: int = N_START,
) -> Mode:
    """Return the best mode found; see `find_modes`."""
    return find_modes(problem, table, rng, progress, n_start=n_start)[0]


def find_modes(
    problem: Problem,
    table: TransitTable,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
    *,
    n_start: int = N_START,
    delta: float = DELTA,
) -> list[Mode]:
    """Find modes by least squares from many starts.

    Parameters
    ----------
    problem : Problem
        Model, noise and priors.
    table : TransitTable
        The measured transits.
    rng : Generator
        Decides the starts, and so the result.
    progress : Callable, optional
        Told the number of rounds done and of rounds in all.
    n_start : int
        Starts.
    delta : float
        How far above the best mode's sum of squares (priors that pull included) a mode is kept.

    Returns
    -------
    list[Mode]
        Best first, no two of them the same.

    Raises
    ------
    InputError
        If no start led to a model that has the observed transits.
    """
    fit = Fit(Posterior(problem, table))
    unseen = any(not planet.observed for planet in problem.model.planets)
    rounds = _SEARCH_ROUNDS if unseen else _ROUNDS
    points, costs = fit.solve(starts(problem, table, n_start, rng), rounds, progress)
    if not len(points):
        raise InputError(
            f"None of {n_start} starts led to a model with all observed transits: "
            "check that the priors of periods and t0 fit the table."
        )
    # What polishing may gain is not known before: twice delta is looked at.
    near = costs <= costs[0] + 2.0 * delta
    firsts = _clusters(fit, points[near], np.ones(int(near.sum()), dtype=np.int64))
    polished = fit.refine(np.array([mode.params for mode in firsts]), _POLISH)
    costs = fit.costs(polished)
    order = np.argsort(costs, kind="stable")
    order = order[costs[order] <= costs.min() + delta]
    counts = np.array([mode.n_found for mode in firsts])
    return _connected(fit, _clusters(fit, polished[order], counts[order]))


def default_starts(problem: Problem, table: TransitTable) -> int:
    """Return how many starts a search needs: `N_START`, or the cells of an unseen planet's grid.

    The signal of an unseen planet keeps its phase over the table only if the planet's period is
    right to about P^2 / (2 T) (j cycles of it, for a j-th harmonic): the grid is even in 1 / P.
    """
    cells = 0.0
    span = table.last - table.first
    for planet in problem.model.planets:
        parameter = next(p for p in problem.parameters if p.name == f"{planet.name}.period")
        if planet.observed or parameter.prior is None:
            continue
        low, high = parameter.prior.quantile(1e-3), parameter.prior.quantile(1 - 1e-3)
        cells = max(cells, (1.0 / max(low, 1e-3) - 1.0 / high) * span / _GRID_DRIFT)
    return int(min(max(N_START, math.ceil(cells) * _GRID_PHASES), _MOST_STARTS))


def distances(mode: Mode, points: Vector) -> Vector:
    """Return the distances of points (n, n_dim) in the norm of the mode's covariance, (n,)."""
    differences = points - mode.params
    squares = np.sum(differences * np.linalg.solve(mode.covariance, differences.T).T, axis=1)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def nearest(modes: Sequence[Mode], points: Vector) -> NDArray[np.intp]:
    """Return which mode each of the points (n, n_dim) belongs to, in its own norm, (n,)."""
    return np.asarray(np.stack([distances(mode, points) for mode in modes]).argmin(axis=0))


def _clusters(fit: Fit, points: Vector, counts: NDArray[np.int64]) -> list[Mode]:
    """Return modes of points sorted by cost: what is near a better one belongs to it."""
    modes: list[Mode] = []
    limit = _SAME_MODE * math.sqrt(points.shape[1])
    left = np.ones(len(points), dtype=bool)
    deviances = fit.deviances(points)
    while left.any():
        first = int(np.argmax(left))
        mode = Mode(points[first], float(deviances[first]), fit.covariance(points[first]))
        same = left & (distances(mode, points) < limit)
        same[first] = True
        modes.append(replace(mode, n_found=int(counts[same].sum())))
        left &= ~same
    return modes


def _connected(fit: Fit, modes: list[Mode]) -> list[Mode]:
    """Return modes of which no two are ends of one ridge, each with the starts of its ridge."""
    apart: list[Mode] = []
    for mode in modes:
        for place, better in enumerate(apart):
            if _barrier(fit, better.params, mode.params) < _BARRIER:
                apart[place] = replace(better, n_found=better.n_found + mode.n_found)
                break
        else:
            apart.append(mode)
    return apart


def _barrier(fit: Fit, first: Vector, second: Vector) -> float:
    """Return by how much the best path found from one point to the other climbs above both.

    The parameter that differs most is held at values in between, and the others are fitted.
    """
    ends = np.stack([first, second])
    place = int(np.argmax(np.abs(first - second) / scales(fit.problem, ends).max(axis=0)))
    moving = np.arange(len(first)) != place
    shares = np.linspace(0.0, 1.0, _PATH + 2)[1:-1, np.newaxis]
    between = fit.refine((1.0 - shares) * first + shares * second, _RELAX, moving)
    return float(fit.costs(between).max() - fit.costs(ends).max())


def starts(problem: Problem, table: TransitTable, n: int, rng: np.random.Generator) -> Vector:
    """Return starting points of a search, (n, n_dim).

    A Latin hypercube in the priors' quantiles (McKay, Beckman & Conover 1979, Technometrics 21,
    239), but with the table's own ephemeris where it has one; and for an unseen planet a grid, even
    in 1 / P, so in its ratio to the seen ones' frequencies, and even in phase.
    """
    quantiles = qmc.LatinHypercube(problem.n_dim, seed=rng).random(n)
    points = np.empty((n, problem.n_dim))
    for place, parameter in enumerate(problem.free):
        if parameter.prior is not None:
            points[:, place] = _quantiles(parameter.prior, quantiles[:, place])
    _eccentric(problem, quantiles, points, rng)
    for transits in table.planets:
        _observed(problem, transits, points, rng)
    for planet_settings in problem.model.planets:
        if not planet_settings.observed:
            _unobserved(problem, planet_settings.name, points, rng)
    return points


def _eccentric(
    problem: Problem, quantiles: Vector, points: Vector, rng: np.random.Generator
) -> None:
    """Draw eccentricities: in thirds near-circular, the priors' own, and aligned.

    Multi-planet systems are mostly near-circular. Near a resonance transit times tell little but a
    difference of the planets' eccentricity vectors (Lithwick, Xie & Wu 2012, ApJ 761, 122), so that
    modes may lie far out where the vectors are alike.
    """
    names = problem.parameter_names
    kinds = rng.permutation(np.arange(len(points)) % 3)
    shrink = np.where(kinds == 0, 0.2, 1.0)
    first: tuple[Vector, Vector] | None = None
    for planet, eccentricity in problem.eccentricities.items():
        places = names.index(f"{planet}.ecosw"), names.index(f"{planet}.esinw")
        e = shrink * _quantiles(eccentricity.prior, quantiles[:, places[0]])
        omega = 2.0 * math.pi * quantiles[:, places[1]]
        if first is None:
            first = e, omega
        low, high = eccentricity.prior.support
        e = np.where(kinds == 2, np.clip(first[0], low, high), e)
        omega = np.where(kinds == 2, first[1], omega)
        points[:, places[0]], points[:, places[1]] = e * np.cos(omega), e * np.sin(omega)


def _quantiles(prior: Prior, quantiles: Vector) -> Vector:
    return np.array([prior.quantile(p) for p in np.clip(quantiles, 1e-9, 1 - 1e-9).tolist()])


def _observed(
    problem: Problem, transits: PlanetTransits, points: Vector, rng: np.random.Generator
) -> None:
    """Put a seen planet where the table sees it, if its priors allow it."""
    ephemeris = transits.linear_ephemeris()
    if ephemeris is None:
        return
    period = ephemeris[1]
    periods = period * (1 + 1e-4 * rng.normal(size=len(points)))
    _overrule(problem, points, f"{transits.planet}.period", periods)
    name = f"{transits.planet}.t0"
    if name not in problem.parameter_names:
        return
    for point in points:
        near = point[problem.parameter_names.index(name)]
        seen = float(transits.times[np.argmin(np.abs(transits.times - near))])
        _overrule(
            problem,
            point[np.newaxis],
            name,
            np.array([seen + round((near - seen) / period) * period]),
        )


def _unobserved(problem: Problem, planet: str, points: Vector, rng: np.random.Generator) -> None:
    """Put an unseen planet on a grid of frequencies and phases, a random place in each cell."""
    names = problem.parameter_names
    priors = {p.name: p.prior for p in problem.free}
    period, t0 = priors.get(f"{planet}.period"), priors.get(f"{planet}.t0")
    if period is None or t0 is None:
        return
    n = len(points)
    n_phase = min(_GRID_PHASES, n)
    n_period = math.ceil(n / n_phase)
    cells = np.arange(n)
    slow, fast = 1.0 / period.quantile(1 - 1e-3), 1.0 / period.quantile(1e-3)
    frequencies = slow + (fast - slow) * (cells // n_phase + rng.random(n)) / n_period
    periods = np.clip(1.0 / frequencies, *period.support)
    points[:, names.index(f"{planet}.period")] = periods
    phases = (cells % n_phase + rng.random(n)) / n_phase
    # One orbit of this planet, at the middle of the prior or at its beginning if it is no longer.
    low, high = t0.quantile(1e-3), t0.quantile(1 - 1e-3)
    room = np.minimum(periods, high - low)
    points[:, names.index(f"{planet}.t0")] = 0.5 * (low + high) + (phases - 0.5) * room


def _overrule(problem: Problem, points: Vector, name: str, values: Vector) -> None:
    """Use the table's values for a free parameter where its prior allows them."""
    for place, parameter in enumerate(problem.free):
        if parameter.name == name and parameter.prior is not None:
            low, high = parameter.prior.support
            points[:, place] = np.where((low < values) & (values < high), values, points[:, place])
