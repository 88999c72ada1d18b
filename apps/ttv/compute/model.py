"""The timing model: from the parameters of the planets to all their transit times.

Parameters, per planet (osculating Jacobi elements at the model's epoch):

- ``mass``: Earth masses, by the nominal GM of IAU 2015 resolution B3;
- ``period``: osculating period, days, of the mean motion n with n^2 a^3 = G M_star eta_i/eta_(i-1),
  where eta_i is the mass inside and including planet i, in units of the star's (the convention of
  TTVFast: Deck et al. 2014, ApJ 787, 132);
- ``ecosw``, ``esinw``: e cos w and e sin w; w is counted from the node, and a planet transits
  where true anomaly + w = 90 degrees;
- ``t0``: BKJD days, a conjunction of the *unperturbed* orbit with these elements; near the epoch
  the true transit is within minutes of it;
- ``inclination``, ``node``: degrees; 90 is edge-on.

The planets are handed to TTVFast from the inside to the outside, as positions and velocities.
TTVFast's own conversion of elements ignores failures and may loop for ever; this one cannot.

What the wrapper (ttvfast 0.3.0) does that is worked around here: it leaks one empty list a call,
64 bytes, unless a radial-velocity time is asked for, so one that is never reached is; it reports
errors as `SystemError`; unused slots of its result hold -2; and it goes on after its Kepler solver
failed, which freezes a planet in space, so the transits are counted (see `_check_spacing`).
Its globals are written before they are read in every call: a result depends on its arguments only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from ttvfast._ttvfast import _ttvfast

from apps.ttv.compute.failures import FailureKind, IntegrationFailed
from apps.ttv.compute.settings import ELEMENTS, ModelSettings, Problem

# Nominal GM of IAU 2015 resolution B3 (Prsa et al. 2016, AJ 152, 41); au of resolution 2012 B2.
GM_SUN = 1.3271244e20  # m^3 s^-2
GM_EARTH = 3.986004e14
AU = 149597870700.0  # m
EARTH_MASS = GM_EARTH / GM_SUN  # solar masses
G = GM_SUN * 86400.0**2 / AU**3  # au^3 day^-2 Msun^-1

_CARTESIAN = 2  # TTVFast's input flag for astrocentric positions and velocities
_UNUSED = -2.0
_NEVER = [-1.0]  # a radial-velocity time before the start
_KEPLER_ITERATIONS = 60
# An orbit within 45 degrees of edge-on passes its sky-plane closest approach once a period in
# front of the star, so that its transits can be counted whether they are observed or not.
_COUNTABLE_SIN2 = 0.5


@dataclass(frozen=True, slots=True)
class Orbit:
    """One planet's parameters, in the units of the module's docstring."""

    mass: float
    period: float
    ecosw: float
    esinw: float
    t0: float
    inclination: float
    node: float


class TimingModel:
    """Transit times as a function of the free parameters.

    Parameters
    ----------
    problem : Problem
        Model settings, and which parameters are free.
    dt : float, optional
        Another step than that of the settings, days.
    """

    def __init__(self, problem: Problem, dt: float | None = None) -> None:
        self.model: ModelSettings = problem.model
        self.dt = problem.model.dt if dt is None else dt
        self.planets = tuple(planet.name for planet in problem.model.planets)
        free = {name: place for place, name in enumerate(problem.parameter_names)}
        self._plan = [
            [(p.fixed, free.get(p.name)) for p in problem.parameters[start : start + len(ELEMENTS)]]
            for start in range(0, len(problem.parameters), len(ELEMENTS))
        ]

    def orbits(self, values: Sequence[float]) -> list[Orbit]:
        """Return each planet's parameters from the free ones, in the settings' order."""
        return [
            Orbit(
                *(
                    fixed if fixed is not None else float(values[place])  # type: ignore[index]
                    for fixed, place in row
                )
            )
            for row in self._plan
        ]

    def transit_times(self, values: Sequence[float]) -> list[NDArray[np.float64]]:
        """Return all transit times of every planet between epoch and end, BKJD days.

        Parameters
        ----------
        values : Sequence[float]
            The free parameters, (n_dim,).

        Raises
        ------
        IntegrationFailed
            If there are none, or they cannot be trusted.
        """
        return self.times_of(self.orbits(values))

    def times_of(self, orbits: Sequence[Orbit]) -> list[NDArray[np.float64]]:
        """Return the transit times of the given planets; see `transit_times`."""
        for orbit in orbits:
            _check_elements(orbit)
        order = sorted(range(len(orbits)), key=lambda i: orbits[i].period)
        ordered = [orbits[i] for i in order]
        _check_separation(ordered, self.model.star_mass)
        parameters = ttvfast_parameters(ordered, self.model.star_mass, self.model.epoch)
        span = self.model.end - self.model.epoch
        found = _integrate(parameters, self.dt, span, len(ordered))
        for orbit, times in zip(ordered, found, strict=True):
            _check_spacing(orbit, times, span)
        times_by_planet: list[NDArray[np.float64]] = [np.empty(0)] * len(orbits)
        for place, times in zip(order, found, strict=True):
            times_by_planet[place] = times + self.model.epoch
        return times_by_planet


def ttvfast_parameters(orbits: Sequence[Orbit], star_mass: float, epoch: float) -> list[float]:
    """Return TTVFast's input: G, the star's mass, and mass, position and velocity of each planet.

    Parameters
    ----------
    orbits : Sequence[Orbit]
        From the innermost to the outermost.
    star_mass : float
        Solar masses.
    epoch : float
        BKJD days.

    Returns
    -------
    list[float]
        Astrocentric, au and au/day, z towards the observer; masses in solar masses.
    """
    parameters = [G, star_mass]
    inside = star_mass
    shift = [0.0] * 6  # from the star to the barycentre of all that is inside
    for orbit in orbits:
        mass = orbit.mass * EARTH_MASS
        gm = G * star_mass * (inside + mass) / inside
        inside += mass
        jacobi = _state(orbit, gm, epoch)
        parameters.append(mass)
        parameters.extend(j + s for j, s in zip(jacobi, shift, strict=True))
        shift = [s + mass / inside * j for j, s in zip(jacobi, shift, strict=True)]
    return parameters


def mean_anomaly(orbit: Orbit, time: float) -> float:
    """Return the mean anomaly at `time`, radians in -pi..pi, of an orbit in conjunction at t0."""
    e = math.hypot(orbit.ecosw, orbit.esinw)
    omega = math.atan2(orbit.esinw, orbit.ecosw)
    half = 0.5 * (0.5 * math.pi - omega)
    eccentric = 2.0 * math.atan2(
        math.sqrt(1.0 - e) * math.sin(half), math.sqrt(1.0 + e) * math.cos(half)
    )
    at_transit = eccentric - e * math.sin(eccentric)
    since = math.remainder(time - orbit.t0, orbit.period)
    return math.remainder(at_transit + 2.0 * math.pi * since / orbit.period, 2.0 * math.pi)


def eccentric_anomaly(mean: float, e: float) -> float:
    """Solve Kepler's equation E - e sin E = M for M in -pi..pi and 0 <= e < 1.

    Newton's method from above: for M >= 0 the function is convex on 0..pi and the start, M + e or
    pi, lies above the root, so the iterates fall monotonically until rounding stops them.
    """
    if mean < 0.0:
        return -eccentric_anomaly(-mean, e)
    value = min(mean + e, math.pi)
    for _ in range(_KEPLER_ITERATIONS):
        following = value - (value - e * math.sin(value) - mean) / (1.0 - e * math.cos(value))
        if not following < value:
            break
        value = following
    return value


def _state(orbit: Orbit, gm: float, epoch: float) -> list[float]:
    """Return position and velocity at the epoch, au and au/day (Murray & Dermott 1999, 2.122)."""
    e = math.hypot(orbit.ecosw, orbit.esinw)
    omega = math.atan2(orbit.esinw, orbit.ecosw)
    n = 2.0 * math.pi / orbit.period
    a = (gm / (n * n)) ** (1.0 / 3.0)
    big_e = eccentric_anomaly(mean_anomaly(orbit, epoch), e)
    cos_e, sin_e, minor = math.cos(big_e), math.sin(big_e), math.sqrt(1.0 - e * e)
    rate = n * a / (1.0 - e * cos_e)
    plane = (a * (cos_e - e), a * minor * sin_e), (-rate * sin_e, rate * minor * cos_e)
    cos_w, sin_w = math.cos(omega), math.sin(omega)
    inclination, node = math.radians(orbit.inclination), math.radians(orbit.node)
    cos_i, sin_i = math.cos(inclination), math.sin(inclination)
    cos_n, sin_n = math.cos(node), math.sin(node)
    state: list[float] = []
    for x, y in plane:
        along, across = x * cos_w - y * sin_w, x * sin_w + y * cos_w
        state += [
            along * cos_n - across * cos_i * sin_n,
            along * sin_n + across * cos_i * cos_n,
            across * sin_i,
        ]
    return state


def _check_elements(orbit: Orbit) -> None:
    e = math.hypot(orbit.ecosw, orbit.esinw)
    # Written so that NaN fails, too.
    physical = orbit.mass >= 0.0 and orbit.period > 0.0 and e < 1.0
    if not (physical and math.isfinite(math.fsum((orbit.mass, orbit.period, orbit.t0)))):
        raise IntegrationFailed(FailureKind.ELEMENTS)


def _check_separation(orbits: Sequence[Orbit], star_mass: float) -> None:
    """Refuse neighbouring orbits that come within one mutual Hill radius of each other.

    The step of a Wisdom-Holman map is fixed, so that it cannot resolve an encounter (Deck et al.
    2014, section 2). Orbits are taken as coplanar: those in question transit one star.
    """
    for inner, outer in pairwise(orbits):
        if inner.mass == 0.0 and outer.mass == 0.0:
            continue
        ratio = (outer.period / inner.period) ** (2.0 / 3.0)  # of the semi-major axes
        mass = (inner.mass + outer.mass) * EARTH_MASS / star_mass
        hill = 0.5 * (1.0 + ratio) * (mass / 3.0) ** (1.0 / 3.0)
        e_in, e_out = math.hypot(inner.ecosw, inner.esinw), math.hypot(outer.ecosw, outer.esinw)
        if ratio * (1.0 - e_out) - (1.0 + e_in) > hill:
            continue  # apart whatever the orientation: the usual case, and free of arrays
        theta = np.linspace(0.0, 2.0 * math.pi, 73)
        gap = ratio * _radius(outer, e_out, theta) - _radius(inner, e_in, theta)
        if not float(gap.min()) > hill:
            raise IntegrationFailed(FailureKind.CLOSE_APPROACH)


def _radius(orbit: Orbit, e: float, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the orbit's radius in units of its semi-major axis, by longitude."""
    along = orbit.ecosw * np.cos(theta) + orbit.esinw * np.sin(theta)
    return np.asarray((1.0 - e * e) / (1.0 + along))


def _integrate(
    parameters: list[float], dt: float, span: float, n_planet: int
) -> list[NDArray[np.float64]]:
    """Return the transit times of each planet, in days after the epoch."""
    try:
        events, _ = _ttvfast(parameters, dt, 0.0, span, n_planet, _CARTESIAN, len(_NEVER), _NEVER)
    except SystemError as error:
        full = isinstance(error.__cause__, MemoryError)
        kind = FailureKind.TOO_MANY_TRANSITS if full else FailureKind.ENGINE
        raise IntegrationFailed(kind) from None
    all_times = events[2]
    try:
        used = all_times.index(_UNUSED)
    except ValueError:
        used = len(all_times)
    times, planets = np.array(all_times[:used]), np.array(events[0][:used], dtype=np.intp)
    # -1 is TTVFast's mark of a transit that it could not find; times count from zero.
    if used and not (float(times.min()) >= 0.0 and float(times.max()) < math.inf):
        raise IntegrationFailed(FailureKind.NON_FINITE)
    return [times[planets == i] for i in range(n_planet)]


def _check_spacing(orbit: Orbit, times: NDArray[np.float64], span: float) -> None:
    """Refuse a planet whose transits do not follow each other at about its period.

    Planets perturb each other's transit intervals by a few per cent. An interval off by half is a
    lost or doubled transit, or a planet that the engine froze in space after its Kepler solver
    failed: that one has no transits in the rest of the integration.
    """
    if math.sin(math.radians(orbit.inclination)) ** 2 < _COUNTABLE_SIN2:
        return
    ends = np.concatenate(([0.0], times, [span]))
    intervals = np.diff(ends)
    if float(intervals.max()) > 1.5 * orbit.period:
        raise IntegrationFailed(FailureKind.MISSING_TRANSIT)
    inner = intervals[1:-1]
    if len(inner) and float(inner.min()) < 0.5 * orbit.period:
        raise IntegrationFailed(FailureKind.MISSING_TRANSIT)
