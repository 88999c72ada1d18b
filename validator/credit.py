"""Credit of a unit, from counted operations: a host cannot claim more than its unit is worth.

A cobblestone is 1/200 day of a machine of 1 GFLOPS (BOINC, ``sched/credit.cpp``). What operations
a unit counts is the app's own affair; for transit timing see `apps.ttv.compute.operations`.
"""

from __future__ import annotations

COBBLESTONES_PER_FLOP = 200.0 / (86400.0 * 1e9)


def cobblestones(flop: float) -> float:
    """Return the credit of `flop` floating-point operations."""
    return flop * COBBLESTONES_PER_FLOP
