"""The reference host: what a CPU second is worth, whoever's machine it was measured on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from work_generator.estimate import measure

REFERENCE_FPOPS = 4.0e9
"""Whetstone operations per second of the reference host's one core, as hosts report them."""

REFERENCE_BENCHMARK = 0.0115
"""CPU seconds of `benchmark` on the reference host.

Derivation: measured beside TTVFast on one core of an AMD EPYC, in the same process. One call of the
Kepler-9 example (1518 planet-steps for each of two planets, and 1e3 more for its Python wrapper)
took 1.03 ms there, 256 ns a planet-step, where the benchmark took 11.4 to 12.1 ms. A planet-step is
1e3 operations in Whetstone's sense, so that core does 3.9e9 a second: it *is* the reference host,
to the accuracy that any such comparison has."""

_N_ELEMENT = 512
_N_ROUND = 2000


def benchmark() -> NDArray[np.float64]:
    """Let 512 pairs of coordinates fall towards the origin, (x, y) / r^3, for 2000 rounds.

    Only + - * / and the square root, on 4 kB arrays that stay in the first-level cache: what
    integrating orbits consists of, and nothing that one numpy build does with better instructions
    than another's mathematical library. Whetstone itself cannot be measured from Python.
    """
    x, y = np.linspace(0.5, 1.5, _N_ELEMENT), np.linspace(1.5, 0.5, _N_ELEMENT)
    radius, step = np.empty(_N_ELEMENT), np.empty(_N_ELEMENT)
    for _ in range(_N_ROUND):
        np.multiply(x, x, out=radius)
        np.multiply(y, y, out=step)
        np.add(radius, step, out=radius)
        np.sqrt(radius, out=step)
        np.multiply(radius, step, out=radius)
        for coordinate in (x, y):
            np.divide(coordinate, radius, out=step)
            np.multiply(step, 1e-3, out=step)
            np.subtract(coordinate, step, out=coordinate)
    return np.concatenate([x, y])


def speed(measured: Callable[..., float] = measure, **options: Any) -> float:
    """Return how many reference cores one core of this machine is worth; takes a third of a second.

    Parameters
    ----------
    measured : Callable
        Returns the median CPU seconds of a call; see `work_generator.estimate.measure`.
    **options
        For it.
    """
    return REFERENCE_BENCHMARK / measured(benchmark, **options)
