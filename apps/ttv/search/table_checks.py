"""Why no model has the transits of a table, where the table and the priors tell it.

For the sentence of an error, after a search has failed: each check says which planet it is about,
with the numbers on both sides.
"""

from __future__ import annotations

import math

import numpy as np

from apps.ttv.settings import Problem
from apps.ttv.table import PlanetTransits, TransitTable

# Days from BTJD (BJD - 2457000) to BKJD (BJD - 2454833).
_BTJD = 2167.0
# Share of its period by which a planet's t0 may lie beside the line of its transits; no planet is
# known to vary by more.
_VARIATION = 0.1
# Probability below and above what counts as a prior's range, where it has no edge.
_TAIL = 1e-6


def why_unmatched(problem: Problem, table: TransitTable) -> list[str]:
    """Return sentences on planets whose transits no model of the priors can have.

    Parameters
    ----------
    problem : Problem
        Model and priors.
    table : TransitTable
        The measured transits.

    Returns
    -------
    list[str]
        Empty if nothing is wrong that can be told. One sentence for each planet: where numbers are
        wrong, the table's period is, too, and a check of the priors would mislead.
    """
    epoch = problem.model.epoch
    checked = (
        misnumbered(transits)
        or wrong_period(transits, allowed(problem, f"{transits.planet}.period"))
        or wrong_t0(transits, allowed(problem, f"{transits.planet}.t0"), epoch)
        for transits in table.planets
    )
    return [sentence for sentence in checked if sentence]


def allowed(problem: Problem, name: str) -> tuple[float, float]:
    """Return the lowest and highest value that a parameter may have; equal if it is fixed."""
    parameter = next(parameter for parameter in problem.parameters if parameter.name == name)
    if parameter.fixed is not None:
        return parameter.fixed, parameter.fixed
    prior = parameter.prior
    if prior is None:
        return -math.inf, math.inf
    low, high = prior.support
    return (
        low if low > -math.inf else prior.quantile(_TAIL),
        high if high < math.inf else prior.quantile(1.0 - _TAIL),
    )


def misnumbered(transits: PlanetTransits) -> str | None:
    """Say from which transit on the numbers or the times of a planet do not fit those before.

    The median of the periods from row to row stands for the planet's: one gap cannot change it.
    """
    if len(transits.epochs) < 3:
        return None
    numbers, days = np.diff(transits.epochs), np.diff(transits.times)
    period = float(np.median(days / numbers))
    periods = np.rint(days / period)
    wrong = np.flatnonzero(periods != numbers)
    if not len(wrong):
        return None
    place = int(wrong[0])
    before, first = int(transits.epochs[place]), int(transits.epochs[place + 1])
    late = float(days[place] - numbers[place] * period)
    which = f"transit {first} of {transits.planet}"
    if abs(late + _BTJD) < 0.25 * period + 0.01 * abs(late):
        return (
            f"From {which} on, times are {-late:.1f} days earlier than those before and their "
            f"numbers say: if they are BTJD (BJD - 2457000), add {_BTJD:.0f} to make them BKJD."
        )
    return (
        f"The {which} comes {days[place] / period:.2f} periods of {period:.4f} days after transit "
        f"{before}: give it the number {before + int(periods[place])}, and change those after it "
        "alike, or correct the time."
    )


def wrong_period(transits: PlanetTransits, limits: tuple[float, float]) -> str | None:
    """Say that a planet's period in the table is not among those allowed."""
    line = transits.linear_ephemeris()
    low, high = limits
    if line is None or low <= line[1] <= high:
        return None
    return (
        f"The period of {transits.planet} is {line[1]:.4f} days in the table, but "
        f"{_range(low, high)} days in the campaign file."
    )


def wrong_t0(transits: PlanetTransits, limits: tuple[float, float], epoch: float) -> str | None:
    """Say that a planet's t0 lies beside the table's transits, or before the model begins.

    Parameters
    ----------
    transits : PlanetTransits
        Of the planet.
    limits : tuple[float, float]
        Lowest and highest t0.
    epoch : float
        Of the elements, and the beginning of the integration, BKJD.
    """
    line = transits.linear_ephemeris()
    if line is None:
        return None
    start, period = line
    low, high = limits
    stated = f"t0 of {transits.planet} is {_range(low, high)} in the campaign file"
    # The transit in the middle of what is allowed, or the nearest one.
    nearest = start + round((0.5 * (low + high) - start) / period) * period
    reach = _VARIATION * period
    if not low - reach <= nearest <= high + reach:
        return (
            f"{stated}, but the table's transits lie at {start:.3f} and whole periods of "
            f"{period:.4f} days from there: the nearest is at {nearest:.3f}."
        )
    if high + reach < epoch:
        count = math.ceil((epoch - nearest) / period)
        later = "one period" if count == 1 else f"{count} periods"
        moved = count * period
        return (
            f"{stated}, before the epoch of the elements at {epoch:g}, where the model begins: "
            f"write the same {later} later, {_range(low + moved, high + moved)}."
        )
    return None


def _range(low: float, high: float) -> str:
    return f"{low:.7g}" if low == high else f"{low:.7g} to {high:.7g}"
