"""The frequency grid that all targets of a campaign are searched on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import UnitError

MAX_FREQUENCIES = 20_000_000
"""Powers of one target then fill 160 MB."""


@dataclass(frozen=True, slots=True)
class Grid:
    """An even grid of frequencies.

    Attributes
    ----------
    first, step : float
        The lowest frequency, and the distance of two, 1/d.
    n : int
        How many there are.
    oversampling : int
        Steps in the width of a peak, which is one over the longest light curve.
    """

    first: float
    step: float
    n: int
    oversampling: int

    def at(self, index: int | NDArray[np.int64]) -> Any:
        """Return the frequency at a place, or at several, 1/d."""
        return self.first + self.step * index

    @property
    def last(self) -> float:
        """The highest frequency, 1/d."""
        return self.first + self.step * (self.n - 1)

    @property
    def resolution(self) -> float:
        """Distance at which two frequencies are told apart, 1/d."""
        return self.step * self.oversampling

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "first": self.first,
            "step": self.step,
            "n": self.n,
            "oversampling": self.oversampling,
        }


def grid_between(low: float, high: float, span: float, oversampling: int) -> Grid:
    """Return the grid from `low` to at least `high`, 1/d, for light curves of `span` days.

    One grid serves all targets, because transforms of one length are planned once.
    """
    step = 1.0 / (oversampling * span)
    return Grid(low, step, math.ceil((high - low) / step * (1 - 1e-12)) + 1, oversampling)


def read_grid(plain: Any) -> Grid:
    """Return a grid from its plain form.

    Raises
    ------
    UnitError
        If it is none.
    """
    if not isinstance(plain, Mapping) or set(plain) != {"first", "step", "n", "oversampling"}:
        raise UnitError("A unit has to state its frequency grid.")
    n, oversampling = plain["n"], plain["oversampling"]
    first, step = plain["first"], plain["step"]
    whole = type(n) is int and type(oversampling) is int
    real = type(first) in (int, float) and type(step) in (int, float)
    if not (whole and real and 2 <= n <= MAX_FREQUENCIES and oversampling >= 1):
        raise UnitError("The frequency grid of the unit has numbers that no grid has.")
    if not (first > 0 and step > 0):
        raise UnitError("The frequencies of a grid have to be positive.")
    return Grid(float(first), float(step), n, oversampling)
