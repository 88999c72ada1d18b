"""Was there time to compute it? What a copy, or an app that does less, cannot hide at once.

A host that sends a copy of somebody else's true output harms no product, and no look at the output
tells it from the original. It is only paid for nothing. What the server sees with its own clock is
the time between sending and report.
"""

from __future__ import annotations

FASTEST = 10.0
"""How many times faster than the reference host one core may be. It is meant to be out of reach:
whoever is stopped by it waits for a tenth of the time, and is stopped by it no more."""


def is_too_fast(reference_seconds: float, elapsed: float) -> bool:
    """Return whether a result was reported before any core could have computed it.

    Parameters
    ----------
    reference_seconds : float
        CPU seconds that the unit takes on one core of the reference host.
    elapsed : float
        Seconds between sending and report, by the server's clock.
    """
    return not elapsed * FASTEST >= reference_seconds  # written so that NaN is too fast
