"""The posterior density of a timing model, given a table of transit times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.model import FailureKind, IntegrationFailed, TimingModel
from apps.ttv.priors import EccentricityPrior, Prior
from apps.ttv.settings import Problem
from apps.ttv.table import PlanetTransits, TransitTable
from boinc_project.errors import UnitError


class Matcher:
    """Gives the model's transits of one planet the numbers that the table uses.

    The table's own linear ephemeris says which number the transit at t0 has; the model's transit
    nearest to t0 gets it, the others follow. So the numbering does not depend on how well the model
    fits elsewhere, and a bad fit is bad, not silently renumbered.
    """

    def __init__(self, planet: PlanetTransits) -> None:
        self.planet = planet
        self._ephemeris = planet.linear_ephemeris()
        self._weights = 1.0 / planet.sigmas

    def times(
        self, model_times: NDArray[np.float64], t0: float, period: float
    ) -> NDArray[np.float64]:
        """Return the model's time of every transit in the table, (n,), BKJD days.

        Raises
        ------
        IntegrationFailed
            If the model has no transit near t0, or lacks one of the table's.
        """
        if self._ephemeris is None:
            start, mean_period = float(self.planet.times[0]), period
            number = int(self.planet.epochs[0]) + round((t0 - start) / mean_period)
        else:
            start, mean_period = self._ephemeris
            number = round((t0 - start) / mean_period)
        if not len(model_times):
            raise IntegrationFailed(FailureKind.MISSING_TRANSIT)
        distances = np.abs(model_times - t0)
        nearest = int(distances.argmin())
        if float(distances[nearest]) > 0.25 * mean_period:
            raise IntegrationFailed(FailureKind.NUMBERING)
        places = self.planet.epochs + (nearest - number)
        if places[0] < 0 or places[-1] >= len(model_times):
            raise IntegrationFailed(FailureKind.MISSING_TRANSIT)
        return model_times[places]

    def residuals(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (observed - model) / sigma, (n,)."""
        return (self.planet.times - times) * self._weights


class Posterior:
    """The logarithm of prior times likelihood, and counts of what happened.

    Parameters
    ----------
    problem : Problem
        Model and priors.
    table : TransitTable
        The measured transits.
    dt : float, optional
        Another step than that of the settings, days.

    Attributes
    ----------
    n_call : int
        Calls so far.
    failures : Counter[str]
        Integrations that failed so far, by `apps.ttv.model.FailureKind`.
    """

    def __init__(self, problem: Problem, table: TransitTable, dt: float | None = None) -> None:
        self.problem = problem
        self.table = table
        self.model = TimingModel(problem, dt)
        self.n_call = 0
        self.failures: Counter[str] = Counter()
        self._priors = _prior_terms(problem)
        self._matchers = _matchers(problem, table)

    def __call__(self, values: Sequence[float]) -> float:
        """Return the log posterior density (unnormalised); -inf where there is no model."""
        self.n_call += 1
        prior = self.log_prior(values)
        if not prior > -math.inf:
            return -math.inf
        try:
            return prior + self.log_likelihood(values)
        except IntegrationFailed as failure:
            self.failures[failure.kind.value] += 1
            return -math.inf

    def log_prior(self, values: Sequence[float]) -> float:
        """Return the log prior density of the free parameters, normalised."""
        total = 0.0
        for term in self._priors:
            total += term(values)
            if not total > -math.inf:
                return -math.inf
        return total

    def log_likelihood(self, values: Sequence[float]) -> float:
        """Return -0.5 sum of squared residuals in units of sigma.

        Raises
        ------
        IntegrationFailed
            If the model has no transit times here.
        """
        residuals = self.residuals(values)
        # fsum is exact, so that the sum depends on no processor's way of adding.
        total = math.fsum((residuals * residuals).tolist())
        if not math.isfinite(total):
            raise IntegrationFailed(FailureKind.NON_FINITE)
        return -0.5 * total

    def residuals(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return (observed - model) / sigma of all transits, (n_transit,), in the table's order.

        Raises
        ------
        IntegrationFailed
            If the model has no transit times here.
        """
        orbits = self.model.orbits(values)
        times = self.model.times_of(orbits)
        return np.concatenate(
            [
                matcher.residuals(
                    matcher.times(times[place], orbits[place].t0, orbits[place].period)
                )
                for place, matcher in self._matchers
            ]
        )


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

    def __call__(self, values: Sequence[float]) -> float:
        return self.prior.log_density(float(values[self.place]))


@dataclass(frozen=True, slots=True)
class _EccentricityTerm:
    ecosw: int
    esinw: int
    prior: EccentricityPrior

    def __call__(self, values: Sequence[float]) -> float:
        return self.prior.log_density(float(values[self.ecosw]), float(values[self.esinw]))


_Term = _PriorTerm | _EccentricityTerm


def _matchers(problem: Problem, table: TransitTable) -> list[tuple[int, Matcher]]:
    model = problem.model
    known = {planet.name for planet in model.planets if planet.observed}
    for planet in table.planets:
        if planet.planet not in known:
            raise UnitError(f"The table has transits of {planet.planet}, which is not observed.")
    if not (model.epoch < table.first and table.last < model.end):
        raise UnitError("The table has transits outside the model's epoch and end.")
    matchers = []
    for place, settings in enumerate(model.planets):
        transits = table.of(settings.name)
        if settings.observed and transits is None:
            raise UnitError(f"The table has no transits of the observed planet {settings.name}.")
        if transits is not None:
            matchers.append((place, Matcher(transits)))
    return matchers
