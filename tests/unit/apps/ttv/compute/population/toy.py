"""Posteriors whose evidence is known, in the place of those of a timing model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.engine import Observations
from apps.ttv.compute.likelihood import JointPrior
from apps.ttv.compute.population.proposal import Proposal, fit_proposal
from apps.ttv.compute.population.target import Target
from apps.ttv.compute.settings import Problem
from tests.unit.apps.ttv.compute.population import two_planets

NORMAL = {"kind": "normal", "mean": 0.0, "sigma": 1.0}
NAMES = ("b.ecosw", "b.esinw", "c.ecosw", "c.esinw")
CENTER = np.array([1.5, -1.0, 0.5, 0.0])
WIDTH = 0.2
PEAK_LOG = 3.0
LOG_Z = PEAK_LOG + float(
    np.sum(0.5 * math.log(WIDTH**2 / (1.0 + WIDTH**2)) - 0.5 * CENTER**2 / (1.0 + WIDTH**2))
)
"""Of a standard normal prior and a likelihood exp(PEAK_LOG - |x - CENTER|^2 / (2 WIDTH^2))."""
MEAN = CENTER / (1.0 + WIDTH**2)
SPREAD = WIDTH / math.sqrt(1.0 + WIDTH**2)


def normal_problem() -> Problem:
    """Return a problem whose four free parameters are their own whitened coordinates."""
    free = [{"name": name, "prior": NORMAL} for name in NAMES]
    fixed = [
        {"name": f"{planet}.{name}", "fixed": value}
        for planet, period in (("b", 10.0), ("c", 20.3))
        for name, value in (("mass", 1.0), ("period", period), ("t0", 3.0))
    ]
    return Problem.from_mapping({"model": two_planets.MODEL, "parameters": [*free, *fixed]})


class Normal:
    """A normal posterior of four parameters."""

    def __init__(self) -> None:
        self.problem = normal_problem()
        self.n_call = 0
        self._prior = JointPrior(self.problem)

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        self.n_call += len(points)
        squares = np.sum((points - CENTER) ** 2, axis=1) / WIDTH**2
        return self._prior.log_densities(points) + PEAK_LOG - 0.5 * squares


class Flat:
    """The prior of two planets, which is the posterior of data that say nothing."""

    def __init__(self) -> None:
        self.problem = two_planets.problem()
        self.n_call = 0
        self._prior = JointPrior(self.problem)

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        self.n_call += len(points)
        return self._prior.log_densities(points)


def target_of(posterior: Any) -> Target:
    """Return the target of a posterior, in coordinates that are only whitened."""
    observations = Observations.of(two_planets.problem(), two_planets.table())
    engine: Any = None  # no corrections, no integrations
    return Target(posterior, Coordinates(posterior.problem, engine, observations, 0))


def poor_proposal() -> Proposal:
    """Return a proposal of four parameters that is too wide, and beside the posterior."""
    draws = MEAN + 0.5 + 3.0 * SPREAD * np.random.default_rng(1).standard_normal((2000, 4))
    return fit_proposal([draws], [1.0], range(4))
