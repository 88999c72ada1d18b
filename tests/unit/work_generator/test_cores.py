from __future__ import annotations

import math

import numpy as np
import pytest

from apps.ttv.population.importance import kish, log_mean, relative_error
from apps.ttv.settings import Problem
from tests.science.simulated import PAIR, SPAN, settings
from work_generator.cores import Core, cores_of, narrow, widen
from work_generator.proposals import Proposal, fit_proposal

SIGMA = 0.03
CORE = Core((1, 2), 0.02)


def draws_of_a_pole(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw (normal, x, y) of which e is half-normal and w uniform: a density with a pole."""
    e, w = np.abs(rng.normal(0.0, SIGMA, n)), rng.uniform(0.0, 2.0 * np.pi, n)
    return np.stack([rng.normal(size=n), e * np.cos(w), e * np.sin(w)], axis=1)


def log_density(points: np.ndarray) -> np.ndarray:
    e = np.hypot(points[:, 1], points[:, 2])
    radial = -0.5 * (e / SIGMA) ** 2 - np.log(SIGMA * math.sqrt(0.5 * np.pi))
    plane = radial - np.log(2.0 * np.pi * e)
    return plane - 0.5 * points[:, 0] ** 2 - 0.5 * math.log(2.0 * np.pi)


def weights(proposal: Proposal, n: int, seed: int) -> np.ndarray:
    points = proposal.sample(n, np.random.RandomState(seed))
    return proposal.log_weights(points, log_density(points))


def test_points_are_moved_there_and_back() -> None:
    points = draws_of_a_pole(500, np.random.default_rng(1))
    back = narrow([CORE], widen([CORE], points))
    assert back == pytest.approx(points, rel=1e-9)
    outside = np.hypot(points[:, 1], points[:, 2]) >= CORE.radius
    assert 0 < outside.sum() < 500
    assert np.array_equal(widen([CORE], points)[outside], points[outside])


def test_areas_are_those_of_the_map() -> None:
    """By differences, inside of the disc and outside."""
    step = 1e-7
    for place in (np.array([[0.0, 0.003, -0.004]]), np.array([[0.0, 0.03, 0.01]])):
        columns = []
        for axis in (1, 2):
            ends = [place + sign * step * np.eye(3)[axis] for sign in (1, -1)]
            columns.append((widen([CORE], ends[0]) - widen([CORE], ends[1]))[0, 1:] / (2 * step))
        area = abs(np.linalg.det(np.array(columns)))
        assert math.exp(CORE.log_jacobian(place)[0]) == pytest.approx(area, rel=1e-6)


def test_a_pole_costs_no_draws_and_no_evidence() -> None:
    """The known evidence, 1, within five errors, and no draw that outweighs the others.

    Without the core some do: the nearer to zero, the more.
    """
    draws = draws_of_a_pole(4000, np.random.default_rng(2))
    plain, cored = (fit_proposal([draws], [1.0], (0, 1, 2), cores) for cores in ((), (CORE,)))
    logs = weights(cored, 20_000, 3)
    assert kish(logs) > 0.8 * len(logs)
    assert abs(log_mean(logs)) < 5.0 * relative_error(logs)
    assert np.exp(logs.max() - log_mean(logs)) < 5.0
    logs = weights(plain, 20_000, 3)
    assert np.exp(logs.max() - log_mean(logs)) > 10.0


def test_only_what_reaches_a_pole_has_a_core() -> None:
    raw = settings(PAIR, *SPAN)
    for parameter in raw["parameters"]:
        if parameter["name"] == "b.eccentricity":
            parameter["prior"] = {"kind": "uniform", "low": 0.0, "high": 0.3}
        if parameter["name"] == "c.eccentricity":
            parameter["prior"] = {"kind": "rayleigh", "sigma": 0.03}
    problem = Problem.from_mapping(raw)
    names = problem.parameter_names
    draws = np.random.default_rng(4).normal(0.0, 0.02, (1000, problem.n_dim))
    (core,) = cores_of(problem, draws)
    assert [names[place] for place in core.places] == ["b.ecosw", "b.esinw"]
    assert core.radius == pytest.approx(0.3 * 0.02, rel=0.1)
    # What is known of the difference of two vectors limits the disc.
    other = names.index("c.ecosw")
    draws[:, other] = draws[:, core.places[0]] + 0.001 * draws[:, other] / 0.02
    (core,) = cores_of(problem, draws)
    assert core.radius == pytest.approx(0.3 * 0.001, rel=0.1)
    draws[:, core.places[0]] += 0.2
    assert cores_of(problem, draws) == ()
