"""Tables of transit times and priors that contradict each other, and what to change.

Each check says which planet it is about, with the numbers on both sides and what to write. They
are made before anything is computed, and again after a search has failed, which is then strict:
what a strong perturbation could explain is a reason, too.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.model import EARTH_MASS
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable

# What people count days from, and the days that make such times BKJD.
_ZERO_POINTS = (
    ("BTJD (BJD - 2457000)", 2167.0),
    ("BJD - 2454900", 67.0),
    ("BJD - 2455000", 167.0),
    ("BJD - 2450000", -4833.0),
    ("MJD", -54832.5),
    ("BJD - 2400000", -54833.0),
)
# Share of its period by which a planet's t0 may lie beside the line of its transits; no planet is
# known to vary by more.
VARIATION = 0.1
LEAST_SHARE = 0.02
"""Share of a period by which an unperturbed orbit's transits leave the perturbed ones behind in two
periods, at least: planets of ten Earth masses do."""
# Units of a pendulum's swing by which an osculating period may differ from the mean one: of 880
# systems that were drawn from wide priors (`bench.zoo`), up to 400 Earth masses, none had more than
# 1.1. Eccentricities are forced, so that at least this counts; and no period differs by more.
_SWINGS, _LEAST_ECCENTRICITY, _MOST_OSCULATING = 1.5, 0.1, 0.1
# Probability below and above what counts as a prior's range, where it has no edge.
_TAIL = 1e-6
# Spreads of a planet's intervals, as standard deviations, by which one may be off without a wrong
# number.
_SPREADS = 3.0


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
    checked = (
        misnumbered(transits)
        or wrong_period(
            transits, allowed(problem, f"{transits.planet}.period"), room=uncertainty(transits)
        )
        or wrong_t0(
            transits, allowed(problem, f"{transits.planet}.t0"), problem.model.epoch, strict=True
        )
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
    How much they spread says how far a long gap may be off without a wrong number.
    """
    epochs, times = different(transits)
    if len(epochs) < 3:
        return None
    numbers, days = np.diff(epochs), np.diff(times)
    each = days / numbers
    period = float(np.median(each))
    spread = 1.4826 * float(np.median(np.abs(each - period)))
    off = days - numbers * period
    wrong = np.flatnonzero(np.abs(off) > 0.5 * period + _SPREADS * spread * numbers)
    if not len(wrong):
        return None
    place = int(wrong[0])
    before, first = int(epochs[place]), int(epochs[place + 1])
    late = float(off[place])
    which = f"transit {first} of {transits.planet}"
    room = VARIATION * period + _SPREADS * spread * float(numbers[place])
    for name, add in _ZERO_POINTS:
        for sign, side in ((1.0, "from it on"), (-1.0, "before it")):
            if abs(sign * late + add) < room:
                return (
                    f"From {which} on, times are {abs(late):.1f} days "
                    f"{'earlier' if late < 0 else 'later'} than those before and their numbers "
                    f"say: if those {side} are {name}, {_add(add)} to make them BKJD."
                )
    periods = round(float(days[place]) / period)
    told = (
        f"The {which} comes {days[place] / period:.2f} periods of {period:.4f} days after transit "
        f"{before}: "
    )
    if periods < 1 or abs(float(days[place]) - periods * period) > room:
        return f"{told}correct the time of one of the two, or leave it out."
    return (
        f"{told}give it the number {before + periods}, and change those after it alike, or correct "
        "the time."
    )


def _add(days: float) -> str:
    return f"add {days:.10g}" if days > 0 else f"subtract {-days:.10g}"


def wrong_period(
    transits: PlanetTransits, limits: tuple[float, float], *, room: float = 0.0
) -> str | None:
    """Say that a planet's period in the table is not among those allowed.

    Parameters
    ----------
    transits : PlanetTransits
        Of the planet.
    limits : tuple[float, float]
        Lowest and highest period.
    room : float
        Share of the period by which it may lie outside: the prior is on an osculating one, and the
        table's is uncertain.
    """
    line = transits.linear_ephemeris()
    low, high = limits
    if line is None or low * (1.0 - room) <= line[1] <= high * (1.0 + room):
        return None
    return (
        f"The period of {transits.planet} is {line[1]:.4f} days in the table, but "
        f"{interval(low, high)} days in the campaign file."
    )


def renumbered(transits: PlanetTransits, limits: tuple[float, float]) -> str | None:
    """Say which number a transit would have with a period of the prior; None if none is sure.

    Parameters
    ----------
    transits : PlanetTransits
        Of a planet whose period in the table is not the prior's.
    limits : tuple[float, float]
        Lowest and highest period.
    """
    epochs, times = different(transits)
    numbers, days = np.diff(epochs), np.diff(times)
    fewest, most = np.ceil(days / limits[1] - VARIATION), np.floor(days / limits[0] + VARIATION)
    if np.any(fewest != most) or np.any(most < 1) or np.array_equal(most, numbers):
        return None
    place = int(np.flatnonzero(most != numbers)[0])
    number = int(epochs[place]) + int(most[place])
    return f"give transit {int(epochs[place + 1])} the number {number}, and change those after it"


def osculating(problem: Problem, planet: str) -> float:
    """Return the share by which a planet's osculating period may differ from its mean one.

    In the resonance of a neighbour of relative mass mu an orbit of eccentricity e swings by
    sqrt(16/3 mu e) in the model of the pendulum (Murray & Dermott 1999, Solar System Dynamics,
    section 8.7); here with the largest masses and eccentricities that the priors allow.
    """
    masses = [
        allowed(problem, f"{other.name}.mass")[1]
        for other in problem.model.planets
        if other.name != planet
    ]
    ends = [prior.prior.support[1] for prior in problem.eccentricities.values()]
    e = max([_LEAST_ECCENTRICITY, *(min(end, 1.0) for end in ends)])
    mu = math.fsum(masses) * EARTH_MASS / problem.model.star_mass
    return min(_SWINGS * math.sqrt(16.0 / 3.0 * mu * e), _MOST_OSCULATING)


def wrong_t0(
    transits: PlanetTransits,
    limits: tuple[float, float],
    epoch: float,
    *,
    strict: bool = False,
    share: float = LEAST_SHARE,
) -> str | None:
    """Say that a planet's t0 lies beside the table's transits.

    Parameters
    ----------
    transits : PlanetTransits
        Of the planet.
    limits : tuple[float, float]
        Lowest and highest t0.
    epoch : float
        Of the elements, BKJD.
    strict : bool
        Whether t0 may lie beside its transit by no more than the planet's transits vary, and not
        before the model begins.
    share : float
        Of a period by which the osculating one may differ from the mean one; see `osculating`. It
        has no effect on a strict check.
    """
    line = transits.linear_ephemeris()
    if line is None:
        return None
    start, period = line
    low, high = limits
    # The transit in the middle of what is allowed, or the nearest one.
    number = round((0.5 * (low + high) - start) / period)
    nearest = measured(transits, number) or start + number * period
    varies = variation(transits)
    if not strict:
        # An unperturbed orbit leaves the perturbed one behind, the more the farther from the epoch.
        varies += 0.5 * max(share, LEAST_SHARE) * (abs(nearest - epoch) + period)
    reach = min(VARIATION * period, varies)
    if low - reach <= nearest <= high + reach:
        return _before(transits, limits, epoch, nearest, period) if strict else None
    return (
        f"t0 of {transits.planet} is {interval(low, high)} in the campaign file, but the table's "
        f"transits lie at {start:.3f} and whole periods of {period:.4f} days from there: the "
        f"nearest is at {nearest:.3f}.{_zero_point(transits, limits, reach)}"
    )


def _zero_point(transits: PlanetTransits, limits: tuple[float, float], reach: float) -> str:
    """Say which zero point of the table's times puts a measured transit at t0."""
    for name, add in _ZERO_POINTS:
        shifted = transits.times + add
        if np.any((shifted >= limits[0] - reach) & (shifted <= limits[1] + reach)):
            return f" If its times are {name}, {_add(add)} to make them BKJD."
    return ""


def _before(
    transits: PlanetTransits,
    limits: tuple[float, float],
    epoch: float,
    nearest: float,
    period: float,
) -> str | None:
    """Say that a planet's t0 lies before the model begins."""
    low, high = limits
    if high + VARIATION * period >= epoch:
        return None
    count = math.ceil((epoch - nearest) / period)
    later = "one period" if count == 1 else f"{count} periods"
    return (
        f"t0 of {transits.planet} is {interval(low, high)} in the campaign file, before the epoch "
        f"of the elements at {epoch:g}, where the model begins: write the same {later} later, "
        f"{interval(low + count * period, high + count * period)}."
    )


def different(transits: PlanetTransits) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return number and time of each transit, the first time of those measured several times."""
    epochs, first = np.unique(transits.epochs, return_index=True)
    return epochs, transits.times[first]


def measured(transits: PlanetTransits, number: int) -> float | None:
    """Return the time of a transit, or None if it was not measured."""
    places = np.flatnonzero(transits.epochs == number)
    return float(transits.times[places[0]]) if len(places) else None


def variation(transits: PlanetTransits) -> float:
    """Return the largest distance of a transit from the line, days; 0 without a line."""
    line = transits.linear_ephemeris()
    if line is None:
        return 0.0
    return float(np.abs(transits.times - line[0] - line[1] * transits.epochs).max())


def uncertainty(transits: PlanetTransits) -> float:
    """Return the standard error of the line's period, of transits that vary as these.

    As a share of the period; 0 without a line.
    """
    line = transits.linear_ephemeris()
    if line is None:
        return 0.0
    epochs = transits.epochs - np.mean(transits.epochs)
    size = max(variation(transits), float(np.median(transits.sigmas)))
    return size / math.sqrt(float(np.sum(epochs**2))) / line[1]


def interval(low: float, high: float) -> str:
    """Return an interval as people read it."""
    return f"{low:.7g}" if low == high else f"{low:.7g} to {high:.7g}"
