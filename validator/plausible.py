"""Was there time to compute it? What a copy, or an app that does less, cannot hide at once.

A host that sends a copy of somebody else's true output harms no product, and no look at the output
tells it from the original. It is only paid for nothing. What the server sees with its own clock is
the time between sending and report.
"""

from __future__ import annotations

from dataclasses import dataclass

FASTEST = 10.0
"""How many times faster than the reference host one core may be. It is meant to be out of reach:
whoever is stopped by it waits for a tenth of the time, and is stopped by it no more."""

SPREAD = 4.0
"""How many times faster than its own benchmark says a host may be, and than the reference host in
any case. Two for vectors twice as wide as the reference host's, which Whetstone does not use, times
two for a benchmark that was measured on a busy or a throttled machine."""

SHORTEST = 60.0
"""Reference seconds below which the time says nothing: rounding of estimates, and what all tasks
have in common, are as long, and there is nothing to be gained by a copy."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a result was away, and how fast its host is.

    Attributes
    ----------
    elapsed : float | None
        Seconds between sending and report, by the server's clock; None if that is not known.
    speed : float | None
        Of one core as the host measured it, in those of the reference host; None if it did not.
    """

    elapsed: float | None
    speed: float | None = None


def least_seconds(reference_seconds: float, speed: float | None = None) -> float:
    """Return the shortest time in which a core may have computed a unit.

    Parameters
    ----------
    reference_seconds : float
        CPU seconds that the unit takes on one core of the reference host.
    speed : float, optional
        See `Pace`.
    """
    factor = FASTEST if speed is None else min(FASTEST, SPREAD * max(1.0, speed))
    return reference_seconds / factor


def is_too_fast(reference_seconds: float, pace: Pace) -> bool:
    """Return whether a result was reported before any core could have computed it.

    A time that is not known, not a number, or not positive (a clock that was set) says nothing.
    """
    if pace.elapsed is None or not pace.elapsed > 0.0 or not reference_seconds >= SHORTEST:
        return False
    return pace.elapsed < least_seconds(reference_seconds, pace.speed)
