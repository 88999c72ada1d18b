"""Where a campaign's chains begin: the best modes, a step that is fine enough, starting points.

Found on the server before the first unit is made: a chain that starts in the wrong place spends the
volunteers' time on walking. Everything here follows from its arguments; the random generator is one
of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from apps.ttv.failures import IntegrationFailed
from apps.ttv.likelihood import Posterior
from apps.ttv.model import TimingModel
from apps.ttv.priors import HalfNormal, Normal, Prior, Rayleigh
from apps.ttv.settings import Parameter, Problem
from apps.ttv.table import TransitTable
from boinc_project.errors import InputError

N_START = 24
"""Starting points of a mode search; see `find_modes`."""
# Residual of a model that does not exist, in sigma: worse than any model that does.
_HOPELESS = 1e6
# How far apart, in the norm of the better one's covariance, two fits are two modes.
_SAME_MODE = 3.0
# Evaluations of a first fit; and of a second for every fit whose chi2 is within 100 of the best.
# Along a curved ridge a fit can stop 20 short of its minimum and look like a mode of its own.
_LOOK, _POLISH, _CONTENDER = 100, 400, 100.0
_TEMPERATURE = 2.0
# Candidates per starting point. With 20, and a normal approximation worth a tenth of its draws,
# two remain for each walker.
_CANDIDATES = 20
_ATTEMPTS = 60
# A step is looked at together with two neighbours: a step resonance is narrow (Rauch & Holman 1999,
# AJ 117, 1087), so a step that is good only by itself sits beside one.
_NEIGHBOURS = (0.985, 1.0, 1.015)
_STEPS_PER_PERIOD = (10.0, 640.0)

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """A local maximum of the likelihood.

    Attributes
    ----------
    params : ndarray
        float64 (n_dim,), the free parameters in the problem's order.
    chi2 : float
        Sum of squared residuals of the transit times, in units of sigma.
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
) -> list[Mode]:
    """Find modes by least squares from many starts.

    Parameters
    ----------
    problem : Problem
        Model and priors.
    table : TransitTable
        The measured transits.
    rng : Generator
        Decides the starts, and so the result.
    progress : Callable, optional
        Told the number of starts done and of starts in all.
    n_start : int
        Starts.

    Returns
    -------
    list[Mode]
        Best first, no two of them the same.

    Raises
    ------
    InputError
        If no start led to a model that has the observed transits.
    """
    fit = _Fit(problem, table)
    found: list[Mode] = []
    for number in range(n_start):
        mode = fit.run(_guess(problem, table, rng))
        if mode is not None:
            found.append(mode)
        if progress is not None:
            progress(number + 1, n_start)
    if not found:
        raise InputError(
            f"None of {n_start} starts led to a model with all observed transits: "
            "check that the priors of periods and t0 fit the table."
        )
    best = min(mode.chi2 for mode in found)
    found = [mode if mode.chi2 > best + _CONTENDER else fit.polish(mode) for mode in found]
    modes: list[Mode] = []
    for mode in sorted(found, key=lambda mode: mode.chi2):
        for place, kept in enumerate(modes):
            if float(distances(kept, mode.params[np.newaxis])[0]) < _SAME_MODE * math.sqrt(
                problem.n_dim
            ):
                modes[place] = replace(kept, n_found=kept.n_found + 1)
                break
        else:
            modes.append(mode)
    return modes


def choose_dt(
    problem: Problem, params: Sequence[float], table: TransitTable, *, tolerance: float = 0.1
) -> float:
    """Return the longest step, of a halving series, that moves no transit by more than `tolerance`.

    A step is judged against one of a quarter of it, by the largest shift of any transit in units of
    the table's smallest sigma; so are its neighbours, to stay clear of step resonances.

    Parameters
    ----------
    problem : Problem
        Model and priors; its own dt is not used.
    params : Sequence[float]
        Where to measure, e.g. a mode's parameters.
    table : TransitTable
        The measured transits.
    tolerance : float
        In units of sigma.

    Raises
    ------
    InputError
        If no step down to 1/640 of the shortest period is fine enough.
    """
    shortest = min(orbit.period for orbit in TimingModel(problem).orbits(list(params)))
    steps = _STEPS_PER_PERIOD[0]
    while steps <= _STEPS_PER_PERIOD[1]:
        if _step_error(problem, params, table, shortest / steps) < tolerance:
            return float(f"{shortest / steps:.6g}")
        steps *= math.sqrt(2.0)
    raise InputError(
        f"Even {_STEPS_PER_PERIOD[1]:.0f} steps per period of {shortest:.4g} days move a transit "
        f"by more than {tolerance:g} sigma: the planets are too close for this model."
    )


def starting_points(
    source: Mode | Vector,
    problem: Problem,
    n_walker: int,
    rng: np.random.Generator,
    *,
    table: TransitTable | None = None,
) -> Vector:
    """Return a chain's starting points, all with a finite posterior.

    Parameters
    ----------
    source : Mode or ndarray
        A mode: points are drawn around it from the posterior at temperature 2, which is 1.4 times
        as wide as the posterior: R-hat only means something if chains start apart. Or draws of an
        earlier posterior, float64 (n_draw, n_dim): as many are chosen.
    problem : Problem
        Model and priors.
    n_walker : int
        Points wanted.
    rng : Generator
        Of the unit's START stream.
    table : TransitTable, optional
        Without it points around a mode only follow its normal approximation.

    Returns
    -------
    ndarray
        float64 (n_walker, n_dim).

    Raises
    ------
    InputError
        If there are too few different draws, or the mode has no room inside the priors.
    """
    posterior = Posterior(problem, table) if table is not None else None

    def log_density(point: Vector) -> float:
        values = point.tolist()
        if posterior is not None:
            return posterior(values)
        log_prior = _log_prior(problem, values)
        if isinstance(source, Mode):
            log_prior -= 0.5 * float(distances(source, point[np.newaxis])[0]) ** 2
        return log_prior

    if isinstance(source, Mode):
        return _around(source, n_walker, rng, log_density)
    draws = np.unique(np.asarray(source, dtype=np.float64), axis=0)
    chosen: list[Vector] = []
    for i in rng.permutation(len(draws)):
        if log_density(draws[i]) > -math.inf:
            chosen.append(draws[i])
        if len(chosen) == n_walker:
            return np.array(chosen)
    raise InputError(f"There are only {len(chosen)} different draws for {n_walker} walkers.")


def distances(mode: Mode, points: Vector) -> Vector:
    """Return the distances of points (n, n_dim) in the norm of the mode's covariance, (n,)."""
    differences = points - mode.params
    squares = np.sum(differences * np.linalg.solve(mode.covariance, differences.T).T, axis=1)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


class _Fit:
    """Least squares from one start: Levenberg-Marquardt steps inside the priors' supports."""

    def __init__(self, problem: Problem, table: TransitTable) -> None:
        self.problem = problem
        self.posterior = Posterior(problem, table)
        self.bounds = _bounds(problem)
        self.penalties = _penalties(problem)
        self.hopeless = np.full(table.n_transit, _HOPELESS)

    def run(self, start: Vector) -> Mode | None:
        scale = _scales(self.problem, start)
        # Phases first: with wrong periods everything else only smears the transits.
        timing = np.array(
            [name.endswith((".period", ".t0")) for name in self.problem.parameter_names]
        )
        params = self._solve(start, scale, timing, 20) if timing.any() else start
        params = self._solve(params, scale, np.ones(len(start), dtype=bool), _LOOK)
        if not (np.abs(self.residuals(params)) < _HOPELESS).all():
            return None
        return self._mode(params, scale)

    def polish(self, mode: Mode) -> Mode:
        """Go on from a fit that may have run out of steps on a long curved ridge."""
        scale = _scales(self.problem, mode.params)
        everything = np.ones(len(mode.params), dtype=bool)
        return self._mode(self._solve(mode.params, scale, everything, _POLISH), scale)

    def _mode(self, params: Vector, scale: Vector) -> Mode:
        residuals = self.residuals(params)
        jacobian = self.jacobian(params, scale)
        covariance = _inverse(jacobian / (1.0 / scale), scale)
        n_data = len(self.hopeless)
        return Mode(params, float(np.sum(residuals[:n_data] ** 2)), covariance)

    def residuals(self, params: Vector) -> Vector:
        values = params.tolist()
        try:
            data = self.posterior.residuals(values)
        except IntegrationFailed:
            data = self.hopeless
        return np.concatenate([data, [penalty(params) for penalty in self.penalties]])

    def jacobian(self, params: Vector, scale: Vector) -> Vector:
        """Central differences, with a step of a hundredth of each parameter's scale."""
        low, high = self.bounds
        columns = []
        for i in range(len(params)):
            above, below = params.copy(), params.copy()
            above[i] = min(params[i] + 0.01 * scale[i], high[i])
            below[i] = max(params[i] - 0.01 * scale[i], low[i])
            change = self.residuals(above) - self.residuals(below)
            columns.append(change / (above[i] - below[i]))
        return np.stack(columns, axis=1)

    def _solve(self, start: Vector, scale: Vector, moving: NDArray[np.bool_], n: int) -> Vector:
        low, high = self.bounds
        params = start.copy()

        def full(values: Vector) -> Vector:
            point = params.copy()
            point[moving] = values
            return point

        def residuals(values: Vector) -> Vector:
            return self.residuals(full(values))

        def jacobian(values: Vector) -> Vector:
            return self.jacobian(full(values), scale)[:, moving]

        margin = 1e-9 * scale[moving]
        result = least_squares(
            residuals,
            np.clip(start[moving], low[moving] + margin, high[moving] - margin),
            jac=jacobian,
            bounds=(low[moving], high[moving]),
            x_scale=scale[moving],
            max_nfev=n,
        )
        return full(result.x)


def _guess(problem: Problem, table: TransitTable, rng: np.random.Generator) -> Vector:
    """Draw a start: from the priors, but with the table's own ephemeris where it has one."""
    values: dict[str, float] = {}
    for planet, eccentricity in problem.eccentricities.items():
        x, y = eccentricity.sample(rng)
        # Multi-planet systems are mostly near-circular; half of the starts say so.
        shrink = rng.choice([0.2, 1.0])
        values[f"{planet}.ecosw"], values[f"{planet}.esinw"] = shrink * x, shrink * y
    for parameter in problem.free:
        if parameter.prior is not None:
            values[parameter.name] = parameter.prior.sample(rng)
    for transits in table.planets:
        ephemeris = transits.linear_ephemeris()
        if ephemeris is None:
            continue
        start, period = ephemeris
        _overrule(problem, values, f"{transits.planet}.period", period * (1 + 1e-4 * rng.normal()))
        t0 = f"{transits.planet}.t0"
        near = values.get(t0, start)
        number = transits.epochs[np.argmin(np.abs(transits.times - near))]
        seen = float(transits.times[transits.epochs == number][0])
        _overrule(problem, values, t0, seen + round((near - seen) / period) * period)
    return np.array([values[name] for name in problem.parameter_names])


def _overrule(problem: Problem, values: dict[str, float], name: str, value: float) -> None:
    """Use the table's value for a free parameter whose prior allows it."""
    parameter = next((p for p in problem.free if p.name == name), None)
    if parameter is not None and parameter.prior is not None:
        low, high = parameter.prior.support
        if low < value < high:
            values[name] = value


def _bounds(problem: Problem) -> tuple[Vector, Vector]:
    low, high = np.empty(problem.n_dim), np.empty(problem.n_dim)
    for i, parameter in enumerate(problem.free):
        planet, _, element = parameter.name.partition(".")
        if parameter.prior is not None:
            low[i], high[i] = parameter.prior.support
        else:
            limit = min(problem.eccentricities[planet].prior.support[1], 0.999)
            low[i], high[i] = -limit, limit
        if element in ("mass", "period"):
            low[i] = max(low[i], 0.0 if element == "mass" else 1e-3)
    return low, high


@dataclass(frozen=True, slots=True)
class _Penalty:
    """A prior that pulls, as a residual in sigma; flat priors only bound."""

    place: int
    mean: float
    sigma: float

    def __call__(self, params: Vector) -> float:
        return float((params[self.place] - self.mean) / self.sigma)


def _penalties(problem: Problem) -> list[_Penalty]:
    penalties = []
    names = problem.parameter_names
    for place, parameter in enumerate(problem.free):
        if isinstance(parameter.prior, Normal):
            penalties.append(_Penalty(place, parameter.prior.mean, parameter.prior.sigma))
        elif isinstance(parameter.prior, HalfNormal):
            penalties.append(_Penalty(place, 0.0, parameter.prior.sigma))
    for planet, eccentricity in problem.eccentricities.items():
        # Rayleigh in e is normal in both components.
        if isinstance(eccentricity.prior, Rayleigh | HalfNormal):
            for element in ("ecosw", "esinw"):
                place = names.index(f"{planet}.{element}")
                penalties.append(_Penalty(place, 0.0, eccentricity.prior.sigma))
    return penalties


def _scales(problem: Problem, params: Vector) -> Vector:
    """Return the size of a change of each parameter that matters a little."""
    return np.array(
        [_scale(parameter, value) for parameter, value in zip(problem.free, params, strict=True)]
    )


def _scale(parameter: Parameter, value: float) -> float:
    element = parameter.name.rpartition(".")[2]
    size = {
        "mass": max(0.1 * abs(value), 0.01),
        "period": 1e-4 * abs(value),
        "ecosw": 0.01,
        "esinw": 0.01,
        "t0": 0.001,
    }.get(element, 1.0)
    return min(size, _width(parameter.prior))


def _width(prior: Prior | None) -> float:
    return math.inf if prior is None else prior.width


def _inverse(scaled_jacobian: Vector, scale: Vector) -> Vector:
    """Return the covariance; directions that the data leave open get a unit of scale squared."""
    curvature = scaled_jacobian.T @ scaled_jacobian
    values, vectors = np.linalg.eigh(curvature)
    return np.asarray((vectors / np.maximum(values, 1.0e-2)) @ vectors.T * np.outer(scale, scale))


def _step_error(problem: Problem, params: Sequence[float], table: TransitTable, dt: float) -> float:
    """Return the largest shift of a transit with a step or its neighbours, in smallest sigmas."""
    try:
        reference = _observed_times(problem, params, table, dt / 4.0)
        shifts = [
            np.abs(_observed_times(problem, params, table, dt * factor) - reference).max()
            for factor in _NEIGHBOURS
        ]
    except IntegrationFailed:
        return math.inf
    return float(max(shifts)) / table.smallest_sigma


def _observed_times(
    problem: Problem, params: Sequence[float], table: TransitTable, dt: float
) -> Vector:
    posterior = Posterior(problem, table, dt)
    seen = posterior.observations
    return np.asarray(seen.times - posterior.residuals(list(params)) * seen.sigmas)


def _around(
    mode: Mode,
    n_walker: int,
    rng: np.random.Generator,
    log_density: Callable[[Vector], float],
) -> Vector:
    """Draw points of the posterior at temperature `_TEMPERATURE`, near one mode.

    Candidates come from the normal approximation and are then chosen by importance (sampling
    importance resampling: Rubin 1988, Bayesian Statistics 3, 395), so that they follow the
    posterior where it is curved. Where the approximation hardly overlaps with the posterior, the
    best candidates are taken.
    """
    factor = math.sqrt(_TEMPERATURE) * np.linalg.cholesky(mode.covariance)
    n_candidate = _CANDIDATES * n_walker
    points, log_weights = np.empty((n_candidate, len(mode.params))), np.empty(n_candidate)
    for i in range(n_candidate):
        normal = rng.normal(size=len(mode.params))
        # Where the normal approximation sticks out of the prior, go back towards the mode.
        for _ in range(_ATTEMPTS):
            points[i] = mode.params + factor @ normal
            density = log_density(points[i])
            if density > -math.inf:
                break
            normal = 0.7 * normal
        log_weights[i] = density / _TEMPERATURE + 0.5 * float(np.sum(normal**2))
    possible = int(np.isfinite(log_weights).sum())
    if possible < n_walker:
        raise InputError("The best mode lies on the edge of the priors: widen them.")
    # The largest keys of log weight plus Gumbel noise are a weighted sample without replacement.
    order = np.argsort(-(log_weights + rng.gumbel(size=n_candidate)))
    return points[order[:n_walker]]


def _log_prior(problem: Problem, values: Sequence[float]) -> float:
    total = 0.0
    names = problem.parameter_names
    for place, parameter in enumerate(problem.free):
        if parameter.prior is not None:
            total += float(parameter.prior.log_density(values[place]))
    for planet, eccentricity in problem.eccentricities.items():
        x, y = (values[names.index(f"{planet}.{element}")] for element in ("ecosw", "esinw"))
        total += float(eccentricity.log_density(x, y))
    return total
