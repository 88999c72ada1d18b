"""Standard errors of transit times that are in another unit than days.

Times scatter by their errors at least, whatever planets do to each other: about a line, and about
the chord between their neighbours, where slow perturbations cancel. Errors that are many times
larger than the scatter are no errors of these times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from apps.ttv.compute.search.table_checks import different
from apps.ttv.compute.table import PlanetTransits

# Share of the period: no transit lasts longer than a tenth of it around a star of its size or
# smaller, and a time is known better than half of that or it is none.
_MOST_OF_PERIOD = 0.05
# Scatter in units of the errors below which these are refused, and told. Hours in place of days are
# 24 times too large, and perturbations hide a part of that.
_REFUSED, _TOLD = 0.1, 0.33
# Days from which on errors are refused for their scatter alone. Times that a model has made,
# without noise, have smaller ones.
_DOUBTFUL = 0.01
# Probability of so small a scatter by chance.
_CHANCE = 1e-6
# Days; the best times of any telescope have errors of one second.
_LEAST_SIGMA = 1e-5
_UNITS = (("hours", 24.0), ("minutes", 1440.0), ("seconds", 86400.0))


@dataclass(frozen=True, slots=True)
class _Scatter:
    """How times scatter.

    Attributes
    ----------
    about : str
        What they scatter about, for people.
    days : float
        The standard deviation of one time, days.
    square : float
        Sum of the squares in units of the errors.
    freedom : int
        How many independent ones it is of.
    """

    about: str
    days: float
    square: float
    freedom: int

    def is_below(self, limit: float) -> bool:
        """Whether it is below a part of the errors, and not by chance."""
        small = self.square < limit**2 * self.freedom
        return small and float(chi2.cdf(self.square, self.freedom)) < _CHANCE


def wrong_unit(transits: PlanetTransits) -> str | None:
    """Say that the sigmas of a planet's transits cannot be days, and what they may be.

    Times without any noise, as a model makes them, are no reason.

    Parameters
    ----------
    transits : PlanetTransits
        Of one planet.
    """
    line = transits.linear_ephemeris()
    if line is None:
        return None
    middle, scatter = float(np.median(transits.sigmas)), _least(transits)
    large = middle > _MOST_OF_PERIOD * line[1]
    unit = _unit(middle, scatter, line[1])
    quiet = middle > _DOUBTFUL and scatter is not None and scatter.is_below(_REFUSED)
    if not large and (unit is None or not quiet):
        return None
    about = f"{100 * middle / line[1]:.2g} % of its period"
    if scatter is not None and 0.0 < scatter.days < middle:
        about += (
            f", and {middle / scatter.days:.2g} times the scatter of its times about "
            f"{scatter.about}, {scatter.days:.2g} days"
        )
    advice = "" if unit is None else f"; if they are {unit[0]}, divide them by {unit[1]:.0f}"
    return (
        f"sigma_days of {transits.planet} is {middle:.3g} in the middle, {about}: write days"
        f"{advice}."
    )


def remark_on_quiet(transits: PlanetTransits) -> str | None:
    """Say that times scatter less than their sigmas allow."""
    scatter = _least(transits)
    if scatter is None or not scatter.is_below(_TOLD):
        return None
    middle = float(np.median(transits.sigmas))
    return (
        f"The times of {transits.planet} scatter by {scatter.days:.2g} days about {scatter.about}, "
        f"but their sigmas are {middle:.2g} days in the middle: they may be too large."
    )


def _unit(middle: float, scatter: _Scatter | None, period: float) -> tuple[str, float] | None:
    """Return the unit, and its number in a day, that makes errors such as these times have."""
    most = _MOST_OF_PERIOD * period
    if scatter is not None:
        most = min(most, scatter.days / _TOLD)
    return next(
        (unit for unit in _UNITS if _LEAST_SIGMA <= middle / unit[1] <= most),
        None,
    )


def _least(transits: PlanetTransits) -> _Scatter | None:
    """Return the smaller one of the scatters about a line and about chords, in standard errors."""
    both = (_about_line(transits), _about_chords(transits))
    scatters = [scatter for scatter in both if scatter is not None]
    return min(scatters, key=lambda scatter: scatter.square / scatter.freedom, default=None)


def _about_line(transits: PlanetTransits) -> _Scatter | None:
    line, freedom = transits.linear_ephemeris(), len(transits.times) - 2
    if line is None or freedom < 1:
        return None
    residuals = transits.times - line[0] - line[1] * transits.epochs
    days = math.sqrt(float(np.sum(residuals**2)) / freedom)
    square = float(np.sum((residuals / transits.sigmas) ** 2))
    return _Scatter("a line", days, square, freedom)


def _about_chords(transits: PlanetTransits) -> _Scatter | None:
    """Return the scatter of every third time about the chord between its two neighbours."""
    epochs, times = different(transits)
    sigmas = transits.sigmas[np.unique(transits.epochs, return_index=True)[1]]
    n = len(epochs) // 3
    if n < 3:
        return None
    rows = np.arange(3 * n).reshape(n, 3)
    (a, b, c), (t, u, v) = epochs[rows].T.astype(np.float64), times[rows].T
    share = (b - a) / (c - a)
    off = u - (1.0 - share) * t - share * v
    # The variance of off, in those of the three times.
    parts = np.stack([(1.0 - share) ** 2, np.ones(n), share**2], axis=1)
    expected = np.sum(parts * sigmas[rows] ** 2, axis=1)
    days = math.sqrt(float(np.mean(off**2 / parts.sum(axis=1))))
    return _Scatter("the chords of their neighbours", days, float(np.sum(off**2 / expected)), n)
