"""What a campaign costs: counts that every machine agrees on, and seconds measured on this one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from boinc_project.campaign import Campaign

# BOINC's elapsed-time limit is rsc_fpops_bound over the app version's flops, and clients turn a
# limit below 120 s into 12 h. Ten hours at 10 GFLOPS: a host so slow, so busy, or so wrong about
# its own speed that it needs more is better replaced; below that nothing honest is ever aborted.
MIN_FPOPS_BOUND = 3.6e14
BOUND_RATIO = 100.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one unit costs.

    Attributes
    ----------
    n_call : int
        Likelihood calls.
    fpops : float
        Floating-point operations, by the measure of BOINC's own benchmark (Whetstone).
    bytes_down : int
        Bytes a host downloads for this unit alone.
    bytes_shared : int
        Bytes a host downloads once for all units of the campaign.
    bytes_up : int
        Largest expected output, bytes.
    memory : float
        Working set, bytes (``rsc_memory_bound``).
    disk : float
        Slot directory, bytes (``rsc_disk_bound``).
    most_up : int, optional
        Largest output that an honest host may have, bytes, where `bytes_up` is the usual one.
    """

    n_call: int
    fpops: float
    bytes_down: int
    bytes_shared: int
    bytes_up: int
    memory: float
    disk: float
    most_up: int | None = None

    @property
    def fpops_bound(self) -> float:
        """``rsc_fpops_bound``: when a client gives up."""
        return max(BOUND_RATIO * self.fpops, MIN_FPOPS_BOUND)

    @property
    def max_nbytes(self) -> int:
        """Largest output accepted: half as much again as expected, and a megabyte."""
        if self.most_up is not None:
            return self.most_up + 2**20
        return math.ceil(1.5 * self.bytes_up) + 2**20


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
