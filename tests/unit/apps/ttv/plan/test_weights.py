from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from apps.ttv.compute.search.mode import Mode
from apps.ttv.compute.settings import Problem
from apps.ttv.plan.weights import Look, by_laplace, together

N = 20_000
AT = np.array([[-4.0, 0.0], [4.0, 0.0]])
PARTS = np.array([0.7, 0.3])
WIDTH = 0.3
PARAMETERS = [
    {"name": f"b.{name}", "prior": {"kind": "normal", "mean": 0.0, "sigma": 1.0}}
    for name in ("ecosw", "esinw")
]
FIXED = {"mass": 1.0, "period": 10.0, "t0": 105.0}


def problem() -> Problem:
    """Return a problem whose two parameters are their own whitened coordinates."""
    model = {
        "star_mass": 1.0,
        "epoch": 100.0,
        "end": 200.0,
        "dt": 0.5,
        "engine": "batch",
        "planets": [{"name": "b", "observed": True}],
    }
    fixed = [{"name": f"b.{name}", "fixed": value} for name, value in FIXED.items()]
    return Problem.from_mapping({"model": model, "parameters": [*PARAMETERS, *fixed]})


def mode(at: list[float], part: float) -> Mode:
    """Return one of the peaks: its height in the likelihood is the posterior's over the prior's."""
    point = np.array(at)
    height = math.log(part / WIDTH**2) + 0.5 * float(point @ point)
    return Mode(point, point, -2.0 * height, np.eye(2) * WIDTH**2)


MODES = [mode(at, part) for at, part in zip(AT.tolist(), PARTS.tolist(), strict=True)]


class TwoPeaks:
    """Two normal distributions far from each other; the prior is a standard normal one."""

    problem = problem()

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        squares = ((points[:, None] - AT) ** 2).sum(axis=2) / WIDTH**2
        norm = math.log(2.0 * math.pi * WIDTH**2)
        return np.logaddexp(*(np.log(PARTS) - 0.5 * squares - norm).T)

    def log_priors(self, points: np.ndarray) -> np.ndarray:
        return -0.5 * (points**2).sum(axis=1) - math.log(2.0 * math.pi)

    def log_prior(self, point: list[float]) -> float:
        return float(self.log_priors(np.array([point]))[0])


POSTERIOR: Any = TwoPeaks()


def draws(shares: tuple[float, float] = (0.5, 0.5)) -> Look:
    rng = np.random.default_rng(1)
    width = 1.5 * WIDTH
    points = AT[rng.choice(2, size=N, p=shares)] + width * rng.normal(size=(N, 2))
    squares = ((points[:, None] - AT) ** 2).sum(axis=2) / width**2
    proposal = np.logaddexp(*(np.log(shares) - 0.5 * squares - math.log(2 * math.pi * width**2)).T)
    densities = POSTERIOR.log_densities(points)
    return Look(points, densities - proposal, densities - POSTERIOR.log_priors(points))


def test_modes_have_the_parts_of_all_draws_that_are_theirs() -> None:
    """To within four of the stated errors, a false-alarm rate of 6e-5."""
    weighed = together(POSTERIOR, MODES, draws())
    for weight, part in zip(weighed.weights, PARTS, strict=True):
        assert weight.trusted
        assert weight.error is not None
        assert 0.001 < weight.error < 0.01
        assert abs(weight.weight - part) < 4.0 * weight.error
    assert weighed.log_z_error is not None
    assert abs(weighed.log_z) < 4.0 * weighed.log_z_error


def test_what_few_draws_have_met_is_not_trusted_and_neither_is_the_sum() -> None:
    weighed = together(POSTERIOR, MODES, draws((0.9999, 0.0001)))
    assert [one.trusted for one in weighed.weights] == [True, False]
    assert weighed.weights[1].error is None
    assert weighed.log_z_error is None


def test_a_mode_below_the_draws_that_are_its_own_is_none() -> None:
    lower = [Mode(MODES[0].params, MODES[0].coords, MODES[0].chi2 + 20.0, MODES[0].covariance)]
    weighed = together(POSTERIOR, [*lower, MODES[1]], draws())
    assert [weight.trusted for weight in weighed.weights] == [False, True]


def test_evidences_make_the_parts() -> None:
    weighed = by_laplace([math.log(3.0), 0.0])
    assert [weight.weight for weight in weighed.weights] == pytest.approx([0.75, 0.25])
    assert not any(weight.trusted for weight in weighed.weights)
    assert weighed.log_z == pytest.approx(math.log(4.0))
    assert weighed.log_z_error is None
