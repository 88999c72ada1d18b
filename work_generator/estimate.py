"""What a campaign costs: counts that every machine agrees on, and seconds measured on this one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from boinc_project.campaign import Campaign
from boinc_project.cost import Cost


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a whole campaign costs.

    Attributes
    ----------
    cost : Cost
        Of one unit.
    first_units, max_units : int
        Units of the first generation, and the most there can be.
    results_per_unit : int
        Times each unit is computed when nothing fails.
    seconds_per_call : float
        CPU seconds of one likelihood call on this machine.
    """

    cost: Cost
    first_units: int
    max_units: int
    results_per_unit: int
    seconds_per_call: float

    @property
    def unit_seconds(self) -> float:
        """CPU seconds of one unit on this machine."""
        return self.cost.n_call * self.seconds_per_call

    def cpu_seconds(self, n_unit: int, *, replicated: bool) -> float:
        """Return CPU seconds of `n_unit` units, computed once or as often as the quorum asks."""
        return n_unit * self.unit_seconds * (self.results_per_unit if replicated else 1)


def estimate(campaign: Campaign, cost: Cost, seconds_per_call: float) -> Estimate:
    """Return what a campaign costs.

    Parameters
    ----------
    campaign : Campaign
        Prepared.
    cost : Cost
        Of one unit, from the app's planner.
    seconds_per_call : float
        Measured on this machine; see `measure`.
    """
    return Estimate(
        cost=cost,
        first_units=min(campaign.units_per_generation, campaign.stop.max_units),
        max_units=campaign.stop.max_units,
        results_per_unit=campaign.quorum.target_nresults,
        seconds_per_call=seconds_per_call,
    )


def measure(
    call: Callable[[], object],
    *,
    n_call: int = 30,
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Return the median CPU seconds of a call.

    Parameters
    ----------
    call : Callable
        The work to measure; called once more before, to warm up.
    n_call : int
        Times it is measured. The median of 30 does not feel a neighbour's burst.
    clock : Callable
        CPU clock, seconds.
    """
    call()
    seconds = []
    for _ in range(n_call):
        start = clock()
        call()
        seconds.append(clock() - start)
    return sorted(seconds)[n_call // 2]


def duration(seconds: float) -> str:
    """Return a duration for people, in two significant figures and a fitting unit."""
    for size, name in ((86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= 2 * size or name == "s":
            return f"{_two_figures(seconds / size)} {name}"
    raise AssertionError("unreachable")


def volume(nbytes: float) -> str:
    """Return a number of bytes for people, in decimal units as BOINC shows them."""
    for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if nbytes >= size:
            return f"{_two_figures(nbytes / size)} {name}"
    return f"{nbytes:.0f} bytes"


def _two_figures(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
