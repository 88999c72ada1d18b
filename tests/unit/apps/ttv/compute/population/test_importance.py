from __future__ import annotations

import math

import numpy as np
import pytest

from apps.ttv.compute.population.importance import (
    kish,
    largest_power,
    log_mean,
    picked,
    relative_error,
)


def test_equal_weights_are_worth_all_and_one_weight_is_worth_one() -> None:
    assert kish(np.full(7, -1e5)) == pytest.approx(7.0)
    assert kish(np.array([0.0, -1e5, -math.inf])) == pytest.approx(1.0)
    assert kish(np.full(3, -math.inf)) == 0.0


def test_the_largest_power_leaves_just_so_many() -> None:
    logs = np.random.default_rng(1).normal(0.0, 30.0, 500)
    power = largest_power(logs, 100.0)
    assert kish(power * logs) == pytest.approx(100.0, rel=1e-6)
    assert largest_power(logs, 100.0, limit=power / 2) == power / 2
    assert largest_power(np.append(logs, -math.inf), 100.0) == pytest.approx(power, rel=1e-9)


def test_mean_and_error_are_those_of_the_weights() -> None:
    weights = np.array([1.0, 2.0, 6.0])
    logs = np.log(weights) - 800.0  # none of them is a number any more
    assert log_mean(logs) == pytest.approx(math.log(3.0) - 800.0)
    assert relative_error(logs) == pytest.approx(weights.std() / 3.0 / math.sqrt(3.0))


def test_draws_are_picked_as_often_as_their_weights_say() -> None:
    logs = np.log([0.1, 0.25, 0.65, 1e-300])
    places = picked(logs, 1000, np.random.RandomState(1))
    assert (np.abs(np.bincount(places, minlength=4) - [100, 250, 650, 0]) <= 1).all()
