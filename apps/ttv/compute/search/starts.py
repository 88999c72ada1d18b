"""Where a mode search begins: everywhere that the priors and the table allow."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.priors import Prior
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable
from apps.ttv.compute.whitening import Whitening

N_START = 96
"""Starting points of a mode search if all planets are seen; see `default_starts`."""

# Cells of the grid over an unseen planet's orbit: phases; and per period cell, the drift in phase
# over the table, in cycles of the strongest term that a second-order resonance may have.
_GRID_PHASES = 8
_GRID_DRIFT = 0.25
_MOST_STARTS = 4096
# Rings of common eccentricity around a mode: quantiles of the prior, and directions on each.
_RINGS = (0.25, 0.5, 0.75, 0.95)
_DIRECTIONS = 12
# Farthest that a start may lie in a whitened coordinate: 3e-7 of a prior lie beyond.
_FARTHEST = 5.0

Vector = NDArray[np.float64]


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


def starts(problem: Problem, table: TransitTable, n: int, rng: np.random.Generator) -> Vector:
    """Return starting points of a search, (n, n_dim).

    A Latin hypercube in the priors' quantiles (McKay, Beckman & Conover 1979, Technometrics 21,
    239), but with the table's own ephemeris where it has one; and for an unseen planet a grid, even
    in 1 / P, so in its ratio to the seen ones' frequencies, and even in phase.
    """
    quantiles = _latin_hypercube(n, problem.n_dim, rng)
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


def whitened(whitening: Whitening, points: Vector) -> Vector:
    """Return starting points (n, n_dim) in whitened coordinates, none of them far out.

    At the very edge of a prior nothing changes with w, and no fit would find back from there.
    """
    return np.clip(whitening.whiten(points), -_FARTHEST, _FARTHEST)


def aligned(problem: Problem, best: Vector) -> Vector:
    """Return a fit (n_dim,) with other eccentricity vectors, float64 (n, n_dim).

    Near a resonance transit times tell a difference of two planets' eccentricity vectors, and
    hardly what they have in common (Lithwick, Xie & Wu 2012, ApJ 761, 122): other minima lie where
    the vectors of all planets are shifted alike. Starts that are spread over everything rarely roll
    down there: of 256 for Kepler-307, one.
    """
    planets = list(problem.eccentricities.items())
    if len(planets) < 2:
        return np.empty((0, problem.n_dim))
    prior, (_, high) = planets[0][1].prior, planets[0][1].prior.support
    angles = 2.0 * math.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    points = np.tile(best, (len(_RINGS) * _DIRECTIONS, 1))
    shift = np.outer([prior.quantile(share) for share in _RINGS], np.exp(1j * angles)).reshape(-1)
    for planet, _ in planets:
        places = [problem.parameter_names.index(f"{planet}.{key}") for key in ("ecosw", "esinw")]
        vector = best[places[0]] + 1j * best[places[1]] + shift
        # Inside of what the prior allows, whatever the sum.
        vector *= np.minimum(1.0, 0.95 * high / np.maximum(np.abs(vector), 1e-12))
        points[:, places[0]], points[:, places[1]] = vector.real, vector.imag
    return points


def _latin_hypercube(n: int, n_dim: int, rng: np.random.Generator) -> Vector:
    """Return points of the unit cube, (n, n_dim), one in every n-th of each coordinate."""
    within = rng.uniform(size=(n, n_dim))
    order = np.tile(np.arange(1, n + 1), (n_dim, 1))
    for row in order:
        rng.shuffle(row)
    return np.asarray((order.T - within) / n)


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
