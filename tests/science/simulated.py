"""A simulated pair of planets, and the campaign settings that describe it."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable

# Two super-periods of 210 days and errors of 17 s: the mass-eccentricity degeneracy is broken.
TRUTH = np.array([20.0, 10.0, 0.03, -0.02, 3.0, 30.0, 21.0, -0.01, 0.04, 7.0])
SIGMA = 0.0002
PAIR = (("b", 10.0, 3.0), ("c", 21.0, 7.0))
SPAN = (1.0, 0.0, 420.0, 0.5)


def settings(pairs, star_mass: float, epoch: float, end: float, dt: float) -> dict[str, Any]:
    parameters = []
    for planet, period, t0 in pairs:
        for element, prior in (
            ("mass", {"kind": "log_uniform", "low": 0.5, "high": 300.0}),
            ("period", {"kind": "uniform", "low": period - 0.3, "high": period + 0.3}),
            ("eccentricity", {"kind": "uniform", "low": 0.0, "high": 0.2}),
            ("t0", {"kind": "uniform", "low": t0 - 1.0, "high": t0 + 1.0}),
        ):
            parameters.append({"name": f"{planet}.{element}", "prior": prior})
    return {
        "model": {
            "star_mass": star_mass,
            "epoch": epoch,
            "end": end,
            "dt": dt,
            "engine": "batch",
            "planets": [{"name": planet, "observed": True} for planet, _, _ in pairs],
        },
        "parameters": parameters,
    }


def simulated_table(problem: Problem) -> TransitTable:
    """Return the true model's times with Gaussian errors."""
    rng = np.random.default_rng(9)
    planets = []
    for planet, times in zip("bc", TimingModel(problem).transit_times(TRUTH), strict=True):
        times = times[:-1] + SIGMA * rng.normal(size=len(times) - 1)
        epochs, sigmas = np.arange(len(times)), np.full(len(times), SIGMA)
        planets.append(PlanetTransits(planet, epochs, times, sigmas))
    return TransitTable(tuple(planets))
