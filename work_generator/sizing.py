"""How much work one unit holds: enough to be worth a scheduler request, and soon done.

A unit of half an hour to an hour on the reference host is computed between two times that its owner
turns the computer off. What a second there is worth is said in `work_generator.reference`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

TARGET_SECONDS = 45 * 60.0
LEAST_SECONDS = 30 * 60.0
MOST_SECONDS = 60 * 60.0

MAX_OUTPUT = 8_000_000
"""Bytes of an output that sizing allows.

A minute of upload at 1 Mbit/s, the slowest home line that matters, after 45 of computing. Two
copies of 64 units are a gigabyte on the server, and half of that is merged. It still holds
thousands of draws of every walker: more than a sub-chain has effective ones."""

_PREFERRED = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
"""Renard's series R10 (ISO 3): neighbours are a factor 1.26 apart. Rounding to them moves 45
minutes by an eighth at most, and makes most repeated measurements give the same number."""


@dataclass(frozen=True, slots=True)
class Size:
    """Length of a sub-chain.

    Attributes
    ----------
    n_step : int
        Steps, a multiple of `thin`.
    thin : int
        Every so many are kept.
    """

    n_step: int
    thin: int


def fit(seconds_per_step: float, bytes_per_draw: int, *, thin: int, most_steps: int) -> Size:
    """Return the length of a sub-chain that takes `TARGET_SECONDS` on the reference host.

    Parameters
    ----------
    seconds_per_step : float
        CPU seconds there of one step of all walkers.
    bytes_per_draw : int
        Bytes that one kept step adds to the output.
    thin : int
        Smallest thinning; it grows until the output stays below `MAX_OUTPUT`.
    most_steps : int
        No sub-chain is longer.

    Notes
    -----
    A chain keeps at least one draw, so one that cannot do `thin` steps in the time is longer than
    the target.
    """
    n_step = min(preferred(TARGET_SECONDS / seconds_per_step), most_steps)
    most_draws = max(1, MAX_OUTPUT // bytes_per_draw)
    if n_step > thin * most_draws:
        thin *= math.ceil(n_step / (thin * most_draws))
    return Size(max(1, n_step // thin) * thin, thin)


def preferred(value: float) -> int:
    """Return the preferred number nearest to `value` in proportion, a whole number from 1."""
    if value <= 1:
        return 1
    decade = math.pow(10.0, math.floor(math.log10(value)))
    choices = [decade * factor for factor in (*_PREFERRED, 10.0)]
    nearest: float = min(choices, key=lambda choice: abs(math.log(choice / value)))
    return round(nearest)


def remark(reference_seconds: float, fitting: str) -> str:
    """Return a sentence about a unit's length; empty if it is within half an hour to an hour.

    Parameters
    ----------
    reference_seconds : float
        CPU seconds of a unit on the reference host.
    fitting : str
        What to write into the campaign file to have it fit; empty if nothing does.
    """
    if not fitting or LEAST_SECONDS <= reference_seconds <= MOST_SECONDS:
        return ""
    word = "short" if reference_seconds < LEAST_SECONDS else "long"
    minutes = reference_seconds / 60
    shown = f"{minutes:.2g}" if minutes < 10 else f"{minutes:.0f}"
    return (
        f"A unit takes {shown} CPU minutes on the reference host, which is {word}: 30 to 60 are "
        f"good. {fitting} would take about 45."
    )
