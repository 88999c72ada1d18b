"""Priors on t0 that lie outside of the time that is integrated, moved by whole periods.

A published t0 is a transit near the middle of somebody's data, or near somebody's epoch. The model
begins at its own epoch, just before the first transit, and numbers transits from t0: it has to have
one there. The same transit of the line, some whole periods later or earlier, says the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.ttv.compute.search.table_checks import VARIATION, measured, uncertainty, variation
from apps.ttv.compute.table import PlanetTransits


@dataclass(frozen=True, slots=True)
class Move:
    """How a planet's t0 is moved.

    Attributes
    ----------
    periods : int
        Whole periods of the table's line, positive if it is later.
    period : float
        Of the line, days.
    error : float
        Standard error of the way, from that of the period, days.
    """

    periods: int
    period: float
    error: float

    @property
    def days(self) -> float:
        """The way, days."""
        return self.periods * self.period

    @property
    def is_sure(self) -> bool:
        """Whether the period is known so well that the transit is the one meant."""
        return self.error < VARIATION * self.period


def move_of(transits: PlanetTransits, t0: float, epoch: float, end: float) -> Move | None:
    """Return how t0 has to be moved, or None if the model has a transit there.

    Parameters
    ----------
    transits : PlanetTransits
        Of the planet.
    t0 : float
        The middle of its prior, BKJD.
    epoch, end : float
        Where the model begins and ends, BKJD.
    """
    line = transits.linear_ephemeris()
    if line is None:
        return None
    start, period = line
    number = round((t0 - start) / period)
    if measured(transits, number) is not None:
        return None
    # A transit that was not measured may come earlier or later than the line says.
    margin = min(variation(transits), VARIATION * period)
    first = math.ceil((epoch + margin - start) / period)
    last = math.floor((end - margin - start) / period)
    if first <= number <= last:
        return None
    periods = first - number
    return Move(periods, period, abs(periods) * period * uncertainty(transits))


def moved(stated: Mapping[str, Any], days: float) -> dict[str, Any]:
    """Return a fixed value or a prior, as settings have it, some days later."""
    if "fixed" in stated:
        return {**stated, "fixed": stated["fixed"] + days}
    prior = {
        key: value + days if key in ("low", "high", "mean") else value
        for key, value in stated["prior"].items()
    }
    return {**stated, "prior": prior}


def middle(stated: Mapping[str, Any]) -> float:
    """Return the middle of what a parameter may be."""
    if "fixed" in stated:
        return float(stated["fixed"])
    prior = stated["prior"]
    return float(prior["mean"]) if "mean" in prior else 0.5 * (prior["low"] + prior["high"])
