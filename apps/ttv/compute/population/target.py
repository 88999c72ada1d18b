"""From where to where a population goes: a broad distribution, and the posterior.

The broad distribution is the prior's: normal in whitened coordinates, and a normal distribution of
the timed ones (`apps.ttv.compute.coordinates`). Its density is known, so that the evidence
follows. Peaks that a search has found are no part of it: populations that begin near a peak never
fill the ends of a long, bent ridge.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior

CHUNK = 512
"""Points evaluated between two looks at the client: some 20 to 500 ms."""
Array = NDArray[np.float64]


class Target:
    """The posterior in the coordinates of a population, and the broad distribution to begin with.

    Parameters
    ----------
    posterior : Posterior
        The target.
    coordinates : Coordinates
        Of the same problem.
    poll : Callable
        Called before every `CHUNK` points; may raise to leave the computation.
    """

    def __init__(
        self,
        posterior: Posterior,
        coordinates: Coordinates,
        poll: Callable[[], None] = lambda: None,
    ) -> None:
        self.posterior, self.coordinates = posterior, coordinates
        self.n_dim = posterior.problem.n_dim
        self._poll = poll

    @property
    def n_call(self) -> int:
        """Points that were integrated, those of corrections among them."""
        return self.posterior.n_call + self.coordinates.n_call

    def broad_draws(self, n: int, random: np.random.RandomState) -> Array:
        """Return draws of the broad distribution, float64 (n, n_dim)."""
        return self.coordinates.widened(random.standard_normal((n, self.n_dim)))

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
        broad[possible] = self.coordinates.log_broad(kept)
        return broad, target
