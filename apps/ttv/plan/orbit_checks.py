"""Inclinations at which a planet in the table could not be seen to transit.

A planet transits if it passes the middle of its star at less than the star's radius, as seen from
here: a |cos i| < R. The star's radius is no part of a campaign, but stars have limits.
"""

from __future__ import annotations

import math

from apps.ttv.compute.search.table_checks import allowed, interval
from apps.ttv.compute.settings import Problem

# Semi-major axis of an orbit of one day around one solar mass, in solar radii, by Kepler's law:
# (G M / (4 pi^2))^(1/3) day^(2/3) = 2.91e9 m.
_ONE_DAY = 4.2
# Solar radii. Giants with a transiting planet have up to 7 (Kepler-91, a / R = 2.5).
_LARGEST_STAR = 10.0
# Semi-major axes in stellar radii: no planet is known to transit from closer.
_CLOSEST = 1.5
# Radii of a star on the main sequence, R = M^0.8 in solar units, from which on it is told: stars
# are about twice as large when they leave it.
_LARGE = 2.0


def cannot_transit(problem: Problem, planet: str) -> str | None:
    """Say that a planet of the table cannot transit any star, whatever the prior's value."""
    low, high = allowed(problem, f"{planet}.inclination")
    distance, axis = _least_distance(problem, planet)
    if distance <= min(_LARGEST_STAR, axis / _CLOSEST):
        return None
    return (
        f"{planet} is in the table, but cannot transit at an inclination of {interval(low, high)} "
        f"deg: it passes the middle of its star at {distance:.1f} solar radii or more. Write 90, "
        f"or a prior near it, such as {_lowest(problem, planet):.0f} to 90 deg"
    )


def remark_on_grazing(problem: Problem, planet: str) -> str | None:
    """Say that a planet of the table does not transit a star of the main sequence."""
    distance, _ = _least_distance(problem, planet)
    radius = math.pow(problem.model.star_mass, 0.8)
    if distance <= _LARGE * radius or cannot_transit(problem, planet):
        return None
    low, high = allowed(problem, f"{planet}.inclination")
    return (
        f"At an inclination of {interval(low, high)} deg {planet} passes the middle of its star at "
        f"{distance:.1f} solar radii or more: it transits only if the star is a giant."
    )


def _axis(problem: Problem, planet: str) -> float:
    """Return the smallest semi-major axis that the priors allow, solar radii."""
    period = max(allowed(problem, f"{planet}.period")[0], 0.0)
    return _ONE_DAY * math.cbrt(problem.model.star_mass * period**2)


def _least_distance(problem: Problem, planet: str) -> tuple[float, float]:
    """Return the least a |cos i| and a, solar radii."""
    low, high = allowed(problem, f"{planet}.inclination")
    nearest = min(max(90.0, low), high)
    axis = _axis(problem, planet)
    return axis * abs(math.cos(math.radians(nearest))), axis


def _lowest(problem: Problem, planet: str) -> float:
    """Return the lowest inclination at which a star of the main sequence is transited, degrees."""
    radius = math.pow(problem.model.star_mass, 0.8)
    ratio = min(radius / _axis(problem, planet), 0.5)
    return math.ceil(math.degrees(math.acos(ratio)))
