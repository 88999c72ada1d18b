"""The superposition of prior and proposal: its density is that of its points, its parts are told.

Means of random points have a stated false-alarm rate by the normal distribution; seeds are fixed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from apps.nested.compute.cube import CHOICE, OUTSIDE, Cube, CubeLikelihood
from apps.nested.compute.proposal import SPREAD, Proposal
from apps.nested.compute.settings import NestedUnit
from apps.ttv.compute.likelihood import JointPrior, Posterior
from apps.ttv.compute.population.straightening import to_json
from apps.ttv.compute.sampler_settings import COMPONENT_KEYS
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.shear import Shear
from apps.ttv.compute.table import parse_table
from boinc_project.errors import UnitError
from tests import nested_targets
from tests.unit.apps.nested.validate import nested_case
from tests.unit.apps.ttv.validate import ttv_case

LIMIT = stats.norm.isf(5e-5)
"""Standard errors that a mean is beyond with a probability of 1e-4."""


def problem() -> Problem:
    return Problem.from_mapping({"model": nested_case.MODEL, "parameters": nested_case.PARAMETERS})


def proposal(**changes: Any) -> Proposal:
    """Two components, bent and turned, one of them half outside of the prior in b.t0."""
    rng = np.random.default_rng(1)
    lower = np.tril(rng.uniform(-0.5, 0.5, (2, 4, 4)), -1) + np.eye(4) * [0.5, 1.0, 1.5, 0.7]
    values: dict[str, Any] = {
        "share": 0.7,
        "corrections": 0,
        "shear": Shear(
            np.array([2, 3, 0, 1]),
            np.array([20.0, 7.0, 10.0, 4.0]),
            np.array([3.0, 0.2, 0.02, 0.05]),
            tuple(rng.uniform(-0.2, 0.2, n) for n in (1, 3, 6, 10)),
        ),
        "weights": np.array([0.25, 0.75]),
        "means": np.array([[0.0, 0.1, 0.2, 0.0], [0.5, 0.0, -0.3, 2.0]]),
        "choleskys": lower,
    }
    return Proposal(**(values | changes))


def assert_mean_is(values: np.ndarray, truth: float) -> None:
    error = values.std(ddof=1) / math.sqrt(len(values))
    assert abs(values.mean() - truth) < LIMIT * error, (values.mean(), error, truth)


def points(n: int = 20_000, seed: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random points of the cube, their parameters and log(p* / pi)."""
    cube = Cube(problem(), proposal(), nested_targets.Plain())
    places = np.random.default_rng(seed).random((n, 5))
    values = cube.transform(places)
    return places, values, cube.log_ratios(values)


def test_the_density_is_that_of_the_points() -> None:
    """Integrals over the prior by points of p*, weighted by pi / p*: that of 1, and moments.

    They are right only if every Jacobian is counted. False-alarm rate 5e-4 in all.
    """
    _, values, log_ratios = points()
    assert 0.05 < np.isinf(log_ratios).mean() < 0.7  # outside of the prior: of no weight
    weights = np.exp(-log_ratios)
    assert_mean_is(weights, 1.0)
    # Where the proposal is, the prior's own points are few: this part of it says if q is right.
    near = np.abs(values[:, 2] - 20.0) < 3.0
    assert_mean_is(weights * near, math.log(23.0 / 17.0) / math.log(80.0 / 5.0))
    assert_mean_is(weights * (np.abs(values[:, 0] - 10.0) < 0.02), 0.2)
    assert_mean_is(weights * values[:, 1], 4.0)
    assert_mean_is(weights * values[:, 3], 7.0)


def test_the_density_is_that_of_the_formula() -> None:
    """In scipy's words, and with the whole Jacobian matrix of the map taken numerically."""
    one, found = proposal(), problem()
    _, values, log_ratios = points(40)
    inside = np.isfinite(log_ratios)
    steps = np.diag([1e-7, 1e-7, 1e-4, 1e-6])
    for x, log_ratio in zip(values[inside], log_ratios[inside], strict=True):
        slopes = one.shear.straighten(x + steps) - one.shear.straighten(x - steps)
        jacobian = abs(np.linalg.det(slopes / (2.0 * np.diag(steps)[:, None])))
        parts = []
        for weight, mean, factor in zip(one.weights, one.means, one.choleskys, strict=True):
            t = np.linalg.solve(factor, one.shear.straighten(x[None])[0] - mean)
            shape = stats.logistic.pdf(t, scale=SPREAD).prod() / np.linalg.det(factor)
            parts.append(weight * shape * jacobian)
        prior = math.exp(JointPrior(found).log_densities(x[None])[0])
        expected = math.log(0.3 + 0.7 * sum(parts) / prior)
        assert log_ratio == pytest.approx(expected, abs=1e-5)


def test_the_weights_are_bounded_by_the_priors_share() -> None:
    _, _, log_ratios = points()
    assert log_ratios.min() >= math.log(0.3) - 1e-12


def test_the_first_coordinate_tells_the_part() -> None:
    places, values, _ = points()
    own = places[:, 0] < 0.3
    prior = Cube(problem(), None).transform(places[own, 1:])
    np.testing.assert_array_equal(values[own], prior)
    # In a component's own coordinates, the quantiles are those of a logistic distribution.
    one = proposal()
    for k, band in enumerate([(0.3, 0.3 + 0.7 * 0.25), (0.3 + 0.7 * 0.25, 1.0)]):
        inside = (places[:, 0] > band[0]) & (places[:, 0] < band[1])
        u = one.shear.straighten(values[inside]) - one.means[k]
        t = np.linalg.solve(one.choleskys[k], u.T).T
        quantiles = stats.logistic.cdf(t, scale=SPREAD)
        np.testing.assert_allclose(quantiles, places[inside, 1:], atol=1e-7)


def test_a_points_density_does_not_depend_on_its_neighbours() -> None:
    cube = Cube(problem(), proposal(), nested_targets.Plain())
    places, values, log_ratios = points(50)
    for k in range(50):
        np.testing.assert_array_equal(cube.transform(places[k : k + 1])[0], values[k])
        assert cube.log_ratios(values[k : k + 1])[0] == log_ratios[k]


def test_the_logistic_distribution_costs_what_is_said() -> None:
    def lost(x: float) -> float:
        return float(
            stats.norm.pdf(x) * (stats.norm.logpdf(x) - stats.logistic.logpdf(x, scale=SPREAD))
        )

    assert quad(lost, -12.0, 12.0)[0] == pytest.approx(0.0105, abs=1e-4)
    assert stats.logistic.var(scale=SPREAD) == pytest.approx(1.0)


def test_outside_of_the_prior_is_no_likelihood_and_no_call_of_the_engine() -> None:
    """In whitened coordinates only what is infinitely far away is outside."""
    posterior = Posterior(problem(), parse_table(ttv_case.table()))
    whitened = proposal(
        shear=Shear(np.arange(4), np.zeros(4), np.ones(4), proposal().shear.coefficients)
    )
    target = CubeLikelihood(posterior, whitened)
    places = np.random.default_rng(3).random((400, 5))
    places[:, 0] = 0.9
    places[:40, 1] = 0.0
    found = target.log_likelihoods(places)
    assert (found[:40] == -math.inf).all()
    assert posterior.failures[OUTSIDE] == 40
    assert target.n_call == 400
    again = Posterior(problem(), parse_table(ttv_case.table()))
    values = target.transform(places[40:])
    log_ratios = target.cube.log_ratios(values)
    np.testing.assert_array_equal(found[40:], again.log_likelihoods(values) - log_ratios)
    # With prior and likelihood, it is the posterior over p*, whatever p* is.
    prior = JointPrior(problem()).log_densities(values)
    np.testing.assert_allclose(found[40:] + prior + log_ratios, again.log_densities(values))


def test_a_superposition_in_whitened_coordinates_is_normalised() -> None:
    """The mean of p* over the prior is 1, of draws of the prior."""
    posterior = Posterior(problem(), parse_table(ttv_case.table()))
    whitened = proposal(
        shear=Shear(np.arange(4), np.zeros(4), np.ones(4), proposal().shear.coefficients),
        means=np.zeros((2, 4)),
        choleskys=np.tile(0.5 * np.eye(4), (2, 1, 1)),
    )
    cube = CubeLikelihood(posterior, whitened).cube
    prior = Cube(problem(), None).transform(np.random.default_rng(4).random((20_000, 4)))
    assert_mean_is(np.exp(cube.log_ratios(prior)), 1.0)


def test_quantiles_at_the_ends_are_outside() -> None:
    cube = Cube(problem(), proposal(), nested_targets.Plain())
    ends = np.array([[0.9, 0.0, 0.5, 0.5, 0.5], [0.9, 0.5, 0.5, 0.5, 1.0 - 2.0**-53]])
    assert cube.log_ratios(cube.transform(ends))[0] == math.inf
    assert not np.isnan(cube.log_ratios(cube.transform(ends))).any()


def test_coordinates_are_named_and_none_is_periodic() -> None:
    names = problem().parameter_names
    assert Cube(problem(), None).names == names
    assert Cube(problem(), proposal(), nested_targets.Plain()).names == (CHOICE, *names)
    eccentric = Problem.from_mapping({"model": ttv_case.MODEL, "parameters": ttv_case.PARAMETERS})
    assert Cube(eccentric, None).periodic == (eccentric.parameter_names.index("c.esinw"),)
    round_one = nested_targets.round_proposal(eccentric.n_dim, 0.02, 0.5)
    assert Cube(eccentric, round_one, nested_targets.Plain()).periodic == ()


def as_json(one: Proposal) -> dict[str, Any]:
    components = {key: getattr(one, key).tolist() for key in COMPONENT_KEYS}
    return {
        "share": one.share,
        "corrections": one.corrections,
        "shear": to_json(one.shear),
        **components,
    }


def read(**changes: Any) -> NestedUnit:
    raw = {**as_json(proposal()), **changes}
    raw = {key: value for key, value in raw.items() if value is not None}
    return NestedUnit.from_mapping(nested_case.make_unit(proposal=raw).settings)


def test_a_unit_with_a_proposal_is_read() -> None:
    found = read()
    assert found.sampler.proposal is not None
    assert as_json(found.sampler.proposal) == as_json(proposal())
    assert found.coordinates == (CHOICE, *found.problem.parameter_names)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("share", 0.0),
        ("share", 1.0),
        ("share", "most"),
        ("share", float("nan")),
        ("share", None),
        ("shear", None),
        ("shear", {"order": [0, 1, 2, 2]}),
        ("weights", []),
        ("weights", [0.5, 0.6]),
        ("weights", None),
        ("means", [[0.0] * 3]),
        ("choleskys", [[[1.0]]]),
        ("degrees", 30.0),
    ],
)
def test_what_is_wrong_is_named(key: str, value: Any) -> None:
    named = "order" if isinstance(value, dict) else key
    with pytest.raises(UnitError, match=rf"sampler\.proposal.*{named}"):
        read(**{key: value})


def test_a_proposal_that_is_no_table_is_named() -> None:
    with pytest.raises(UnitError, match=r"sampler\.proposal"):
        NestedUnit.from_mapping(nested_case.make_unit(proposal=[1.0]).settings)
