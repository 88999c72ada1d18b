"""Sub-chains and populations of a known posterior: standard normal, which is also its prior."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.settings import Problem
from apps.ttv.compute.whitening import Whitening
from apps.ttv.merge.chains import Merged
from apps.ttv.merge.diagnostics import Estimate
from apps.ttv.merge.verdict.second_opinion import SecondOpinion
from tests.unit.apps.ttv.validate.ensembles import ar1

ELEMENTS = ("ecosw", "esinw", "t0", "inclination", "node")
N_DIM = 10

Floats = NDArray[np.float64]


def problem() -> Problem:
    """Return a problem of ten parameters whose prior is normal: whitening changes nothing."""
    normal = {"kind": "normal", "mean": 0.0, "sigma": 1.0}
    parameters: list[dict[str, Any]] = []
    for planet in "bc":
        parameters.append({"name": f"{planet}.mass", "fixed": 5.0})
        parameters.append({"name": f"{planet}.period", "fixed": 10.0})
        parameters += [{"name": f"{planet}.{element}", "prior": normal} for element in ELEMENTS]
    model = {
        "star_mass": 1.0, "epoch": 0.0, "end": 200.0, "dt": 0.5, "engine": "batch",
        "planets": [{"name": planet, "observed": True} for planet in "bc"],
    }  # fmt: skip
    return Problem.from_mapping({"model": model, "parameters": parameters})


PROBLEM = problem()
WHITENING = Whitening(PROBLEM)
NAMES = PROBLEM.parameter_names


def chains(
    rng: np.random.Generator, n_generation: int, per: int, *, phi: float = 0.8, first: float = 0.8
) -> Merged:
    """Return merged sub-chains; `first` is the autocorrelation of the first generation."""
    keys = [(generation, index, "x") for generation in range(n_generation) for index in range(per)]
    draws = np.array([ar1(rng, 60, 20, N_DIM, first if key[0] == 0 else phi) for key in keys])
    return of_draws(draws, keys)


def of_draws(draws: Floats, keys: list[tuple[int, int, str]]) -> Merged:
    return Merged(draws, np.zeros(draws.shape[:3]), tuple(keys), (), ())


def scaled(merged: Merged, factors: Floats, column: int) -> Merged:
    """Return sub-chains with one parameter stretched by a factor for each generation."""
    draws = merged.draws.copy()
    for place, key in enumerate(merged.keys):
        draws[place, ..., column] *= factors[key[0]]
    return of_draws(draws, list(merged.keys))


def second(rng: np.random.Generator, n_part: int = 8, *, n_independent: int = 400) -> SecondOpinion:
    """Return populations of 1000 points each, of which some are copies of others."""
    draws = [
        rng.standard_normal((n_independent, N_DIM))[rng.integers(0, n_independent, 1000)]
        for _ in range(n_part)
    ]
    groups = np.repeat(np.arange(n_part), 1000)
    return SecondOpinion(np.concatenate(draws), Estimate(-10.0, 0.05), n_part, groups)
