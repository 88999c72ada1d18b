"""Light curves without a period: points drawn from a real one, at its own times.

Pairs of value and error are drawn with replacement and put at the observed times, so sampling and
scatter are those of the data (VanderPlas 2018, ApJS 236, 16, section 7.4.2.3). The highest power of
each such light curve is what chance alone gives.
"""

from __future__ import annotations

import numpy as np

from boinc_project.seeds import step_bits
from openastro_period.curves import Floats, LightCurve

BRANCH = 1
"""Branch of a unit's seed that belongs to the bootstrap."""


def target_key(seed: np.random.SeedSequence, target: int) -> tuple[int, int]:
    """Return the Philox key of one target of a unit."""
    branch = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, BRANCH, target))
    high, low = branch.generate_state(2, np.uint64)
    return int(high), int(low)


def resampled(
    curve: LightCurve, key: tuple[int, int], first: int, count: int
) -> tuple[Floats, Floats]:
    """Return values and errors of resampled light curves, each shape (count, n_point).

    Points stay in their band. A light curve follows from the key and its number, so it does not
    matter where a computation is interrupted.

    Parameters
    ----------
    curve : LightCurve
        The observed one.
    key : tuple of int
        See `target_key`.
    first, count : int
        Number of the first, and how many.
    """
    drawn = np.empty((count, len(curve.time)), np.int64)
    for row in range(count):
        rng = np.random.Generator(step_bits(key, first + row))
        for _, places in curve.bands():
            drawn[row, places] = places[rng.integers(0, len(places), len(places))]
    return curve.value[drawn], curve.error[drawn]
