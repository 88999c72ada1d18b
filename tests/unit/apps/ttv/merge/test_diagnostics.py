"""Diagnostics of ensembles, against processes whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from apps.ttv.merge.diagnostics import (
    effective_size,
    ess_bulk,
    ess_tail,
    marginal,
    mcse_of_mean,
    rhat,
)
from tests.unit.apps.ttv.validate.ensembles import ar1

SHAPE = 6, 400, 10


def ensembles(
    seed: int, phi: float = 0.7, couple: float = 0.0, shape: tuple[int, int, int] = SHAPE
) -> np.ndarray:
    n_chain, n_draw, n_walker = shape
    rng = np.random.default_rng(seed)
    return np.stack([ar1(rng, n_draw, n_walker, 1, phi, couple)[..., 0] for _ in range(n_chain)])


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_bulk_ess_is_that_of_the_process(phi: float) -> None:
    """True size: n (1 - phi) / (1 + phi); estimates scatter by some 10 %."""
    sizes = [ess_bulk(ensembles(seed, phi)) for seed in range(5)]
    truth = math.prod(SHAPE) * (1 - phi) / (1 + phi)
    assert np.mean(sizes) == pytest.approx(truth, rel=0.2)


def test_walkers_that_move_together_count_for_less() -> None:
    """Ensemble means with correlation c between n walkers have variance (1 + (n - 1) c) / n."""
    sizes = [ess_bulk(ensembles(seed, 0.5, couple=0.5)) for seed in range(5)]
    truth = math.prod(SHAPE) / 3 / (1 + 9 * 0.5)
    assert np.mean(sizes) == pytest.approx(truth, rel=0.25)


def test_errors_of_means_are_honest() -> None:
    """Over 80 repetitions the scatter of (mean / error) is 1; 5 standard errors of it are 0.4."""
    z = [one.mean() / mcse_of_mean(one) for one in map(ensembles, range(80))]
    assert np.std(z) == pytest.approx(1.0, abs=0.4)


@pytest.mark.parametrize("name", ["q05", "median", "q95", "sd"])
def test_errors_of_quantiles_and_deviation_are_honest(name: str) -> None:
    truth = {"q05": norm.ppf(0.05), "median": 0.0, "q95": norm.ppf(0.95), "sd": 1.0}[name]
    z = []
    for seed in range(40):
        found = marginal(ensembles(1000 + seed))
        estimate = found.sd if name == "sd" else found.quantiles[name]
        z.append((estimate.value - truth) / estimate.mcse)
    assert np.std(z) == pytest.approx(1.0, abs=0.56)  # 5 standard errors of 40 repetitions


def test_rhat_is_near_one_when_sub_chains_agree() -> None:
    assert 0.99 < rhat(ensembles(1)) < 1.01


def test_rhat_finds_a_sub_chain_that_is_elsewhere() -> None:
    values = ensembles(2)
    values[3] += 1.5
    assert rhat(values) > 1.1


def test_rhat_finds_a_sub_chain_that_is_narrower() -> None:
    values = ensembles(3)
    values[0] *= 0.2
    assert rhat(values) > 1.05


def test_rhat_finds_a_drift_that_all_share() -> None:
    values = ensembles(4) + np.linspace(-1.5, 1.5, SHAPE[1])[:, None]
    assert rhat(values) > 1.1


def test_one_sub_chain_is_judged_by_its_halves() -> None:
    one = ensembles(5, shape=(1, 2000, 10))
    assert 0.99 < rhat(one) < 1.02
    assert rhat(one + np.linspace(-1.5, 1.5, 2000)[:, None]) > 1.1


def test_tail_ess_is_the_smaller_tail() -> None:
    values = ensembles(6)
    upper = values > np.quantile(values, 0.9)
    values[:2][upper[:2]] += 3.0  # the upper tail of two sub-chains is further out
    low, high = np.quantile(values, (0.05, 0.95))
    sizes = [effective_size((values <= level).astype(float)) for level in (low, high)]
    assert ess_tail(values) == min(sizes) == sizes[1]


def test_antithetic_draws_are_not_believed_without_limit() -> None:
    values = ensembles(7, -0.999)
    assert effective_size(values) <= values.size * math.log10(values.size)


@pytest.mark.parametrize("shape", [(4, 3, 8), (1, 7, 8), (2, 1, 8)])
def test_too_few_draws_give_nan_not_a_number(shape: tuple[int, int, int]) -> None:
    values = np.random.default_rng(8).standard_normal(shape)
    assert math.isnan(rhat(values))
    if shape[1] < 4:
        assert math.isnan(ess_bulk(values))
        assert math.isnan(marginal(values).quantiles["median"].mcse)


def test_a_constant_has_no_diagnostics() -> None:
    found = marginal(np.ones(SHAPE))
    assert found.mean.value == 1.0
    numbers = [found.mean.mcse, found.sd.mcse, found.rhat, found.ess_bulk, found.ess_tail]
    assert all(math.isnan(number) for number in numbers)
