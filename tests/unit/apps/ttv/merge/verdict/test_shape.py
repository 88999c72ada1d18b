"""Means, widths and tails, and whether their errors are what they scatter by."""

from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.merge.verdict import shape
from tests.unit.apps.ttv.validate.ensembles import ar1

EXPECTED = np.array([0.0, 0.0, -1.6449, 1.6449])


def blocks(rng: np.random.Generator, n_block: int = 12) -> tuple[np.ndarray, np.ndarray]:
    points = np.concatenate([ar1(rng, 50, 20, 2, 0.7).reshape(-1, 2) for _ in range(n_block)])
    return points, np.repeat(np.arange(n_block), 1000)


def test_numbers_are_those_of_numpy() -> None:
    points = np.random.default_rng(1).standard_normal((501, 3))
    mean, width, low, high = shape.statistics(points)
    quantiles = np.quantile(points, shape.PROBABILITIES, axis=0)
    np.testing.assert_allclose(mean, points.mean(axis=0))
    np.testing.assert_allclose(np.exp(width), 0.5 * (quantiles[2] - quantiles[1]))
    np.testing.assert_allclose([low, high], quantiles[[0, 3]])


def test_errors_are_what_the_numbers_scatter_by() -> None:
    """The mean square of 60 ratios to errors of 11 degrees of freedom is 11/9, to five errors.

    A ratio's square has the variance of an F distribution, about 5; two parameters double the
    sample.
    """
    ratios = []
    for seed in range(60):
        whole = shape.shape_of(*blocks(np.random.default_rng(seed)))
        ratios.append((whole.values - EXPECTED[:, None]) / whole.errors)
    squares = np.mean(np.square(ratios), axis=(0, 2))
    np.testing.assert_allclose(squares, 11 / 9, atol=5 * np.sqrt(5 / 120))


def test_one_block_has_no_error() -> None:
    points = np.random.default_rng(1).standard_normal((500, 2))
    alone = shape.shape_of(points, np.zeros(500, dtype=np.int64))
    assert np.isnan(alone.errors).all()
    other = shape.shape_of(*blocks(np.random.default_rng(2)))
    difference = shape.contrast((alone, other), np.array([-1.0, 1.0]))
    assert np.isnan(difference.significance).all()


def test_a_contrast_tells_a_difference_in_units_of_the_width() -> None:
    points, owner = blocks(np.random.default_rng(3))
    others, _ = blocks(np.random.default_rng(4))
    first = shape.shape_of(points, owner)
    second = shape.shape_of(2.0 * others + np.array([0.0, 3.0]), owner)
    difference = shape.contrast((first, second), np.array([-1.0, 1.0]))
    # The common width is sqrt(2): the geometric mean of 1 and 2. Errors of it are below 3 %.
    np.testing.assert_allclose(difference.relative[1], np.log(2.0), atol=0.1)
    np.testing.assert_allclose(difference.relative[0], [0.0, 3 / np.sqrt(2)], atol=0.2)
    assert (difference.significance[1] > 5.0).all()
    assert (difference.significance[0] > 5.0).tolist() == [False, True]


def test_what_is_negligible_is_never_significant() -> None:
    points, owner = blocks(np.random.default_rng(3))
    again = shape.shape_of(points, owner)
    wider = shape.Shape(again.values + np.array([[0], [0.029], [0], [0]]), again.errors / 1e3, 1e6)
    narrow = shape.Shape(again.values, again.errors / 1e3, 1e6)
    change = shape.contrast((narrow, wider), np.array([-1.0, 1.0]))
    assert change.significance.max() == 0.0


def test_pooled_errors_keep_how_well_each_sample_mixes() -> None:
    """The first sample's autocorrelation time is about 5 times the others': errors are sqrt(5)."""
    rng = np.random.default_rng(5)
    samples = []
    for phi in (0.95, 0.77, 0.77, 0.77):
        points = [ar1(rng, 200, 10, 4, phi).reshape(-1, 4) for _ in range(8)]
        samples.append(shape.shape_of(np.concatenate(points), np.repeat(np.arange(8), 2000)))
    pooled = shape.pooled(samples)
    ratio = np.mean(pooled[0].errors) / np.mean([sample.errors for sample in pooled[1:]])
    assert 1.6 < ratio < 3.0
    own = np.mean([sample.errors**2 for sample in samples])
    assert np.mean([sample.errors**2 for sample in pooled]) == pytest.approx(own, rel=0.1)
    assert pooled[0].freedom == 28.0


def test_paired_differences_are_of_the_same_blocks() -> None:
    """An offset that both halves of a block share is not counted as an error."""
    points, owner = blocks(np.random.default_rng(6))
    offset = np.random.default_rng(7).standard_normal(12)[owner][:, None]
    change = shape.paired(points + offset, points + offset + 1.0, owner)
    np.testing.assert_allclose(change.relative[1], 0.0, atol=1e-12)
    assert (change.relative[0] > 0.5).all()


def test_a_frozen_parameter_has_no_width() -> None:
    points, owner = blocks(np.random.default_rng(8))
    points[:, 1] = 4.0
    whole = shape.shape_of(points, owner)
    change = shape.contrast((whole, whole), np.array([-1.0, 1.0]))
    assert np.isnan(change.significance[:, 1]).any()
