"""Elementary functions against `math`, in units in the last place."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from apps.ttv.compute import exact
from apps.ttv.compute.built import load_kernel

KERNEL = load_kernel()
RNG = np.random.default_rng(4)
LIMIT = 2.0
"""Units in the last place."""


def ulps(found: np.ndarray, expected: list[float]) -> float:
    wanted = np.array(expected)
    return float(np.max(np.abs(found - wanted) / np.spacing(np.abs(wanted))))


def kernel_function(name: str) -> Callable[[np.ndarray], np.ndarray]:
    def function(x: np.ndarray) -> np.ndarray:
        out = np.empty_like(x)
        getattr(KERNEL, name)(x, out)
        return out

    return function


WIDE = 10.0 ** RNG.uniform(-300, 300, 20_000)
NEAR_ONE = 1.0 + RNG.uniform(-0.3, 0.3, 20_000)
TINY = 10.0 ** RNG.uniform(-18, 0, 20_000)


@pytest.mark.parametrize("x", [WIDE, NEAR_ONE, 1.0 + TINY], ids=["wide", "near 1", "above 1"])
def test_log(x: np.ndarray) -> None:
    assert ulps(exact.log(x), [math.log(value) for value in x]) <= LIMIT


@pytest.mark.parametrize("x", [WIDE, TINY], ids=["wide", "small"])
def test_log1p(x: np.ndarray) -> None:
    assert ulps(exact.log1p(x), [math.log1p(value) for value in x]) <= LIMIT


@pytest.mark.parametrize("width", [1e-9, 1.0, 700.0])
def test_exp(width: float) -> None:
    x = RNG.uniform(-width, width, 20_000)
    assert ulps(exact.exp(x), [math.exp(value) for value in x]) <= LIMIT


@pytest.mark.skipif(KERNEL is None, reason="the kernel was not built")
@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("width", [1.0, 10.0])
def test_sines_of_moderate_angles(name: str, width: float) -> None:
    """In units of the last place of 1 near the zeros, where the reduction's error remains."""
    x = RNG.uniform(-width, width, 20_000)
    expected = np.array([getattr(math, name)(value) for value in x])
    error = np.abs(kernel_function(name)(x) - expected)
    assert float(error.max()) <= LIMIT * math.ulp(0.5)


@pytest.mark.skipif(KERNEL is None, reason="the kernel was not built")
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sines_of_large_angles(name: str) -> None:
    """Up to 1e5, where the third part of pi/2 still holds 2e-21 * 6e4."""
    x = RNG.uniform(-1e5, 1e5, 20_000)
    expected = np.array([getattr(math, name)(value) for value in x])
    error = np.abs(kernel_function(name)(x) - expected)
    assert float(error.max()) <= 1e-11


@pytest.mark.skipif(KERNEL is None, reason="the kernel was not built")
def test_cube_roots() -> None:
    x = 10.0 ** RNG.uniform(-30, 30, 20_000)
    root = kernel_function("cbrt")(x)
    assert ulps(root, np.cbrt(x).tolist()) <= LIMIT


@pytest.mark.parametrize("kernel", [KERNEL, None], ids=["compiled", "fallback"])
def test_special_values(kernel: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "_kernel", kernel)
    x = np.array([0.0, -1.0, 1.0, math.inf, math.nan, 5e-324, 2.3e-308])
    expected = [-math.inf, math.nan, 0.0, math.inf, math.nan, math.log(5e-324), math.log(2.3e-308)]
    np.testing.assert_allclose(exact.log(x), expected, rtol=4e-16)
    x = np.array([0.0, -math.inf, math.inf, math.nan, 710.0, -746.0, -740.0])
    expected = [1.0, 0.0, math.inf, math.nan, math.inf, 0.0, math.exp(-740.0)]
    np.testing.assert_allclose(exact.exp(x), expected, rtol=1e-13)
    x = np.array([0.0, math.inf, math.nan, 1e-320, 1e308])
    expected = [0.0, math.inf, math.nan, 1e-320, math.log1p(1e308)]
    np.testing.assert_allclose(exact.log1p(x), expected, rtol=4e-16)


@pytest.mark.skipif(KERNEL is None, reason="the kernel was not built")
@pytest.mark.parametrize("name", ["log", "log1p", "exp"])
def test_the_fallback_agrees(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = RNG.uniform(1e-3, 100.0, (37, 11))
    compiled = getattr(exact, name)(x)
    monkeypatch.setattr(exact, "_kernel", None)
    fallback = getattr(exact, name)(x)
    assert compiled.shape == fallback.shape == x.shape
    np.testing.assert_allclose(compiled, fallback, rtol=1e-12)


@pytest.mark.parametrize("kernel", [KERNEL, None], ids=["compiled", "fallback"])
def test_shapes_are_kept(kernel: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "_kernel", kernel)
    assert exact.log(2.0).shape == ()
    assert exact.exp(np.empty((0, 3))).shape == (0, 3)
    np.testing.assert_array_equal(
        exact.exp(np.arange(12.0).reshape(3, 4)[:, ::2]),
        exact.exp(np.ascontiguousarray(np.arange(12.0).reshape(3, 4)[:, ::2])),
    )
