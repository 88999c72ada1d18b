"""Systems whose transit times are computed in more than one way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.settings import ELEMENTS, Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable, parse_table
from work_generator.campaign_file import load_campaign

ROOT = Path(__file__).resolve().parents[5]
KEPLER_9 = (43.128, 19.2289172, 0.0635278, -0.00334059, 144.249577, 29.7027, 39.0470523, -0.0665023)
MODES = {
    "kepler-9": (*KEPLER_9, 0.0135396, 136.307225),
    "kepler-9b-alone": (*KEPLER_9, 0.0135396, 136.307225),
    "kepler-307": (
        *(8.89086, 10.4231639, -0.00930247, -0.00112397, 132.628658),
        *(3.8188, 13.0647825, -0.00708002, -0.00388473, 132.635415),
    ),
    "kepler-51": (
        *(3.26256, 45.1540865, -0.0171577, -0.0410541, 159.110263),
        *(4.07159, 85.3161933, 0.0191712, -0.0355465, 295.323912),
        *(5.31325, 130.190158, 0.0119153, -0.0287134, 212.025534),
    ),
}
"""The best points of the examples' posteriors, found by least squares."""


def example(
    name: str, *, engine: str = "batch", modified_kick: bool = False
) -> tuple[Problem, TransitTable]:
    """Return a campaign's problem, with a step of a twentieth of the shortest period."""
    campaign = load_campaign(ROOT / "examples" / f"{name}.toml")
    model = dict(campaign.settings["model"])
    periods = [value for place, value in enumerate(MODES[name]) if place % 5 == 1]
    model |= {"engine": engine, "modified_kick": modified_kick, "dt": min(periods) / 20.0}
    problem = Problem.from_mapping({"model": model, "parameters": campaign.settings["parameters"]})
    return problem, parse_table(campaign.inputs["transits.csv"])


def around(point: Any, n: int, seed: int = 1) -> np.ndarray:
    """Return a point and n - 1 neighbours of it, as far apart as walkers are."""
    centre = np.array(point).reshape(-1, 5)
    scale = np.array([0.02, 1e-5, 1e-3, 1e-3, 1e-3]) * np.ones_like(centre)
    scale[:, :2] *= centre[:, :2]
    offsets = np.random.default_rng(seed).standard_normal((n, *centre.shape))
    offsets[0] = 0.0
    return np.asarray((centre + scale * offsets).reshape(n, -1))


def settings_of(
    orbits: Any,
    *,
    end: float = 400.0,
    dt: float = 0.3,
    engine: str = "batch",
    unobserved: str = "",
    epoch: float = 0.0,
    **model: Any,
) -> dict[str, Any]:
    """Return settings in which all seven elements of every planet are free."""
    names = "bcdefghij"[: len(orbits)]
    lowest = {"mass": 0.0, "period": 1e-6}
    return {
        "model": {
            "star_mass": 1.0,
            "epoch": epoch,
            "end": end,
            "dt": dt,
            "engine": engine,
            "planets": [{"name": p, "observed": p not in unobserved} for p in names],
            **model,
        },
        "parameters": [
            {
                "name": f"{planet}.{element}",
                "prior": {"kind": "uniform", "low": lowest.get(element, -1e6), "high": 1e6},
            }
            for planet in names
            for element in ELEMENTS
        ],
    }


def table_of(problem: Problem, point: Any, kept: Any = None) -> TransitTable:
    """Return a table of TTVFast's own transits of the observed planets, but the last ones.

    `kept` says which epochs of a planet's transits stay, by the planet's name.
    """
    planets = []
    times_of = TimingModel(problem).transit_times(list(np.ravel(point)))
    for planet, times in zip(problem.model.planets, times_of, strict=True):
        if planet.observed:
            epochs = np.arange(len(times) - 1)
            if kept and planet.name in kept:
                epochs = np.array(kept[planet.name])
            sigmas = np.full(len(epochs), 1e-3)
            planets.append(PlanetTransits(planet.name, epochs, times[epochs], sigmas))
    return TransitTable(tuple(planets))
