"""The sampler against posteriors that are known exactly.

Every statistic is averaged over independent chains; the spread of the chains gives its Monte Carlo
standard error, and Student's t with n_chain - 1 degrees of freedom its false-alarm rate. Each test
has a family-wise false-alarm rate of 1e-4 (Bonferroni); seeds are fixed, so a pass stays a pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from apps.ttv.compute.priors import EccentricityPrior, Rayleigh, Uniform
from apps.ttv.compute.sampler import Sampler
from apps.ttv.compute.sampler_settings import Mixture, SamplerSettings
from apps.ttv.compute.shear import Shear
from boinc_project.seeds import Stream, stream_key, unit_seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

N_CHAIN = 12
FALSE_ALARM = 1e-4


def each(log_probability: Callable) -> Callable:
    """Return the log density of points (n, n_dim) from that of one point."""
    return lambda points: np.array([log_probability(point) for point in points.tolist()])


def sample(
    log_probability: Callable,
    starts: Callable[[np.random.Generator], np.ndarray],
    moves: tuple[tuple[str, float], ...],
    n_step: int,
    mixture: Mixture | None = None,
    shear: Shear | None = None,
) -> np.ndarray:
    """Return draws of independent chains, (n_chain, n_draw, n_dim), first third dropped."""
    chains = []
    for index in range(N_CHAIN):
        seed = unit_seed(2024, generation=0, index=index)
        start = starts(np.random.default_rng(index))
        settings = SamplerSettings(len(start), n_step, 1, moves, mixture, shear)
        sampler = Sampler(settings, stream_key(seed, Stream.CHAIN), each(log_probability))
        chain = sampler.begin(start)
        for _ in range(n_step):
            sampler.advance(chain)
        draws = np.array(chain.draws[n_step // 3 :])
        chains.append(draws.reshape(-1, draws.shape[2]))
    return np.array(chains)


def p_values(draws: np.ndarray, expected: dict[str, tuple[Callable, float]]) -> dict[str, float]:
    """Return the probability of a deviation as large as seen, for each statistic."""
    found = {}
    for name, (function, truth) in expected.items():
        means = np.array([np.mean(function(chain)) for chain in draws])
        error = means.std(ddof=1) / math.sqrt(len(means))
        found[name] = float(2 * stats.t(len(means) - 1).sf(abs(means.mean() - truth) / error))
    return found


def check(draws: np.ndarray, expected: dict[str, tuple[Callable, float]]) -> None:
    found = p_values(draws, expected)
    assert min(found.values()) > FALSE_ALARM / len(expected), found


DIMENSION = 4
_FACTOR = np.tril(np.random.default_rng(7).normal(size=(DIMENSION, DIMENSION))) + 2 * np.eye(4)
COVARIANCE = _FACTOR @ _FACTOR.T
MEAN = np.array([5.0, -3.0, 100.0, 0.1])
_PRECISION = np.linalg.inv(COVARIANCE)


def gaussian(x) -> float:
    offset = np.asarray(x) - MEAN
    return float(-0.5 * offset @ _PRECISION @ offset)


def gaussian_statistics() -> dict[str, tuple[Callable, float]]:
    expected: dict[str, tuple[Callable, float]] = {}
    for i in range(DIMENSION):
        expected[f"mean {i}"] = (lambda x, i=i: x[:, i], MEAN[i])
        for j in range(i + 1):
            expected[f"covariance {i}{j}"] = (
                lambda x, i=i, j=j: (x[:, i] - MEAN[i]) * (x[:, j] - MEAN[j]),
                COVARIANCE[i, j],
            )
    return expected


def overdispersed(rng: np.random.Generator) -> np.ndarray:
    return MEAN + 2 * rng.normal(size=(16, DIMENSION)) @ _FACTOR.T


MOVES = {
    "de": (("de", 1.0),),
    "snooker": (("snooker", 1.0),),
    "de_and_gamma1": (("de", 0.7), ("de_gamma1", 0.3)),
    "stretch": (("stretch", 1.0),),
    "mixture": (("mixture", 1.0),),
    "all": (("de", 0.5), ("snooker", 0.2), ("de_gamma1", 0.1), ("mixture", 0.2)),
}
# A bad fit on purpose: shifted and too wide.
MIXTURE = Mixture(np.array([1.0]), MEAN[None] + 1.0, 1.3 * _FACTOR[None], 8.0)


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_gaussian(moves) -> None:
    """Means and covariances of a correlated normal distribution in four dimensions."""
    check(sample(gaussian, overdispersed, moves, 450, MIXTURE), gaussian_statistics())


def wrong_gaussian(x) -> float:
    return gaussian(x) / 1.3**2


def test_the_test_sees_a_posterior_that_is_30_per_cent_too_wide() -> None:
    draws = sample(wrong_gaussian, overdispersed, MOVES["de"], 450)
    found = p_values(draws, gaussian_statistics())
    assert min(found.values()) < FALSE_ALARM / len(found)


EDGE = -0.5


def banana(x) -> float:
    """Log density of x ~ N(0, 1) cut at the edge, y ~ N(x^2, 0.5^2)."""
    if x[0] < EDGE:
        return -math.inf
    return -0.5 * x[0] ** 2 - 2.0 * (x[1] - x[0] ** 2) ** 2


def banana_statistics() -> dict[str, tuple[Callable, float]]:
    x = stats.truncnorm(EDGE, math.inf)

    def tail(limit: float) -> float:
        return x.expect(lambda value: stats.norm(value**2, 0.5).sf(limit))

    return {
        "mean x": (lambda d: d[:, 0], x.mean()),
        "mean y": (lambda d: d[:, 1], x.moment(2)),
        "at the edge": (lambda d: d[:, 0] < EDGE + 0.2, x.cdf(EDGE + 0.2)),
        "upper x": (lambda d: d[:, 0] > 1.5, x.sf(1.5)),
        "upper y": (lambda d: d[:, 1] > 3.0, tail(3.0)),
        "lower y": (lambda d: d[:, 1] < 0.0, 1.0 - tail(0.0)),
    }


@pytest.mark.parametrize("name", ["de", "snooker", "all"])
def test_banana_with_a_hard_edge(name: str) -> None:
    mixture = Mixture(np.array([1.0]), np.array([[0.5, 1.0]]), 1.5 * np.eye(2)[None], 5.0)

    def starts(rng: np.random.Generator) -> np.ndarray:
        return np.column_stack([rng.uniform(EDGE, 3, 12), rng.uniform(-1, 6, 12)])

    check(sample(banana, starts, MOVES[name], 900, mixture), banana_statistics())


# The right bend, too much of it, and one that has nothing to do with the posterior.
BENDS = {"right": [0.0, 0.0, 1.0], "too much": [0.5, 0.3, 1.8], "wrong": [0.0, 1.0, -1.0]}


@pytest.mark.parametrize("bend", BENDS.values(), ids=BENDS)
def test_whatever_the_map_the_posterior_is_the_same(bend: list[float]) -> None:
    shear = Shear(np.array([0, 1]), np.zeros(2), np.ones(2), (np.zeros(1), np.array(bend)))
    mixture = Mixture(np.array([1.0]), np.array([[0.5, 0.0]]), 1.2 * np.eye(2)[None], 5.0)

    def starts(rng: np.random.Generator) -> np.ndarray:
        return np.column_stack([rng.uniform(EDGE, 3, 12), rng.uniform(-1, 6, 12)])

    check(sample(banana, starts, MOVES["all"], 900, mixture, shear), banana_statistics())


@pytest.mark.parametrize(
    ("prior", "truth"),
    [(Uniform(0.0, 0.3), stats.uniform(0.0, 0.3)), (Rayleigh(0.1), stats.rayleigh(0.0, 0.1))],
    ids=["uniform", "rayleigh"],
)
def test_a_prior_on_the_eccentricity_is_that_prior(prior, truth) -> None:
    """Sampling the prior alone in (e cos w, e sin w) gives e as stated, and any w.

    Without the Jacobian 1/e, a flat prior would put 1 % of the draws below e = 0.03, not 10 %.
    """
    plane = EccentricityPrior(prior)

    def starts(rng: np.random.Generator) -> np.ndarray:
        return np.array([plane.sample(rng) for _ in range(12)])

    draws = sample(lambda x: plane.log_density(x[0], x[1]), starts, MOVES["de"], 900)
    expected: dict[str, tuple[Callable, float]] = {
        f"e below {q}": (lambda d, q=q: np.hypot(d[:, 0], d[:, 1]) < q, truth.cdf(q))
        for q in (0.03, 0.1, 0.2)
    }
    expected["cos w"] = (lambda d: d[:, 0] / np.hypot(d[:, 0], d[:, 1]), 0.0)
    expected["upper half"] = (lambda d: d[:, 1] > 0, 0.5)
    check(draws, expected)
