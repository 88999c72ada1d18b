"""How many errors chance allows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, t

from apps.ttv.merge.verdict.significance import (
    FALSE_ALARM,
    FARTHEST,
    allowed_errors,
    equivalent_errors,
    student_errors,
)


def test_many_degrees_of_freedom_change_nothing() -> None:
    np.testing.assert_allclose(equivalent_errors([0.0, 1.0, -4.0], math.inf), [0.0, 1.0, 4.0])


@pytest.mark.parametrize("freedom", [1.0, 3.5, 7.0])
def test_few_degrees_of_freedom_count_the_same_probability(freedom: float) -> None:
    told = float(equivalent_errors(6.0, freedom))
    assert told < 6.0
    assert norm.sf(told) == pytest.approx(t.sf(6.0, freedom))
    assert student_errors(told, freedom) == pytest.approx(6.0)


def test_what_has_no_error_has_no_significance() -> None:
    assert np.isnan(equivalent_errors([1.0, math.nan, math.inf], [0.0, 5.0, 5.0])).all()
    assert equivalent_errors(1e9, math.inf) == FARTHEST


@pytest.mark.parametrize("n", [1, 40, 400])
def test_the_largest_of_many_is_allowed_more(n: int) -> None:
    assert 2 * n * norm.sf(allowed_errors(n)) <= FALSE_ALARM * (1 + 1e-9)
    assert allowed_errors(n) >= 4.0
