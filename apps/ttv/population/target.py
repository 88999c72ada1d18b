"""From where to where a population goes: a broad distribution, and the posterior.

The broad distribution is half the prior, whose timed coordinates are normal
(`apps.ttv.coordinates`), and half a mixture around the peaks that a search has found. The prior
keeps every part of the posterior that no peak tells of; the peaks keep needles that draws of a wide
prior would never meet. Its density is known, so that the evidence follows, whatever the peaks are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from apps.ttv.coordinates import TIMED_WIDTH, Coordinates
from apps.ttv.likelihood import Posterior
from apps.ttv.moves import log_mixture, sample_mixture
from apps.ttv.sampler_settings import Mixture

CHUNK = 512
"""Points evaluated between two looks at the client: some 20 to 500 ms."""
PRIOR_SHARE = 0.5
"""Part of the broad distribution that is the prior: importance weights against it are at most twice
those against the prior alone."""
PEAK_WIDTH = 3.0
"""Standard deviations of a peak's normal approximation that its part of the broad distribution is
wide: bent posteriors reach farther than the curvature at their top says."""
PEAK_DEGREES = 5.0
"""Degrees of freedom of that part."""

Array = NDArray[np.float64]


class Target:
    """The posterior in the coordinates of a population, and the broad distribution to begin with.

    Parameters
    ----------
    posterior : Posterior
        The target.
    coordinates : Coordinates
        Of the same problem.
    peaks : Mixture | None
        Around the known peaks, in these coordinates; None: the prior alone is the beginning.
    poll : Callable
        Called before every `CHUNK` points; may raise to leave the computation.

    Attributes
    ----------
    n_call : int
        Points that were integrated, those of corrections among them.
    """

    def __init__(
        self,
        posterior: Posterior,
        coordinates: Coordinates,
        peaks: Mixture | None,
        poll: Callable[[], None] = lambda: None,
    ) -> None:
        self.posterior, self.coordinates, self.peaks = posterior, coordinates, peaks
        self.n_dim = posterior.problem.n_dim
        self._poll = poll

    @property
    def n_call(self) -> int:
        """Points that were integrated, those of corrections among them."""
        return self.posterior.n_call + self.coordinates.n_call

    def broad_draws(self, n: int, random: np.random.RandomState) -> Array:
        """Return draws of the broad distribution, float64 (n, n_dim).

        Eccentricity vectors are drawn of the prior itself by rejection, because the prior's pole at
        zero is no part of the normal distribution that its coordinates have.
        """
        y = random.standard_normal((n, self.n_dim))
        y[:, list(self.coordinates.timed)] *= TIMED_WIDTH
        self.coordinates.draw_eccentricities(y, random)
        if self.peaks is not None:
            of_peaks = random.rand(n) >= PRIOR_SHARE
            y[of_peaks] = sample_mixture(self.peaks, int(of_peaks.sum()), random)
        return y

    def evaluate(self, y: Array) -> tuple[Array, Array]:
        """Return log densities of coordinates: of the broad distribution, and of the posterior.

        Parameters
        ----------
        y : ndarray
            float64 (n, n_dim).

        Returns
        -------
        broad, posterior : ndarray
            float64 (n,), -inf where there is none; the posterior's is that in y, without the
            constant of the evidence.
        """
        broad, target = np.full(len(y), -math.inf), np.full(len(y), -math.inf)
        for begin in range(0, len(y), CHUNK):
            self._poll()
            chunk = slice(begin, begin + CHUNK)
            broad[chunk], target[chunk] = self._evaluate(y[chunk])
        return broad, target

    def _evaluate(self, y: Array) -> tuple[Array, Array]:
        points = self.coordinates.to_points(y)
        possible = np.flatnonzero(np.isfinite(points).all(axis=1))
        broad, target = np.full(len(y), -math.inf), np.full(len(y), -math.inf)
        if not len(possible):
            return broad, target
        x, kept = points[possible], y[possible]
        densities = self.posterior.log_densities(x)
        inside = np.flatnonzero(np.isfinite(densities))
        target[possible[inside]] = densities[inside] - self.coordinates.log_jacobians(
            x[inside], kept[inside]
        )
        broad[possible] = self._log_broad(x, kept)
        return broad, target

    def _log_broad(self, points: Array, y: Array) -> Array:
        prior = self.coordinates.log_broad(y, points)
        if self.peaks is None:
            return prior
        around = log_mixture(self.peaks, y) + math.log(1.0 - PRIOR_SHARE)
        return np.logaddexp(prior + math.log(PRIOR_SHARE), around)


def peaks_of(means: Array, covariances: Array) -> Mixture:
    """Return the part of a broad distribution that is around peaks.

    Parameters
    ----------
    means : ndarray
        float64 (n_peak, n_dim), where they are.
    covariances : ndarray
        float64 (n_peak, n_dim, n_dim), of their normal approximations.
    """
    factors = PEAK_WIDTH * np.linalg.cholesky(covariances)
    weights = np.full(len(means), 1.0 / len(means))
    return Mixture(weights, means, np.asarray(factors), PEAK_DEGREES)
