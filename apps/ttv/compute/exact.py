"""Elementary functions of arrays that give the same bits on every machine.

numpy takes other logarithms on other processors, and libm differs from system to system; equal
units should give equal bytes. These are compiled from ``kernel/exact.h``, of + - * / and sqrt only.
Without the compiled kernel they are `math`'s, one by one: right, slower, and not the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apps.ttv.compute.built import load_kernel

_kernel = load_kernel()

Array = NDArray[np.float64]


def log(x: ArrayLike) -> Array:
    """Return natural logarithms; -inf at 0, NaN below."""
    return _each("log", _log, x)


def log1p(x: ArrayLike) -> Array:
    """Return log(1 + x) for x >= 0."""
    return _each("log1p", math.log1p, x)


def exp(x: ArrayLike) -> Array:
    """Return exponentials; inf where they are too large."""
    return _each("exp", _exp, x)


def _each(name: str, fallback: Callable[[float], float], x: ArrayLike) -> Array:
    values = np.ascontiguousarray(x, dtype=np.float64)
    out = np.empty_like(values)
    if _kernel is not None:
        if values.size:
            function: Any = getattr(_kernel, name)
            function(values, out)
        return out.reshape(np.shape(x))
    out.ravel()[:] = [fallback(value) for value in values.ravel().tolist()]
    return out.reshape(np.shape(x))


def _log(x: float) -> float:
    if x > 0.0:
        return math.log(x)
    return -math.inf if x == 0.0 else math.nan


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf
