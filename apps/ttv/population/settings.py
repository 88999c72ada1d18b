"""The settings of a unit that brings populations to the posterior.

::

    {"model": {...}, "parameters": [...], "noise": {...},
     "population": {"n_island": 1, "n_point": 2000, "corrections": 1, "calls": 800000,
                    "peaks": {"points": [[...], ...], "covariances": [[[...], ...], ...]}}}

A unit brings some independent populations, *islands*, from the prior to the posterior. Peaks are
parameters; their covariances are in whitened coordinates (`apps.ttv.whitening`). ``calls`` is how
many likelihood calls the unit is paid for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.coordinates import Coordinates
from apps.ttv.fields import array_of, integer_of, list_of, only_keys, table_of
from apps.ttv.sampler_settings import MAX_CORRECTIONS
from apps.ttv.settings import Problem
from apps.ttv.whitening import Whitening
from boinc_project.errors import UnitError

MAX_ISLANDS = 64
MAX_POINTS = 100_000
MAX_PEAKS = 64
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
class PopulationUnit:
    """All settings of a unit.

    Attributes
    ----------
    problem : Problem
        Model and priors.
    n_island, n_point : int
        Populations, and points of each.
    corrections : int
        See `apps.ttv.coordinates`.
    calls : int
        Likelihood calls that the unit is paid for.
    peaks : Peaks | None
        Known peaks, if any.
    """

    problem: Problem
    n_island: int
    n_point: int
    corrections: int
    calls: int
    peaks: Peaks | None

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> PopulationUnit:
        """Read a unit's settings.

        Raises
        ------
        UnitError
            Naming the key that is missing, unknown or of a wrong type.
        """
        only_keys(settings, {"model", "parameters", "noise", "population"}, "settings")
        problem = Problem.from_mapping(settings)
        raw = table_of(settings, "population", "settings")
        where = "settings.population"
        only_keys(raw, {"n_island", "n_point", "corrections", "calls", "peaks"}, where)
        peaks = None
        if "peaks" in raw:
            peaks = _parse_peaks(table_of(raw, "peaks", where), problem.n_dim, f"{where}.peaks")
        return cls(
            problem,
            integer_of(raw, "n_island", where, 1, MAX_ISLANDS),
            integer_of(raw, "n_point", where, LEAST_POINTS, MAX_POINTS),
            integer_of(raw, "corrections", where, 0, MAX_CORRECTIONS),
            integer_of(raw, "calls", where, 1, MAX_CALLS),
            peaks,
        )


def is_population(settings: Mapping[str, Any]) -> bool:
    """Tell whether a unit's settings are those of populations."""
    return "population" in settings


def _parse_peaks(raw: Mapping[str, Any], n_dim: int, where: str) -> Peaks:
    only_keys(raw, {"points", "covariances"}, where)
    n = len(list_of(raw, "points", where))
    if not 1 <= n <= MAX_PEAKS:
        raise UnitError(f"{where}.points has {n} peaks, not 1 to {MAX_PEAKS}.")
    points = array_of(raw, "points", where, (n, n_dim))
    covariances = array_of(raw, "covariances", where, (n, n_dim, n_dim))
    smallest = float(np.linalg.eigvalsh(covariances).min())
    if not smallest > 0.0:
        raise UnitError(f"{where}.covariances has a matrix that is no covariance.")
    return Peaks(points, covariances)
