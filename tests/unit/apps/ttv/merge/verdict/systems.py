"""Small tables of two planets, and draws of what fits them, without a sampler."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from apps.ttv.compute import chain as ttv_mcmc
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable, parse_table
from boinc_project.unit import Unit

TABLES = Path(__file__).parents[5] / "data" / "ttv"
TRUTH = {
    "b.mass": 12.0, "b.period": 10.0, "b.ecosw": 0.02, "b.esinw": 0.02, "b.t0": 105.0,
    "c.mass": 18.0, "c.period": 20.3, "c.ecosw": 0.03, "c.esinw": -0.04, "c.t0": 108.0,
}  # fmt: skip

N_WALKER = 40

Floats = NDArray[np.float64]


def uniform(low: float, high: float) -> dict[str, Any]:
    return {"kind": "uniform", "low": low, "high": high}


def settings(
    noise: dict[str, Any] | None = None,
    jitter: dict[str, Any] | None = None,
    mass: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return settings of two observed planets whose ten parameters are free, as of the tables."""
    parameters = []
    for name, period, t0 in (("b", 10.0, 105.0), ("c", 20.3, 108.0)):
        priors = {
            "mass": mass or uniform(0.0, 60.0),
            "period": uniform(period - 0.2, period + 0.2),
            "eccentricity": uniform(0.0, 0.2),
            "t0": uniform(t0 - 0.2, t0 + 0.2),
        }
        parameters += [{"name": f"{name}.{key}", "prior": prior} for key, prior in priors.items()]
    if jitter is not None:
        parameters.append({"name": "noise.jitter", "prior": jitter})
    model = {
        "star_mass": 1.0, "epoch": 100.0, "end": 520.0, "dt": 0.6, "engine": "batch",
        "planets": [{"name": name, "observed": True} for name in "bc"],
    }  # fmt: skip
    return {"model": model, "parameters": parameters, "noise": noise or {"kind": "gaussian"}}


def problem(**changes: Any) -> Problem:
    return Problem.from_mapping(settings(**changes))


@cache
def table(name: str) -> TransitTable:
    return parse_table((TABLES / name).read_bytes())


def best_fit(name: str, known: Problem) -> Floats:
    """Return the best fit of a table, (n_dim,)."""
    posterior = Posterior(known, table(name))
    truth = np.array([TRUTH[name] for name in known.parameter_names])
    scale = np.maximum(np.abs(truth) * 1e-3, 1e-3)
    # A box inside of the priors.
    half = np.array([11.0, 0.1, 0.1, 0.1, 0.1] * 2)
    box = (truth - half, truth + half)
    return np.asarray(least_squares(posterior.residuals, truth, x_scale=scale, bounds=box).x)


@cache
def sampled(name: str, n_step: int = 600) -> tuple[Floats, Floats]:
    """Return draws of the posterior of a table by the app's own sampler, and the best of them."""
    known, rng = problem(), np.random.default_rng(1)
    best = best_fit(name, known)
    spread = 0.01 * np.array([2.0, 1e-2, 0.1, 0.1, 1e-2] * 2)
    start = best + spread * rng.standard_normal((4 * N_WALKER, known.n_dim))
    start = start[np.isfinite(Posterior(known, table(name)).log_densities(start))][:N_WALKER]
    unit = Unit(
        app="ttv_mcmc",
        min_app_version=100,
        campaign="small",
        campaign_seed=1,
        generation=0,
        index=0,
        settings={
            **settings(),
            "sampler": {
                "n_walker": N_WALKER,
                "n_step": n_step,
                "thin": 10,
                "moves": [["de", 0.8], ["snooker", 0.2]],
            },
            "start": start.tolist(),
        },
        inputs={"transits.csv": hashlib.sha256((TABLES / name).read_bytes()).hexdigest()},
    )
    chain = ttv_mcmc.compute(unit, table(name))
    half = len(chain.draws) // 2
    points = np.concatenate(chain.draws[half:])
    return points, points[int(np.concatenate(chain.draws_log_prob[half:]).argmax())]


def from_prior(name: str, n_draw: int = 400) -> tuple[Floats, Floats]:
    """Return draws of the posterior of a table that hardly constrains anything, and the best."""
    known, rng = problem(), np.random.default_rng(1)
    posterior = Posterior(known, table(name))
    points = np.column_stack([sample(known, column, rng, 20_000) for column in known.free])
    for planet, prior in known.eccentricities.items():
        places = [known.parameter_names.index(f"{planet}.{part}") for part in ("ecosw", "esinw")]
        points[:, places] = [prior.sample(rng) for _ in points]
    logs = posterior.log_likelihoods(points)
    weights = np.exp(logs - logs.max())
    chosen = rng.choice(len(points), size=n_draw, p=weights / weights.sum())
    return points[chosen], points[int(logs.argmax())]


def sample(known: Problem, parameter: Any, rng: np.random.Generator, n: int) -> Floats:
    if parameter.prior is None:
        return np.zeros(n)
    return np.array([parameter.prior.sample(rng) for _ in range(n)])
