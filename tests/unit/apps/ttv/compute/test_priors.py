from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from apps.ttv.compute.priors import EccentricityPrior, Rayleigh, Uniform, parse_prior
from boinc_project.errors import UnitError

CASES = [
    ({"kind": "uniform", "low": -1.0, "high": 3.0}, stats.uniform(-1, 4)),
    ({"kind": "log_uniform", "low": 0.1, "high": 50.0}, stats.loguniform(0.1, 50)),
    ({"kind": "normal", "mean": 2.0, "sigma": 0.5}, stats.norm(2, 0.5)),
    (
        {"kind": "truncated_normal", "mean": 0.0, "sigma": 1.0, "low": -0.5, "high": 2.0},
        stats.truncnorm(-0.5, 2.0),
    ),
    # Far in the upper tail: 1 - cdf must not be lost to rounding.
    (
        {"kind": "truncated_normal", "mean": 0.0, "sigma": 1.0, "low": 6.0, "high": 7.0},
        stats.truncnorm(6.0, 7.0),
    ),
    ({"kind": "half_normal", "sigma": 0.3}, stats.halfnorm(0, 0.3)),
    ({"kind": "rayleigh", "sigma": 0.05}, stats.rayleigh(0, 0.05)),
]
IDS = ["uniform", "log_uniform", "normal", "truncated_normal", "tail", "half_normal", "rayleigh"]


@pytest.mark.parametrize(("value", "truth"), CASES, ids=IDS)
def test_density_and_quantiles_are_those_of_scipy(value, truth) -> None:
    prior = parse_prior(value, "b.mass")
    for p in (0.01, 0.16, 0.5, 0.84, 0.99):
        x = truth.ppf(p)
        assert prior.quantile(p) == pytest.approx(x, rel=1e-9)
        assert prior.log_density(x) == pytest.approx(truth.logpdf(x), rel=1e-9)


@pytest.mark.parametrize(("value", "truth"), CASES, ids=IDS)
def test_samples_follow_the_density(value, truth) -> None:
    """Kolmogorov-Smirnov at a level of 1e-6 each, with a fixed seed."""
    prior = parse_prior(value, "b.mass")
    rng = np.random.default_rng(5)
    samples = [prior.sample(rng) for _ in range(2000)]
    assert stats.kstest(samples, truth.cdf).pvalue > 1e-6
    assert all(prior.log_density(x) > -math.inf for x in samples)


@pytest.mark.parametrize(("value", "truth"), CASES, ids=IDS)
def test_outside_the_support_there_is_nothing(value, truth) -> None:
    prior = parse_prior(value, "b.mass")
    low, high = truth.support()
    assert prior.support == pytest.approx((low, high))
    for x in (low - 1e-6, high + 1e-6):
        if math.isfinite(x):
            assert prior.log_density(x) == -math.inf
    assert not prior.log_density(math.nan) > -math.inf


@pytest.mark.parametrize("prior", [Uniform(0.0, 0.4), Rayleigh(0.05), Rayleigh(0.3, 0.5)])
def test_eccentricity_prior_is_normalised_in_the_plane(prior) -> None:
    """Without the Jacobian 1/e the integral over the plane is about e, not 1."""
    plane = EccentricityPrior(prior)
    top = min(prior.support[1], 1.0)

    def ring(e: float) -> float:
        return 2 * math.pi * e * math.exp(plane.log_density(e * 0.6, -e * 0.8))

    assert integrate.quad(ring, 0, top, points=[0.05])[0] == pytest.approx(1.0, rel=1e-6)


def test_eccentricity_prior_samples_all_directions_alike() -> None:
    rng = np.random.default_rng(6)
    plane = EccentricityPrior(Uniform(0.0, 0.4))
    x, y = np.array([plane.sample(rng) for _ in range(2000)]).T
    assert stats.kstest(np.hypot(x, y), stats.uniform(0, 0.4).cdf).pvalue > 1e-6
    assert stats.kstest(np.arctan2(y, x), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-6


def test_eccentricity_prior_ends_below_one_and_is_finite_at_zero() -> None:
    plane = EccentricityPrior(Rayleigh(2.0))
    assert plane.log_density(0.8, 0.6) == -math.inf
    assert plane.log_density(math.nan, 0.0) == -math.inf
    assert math.isfinite(EccentricityPrior(Uniform(0.0, 0.4)).log_density(0.0, 0.0))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "not a table"),
        ({"kind": "normal", "mean": 0.0, "sigma": 0.0}, "sigma is not positive"),
        ({"kind": "log_uniform", "low": 0.0, "high": 1.0}, "not positive and in order"),
        ({"kind": "normal", "mean": 0.0, "sigma": 1.0, "low": 0.0}, "has no key low"),
        (
            {"kind": "truncated_normal", "mean": 0.0, "sigma": 1.0, "low": 20.0, "high": 21.0},
            "cut off",
        ),
        ({"kind": "rayleigh", "sigma": True}, "no number as sigma"),
        ({"kind": "rayleigh", "sigma": math.inf}, "no number as sigma"),
    ],
)
def test_a_prior_that_is_none_is_refused(value, sentence: str) -> None:
    with pytest.raises(UnitError, match=sentence):
        parse_prior(value, "b.mass")
