"""The normal distribution beside scipy's."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from apps.ttv.compute import normal

Z = np.concatenate([np.linspace(-37.4, 37.4, 4001), np.linspace(-1.5, 1.5, 1001), [0.0]])


def test_probabilities_have_all_digits_of_the_smaller_tail() -> None:
    np.testing.assert_allclose(normal.probability_below(Z), special.ndtr(Z), rtol=1e-12, atol=0.0)
    near = np.abs(Z) < 6.0
    errors = np.abs(normal.probability_below(Z[near]) - special.ndtr(Z[near]))
    assert errors.max() < 2e-15


def test_both_tails_sum_to_one() -> None:
    total = normal.probability_below(Z) + normal.probability_below(-Z)
    np.testing.assert_allclose(total, 1.0, rtol=0.0, atol=1e-15)


def test_probabilities_grow() -> None:
    z = np.linspace(-37.4, 8.0, 20_001)
    assert (np.diff(normal.probability_below(z)) >= 0.0).all()


def test_beyond_the_farthest_the_probability_stays() -> None:
    far = np.array([-normal.FARTHEST, -40.0, -np.inf])
    values = normal.probability_below(far)
    assert (values == values[0]).all()
    assert 0.0 < values[0] < 1e-300
    assert (normal.probability_below(-far) == 1.0).all()


def test_quantiles_are_those_of_scipy() -> None:
    p = np.concatenate([np.logspace(-300, -1, 3001), np.linspace(0.01, 0.5, 500)])
    np.testing.assert_allclose(normal.quantiles(p, 1.0 - p), special.ndtri(p), rtol=1e-13)
    np.testing.assert_array_equal(normal.quantiles(1.0 - p, p), -normal.quantiles(p, 1.0 - p))


def test_quantiles_undo_probabilities_in_both_tails() -> None:
    again = normal.quantiles(normal.probability_below(Z), normal.probability_below(-Z))
    np.testing.assert_allclose(again, Z, rtol=1e-12, atol=1e-14)


def test_a_probability_of_zero_has_a_finite_quantile() -> None:
    ends = normal.quantiles(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert np.isfinite(ends).all()
    assert ends[0] == -ends[1] < -37.0


def test_log_densities_are_those_of_scipy() -> None:
    np.testing.assert_allclose(normal.log_density(Z), stats.norm.logpdf(Z), rtol=1e-14)
