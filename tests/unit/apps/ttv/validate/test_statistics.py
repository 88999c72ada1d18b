"""The statistical comparison: how often it errs, what it finds, and when it says nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from apps.ttv.autocorrelation import autocorrelate
from apps.ttv.validate.statistics import (
    FALSE_REJECTION_RATE,
    MIN_EFFECTIVE,
    Comparison,
    compare_ensembles,
    compare_runs,
)
from tests.unit.apps.ttv.validate.ensembles import ar1, gaussian_log_prob

Floats = NDArray[np.float64]
NAMES = ("x", "y", "z")

FALSE_ALARM = 1e-6
"""Probability that a test of this file fails although the code is right, for a new seed."""


def compare(first: Floats, second: Floats) -> Comparison:
    pair = (first, second)
    log_prob = (gaussian_log_prob(first), gaussian_log_prob(second))
    return compare_ensembles(NAMES, pair, log_prob)


@pytest.mark.parametrize(("phi", "n_draw", "couple"), [(0.0, 120, 0.0), (0.7, 500, 0.3)])
def test_the_false_rejection_rate_is_what_it_says(phi: float, n_draw: int, couple: float) -> None:
    """At a rate of 5 %, where it can be measured; Bonferroni makes it an upper bound."""
    rng = np.random.default_rng(20240101)
    n, rate = 200, 0.05
    rejected = 0
    for _ in range(n):
        found = compare(*(ar1(rng, n_draw, 8, 3, phi, couple) for _ in range(2)))
        rejected += bool(found.p_min < rate / found.n_test)
    assert rejected <= binom.isf(FALSE_ALARM, n, rate)


def test_honest_pairs_agree_at_the_real_threshold() -> None:
    """60 pairs at 1e-4 each: a rejection has probability 0.6 %, and the seed is fixed."""
    rng = np.random.default_rng(7)
    for _ in range(60):
        found = compare(*(np.exp(ar1(rng, 700, 8, 3, 0.6)) for _ in range(2)))
        assert found.agrees
        assert found.has_evidence


def shifted(draws: Floats) -> Floats:
    return draws + np.array([0.3, 0.0, 0.0])


def too_wide(draws: Floats) -> Floats:
    return draws * np.array([1.0, 1.25, 1.0])


def too_narrow(draws: Floats) -> Floats:
    return draws * np.array([1.0, 0.8, 1.0])


DISTORTIONS: dict[Callable[[Floats], Floats], str] = {
    shifted: "mean",
    too_wide: "variance",
    too_narrow: "variance",
}


@pytest.mark.parametrize("distort", DISTORTIONS, ids=lambda one: one.__name__)
def test_a_distorted_posterior_is_found(distort: Callable[[Floats], Floats]) -> None:
    """In runs of 2,000 stored draws of 10 walkers, for each of ten seeds."""
    for seed in range(10):
        rng = np.random.default_rng([3, seed])
        honest, other = (ar1(rng, 2000, 10, 3, 0.6) for _ in range(2))
        assert compare(honest, other).agrees
        found = compare(honest, distort(other))
        assert found.has_evidence
        assert not found.agrees


def test_a_chain_that_moves_differently_is_found_though_its_distribution_is_right() -> None:
    rng = np.random.default_rng(4)
    found = compare(ar1(rng, 3000, 10, 3, 0.3), ar1(rng, 3000, 10, 3, 0.45))
    assert found.has_evidence
    assert not found.agrees
    assert found.worst[0] == "autocorrelation"


def test_a_shift_across_a_narrow_valley_is_found_by_the_axes_alone() -> None:
    rng = np.random.default_rng(5)
    valley = np.array([[1.0, 1.0, 0.0], [0.01, -0.01, 0.0], [0.0, 0.0, 1.0]])
    first, second = (ar1(rng, 2000, 10, 3, 0.5) @ valley for _ in range(2))
    second = second + np.array(
        [0.008, -0.008, 0.0]
    )  # 0.8 of the valley's width, 0.008 of its length
    found = compare(first, second)
    assert not found.agrees
    assert found.worst[:2] == ("mean", "axis 0")
    assert found.p[:, :3].min() > found.threshold


def test_small_shifts_of_all_parameters_are_found_by_the_test_of_all_together() -> None:
    """Of this size, no single test rejects."""
    rng = np.random.default_rng(21)
    n_dim = 8
    names = tuple(f"p{k}" for k in range(n_dim))
    first, second = (ar1(rng, 3000, 10, n_dim, 0.5) for _ in range(2))
    second = second + 0.0365 * np.where(np.arange(n_dim) % 2, 1.0, -1.0)
    log_prob = (gaussian_log_prob(first), gaussian_log_prob(second))
    found = compare_ensembles(names, (first, second), log_prob)
    assert found.p.min() >= found.threshold
    assert not found.agrees
    assert found.worst[1] == "all parameters together"


def test_too_few_batches_are_no_multivariate_test() -> None:
    rng = np.random.default_rng(22)
    found = compare(*(ar1(rng, 100, 8, 3, 0.9) for _ in range(2)))
    assert found.p_together == 1.0


def test_the_differences_change_sign_with_the_order() -> None:
    rng = np.random.default_rng(6)
    first, second = (ar1(rng, 300, 8, 3, 0.4) for _ in range(2))
    there, back = compare(first, second), compare(second, first)
    np.testing.assert_allclose(there.z[:, :4], -back.z[:, :4], rtol=1e-9)
    np.testing.assert_allclose(np.sort(there.p), np.sort(back.p), rtol=1e-6)


def test_too_short_runs_are_no_evidence() -> None:
    rng = np.random.default_rng(8)
    found = compare(*(ar1(rng, 100, 8, 3, 0.9) for _ in range(2)))
    assert found.effective < MIN_EFFECTIVE
    assert not found.has_evidence


def test_a_frozen_parameter_is_no_evidence() -> None:
    rng = np.random.default_rng(9)
    first, second = (ar1(rng, 800, 8, 3, 0.3) for _ in range(2))
    second[..., 1] = 0.25
    found = compare(first, second)
    assert not found.has_evidence
    assert not found.agrees


def test_nan_neither_agrees_nor_is_evidence() -> None:
    nothing = np.full((3, 1), np.nan)
    found = Comparison(("x",), nothing, nothing, float("nan"))
    assert not found.agrees
    assert not found.has_evidence


def test_a_common_drift_at_the_beginning_is_left_out() -> None:
    rng = np.random.default_rng(10)
    drift = 20.0 * np.exp(-np.arange(1200) / 60.0)[:, None, None]
    first, second = (ar1(rng, 1200, 8, 3, 0.4) + drift for _ in range(2))
    whole = compare(first, second)
    found = compare_runs(NAMES, (first, second), (first[..., 0], second[..., 0]))
    assert not whole.has_evidence
    assert found.has_evidence
    assert found.agrees


def test_a_handful_of_draws_is_not_even_looked_at() -> None:
    draws = np.zeros((4, 8, 3))
    found = compare_runs(NAMES, (draws, draws), (draws[..., 0], draws[..., 0]))
    assert found.effective == 0.0
    assert not found.agrees


def test_the_rate_is_shared_among_all_tests() -> None:
    rng = np.random.default_rng(11)
    found = compare(*(ar1(rng, 200, 8, 3, 0.0) for _ in range(2)))
    assert found.p.size == 3 * (2 * 3 + 1)
    assert found.threshold == FALSE_REJECTION_RATE / 22


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_autocorrelation_times_are_those_of_the_process(phi: float) -> None:
    """Within five of Sokal's standard errors: a false alarm in 1e-6."""
    n = 20_000
    found = autocorrelate(ar1(np.random.default_rng(12), n, 1, 4, phi)[:, 0])
    truth = (1 + phi) / (1 - phi)
    errors = truth * np.sqrt(2 / found.freedom)
    assert (np.abs(found.time - truth) < 5 * errors).all()


def test_replicas_share_their_evidence() -> None:
    series = ar1(np.random.default_rng(13), 500, 6, 2, 0.8).transpose(1, 0, 2)
    one, all_six = autocorrelate(series[0]), autocorrelate(series)
    assert all_six.n == 3000
    assert (all_six.effective > 3 * one.effective).all()
