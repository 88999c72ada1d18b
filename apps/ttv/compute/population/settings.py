"""The settings of a unit that brings populations to the posterior.

::

    {"model": {...}, "parameters": [...], "noise": {...},
     "population": {"n_start": 96, "n_island": 1, "n_point": 2000, "corrections": 1,
                    "calls": 800000}}

A unit searches for modes from ``n_start`` starts, and brings some independent populations,
*islands*, from the prior to the posterior. ``model.dt`` and ``model.modified_kick`` may be null: it
then chooses them for what it finds; so it does where ``corrections`` are not given. ``calls`` is
how many likelihood calls the unit is paid for at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.fields import integer_of, only_keys, table_of
from apps.ttv.compute.sampler_settings import MAX_CORRECTIONS
from apps.ttv.compute.search.steps import Stated, stated_step, with_first_step
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.whitening import Whitening
from boinc_project.errors import UnitError

MAX_ISLANDS = 64
MAX_POINTS = 100_000
MAX_STARTS = 100_000
MAX_CALLS = 10**10
LEAST_POINTS = 100
PEAK_WIDTH = 1.5
"""Standard deviations of a peak's normal approximation that its first proposal is wide: bent
posteriors reach farther than the curvature at their top says."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Known local maxima of the posterior.

    Attributes
    ----------
    points : ndarray
        float64 (n_peak, n_dim), parameters.
    covariances : ndarray
        float64 (n_peak, n_dim, n_dim), in whitened coordinates.
    """

    points: Array
    covariances: Array

    def nearest(self, whitening: Whitening, points: Array) -> NDArray[np.intp]:
        """Return the peak that each of the points (n, n_dim) is nearest to, in its own norm."""
        w, centers = whitening.whiten(points), whitening.whiten(self.points)
        squares = []
        for center, covariance in zip(centers, self.covariances, strict=True):
            offsets = w - center
            squares.append(np.sum(offsets * np.linalg.solve(covariance, offsets.T).T, axis=1))
        return np.asarray(np.stack(squares).argmin(axis=0))

    def draws(self, coordinates: Coordinates, n: int, random: np.random.RandomState) -> list[Array]:
        """Return `n` draws around each peak, in other coordinates.

        They are of its normal approximation, widened. Timed coordinates are departures from the
        best line given all others, in standard errors: near 1, whatever the others.
        """
        timed = list(coordinates.timed)
        covariances = PEAK_WIDTH**2 * self.covariances
        covariances[:, timed, :] = 0.0
        covariances[:, :, timed] = 0.0
        covariances[:, timed, timed] = PEAK_WIDTH**2
        factors = np.linalg.cholesky(covariances)
        centers = coordinates.from_points(self.points)
        return [
            center + random.standard_normal((n, len(center))) @ factor.T
            for center, factor in zip(centers, factors, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Islands:
    """Settings of populations, known when the search is over.

    Attributes
    ----------
    problem : Problem
        Model and priors, with the step.
    n_island, n_point : int
        Populations, and points of each.
    corrections : int
        See `apps.ttv.compute.coordinates`.
    peaks : Peaks | None
        That the search has given, if there was one.
    """

    problem: Problem
    n_island: int
    n_point: int
    corrections: int
    peaks: Peaks | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PopulationUnit:
    """All settings of a unit.

    Attributes
    ----------
    problem : Problem
        Model and priors, with a step to search with where the settings leave it open.
    stated : Stated
        What the settings say of the step.
    n_start : int
        Starts of the search.
    n_island, n_point : int
        Populations, and points of each.
    corrections : int | None
        See `apps.ttv.compute.coordinates`; None if they are to be chosen.
    calls : int
        Likelihood calls that the unit is paid for at most.
    """

    problem: Problem
    stated: Stated
    n_start: int
    n_island: int
    n_point: int
    corrections: int | None
    calls: int

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> PopulationUnit:
        """Read a unit's settings.

        Raises
        ------
        UnitError
            Naming the key that is missing, unknown or of a wrong type.
        """
        only_keys(settings, {"model", "parameters", "noise", "population"}, "settings")
        problem = _problem(settings)
        raw = table_of(settings, "population", "settings")
        where = "settings.population"
        only_keys(raw, {"n_start", "n_island", "n_point", "corrections", "calls"}, where)
        corrections = None
        if "corrections" in raw:
            corrections = integer_of(raw, "corrections", where, 0, MAX_CORRECTIONS)
        return cls(
            problem,
            stated_step(settings["model"]),
            integer_of(raw, "n_start", where, 1, MAX_STARTS),
            integer_of(raw, "n_island", where, 1, MAX_ISLANDS),
            integer_of(raw, "n_point", where, LEAST_POINTS, MAX_POINTS),
            corrections,
            integer_of(raw, "calls", where, 1, MAX_CALLS),
        )


def is_population(settings: Mapping[str, Any]) -> bool:
    """Tell whether a unit's settings are those of populations."""
    return "population" in settings


def _problem(settings: Mapping[str, Any]) -> Problem:
    """Read the problem; where the settings leave the step open, one to search with stands there."""
    model = table_of(settings, "model", "settings")
    is_open = model.get("dt", 0) is None or model.get("modified_kick", False) is None
    return Problem.from_mapping(_with_first_step(settings) if is_open else settings)


def _with_first_step(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return with_first_step(settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnitError(
            "settings.parameters do not say which step to search with: a period lacks its prior."
        ) from error
