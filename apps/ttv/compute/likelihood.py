"""The posterior density of a timing model, given a table of transit times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.engine import Codes, Observations, make_engine
from apps.ttv.compute.failures import KINDS, FailureKind, IntegrationFailed
from apps.ttv.compute.priors import EccentricityPrior, Prior
from apps.ttv.compute.settings import JITTER, Problem
from apps.ttv.compute.table import TransitTable
from boinc_project.errors import UnitError

Array = NDArray[np.float64]


class Posterior:
    """The logarithm of prior times likelihood, and counts of what happened.

    Parameters
    ----------
    problem : Problem
        Model, noise and priors.
    table : TransitTable
        The measured transits.
    dt : float, optional
        Another step than that of the settings, days.
    engine : str, optional
        Another engine than that of the settings.

    Attributes
    ----------
    n_call : int
        Points evaluated so far.
    failures : Counter[str]
        Integrations that failed so far, by `apps.ttv.compute.failures.FailureKind`.
    observations : Observations
        The measured transits in the order of residuals.
    """

    def __init__(
        self,
        problem: Problem,
        table: TransitTable,
        dt: float | None = None,
        engine: str | None = None,
    ) -> None:
        _check_table(problem, table)
        self.problem = problem
        self.table = table
        self.n_call = 0
        self.failures: Counter[str] = Counter()
        self.engine = make_engine(problem, table, dt=dt, name=engine)
        self.observations = Observations.of(problem, table)
        self._prior = JointPrior(problem)

    def log_densities(self, points: Array) -> Array:
        """Return log posterior densities (unnormalised); -inf where there is no model.

        Parameters
        ----------
        points : ndarray
            float64 (n, n_dim).

        Returns
        -------
        ndarray
            float64 (n,); each value depends on its own point only.
        """
        self.n_call += len(points)
        total = self.log_priors(points)
        possible = np.flatnonzero(total > -math.inf)
        if len(possible):
            total[possible] += self.log_likelihoods(points[possible])
        return total

    def log_densities_at(self, points: Array, times: Array, codes: Codes) -> Array:
        """Return the same from transit times that are known already.

        Parameters
        ----------
        points : ndarray
            float64 (n, n_dim).
        times, codes : ndarray
            What the engine's `observed_times` says of them.
        """
        return self.log_priors(points) + self._weigh(points, times, codes)[0]

    def __call__(self, values: Sequence[float]) -> float:
        """Return the log posterior density (unnormalised) of one point."""
        return float(self.log_densities(_one(values))[0])

    def log_priors(self, points: Array) -> Array:
        """Return normalised log prior densities of points (n, n_dim), (n,)."""
        return self._prior.log_densities(points)

    def log_prior(self, values: Sequence[float]) -> float:
        """Return the log prior density of one point, normalised."""
        return float(self.log_priors(_one(values))[0])

    def log_likelihoods(self, points: Array) -> Array:
        """Return log-likelihoods of points (n, n_dim), (n,); -inf where there is no model.

        See `apps.ttv.compute.noise` for what is left out.
        """
        values, codes = self._likelihoods(points)
        for code in codes[codes != 0].tolist():
            self.failures[str(KINDS[code])] += 1
        return values

    def log_likelihood(self, values: Sequence[float]) -> float:
        """Return the log-likelihood of one point.

        Raises
        ------
        IntegrationFailed
            If the model has no transit times here.
        """
        likelihoods, codes = self._likelihoods(_one(values))
        _raise_for(codes)
        return float(likelihoods[0])

    def residuals(self, values: Sequence[float]) -> Array:
        """Return (observed - model) / sigma of all transits of one point, (n_transit,).

        Raises
        ------
        IntegrationFailed
            If the model has no transit times here.
        """
        found, codes = self.residuals_of(_one(values))
        _raise_for(codes)
        return found[0]

    def residuals_of(self, points: Array) -> tuple[Array, Codes]:
        """Return (observed - model) / sigma, (n, n_transit), NaN where there is no model.

        Returns
        -------
        residuals : ndarray
            Planets in the settings' order.
        failures : ndarray
            uint8 (n,), see `apps.ttv.compute.failures.KINDS`.
        """
        times, codes = self.engine.observed_times(points)
        return (self.observations.times - times) / self.observations.sigmas, codes

    def _likelihoods(self, points: Array) -> tuple[Array, Codes]:
        return self._weigh(points, *self.engine.observed_times(points))

    def _weigh(self, points: Array, times: Array, codes: Codes) -> tuple[Array, Codes]:
        seen = self.observations
        values = self.problem.noise.log_likelihoods(
            times, seen.times, seen.sigmas, self._jitters(points)
        )
        lost = (codes == 0) & ~np.isfinite(values)
        codes = np.where(lost, KINDS.index(FailureKind.NON_FINITE), codes).astype(np.uint8)
        return np.where(codes == 0, values, -math.inf), codes

    def _jitters(self, points: Array) -> Array:
        jitter = self.problem.jitter
        if jitter is None:
            return np.zeros(len(points))
        if jitter.fixed is not None:
            return np.full(len(points), jitter.fixed)
        return np.ascontiguousarray(points[:, self.problem.parameter_names.index(JITTER)])


class JointPrior:
    """The prior of all free parameters together.

    Parameters
    ----------
    problem : Problem
        Whose priors.
    """

    def __init__(self, problem: Problem) -> None:
        self._terms = _prior_terms(problem)

    def log_densities(self, points: Array) -> Array:
        """Return normalised log densities of points (n, n_dim), (n,); -inf where there is none."""
        total = np.zeros(len(points))
        for term in self._terms:
            total = total + term(points)
        # inf - inf, of a point at two singularities: no point of any chain.
        return np.where(np.isnan(total), -math.inf, total)


def _one(values: Sequence[float]) -> Array:
    return np.array([values], dtype=np.float64)


def _raise_for(codes: Codes) -> None:
    kind = KINDS[int(codes[0])]
    if kind is not None:
        raise IntegrationFailed(kind)


def _prior_terms(problem: Problem) -> list[_Term]:
    names = problem.parameter_names
    terms: list[_Term] = [
        _PriorTerm(place, parameter.prior)
        for place, parameter in enumerate(problem.free)
        if parameter.prior is not None
    ]
    for planet, prior in problem.eccentricities.items():
        places = names.index(f"{planet}.ecosw"), names.index(f"{planet}.esinw")
        terms.append(_EccentricityTerm(*places, prior))
    return terms


@dataclass(frozen=True, slots=True)
class _PriorTerm:
    place: int
    prior: Prior

    def __call__(self, points: Array) -> Array:
        return self.prior.log_density(points[:, self.place])


@dataclass(frozen=True, slots=True)
class _EccentricityTerm:
    ecosw: int
    esinw: int
    prior: EccentricityPrior

    def __call__(self, points: Array) -> Array:
        return self.prior.log_density(points[:, self.ecosw], points[:, self.esinw])


_Term = _PriorTerm | _EccentricityTerm


def _check_table(problem: Problem, table: TransitTable) -> None:
    model = problem.model
    known = {planet.name for planet in model.planets if planet.observed}
    for planet in table.planets:
        if planet.planet not in known:
            raise UnitError(f"The table has transits of {planet.planet}, which is not observed.")
    if not (model.epoch < table.first and table.last < model.end):
        raise UnitError("The table has transits outside the model's epoch and end.")
    for settings in model.planets:
        if settings.observed and table.of(settings.name) is None:
            raise UnitError(f"The table has no transits of the observed planet {settings.name}.")
