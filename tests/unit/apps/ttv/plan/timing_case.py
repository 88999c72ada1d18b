"""Pairs of planets with small tables: the problems that searches are tried on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.table import TABLE_FILE
from apps.ttv.plan.campaign_file import posterior_of

DATA = Path(__file__).parents[4] / "data" / "ttv"

LOG_MASS = {"kind": "log_uniform", "low": 0.1, "high": 300.0}
MASS = {"kind": "uniform", "low": 0.0, "high": 60.0}
FLAT = {"kind": "uniform", "low": 0.0, "high": 0.2}
EPOCH = 104.0


def uniform(low: float, high: float) -> dict[str, Any]:
    """Return a uniform prior."""
    return {"kind": "uniform", "low": low, "high": high}


def pair(
    table: str | bytes,
    *,
    mass: dict[str, Any] = LOG_MASS,
    eccentricity: dict[str, Any] = FLAT,
    c_seen: bool = True,
    **changes: dict[str, Any],
) -> Posterior:
    """Return the posterior of planets b (10 days) and c (20.3 days) around a star like the Sun.

    Parameters
    ----------
    table : str or bytes
        The name of a table in the tests' data, or its text.
    mass, eccentricity : dict
        Priors of both planets.
    c_seen : bool
        Whether the table has transits of c.
    **changes : dict
        Other priors of single parameters: ``c_period`` for that of ``c.period``, and so on.
    """
    priors = {
        "b.mass": mass,
        "b.period": uniform(9.9, 10.1),
        "b.eccentricity": eccentricity,
        "b.t0": uniform(104.8, 105.2),
        "c.mass": mass,
        "c.period": uniform(20.1, 20.5),
        "c.eccentricity": eccentricity,
        "c.t0": uniform(107.8, 108.2),
    }
    priors |= {name.replace("_", "."): prior for name, prior in changes.items()}
    data = table if isinstance(table, bytes) else (DATA / table).read_bytes()
    planets = [{"name": "b", "observed": True}, {"name": "c", "observed": c_seen}]
    last = max(float(row.split(",")[2]) for row in data.decode().splitlines()[1:])
    settings = {
        "model": {
            "star_mass": 1.0,
            "epoch": EPOCH,
            "end": last + 21.0,
            "dt": 0.5,
            "engine": "batch",
            "modified_kick": False,
            "planets": planets,
        },
        "parameters": [{"name": name, "prior": prior} for name, prior in priors.items()],
    }
    return posterior_of(settings, {TABLE_FILE: data})
