from __future__ import annotations

import numpy as np
import pytest

from work_generator.reference import REFERENCE_BENCHMARK, benchmark, speed


def test_the_benchmark_computes_the_same_everywhere() -> None:
    found = benchmark()
    assert np.isfinite(found).all()
    assert np.array_equal(found, benchmark())
    # (x, y) falls towards the origin along its own direction.
    x, y = found[:512], found[512:]
    assert x / y == pytest.approx(np.linspace(0.5, 1.5, 512) / np.linspace(1.5, 0.5, 512))


def test_half_the_time_is_twice_the_speed() -> None:
    assert speed(lambda call: REFERENCE_BENCHMARK / 2) == pytest.approx(2.0)


def test_this_machine_can_be_measured() -> None:
    assert 0.01 < speed(n_call=1) < 100.0
