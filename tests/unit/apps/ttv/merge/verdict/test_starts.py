"""Where chains began: wider than the product, or the row is not met."""

from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.merge.verdict.mcmc import product_shape
from apps.ttv.merge.verdict.shape import Shape
from apps.ttv.merge.verdict.starts import start_row
from tests.unit.apps.ttv.merge.verdict import honest


@pytest.fixture(scope="module")
def product() -> Shape:
    return product_shape(honest.chains(np.random.default_rng(0), 2, 8), honest.WHITENING)


@pytest.mark.parametrize("seed", range(20))
def test_starts_as_wide_as_the_product_pass(seed: int, product: Shape) -> None:
    """They are 320 of a population of 150 independent draws, and nothing is constrained at all.

    The smallest of ten ratios is then below 1; false-alarm rate below 1e-3.
    """
    rng = np.random.default_rng(seed)
    population = rng.standard_normal((150, honest.N_DIM))
    row = start_row(population[rng.integers(0, 150, 320)], product, honest.NAMES)
    assert row.met, row
    assert row.value is not None
    assert 0.7 < row.value < 1.1


def test_one_narrow_parameter_is_enough(product: Shape) -> None:
    starts = np.random.default_rng(1).standard_normal((320, honest.N_DIM)) * 1.4
    wide = start_row(starts, product, honest.NAMES)
    assert wide.met
    assert wide.value is not None
    assert wide.value > 1.2
    starts[:, 7] *= 0.4
    row = start_row(starts, product, honest.NAMES)
    assert not row.met
    assert row.value == pytest.approx(0.56, abs=0.1)
    assert "in c.t0" in row.text


@pytest.mark.parametrize("n", [0, 1, 12])
def test_too_few_starts_tell_nothing(n: int, product: Shape) -> None:
    row = start_row(np.random.default_rng(1).standard_normal((n, 10)), product, honest.NAMES)
    assert not row.met
    assert row.value is None


def test_a_product_without_errors_tells_nothing(product: Shape) -> None:
    unknown = Shape(product.values, np.full_like(product.errors, np.nan), 0.0)
    row = start_row(np.random.default_rng(1).standard_normal((320, 10)), unknown, honest.NAMES)
    assert not row.met
