"""The unit cube: priors come out of it, and likelihoods are those of the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from apps.nested.compute.cube import CubeLikelihood, PriorTransform, quantiles
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.priors import KINDS, Prior
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import parse_table
from tests.unit.apps.ttv.validate import ttv_case

PRIORS: dict[str, dict[str, float]] = {
    "uniform": {"low": 9.0, "high": 11.0},
    "log_uniform": {"low": 0.1, "high": 100.0},
    "normal": {"mean": 3.0, "sigma": 2.0},
    "truncated_normal": {"mean": 3.0, "sigma": 2.0, "low": 4.0, "high": 5.0},
    "half_normal": {"sigma": 0.05},
    "rayleigh": {"sigma": 0.03},
}


def problem(*changed: dict[str, Any]) -> Problem:
    new = {one["name"]: one for one in changed}
    parameters = [new.pop(one["name"], one) for one in ttv_case.PARAMETERS]
    return Problem.from_mapping(
        {"model": ttv_case.MODEL, "parameters": [*parameters, *new.values()]}
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_quantiles_of_arrays_are_those_of_numbers(kind: str) -> None:
    prior: Prior = KINDS[kind](**PRIORS[kind])
    p = np.random.default_rng(1).random(200)
    np.testing.assert_allclose(
        quantiles(prior, p), [prior.quantile(one) for one in p.tolist()], rtol=1e-12
    )


def test_the_transform_gives_the_prior() -> None:
    """Kolmogorov and Smirnov's test of every parameter: false-alarm rate 5e-4 in all."""
    found = problem()
    values = PriorTransform(found)(np.random.default_rng(2).random((4000, found.n_dim)))
    at = dict(zip(found.parameter_names, values.T, strict=True))
    uniform = {
        "b.period": (at["b.period"] - 9.9) / 0.2,
        "b.t0": (at["b.t0"] - 3.9) / 0.2,
        "c.mass": np.log(at["c.mass"]) / np.log(300.0),
        "c.eccentricity": np.hypot(at["c.ecosw"], at["c.esinw"]) / 0.2,
        "c.omega": np.arctan2(at["c.esinw"], at["c.ecosw"]) / (2 * np.pi) + 0.5,
    }
    for name, share in uniform.items():
        assert stats.kstest(share, "uniform").pvalue > 1e-4, name


def test_omega_is_periodic_and_little_else() -> None:
    assert PriorTransform(problem()).periodic == (problem().parameter_names.index("c.esinw"),)


@pytest.mark.parametrize(
    ("name", "low", "high", "is_periodic"),
    [
        ("c.node", 0.0, 360.0, True),
        ("c.node", 0.0, 180.0, False),
        ("c.t0", 0.0, 20.3, True),  # one whole period, which is fixed
        ("c.t0", 0.0, 20.0, False),
        ("b.t0", 0.0, 10.0, False),  # its period is free
        ("c.inclination", 0.0, 360.0, False),
    ],
)
def test_what_returns_after_a_turn_is_periodic(
    name: str, low: float, high: float, is_periodic: bool
) -> None:
    found = problem({"name": name, "prior": {"kind": "uniform", "low": low, "high": high}})
    place = found.parameter_names.index(name)
    assert (place in PriorTransform(found).periodic) == is_periodic


def test_likelihoods_are_those_of_the_parameters_and_counted() -> None:
    found = problem()
    polls: list[None] = []
    posterior = Posterior(found, parse_table(ttv_case.table()))
    target = CubeLikelihood(posterior, None, lambda: polls.append(None))
    cube = np.random.default_rng(4).random((20, found.n_dim))
    values = target.log_likelihoods(cube)
    again = Posterior(found, parse_table(ttv_case.table()))
    np.testing.assert_array_equal(values, again.log_likelihoods(target.transform(cube)))
    assert target.n_call == 20
    assert polls
    assert not np.isnan(values).any()
