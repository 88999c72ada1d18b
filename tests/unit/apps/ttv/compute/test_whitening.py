"""Whitened coordinates: the way there and back, the Jacobian, and the prior's normal density."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from apps.ttv.compute.likelihood import JointPrior
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.whitening import Whitening

PRIORS: dict[str, dict[str, Any]] = {
    "uniform": {"kind": "uniform", "low": 0.5, "high": 3.0},
    "log_uniform": {"kind": "log_uniform", "low": 0.1, "high": 300.0},
    "normal": {"kind": "normal", "mean": 20.0, "sigma": 2.0},
    "truncated_normal": {
        "kind": "truncated_normal",
        "mean": 1.0,
        "sigma": 2.0,
        "low": 0.0,
        "high": 4.0,
    },
    "truncated_in_the_tail": {
        "kind": "truncated_normal",
        "mean": 0.0,
        "sigma": 1.0,
        "low": 3.0,
        "high": 8.0,
    },
    "half_normal": {"kind": "half_normal", "sigma": 5.0},
    "half_normal_cut": {"kind": "half_normal", "sigma": 5.0, "high": 6.0},
    "rayleigh": {"kind": "rayleigh", "sigma": 4.0},
    "rayleigh_cut": {"kind": "rayleigh", "sigma": 4.0, "high": 6.0},
}
"""Of a mass."""
ECCENTRICITIES: dict[str, dict[str, Any]] = {
    "uniform": {"kind": "uniform", "low": 0.0, "high": 0.3},
    "log_uniform": {"kind": "log_uniform", "low": 0.001, "high": 0.3},
    "half_normal": {"kind": "half_normal", "sigma": 0.05},
    "rayleigh": {"kind": "rayleigh", "sigma": 0.03},
    "rayleigh_cut": {"kind": "rayleigh", "sigma": 0.1, "high": 0.15},
    "truncated_normal": {
        "kind": "truncated_normal",
        "mean": 0.0,
        "sigma": 0.1,
        "low": 0.0,
        "high": 0.4,
    },
}
N = 2000
# Kolmogorov and Smirnov's statistic of N values is above 2.2 / sqrt(N) once in 8,000 times: with
# the fifteen tests below, a false alarm comes once in 500 seeds.
KS_LIMIT = 2.2 / math.sqrt(N)


def problem_of(mass: dict[str, Any], eccentricity: dict[str, Any] | None = None) -> Problem:
    """Return a problem of a planet's mass, and eccentricity if it has a prior."""
    plane = [{"name": "b.eccentricity", "prior": eccentricity}]
    if eccentricity is None:
        plane = [{"name": f"b.{name}", "fixed": 0.0} for name in ("ecosw", "esinw")]
    model = {
        "star_mass": 1.0,
        "epoch": 100.0,
        "end": 200.0,
        "dt": 0.5,
        "engine": "batch",
        "planets": [{"name": "b", "observed": True}],
    }
    fixed = [{"name": f"b.{name}", "fixed": value} for name, value in (("period", 10), ("t0", 105))]
    parameters = [{"name": "b.mass", "prior": mass}, *plane, *fixed]
    return Problem.from_mapping({"model": model, "parameters": parameters})


def prior_draws(problem: Problem, n: int, seed: int) -> np.ndarray:
    """Return draws of all priors, (n, n_dim), by the priors' own quantiles."""
    rng = np.random.default_rng(seed)
    columns = {
        parameter.name: [parameter.prior.sample(rng) for _ in range(n)]
        for parameter in problem.free
        if parameter.prior is not None
    }
    for planet, prior in problem.eccentricities.items():
        pairs = np.array([prior.sample(rng) for _ in range(n)])
        columns |= {f"{planet}.ecosw": pairs[:, 0], f"{planet}.esinw": pairs[:, 1]}
    return np.array([columns[name] for name in problem.parameter_names]).T


def every_pair() -> list[Any]:
    return [
        *[pytest.param(problem_of(prior), id=name) for name, prior in PRIORS.items()],
        *[
            pytest.param(problem_of(PRIORS["normal"], prior), id=f"plane_{name}")
            for name, prior in ECCENTRICITIES.items()
        ],
    ]


@pytest.mark.parametrize("problem", every_pair())
def test_there_and_back(problem: Problem) -> None:
    whitening = Whitening(problem)
    points = prior_draws(problem, 300, 1)
    w = whitening.whiten(points)
    assert np.isfinite(w).all()
    np.testing.assert_allclose(whitening.colour(w), points, rtol=1e-9, atol=1e-13)
    z = np.random.default_rng(2).standard_normal((300, problem.n_dim))
    np.testing.assert_allclose(whitening.whiten(whitening.colour(z)), z, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("problem", every_pair())
def test_points_of_any_coordinates_are_inside_the_supports(problem: Problem) -> None:
    """Far out, too, where a factor rounds to its end."""
    whitening = Whitening(problem)
    z = 12.0 * np.random.default_rng(3).standard_normal((500, problem.n_dim))
    z = np.concatenate([z, np.full((1, problem.n_dim), 36.9), np.full((1, problem.n_dim), -36.9)])
    z = z[(np.abs(z) < 36.95).all(axis=1)]
    points = whitening.colour(z)
    for place, parameter in enumerate(problem.free):
        if parameter.prior is not None:
            low, high = parameter.prior.support
            assert (points[:, place] >= low).all()
            assert (points[:, place] <= high).all()
    for prior in problem.eccentricities.values():
        e = np.hypot(points[:, 1], points[:, 2])
        assert (e <= min(prior.prior.support[1], 1.0) * (1 + 1e-12)).all()


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_draws_of_a_prior_become_standard_normal(prior: dict[str, Any]) -> None:
    """False-alarm rate: see `KS_LIMIT`."""
    problem = problem_of(prior)
    w = Whitening(problem).whiten(prior_draws(problem, N, 4))
    assert stats.kstest(w[:, 0], "norm").statistic < KS_LIMIT


def test_a_rayleigh_eccentricity_becomes_standard_normal() -> None:
    """It is its own reference. False-alarm rate: see `KS_LIMIT`."""
    for name in ("rayleigh", "rayleigh_cut"):
        problem = problem_of(PRIORS["normal"], ECCENTRICITIES[name])
        w = Whitening(problem).whiten(prior_draws(problem, N, 5))
        assert problem.parameter_names[1:] == ("b.ecosw", "b.esinw")
        for column in w[:, 1:].T:
            assert stats.kstest(column, "norm").statistic < KS_LIMIT


def test_a_plane_of_even_density_becomes_standard_normal() -> None:
    """The reference of most priors. False-alarm rate: see `KS_LIMIT`."""
    problem = problem_of(PRIORS["normal"], ECCENTRICITIES["uniform"])
    rng = np.random.default_rng(6)
    e, angle = 0.3 * np.sqrt(rng.random(N)), rng.uniform(0.0, 2.0 * math.pi, N)
    points = np.stack([np.full(N, 20.0), e * np.cos(angle), e * np.sin(angle)], axis=1)
    for column in Whitening(problem).whiten(points)[:, 1:].T:
        assert stats.kstest(column, "norm").statistic < KS_LIMIT


@pytest.mark.parametrize("problem", every_pair())
def test_the_jacobian_is_that_of_finite_differences(problem: Problem) -> None:
    whitening = Whitening(problem)
    z = 0.8 * np.random.default_rng(7).standard_normal((40, problem.n_dim))
    points = whitening.colour(z)
    step = 1e-5
    columns = []
    for place in range(problem.n_dim):
        side = np.zeros(problem.n_dim)
        side[place] = step
        columns.append((whitening.colour(z + side) - whitening.colour(z - side)) / (2.0 * step))
    _, logs = np.linalg.slogdet(np.stack(columns, axis=2))
    np.testing.assert_allclose(whitening.log_jacobians(points, z), -logs, atol=1e-6)


@pytest.mark.parametrize("problem", every_pair())
def test_the_prior_is_normalised_in_whitened_coordinates(problem: Problem) -> None:
    """The mean of its density over the standard normal one is 1.

    To five standard errors, and to rounding where both are the same: the false-alarm rate is 1e-5.
    """
    whitening = Whitening(problem)
    w = np.random.default_rng(8).standard_normal((20_000, problem.n_dim))
    points = whitening.colour(w)
    logs = JointPrior(problem).log_densities(points) - whitening.log_jacobians(points, w)
    ratios = np.exp(logs - stats.norm.logpdf(w).sum(axis=1))
    error = ratios.std() / math.sqrt(len(ratios))
    assert abs(ratios.mean() - 1.0) < 5.0 * error + 1e-9


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_the_density_of_one_parameter_is_standard_normal(prior: dict[str, Any]) -> None:
    problem = problem_of(prior)
    whitening = Whitening(problem)
    w = np.linspace(-4.0, 4.0, 201)[:, np.newaxis]
    points = whitening.colour(w)
    logs = JointPrior(problem).log_densities(points) - whitening.log_jacobians(points, w)
    np.testing.assert_allclose(logs, stats.norm.logpdf(w[:, 0]), atol=1e-9)


@pytest.mark.parametrize("name", ["rayleigh", "half_normal", "rayleigh_cut"])
def test_far_out_in_the_plane_there_and_back(name: str) -> None:
    """Where 1 minus the probability inside is no number any more."""
    whitening = Whitening(problem_of(PRIORS["normal"], ECCENTRICITIES[name]))
    r = np.linspace(0.0, 12.0, 241)
    w = np.stack([np.zeros_like(r), 0.6 * r, -0.8 * r], axis=1)
    points = whitening.colour(w)
    assert (np.diff(points[:, 1]) >= -1e-16).all()
    clear = r < (5.0 if name == "rayleigh_cut" else 12.1)
    np.testing.assert_allclose(whitening.whiten(points)[clear], w[clear], rtol=1e-8, atol=1e-12)


def test_near_zero_the_plane_is_linear() -> None:
    whitening = Whitening(problem_of(PRIORS["normal"], ECCENTRICITIES["uniform"]))
    points = np.array([[20.0, 0.0, 0.0], [20.0, 1e-14, 0.0], [20.0, 1e-6, -2e-6], [20, 1e-3, 2e-3]])
    w = whitening.whiten(points)
    slope = math.sqrt(2.0) / 0.3
    np.testing.assert_allclose(w[:, 1:], slope * points[:, 1:], rtol=1e-4, atol=0.0)
    np.testing.assert_allclose(whitening.colour(w), points, rtol=1e-12, atol=0.0)


def test_what_is_no_point_is_none() -> None:
    whitening = Whitening(problem_of(PRIORS["uniform"], ECCENTRICITIES["uniform"]))
    w = np.array([[0.0, 0.1, 0.1], [math.nan, 0.1, 0.1], [0.0, math.inf, 0.1], [40.0, 0.1, 0.1]])
    assert np.isfinite(whitening.colour(w)).all(axis=1).tolist() == [True, False, False, False]


def test_some_parameters_can_stay_as_they_are() -> None:
    problem = problem_of(PRIORS["log_uniform"], ECCENTRICITIES["uniform"])
    whitening = Whitening(problem, without=(0,))
    points = prior_draws(problem, 20, 9)
    w = whitening.whiten(points)
    np.testing.assert_array_equal(w[:, 0], points[:, 0])
    np.testing.assert_array_equal(whitening.colour(w)[:, 0], points[:, 0])
    whole = Whitening(problem)
    both = whole.whiten(points)
    np.testing.assert_array_equal(w[:, 1:], both[:, 1:])
    mass = problem.free[0].prior
    assert mass is not None
    difference = whole.log_jacobians(points, both) - whitening.log_jacobians(points, w)
    of_mass = mass.log_density(points[:, 0]) - stats.norm.logpdf(both[:, 0])
    np.testing.assert_allclose(difference, of_mass, atol=1e-12)
