"""Standard errors of transit times that are in another unit than days.

Times scatter about a line by their errors at least, whatever planets do to each other. Errors that
are many times larger than all of the scatter are no errors of these times.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import chi2

from apps.ttv.table import PlanetTransits

# Share of the period: no transit lasts longer than a tenth of it around a star of its size or
# smaller, and a time is known better than half of that or it is none.
_MOST_OF_PERIOD = 0.05
# Scatter in units of the errors below which these are refused, and told. Hours in place of days are
# 24 times too large, and perturbations hide a part of that.
_REFUSED, _TOLD = 0.1, 0.33
# Probability of so small a scatter by chance.
_CHANCE = 1e-6
# Days; the best times of any telescope have errors of one second.
_LEAST_SIGMA = 1e-5
_UNITS = (("hours", 24.0), ("minutes", 1440.0), ("seconds", 86400.0))


def wrong_unit(transits: PlanetTransits) -> str | None:
    """Say that the sigmas of a planet's transits cannot be days, and what they may be.

    Times without any noise, as a model makes them, are no reason: there no unit helps.
    """
    line = transits.linear_ephemeris()
    if line is None:
        return None
    middle, scatter = float(np.median(transits.sigmas)), _scatter(transits)
    large = middle > _MOST_OF_PERIOD * line[1]
    unit = _unit(middle, scatter, line[1])
    if not large and (unit is None or not _too_quiet(transits, _REFUSED)):
        return None
    about = f"{100 * middle / line[1]:.2g} % of its period"
    if scatter is not None and 0.0 < scatter < middle:
        about += (
            f", and {middle / scatter:.2g} times the scatter of its times about a line, "
            f"{scatter:.2g} days"
        )
    advice = "" if unit is None else f"; if they are {unit[0]}, divide them by {unit[1]:.0f}"
    return (
        f"sigma_days of {transits.planet} is {middle:.3g} in the middle, {about}: write days"
        f"{advice}."
    )


def _unit(middle: float, scatter: float | None, period: float) -> tuple[str, float] | None:
    """Return the unit, and its number in a day, that makes errors such as these times have."""
    most = _MOST_OF_PERIOD * period
    if scatter is not None:
        most = min(most, scatter / _TOLD)
    return next(
        (unit for unit in _UNITS if _LEAST_SIGMA <= middle / unit[1] <= most),
        None,
    )


def remark_on_quiet(transits: PlanetTransits) -> str | None:
    """Say that times scatter less than their sigmas allow."""
    scatter = _scatter(transits)
    if scatter is None or not _too_quiet(transits, _TOLD):
        return None
    middle = float(np.median(transits.sigmas))
    return (
        f"The times of {transits.planet} scatter by {scatter:.2g} days about a line, but their "
        f"sigmas are {middle:.2g} days in the middle: they may be too large."
    )


def _scatter(transits: PlanetTransits) -> float | None:
    """Return the standard deviation about the line, days; None where nothing is left for it."""
    line, freedom = transits.linear_ephemeris(), len(transits.times) - 2
    if line is None or freedom < 1:
        return None
    residuals = transits.times - line[0] - line[1] * transits.epochs
    return math.sqrt(float(np.sum(residuals**2)) / freedom)


def _too_quiet(transits: PlanetTransits, limit: float) -> bool:
    """Whether the scatter about a line is below a part of the errors, and not by chance."""
    line, freedom = transits.linear_ephemeris(), len(transits.times) - 2
    if line is None or freedom < 1:
        return False
    residuals = (transits.times - line[0] - line[1] * transits.epochs) / transits.sigmas
    square = float(np.sum(residuals**2))
    return square < limit**2 * freedom and float(chi2.cdf(square, freedom)) < _CHANCE
