from __future__ import annotations

import math

import numpy as np
import pytest

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable
from boinc_project.errors import UnitError

SIGMA = 0.002


def simulated(problem: Problem, point: list[float], first_epoch: int = 0) -> TransitTable:
    """The model's own times, of every transit but some, numbered from `first_epoch`."""
    planets = []
    for planet, times in zip("bc", TimingModel(problem).transit_times(point), strict=True):
        kept = np.array([i for i in range(len(times) - 1) if i % 4 != 1])
        planets.append(
            PlanetTransits(planet, kept + first_epoch, times[kept], np.full(len(kept), SIGMA))
        )
    return TransitTable(tuple(planets))


@pytest.fixture
def problem(settings) -> Problem:
    return Problem.from_mapping(settings)


@pytest.mark.parametrize("first_epoch", [0, 7, -30])
def test_the_truth_has_no_residuals_however_the_source_counts(problem, point, first_epoch) -> None:
    posterior = Posterior(problem, simulated(problem, point, first_epoch))
    assert posterior.log_likelihood(point) == 0.0


def test_likelihood_is_minus_half_chi_square(problem, point) -> None:
    posterior = Posterior(problem, simulated(problem, point))
    moved = list(point)
    moved[4] += 3e-4
    residuals = posterior.residuals(moved)
    assert np.abs(residuals).max() > 0.1
    assert posterior.log_likelihood(moved) == pytest.approx(-0.5 * np.sum(residuals**2), rel=1e-14)


def test_posterior_is_prior_times_likelihood_and_counts_calls(problem, point) -> None:
    posterior = Posterior(problem, simulated(problem, point))
    volume = 100.0 * 1.0 * 2.0  # mass, period, t0 of one planet
    e = [math.hypot(point[2], point[3]), math.hypot(point[7], point[8])]
    expected = -2 * math.log(volume) - sum(math.log(0.3 * 2 * math.pi * x) for x in e)
    assert posterior(point) == pytest.approx(expected, rel=1e-12)
    assert posterior.n_call == 1
    assert not posterior.failures


def test_outside_the_prior_nothing_is_integrated(problem, point) -> None:
    posterior = Posterior(problem, simulated(problem, point))
    assert posterior([*point[:-1], 9.0]) == -math.inf
    assert posterior.n_call == 1
    assert not posterior.failures


def test_failures_are_counted_by_kind(settings, point, set_parameter) -> None:
    table = simulated(Problem.from_mapping(settings), point)
    wide = {"kind": "uniform", "low": 0.0, "high": 0.99}
    for planet in "bc":
        set_parameter(settings, f"{planet}.eccentricity", {"prior": wide})
    posterior = Posterior(Problem.from_mapping(settings), table)
    crossing = list(point)
    crossing[2], crossing[7] = 0.6, -0.6
    for _ in range(3):
        assert posterior(crossing) == -math.inf
    assert posterior.failures == {"close_approach": 3}


def test_random_points_of_a_wide_prior_never_crash(settings, point, set_parameter) -> None:
    table = simulated(Problem.from_mapping(settings), point)
    for planet in "bc":
        set_parameter(
            settings,
            f"{planet}.eccentricity",
            {"prior": {"kind": "uniform", "low": 0.0, "high": 0.99}},
        )
        set_parameter(
            settings,
            f"{planet}.mass",
            {"prior": {"kind": "log_uniform", "low": 1.0, "high": 1e5}},
        )
    problem = Problem.from_mapping(settings)
    posterior = Posterior(problem, table)
    rng = np.random.default_rng(8)
    values = []
    for _ in range(400):
        x = {p.name: p.prior.sample(rng) for p in problem.free if p.prior is not None}
        for planet, prior in problem.eccentricities.items():
            x[f"{planet}.ecosw"], x[f"{planet}.esinw"] = prior.sample(rng)
        values.append(posterior([x[name] for name in problem.parameter_names]))
    finite = np.isfinite(values)
    assert finite.any()
    assert not np.isnan(values).any()
    assert (~finite).sum() == posterior.failures.total() > 0


def test_a_missing_transit_is_impossible_not_ignored(settings, problem, point) -> None:
    table = simulated(problem, point)
    settings["model"]["end"] = table.last + 0.001
    posterior = Posterior(Problem.from_mapping(settings), table)
    late = list(point)
    late[4] += 0.9
    assert posterior(late) == -math.inf
    assert posterior.failures == {"missing_transit": 1}


def test_t0_that_is_no_transit_is_a_failure_of_numbering(settings, problem, point) -> None:
    """The perturbed transit is far from t0 when t0 is many periods from the epoch."""
    table = simulated(problem, point)
    settings["parameters"][3]["prior"] = {"kind": "uniform", "low": -4000.0, "high": 4.0}
    posterior = Posterior(Problem.from_mapping(settings), table)
    assert posterior([*point[:4], -3000.0, *point[5:]]) == -math.inf
    assert posterior.failures == {"numbering": 1}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"epoch": 3.5}, "outside the model's epoch and end"),
        ({"end": 100.0}, "outside the model's epoch and end"),
        (
            {"planets": [{"name": "b", "observed": True}, {"name": "c", "observed": False}]},
            "transits of c, which is not observed",
        ),
    ],
)
def test_a_table_that_does_not_fit_the_model_is_refused(
    settings, problem, point, change, sentence
) -> None:
    table = simulated(problem, point)
    settings["model"].update(change)
    with pytest.raises(UnitError, match=sentence):
        Posterior(Problem.from_mapping(settings), table)


def test_an_observed_planet_needs_transits(problem, point) -> None:
    table = TransitTable(simulated(problem, point).planets[:1])
    with pytest.raises(UnitError, match="no transits of the observed planet c"):
        Posterior(problem, table)


def test_an_unseen_planet_acts_through_the_others_times(settings, problem, point) -> None:
    table = TransitTable(simulated(problem, point).planets[:1])
    settings["model"]["planets"][1]["observed"] = False
    posterior = Posterior(Problem.from_mapping(settings), table)
    assert posterior.log_likelihood(point) == 0.0
    heavier = list(point)
    heavier[5] += 1.0
    assert posterior.log_likelihood(heavier) < -0.1
