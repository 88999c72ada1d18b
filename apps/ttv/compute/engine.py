"""Engines: from many points of parameter space to the model times of the measured transits.

``batch``
    The compiled kernel of ``apps/ttv/compute/kernel``: the map of TTVFast, with one point in each
    lane of the processor's vector registers. Its results are the same, bit for bit, at every
    vector width, for every compiler, and however points are grouped.
``ttvfast``
    TTVFast through its Python wrapper, one point after the other: the independent reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.built import load_kernel
from apps.ttv.compute.failures import CODES, IntegrationFailed
from apps.ttv.compute.matching import Matcher
from apps.ttv.compute.model import EARTH_MASS, G, TimingModel
from apps.ttv.compute.settings import ELEMENTS, Problem
from apps.ttv.compute.table import TransitTable
from boinc_project.errors import ConfigError

_kernel = load_kernel()

Array = NDArray[np.float64]
Codes = NDArray[np.uint8]


class Engine(Protocol):
    """What integrates."""

    def observed_times(self, points: Array) -> tuple[Array, Codes]:
        """Return the model's times of the measured transits, and what failed.

        Parameters
        ----------
        points : ndarray
            float64 (n, n_dim), the free parameters.

        Returns
        -------
        times : ndarray
            float64 (n, n_transit), BKJD days, planets in the settings' order; NaN where it failed.
        failures : ndarray
            uint8 (n,), see `apps.ttv.compute.failures.KINDS`; 0 where nothing failed.
        """

    def all_times(self, points: Array) -> list[list[Array] | None]:
        """Return all transit times of every planet, for each point; None where it failed."""


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """The measured transits of all observed planets in the settings' order, (n_transit,) each."""

    times: Array
    sigmas: Array
    epochs: NDArray[np.int64]
    first: NDArray[np.int64]
    """Where each planet's transits begin, (n_planet + 1,)."""
    ephemerides: Array
    """Time of transit 0 and period of the table's linear ephemeris, (n_planet, 2); 0 if none."""

    @classmethod
    def of(cls, problem: Problem, table: TransitTable) -> Observations:
        """Collect a table's transits."""
        rows = [table.of(planet.name) for planet in problem.model.planets]
        counts = [0 if row is None else len(row.times) for row in rows]
        found = [row for row in rows if row is not None]
        lines = [None if row is None else row.linear_ephemeris() for row in rows]
        return cls(
            times=np.concatenate([row.times for row in found]),
            sigmas=np.concatenate([row.sigmas for row in found]),
            epochs=np.concatenate([row.epochs for row in found]).astype(np.int64),
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            ephemerides=np.array([line or (0.0, 0.0) for line in lines], dtype=np.float64),
        )


def make_engine(
    problem: Problem, table: TransitTable, *, dt: float | None = None, name: str | None = None
) -> Engine:
    """Return the engine that the settings name, or another one.

    Raises
    ------
    ConfigError
        If the batch engine is asked for and was not built.
    """
    if (name or problem.model.engine) == "ttvfast":
        return TtvfastEngine(problem, table, dt)
    return BatchEngine(problem, table, dt)


def levels() -> Sequence[str]:
    """Return the vector widths that this processor has, the fastest first."""
    return [] if _kernel is None else list(_kernel.levels())


class BatchEngine:
    """The compiled kernel.

    Parameters
    ----------
    problem : Problem
        Model and parameters.
    table : TransitTable
        The measured transits.
    dt : float, optional
        Another step than that of the settings, days.
    level : str, optional
        A vector width of `levels`; the fastest if not given.

    Raises
    ------
    ConfigError
        If the kernel was not built.
    """

    def __init__(
        self,
        problem: Problem,
        table: TransitTable,
        dt: float | None = None,
        level: str | None = None,
    ) -> None:
        if _kernel is None:
            raise ConfigError(
                'The engine "batch" was not built, for want of a C compiler when the project was '
                'installed: install one and install again, or write engine = "ttvfast".'
            )
        model = problem.model
        self.level = level or _kernel.levels()[0]
        self.observations = Observations.of(problem, table)
        self._setup = (
            len(model.planets),
            G,
            EARTH_MASS,
            model.star_mass,
            model.epoch,
            model.end - model.epoch,
            model.dt if dt is None else dt,
            int(model.modified_kick),
        )
        self._timed = np.array([planet.observed for planet in model.planets], dtype=np.uint8)
        names = problem.parameter_names
        self._template = np.array(
            [0.0 if p.fixed is None else p.fixed for p in problem.parameters], dtype=np.float64
        )
        self._free = [i for i, p in enumerate(problem.parameters) if p.is_free]
        self._columns = [names.index(problem.parameters[i].name) for i in self._free]

    def observed_times(self, points: Array) -> tuple[Array, Codes]:
        """See `Engine.observed_times`."""
        seen = self.observations
        times = np.full((len(points), len(seen.times)), np.nan)
        failures = np.zeros(len(points), dtype=np.uint8)
        elements = self._elements(points)
        _kernel.observed_times(
            self.level,
            self._setup,
            self._capacity(elements),
            elements,
            self._timed,
            seen.epochs,
            seen.first,
            seen.ephemerides,
            seen.times,
            times,
            failures,
        )
        times[failures != 0] = np.nan
        return times, failures

    def all_times(self, points: Array) -> list[list[Array] | None]:
        """See `Engine.all_times`."""
        elements = self._elements(points)
        capacity = self._capacity(elements)
        n, n_planet = elements.shape[:2]
        times = np.empty((n, n_planet, capacity))
        counts = np.zeros((n, n_planet), dtype=np.int64)
        failures = np.zeros(n, dtype=np.uint8)
        everyone = np.ones(n_planet, dtype=np.uint8)
        _kernel.all_times(
            self.level, self._setup, capacity, elements, everyone, times, counts, failures
        )
        return [
            None
            if failures[i]
            else [times[i, planet, : counts[i, planet]] for planet in range(n_planet)]
            for i in range(n)
        ]

    def _elements(self, points: Array) -> Array:
        """Return all elements of all planets, float64 (n, n_planet, 7)."""
        elements = np.repeat(self._template[np.newaxis], len(points), axis=0)
        elements[:, self._free] = points[:, self._columns]
        return elements.reshape(len(points), elements.shape[1] // len(ELEMENTS), len(ELEMENTS))

    def _capacity(self, elements: Array) -> int:
        """Return the room that transits need: they come at least half a period apart."""
        span = self._setup[5]
        periods = elements[..., ELEMENTS.index("period")]
        possible = periods[periods > 0.0]  # others are refused before they are integrated
        shortest = float(possible.min()) if possible.size else span
        # A planet that circles more than once a step is not integrated in any useful sense.
        return int(min(span / (0.5 * shortest), 2.0 * span / self._setup[6])) + 8


class TtvfastEngine:
    """TTVFast, one point at a time; see `BatchEngine` for the parameters."""

    def __init__(self, problem: Problem, table: TransitTable, dt: float | None = None) -> None:
        self.model = TimingModel(problem, dt)
        self.observations = Observations.of(problem, table)
        rows = [table.of(planet.name) for planet in problem.model.planets]
        self._matchers = [
            (place, Matcher(row)) for place, row in enumerate(rows) if row is not None
        ]

    def observed_times(self, points: Array) -> tuple[Array, Codes]:
        """See `Engine.observed_times`."""
        times = np.full((len(points), len(self.observations.times)), np.nan)
        failures = np.zeros(len(points), dtype=np.uint8)
        for i, point in enumerate(points.tolist()):
            try:
                times[i] = self._times(point)
            except IntegrationFailed as failure:
                failures[i] = CODES[failure.kind]
        return times, failures

    def all_times(self, points: Array) -> list[list[Array] | None]:
        """See `Engine.all_times`."""
        found: list[list[Array] | None] = []
        for point in points.tolist():
            try:
                found.append(self.model.transit_times(point))
            except IntegrationFailed:
                found.append(None)
        return found

    def _times(self, point: list[float]) -> Array:
        orbits = self.model.orbits(point)
        times = self.model.times_of(orbits)
        return np.concatenate(
            [
                matcher.times(times[place], orbits[place].t0, orbits[place].period)
                for place, matcher in self._matchers
            ]
        )
