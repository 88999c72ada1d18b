"""Noise models against scipy's distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from apps.ttv.compute import exact, noise
from apps.ttv.compute.built import load_kernel
from apps.ttv.compute.noise import MINUTE, Noise

KERNEL = load_kernel()


@pytest.fixture(params=[KERNEL, None], ids=["compiled", "fallback"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (noise, exact):
        monkeypatch.setattr(module, "_kernel", request.param)


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Model times (n, n_transit), observed times and sigmas; a few residuals are far out."""
    rng = np.random.default_rng(5)
    observed = np.sort(rng.uniform(0.0, 1000.0, 60))
    sigmas = 10.0 ** rng.uniform(-4, -2, 60)
    times = observed + sigmas * rng.standard_normal((12, 60))
    times[::3, ::7] += 30.0 * sigmas[::7]
    return times, observed, sigmas


JITTERS = np.array([0.0, 0.1, 1.0, 10.0] * 3)


def jittered(sigmas: np.ndarray) -> np.ndarray:
    return np.sqrt(sigmas**2 + (JITTERS[:, None] * MINUTE) ** 2)


@pytest.mark.usefixtures("kernel")
def test_gaussian_without_jitter_is_minus_half_chi_square(data) -> None:
    times, observed, sigmas = data
    found = Noise().log_likelihoods(times, observed, sigmas, np.zeros(12))
    expected = -0.5 * np.sum(((observed - times) / sigmas) ** 2, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.usefixtures("kernel")
def test_gaussian_with_jitter_is_scipys_up_to_the_stated_constant(data) -> None:
    times, observed, sigmas = data
    found = Noise().log_likelihoods(times, observed, sigmas, JITTERS)
    density = stats.norm.logpdf(observed, times, jittered(sigmas)).sum(axis=1)
    constant = -np.sum(np.log(sigmas)) - 30.0 * math.log(2.0 * math.pi)
    np.testing.assert_allclose(found, density - constant, rtol=1e-12, atol=1e-10)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("degrees", [1.0, 4.0, 30.0])
def test_student_t_is_scipys_up_to_the_stated_constant(data, degrees: float) -> None:
    times, observed, sigmas = data
    found = Noise("student_t", degrees).log_likelihoods(times, observed, sigmas, JITTERS)
    density = stats.t.logpdf(observed, degrees, times, jittered(sigmas)).sum(axis=1)
    constant = -np.sum(np.log(sigmas)) + 60 * float(stats.t.logpdf(0.0, degrees))
    np.testing.assert_allclose(found, density - constant, rtol=1e-12, atol=1e-9)


@pytest.mark.skipif(KERNEL is None, reason="the kernel was not built")
@pytest.mark.parametrize("kind", noise.KINDS)
def test_the_fallback_agrees_with_the_kernel(data, kind: str, monkeypatch) -> None:
    compiled = Noise(kind).log_likelihoods(*data, JITTERS)
    for module in (noise, exact):
        monkeypatch.setattr(module, "_kernel", None)
    np.testing.assert_allclose(Noise(kind).log_likelihoods(*data, JITTERS), compiled, rtol=1e-12)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kind", noise.KINDS)
def test_a_row_depends_on_itself_only(data, kind: str) -> None:
    times, observed, sigmas = data
    whole = Noise(kind).log_likelihoods(times, observed, sigmas, JITTERS)
    broken = times.copy()
    broken[5] = np.nan
    again = Noise(kind).log_likelihoods(broken, observed, sigmas, JITTERS)
    assert math.isnan(again[5])
    others = np.arange(12) != 5
    assert again[others].tobytes() == whole[others].tobytes()


def test_a_far_outlier_costs_a_student_little() -> None:
    observed, sigmas, times = np.zeros(1), np.ones(1), np.array([[100.0]])
    gaussian = Noise().log_likelihoods(times, observed, sigmas, np.zeros(1))
    student = Noise("student_t").log_likelihoods(times, observed, sigmas, np.zeros(1))
    assert gaussian[0] == pytest.approx(-5000.0)
    assert student[0] == pytest.approx(-2.5 * math.log1p(2500.0))
