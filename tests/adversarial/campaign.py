"""A small campaign whose sub-chains mix as those of real ones do, and units of it.

The timing problem is that of the validator's nested tests, one compact mode, with better times. As
the planner does, a pilot run is fitted by a mixture that travels in the units as a proposal: the
chains forget where they were within a few stored draws, so that a unit of seconds holds the
evidence that a comparison needs.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np

from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.population.proposal import fit_proposal
from apps.ttv.compute.settings import Problem
from boinc_project.unit import Unit
from tests.unit.apps.nested.validate import nested_case
from tests.unit.apps.ttv.validate import ttv_case

MODEL: dict[str, Any] = nested_case.MODEL
PARAMETERS = [
    {"name": "c.t0", "fixed": 7.0} if one["name"] == "c.t0" else one
    for one in nested_case.PARAMETERS
]
N_WALKER, N_STEP, THIN = 16, 3000, 6
N_PILOT = 2400


TRUTH = {"b.period": 10.0, "b.t0": 4.0, "c.mass": 20.0}
WIDTHS = {"b.period": 1e-5, "b.t0": 1e-4, "c.mass": 0.3}
SIGMA = 0.0003
"""Days. Good times leave a posterior that is nearly normal, and so chains that mix."""


@cache
def table() -> bytes:
    """Return transit times of the true system with Gaussian noise."""
    problem = Problem.from_mapping({"model": MODEL, "parameters": PARAMETERS})
    times = TimingModel(problem).transit_times([TRUTH[one] for one in problem.parameter_names])[0]
    noisy = times + SIGMA * np.random.default_rng(5).standard_normal(len(times))
    rows = [f"b,{k},{time:.7f},{SIGMA}" for k, time in enumerate(noisy)]
    return "\n".join(["planet,epoch,bkjd,sigma_days", *rows, ""]).encode()


def _unit(index: int, start: np.ndarray, sampler: dict[str, Any]) -> Unit:
    return Unit(
        app="ttv_mcmc",
        min_app_version=100,
        campaign="adversarial",
        campaign_seed=11,
        generation=0,
        index=index,
        settings={
            "model": MODEL,
            "parameters": PARAMETERS,
            "sampler": sampler,
            "start": start.tolist(),
        },
        inputs={"transits.csv": hashlib.sha256(table()).hexdigest()},
    )


@cache
def _pilot() -> np.ndarray:
    """Return draws of the posterior, (n, n_dim), from a run of differential evolution."""
    names = Problem.from_mapping({"model": MODEL, "parameters": PARAMETERS}).parameter_names
    scatter = np.random.default_rng(17).standard_normal((N_WALKER, len(names)))
    start = np.array([TRUTH[name] for name in names]) + scatter * [WIDTHS[name] for name in names]
    sampler = {"n_walker": N_WALKER, "n_step": N_PILOT, "thin": THIN, "moves": [["de", 1.0]]}
    found = ttv_case.compute(_unit(999, start, sampler), table())
    return found.draws[len(found.draws) // 3 :].reshape(-1, len(names))


@cache
def make_unit(index: int = 0, n_step: int = N_STEP) -> Unit:
    """Return a unit of the campaign; its walkers start from draws of the pilot."""
    pilot = _pilot()
    proposal = fit_proposal([pilot], [1.0], range(pilot.shape[1]))
    rng = np.random.default_rng([17, index])
    start = np.unique(pilot, axis=0)
    start = start[rng.choice(len(start), size=N_WALKER, replace=False)]
    sampler: dict[str, Any] = {
        "n_walker": N_WALKER,
        "n_step": n_step,
        "thin": THIN,
        "moves": [["mixture", 0.7], ["de", 0.25], ["snooker", 0.05]],
        **proposal.to_json(),
    }
    return _unit(index, start, sampler)
