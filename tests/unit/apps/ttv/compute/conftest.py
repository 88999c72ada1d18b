from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def uniform(low: float, high: float) -> dict[str, Any]:
    return {"kind": "uniform", "low": low, "high": high}


@pytest.fixture
def settings() -> dict[str, Any]:
    """A pair near 2:1 with ten free parameters; every call of the fixture is a fresh copy."""
    parameters: list[dict[str, Any]] = []
    for planet, period, t0 in (("b", 10.0, 3.0), ("c", 20.3, 7.0)):
        parameters += [
            {"name": f"{planet}.mass", "prior": uniform(0.0, 100.0)},
            {"name": f"{planet}.period", "prior": uniform(period - 0.5, period + 0.5)},
            {"name": f"{planet}.eccentricity", "prior": uniform(0.0, 0.3)},
            {"name": f"{planet}.t0", "prior": uniform(t0 - 1.0, t0 + 1.0)},
            {"name": f"{planet}.inclination", "fixed": 90.0},
            {"name": f"{planet}.node", "fixed": 0.0},
        ]
    return {
        "model": {
            "star_mass": 1.0,
            "epoch": 0.0,
            "end": 200.0,
            "dt": 0.5,
            "engine": "ttvfast",
            "planets": [{"name": "b", "observed": True}, {"name": "c", "observed": True}],
        },
        "parameters": parameters,
        "sampler": {
            "n_walker": 20,
            "n_step": 6,
            "thin": 2,
            "moves": [["de", 0.6], ["snooker", 0.4]],
        },
    }


@pytest.fixture
def point() -> list[float]:
    """A point inside the priors of `settings`: mass, period, ecosw, esinw, t0 of b and of c."""
    return [20.0, 10.0, 0.03, -0.02, 3.0, 30.0, 20.3, -0.01, 0.04, 7.0]


@pytest.fixture
def set_parameter() -> Callable[[dict[str, Any], str, dict[str, Any]], None]:
    def change(settings: dict[str, Any], name: str, line: dict[str, Any]) -> None:
        kept = [item for item in settings["parameters"] if item["name"] != name]
        settings["parameters"] = [*kept, {"name": name, **line}]

    return change
