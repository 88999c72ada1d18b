"""The highest peaks of a spectrum, and its outline in a few hundred numbers."""

from __future__ import annotations

import numpy as np

from openastro_period.curves import Floats

N_PEAK = 10
"""Peaks that are told of each target: the best one, and what may be its aliases."""
N_BIN = 512
"""Numbers of an outline: enough for a picture."""
DIGITS = 9
"""Decimals of powers in outputs. Rounding keeps files short; outputs are compared with a tolerance
that is a hundred times wider."""


def highest(power: Floats, apart: int, number: int = N_PEAK) -> list[list[float]]:
    """Return places and powers of the highest local maxima, the highest first.

    A spectrum without any power has its first place as the only one.

    Parameters
    ----------
    power : ndarray
        Shape (n,).
    apart : int
        Places within which only the highest maximum counts.
    number : int
        How many at most.
    """
    padded = np.concatenate([[-1.0], power, [-1.0]])
    tops = np.flatnonzero((power > padded[:-2]) & (power >= padded[2:]) & (power > 0.0))
    # A peak hides the places beside it, so no more than these can be needed of all maxima.
    enough = (2 * apart + 1) * number
    if len(tops) > enough:
        tops = tops[power[tops] >= np.partition(power[tops], -enough)[-enough]]
    # Equal powers are taken from low frequencies on, because the sort is stable.
    order = tops[np.argsort(-power[tops], kind="stable")]
    kept: list[int] = []
    for place in order.tolist():
        if all(abs(place - other) > apart for other in kept):
            kept.append(place)
        if len(kept) == number:
            break
    return [[place, rounded(float(power[place]))] for place in kept or [0]]


def outline(power: Floats) -> list[float]:
    """Return the highest powers of `N_BIN` even parts of a spectrum, or of as many as it has."""
    number = min(N_BIN, len(power))
    starts = np.arange(number) * len(power) // number
    return [rounded(value) for value in np.maximum.reduceat(power, starts).tolist()]


def rounded(power: float) -> float:
    """Return a power as outputs state it."""
    return round(power, DIGITS)
