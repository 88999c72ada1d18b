"""Which of the model's transits is which of the table's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.failures import FailureKind, IntegrationFailed
from apps.ttv.compute.table import PlanetTransits


class Matcher:
    """Gives the model's transits of one planet the numbers that the table uses.

    The table's own linear ephemeris says which number the transit at t0 has; the model's transit
    nearest to t0 gets it, the others follow. So the numbering does not depend on how well the model
    fits elsewhere, and a bad fit is bad, not silently renumbered. The compiled kernel does the same
    in ``kernel/matching.c``.
    """

    def __init__(self, planet: PlanetTransits) -> None:
        self.planet = planet
        self._ephemeris = planet.linear_ephemeris()

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
