from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.compute.population.gaussian_mixture import fit


def test_one_component_is_mean_and_covariance() -> None:
    draws = np.random.default_rng(1).normal(size=(400, 3)) @ np.diag([1.0, 2.0, 5.0]) + 7.0
    found = fit(draws, 1)
    np.testing.assert_allclose(found.means[0], draws.mean(axis=0))
    np.testing.assert_allclose(found.covariances[0], np.cov(draws.T), rtol=0.01, atol=0.1)
    assert found.weights == pytest.approx([1.0])


def test_two_clusters_are_two_components() -> None:
    rng = np.random.default_rng(2)
    draws = np.concatenate([rng.normal(-4.0, 0.5, (300, 2)), rng.normal(4.0, 1.0, (700, 2))])
    found = fit(draws, 2)
    order = np.argsort(found.weights)
    assert found.weights[order] == pytest.approx([0.3, 0.7], abs=0.01)
    np.testing.assert_allclose(found.means[order], [[-4, -4], [4, 4]], atol=0.15)
    spreads = np.sqrt([np.diag(found.covariances[place]) for place in order])
    np.testing.assert_allclose(spreads, [[0.5, 0.5], [1.0, 1.0]], rtol=0.15)


def test_the_same_draws_give_the_same_fit() -> None:
    draws = np.random.default_rng(3).normal(size=(300, 4))
    first, second = fit(draws, 4), fit(draws, 4)
    assert first.means.tobytes() == second.means.tobytes()


def test_a_component_without_draws_does_not_collapse() -> None:
    draws = np.random.default_rng(4).normal(size=(30, 5))
    found = fit(draws, 4)
    for covariance in found.covariances:
        assert np.linalg.eigvalsh(covariance).min() > 1e-3
