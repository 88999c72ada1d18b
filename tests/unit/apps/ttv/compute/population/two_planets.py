"""Two planets near 2:1 over a short span, both observed: ten free parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable

TRUTH = [12.0, 10.0, 0.02, -0.01, 3.0, 20.0, 20.3, -0.01, 0.02, 7.0]
SIGMA = 0.002
MODEL: dict[str, Any] = {
    "star_mass": 1.0,
    "epoch": 0.0,
    "end": 130.0,
    "dt": 0.5,
    "engine": "batch",
    "modified_kick": False,
    "planets": [{"name": "b", "observed": True}, {"name": "c", "observed": True}],
}


def parameters() -> list[dict[str, Any]]:
    """Return the lines of all parameters."""
    lines: list[dict[str, Any]] = []
    for planet, period, t0 in (("b", 10.0, 3.0), ("c", 20.3, 7.0)):
        priors = {
            "mass": {"kind": "log_uniform", "low": 1.0, "high": 60.0},
            "period": {"kind": "uniform", "low": period - 0.1, "high": period + 0.1},
            "eccentricity": {"kind": "uniform", "low": 0.0, "high": 0.06},
            "t0": {"kind": "uniform", "low": t0 - 0.2, "high": t0 + 0.2},
        }
        lines += [{"name": f"{planet}.{name}", "prior": prior} for name, prior in priors.items()]
    return lines


def settings(**changes: dict[str, Any]) -> dict[str, Any]:
    """Return settings; `changes` are other lines of single parameters, by name."""
    lines = [
        {"name": line["name"], **changes[line["name"]]} if line["name"] in changes else line
        for line in parameters()
    ]
    return {"model": MODEL, "parameters": lines}


def problem(**changes: dict[str, Any]) -> Problem:
    """Return the problem."""
    return Problem.from_mapping(settings(**changes))


def table(kept: dict[str, list[int]] | None = None) -> TransitTable:
    """Return times of the true system with Gaussian noise.

    Parameters
    ----------
    kept : dict, optional
        The epochs of a planet's transits that stay, by its name.
    """
    whole = problem()
    rng = np.random.default_rng(5)
    planets = []
    times_of = TimingModel(whole).transit_times(TRUTH)
    for planet, times in zip(whole.model.planets, times_of, strict=True):
        epochs = np.arange(len(times) - 1)
        noisy = times + SIGMA * rng.standard_normal(len(times))
        if kept and planet.name in kept:
            epochs = np.array(kept[planet.name])
        sigmas = np.full(len(epochs), SIGMA)
        planets.append(PlanetTransits(planet.name, epochs, noisy[epochs], sigmas))
    return TransitTable(tuple(planets))
