"""Names of peaks that are images of the best one: of days and years, half and double."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SIDEREAL = 1.00273790935
"""Sidereal days in a solar one. Stars are observed at the same hour angle rather than clock time,
so aliases of long light curves stand at either."""
YEAR = 365.25
"""Days in a year: a star is observed in one season of it."""


class Alias(NamedTuple):
    """A peak with its name: its frequency in 1/d, and its power as a part of the best one's."""

    name: str
    frequency: float
    share: float


def named(
    frequency: float, peaks: Sequence[tuple[float, float]], best: float, apart: float
) -> list[Alias]:
    """Return those peaks that are images of the best one.

    Parameters
    ----------
    frequency : float
        The best one's, 1/d.
    peaks : sequence of (float, float)
        Frequencies and powers of the others.
    best : float
        Power of the best one.
    apart : float
        Distance at which frequencies are told apart, 1/d.
    """
    known = images(frequency, apart)
    aliases = []
    for other, power in peaks:
        near = [(abs(other - image), name) for name, image in known if abs(other - image) <= apart]
        if near:
            aliases.append(Alias(min(near)[1], other, power / best if best else 0.0))
    return aliases


def images(frequency: float, apart: float) -> list[tuple[str, float]]:
    """Return the names and frequencies where images of a frequency stand.

    Those of the year are left out if light curves are too short to tell them from the peak.
    """
    known = [("half the period", 2.0 * frequency), ("double the period", 0.5 * frequency)]
    for number in (1, 2):
        for day in (1.0, SIDEREAL):
            known.append((f"f + {number}/d", frequency + number * day))
            below = frequency - number * day
            known.append((f"f - {number}/d" if below > 0 else f"{number}/d - f", abs(below)))
    if 2.0 * apart < 1.0 / YEAR:
        known += [("f + 1/yr", frequency + 1.0 / YEAR), ("f - 1/yr", frequency - 1.0 / YEAR)]
    return known


def of_the_day(frequency: float, apart: float) -> str:
    """Return what makes a best frequency suspicious by itself; empty if nothing does."""
    for number in (1, 2, 3):
        if any(abs(frequency - number * day) <= apart for day in (1.0, SIDEREAL)):
            return f"at {number}/d, where nights repeat"
    return ""
