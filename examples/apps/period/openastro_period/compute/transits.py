"""Box least squares: the search for transits (Kovacs et al. 2002, A&A 391, 369).

astropy computes it. It is imported here and only when it is asked for, because volunteers' programs
do not have it: campaigns with transits run on one's own machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from openastro_period.curves import LightCurve
from openastro_period.grid import Grid

FOLDS = 1_500_000
"""Points, times periods, of one call: it takes some 50 ms."""
MAX_PERIODS = 1000
"""Of one call: with few points, bins of phase take the time."""


@dataclass(frozen=True, slots=True)
class Transits:
    """The transits that are looked for.

    Attributes
    ----------
    grid : Grid
        Frequencies, 1/d.
    durations : tuple of float
        Days.
    fades : bool
        Whether values are magnitudes, which rise where a star fades.
    """

    grid: Grid
    durations: tuple[float, ...]
    fades: bool

    def per_block(self, curve: LightCurve) -> int:
        """Return how many periods of a light curve one call looks at."""
        return max(1, min(MAX_PERIODS, FOLDS // len(curve.time)))

    def blocks(self, curve: LightCurve) -> int:
        """Return how many calls a light curve takes."""
        return -(-self.grid.n // self.per_block(curve))


def best_of_block(curve: LightCurve, transits: Transits, block: int) -> list[float]:
    """Return the best box of a block of periods.

    Returns
    -------
    list of float
        Log likelihood above that of no transit, period, time of a mid-transit after the first
        point, duration, all in days, depth and its error.
    """
    from astropy.timeseries import BoxLeastSquares

    size = transits.per_block(curve)
    places = np.arange(block * size, min((block + 1) * size, transits.grid.n))
    sign = -1.0 if transits.fades else 1.0
    value = sign * curve.value
    for _, of_band in curve.bands():
        value[of_band] -= np.average(value[of_band], weights=curve.error[of_band] ** -2.0)
    search: Any = BoxLeastSquares(curve.time - curve.time[0], value, dy=curve.error)
    periods = 1.0 / transits.grid.at(places)
    made = search.power(periods, list(transits.durations), objective="likelihood")
    best = int(np.argmax(made.power))
    columns = (
        made.power, made.period, made.transit_time, made.duration, made.depth, made.depth_err,
    )  # fmt: skip
    return [float(np.asarray(column)[best]) for column in columns]
