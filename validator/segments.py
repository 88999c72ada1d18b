"""Does a segment that was computed again follow the stored one? The judgement that apps share.

A segment leads from one stored state (a mark) to the next. Whoever has the state, the unit's random
stream and the app's code can compute it again; on equal arithmetic the numbers are equal. On unlike
arithmetic they differ by rounding, and two things can make rounding large:

- *growth*: a proposal along differences of walkers carries the walkers' own rounding errors, times
  a factor above one. Over hundreds of steps errors grow exponentially, tenfold in some 70 steps of
  differential evolution on a small timing problem;
- *branches*: a proposal that is accepted by a margin below the rounding error of a log-probability
  is rejected elsewhere, and from there on the ensembles have nothing in common. dynesty's bounding
  ellipsoids branch more often: which points a split puts where can hang on the last bit.

Neither is bounded by a constant, but both can be tried. A segment that does not come out again is
computed several times with its arithmetic disturbed on purpose, more strongly than platforms
differ. An honest segment is on one of the branches that this finds, within the growth along it. If
it is not, and no branch was met only once (which would tell of more that were not met: Good 1953,
Biometrika 40, 237), then it was not computed as asked.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
End = TypeVar("End")
"""What a segment leads to."""

AUDIT_SHARE = 0.02
"""Share of a unit's compute that an audit may take: the price of trust is then below that of one
replica in fifty. Lower, and units of a hundred marks would have less than two of them audited."""

PLANNED_SHARE = 0.95 * AUDIT_SHARE
"""Share of a unit's likelihood calls that an audit plans to make. The rest is for what is no call,
reading the output and setting up, and for times that scatter: with all of it planned, audits of a
unit of half an hour took 1.7 to 2.003 % of its CPU time (``bench/trust.py``)."""

TOLERANCE = 1e-6
"""Difference of a stored segment from the recomputed one, in standard deviations of the ensemble,
that needs no explanation. A result that is wrong by no more than this is wrong by a millionth of
its own error bar, whoever made it so: asking for equal bits of equal platforms would find nothing
that matters, and would condemn hosts for the C library that they have."""

ROUNDING = 2.0**-48
"""Relative size of the deliberate disturbance: 16 units in the last place, of every coordinate at
every step and of every point before its likelihood. The kernel is exact on every platform; what
remains (logarithms of numpy and of the C library, linear algebra) differs by a few such units."""

N_DISTURBED = 16
"""Disturbed recomputations of a segment that does not come out again. A branch of probability p, on
which an honest host's rounding led, is missed by all of them with (1 - p)^16: so an honest segment
seems to depart with p (1 - p)^16 at most, which is below 2.2 % for every p. For a chain p is the
probability of a near tie. If log-probabilities differ by d, a decision is turned with at most 2 d,
because the density of the logarithm of a uniform number is at most 1. With d of 1e-8, as rounding
in the last place makes it on the problem of the tests, and the 33,000 decisions of a segment of a
unit of 45 minutes, p is 7e-4; and as each disturbed recomputation turns such a tie with about a
half, all of them miss it with 2^-16: 1e-8 is left."""

REACH = 10.0
"""How many times further than the disturbed recomputations of its branch a segment may be. They are
disturbed more than honest arithmetic differs, so an honest segment is nearly always nearer than
they are, whatever the growth: the factor is for the scatter between growths."""

BROKEN = 1e-2
"""Distance of recomputations, in standard deviations, from which on they are on two branches. Two
ensembles that differ in one decision are apart by about 1, rounding that has not broken anything is
below 1e-5."""

PASSED = "Its audit passed: all of {} segments, chosen at random, came out again."
UNSURE = (
    "{} of {} recomputed segments did not come out again, though rounding alone could have led "
    "elsewhere; another result decides."
)


class Fate(StrEnum):
    """What is said of one segment."""

    FOLLOWS = "follows"
    """It came out again, or lies on a branch that rounding leads to."""
    DEPARTS = "departs"
    """It lies on no branch, and all branches seem to be known."""
    UNSURE = "unsure"
    """It lies on no branch that was found, and there may be more."""


def fate(
    stored: End,
    again: End,
    disturbed: Callable[[int], End],
    distance: Callable[[End, End], float],
) -> Fate:
    """Judge a segment.

    Parameters
    ----------
    stored, again : End
        Where the output says that the segment leads, and where it leads when computed again.
    disturbed : Callable
        Disturbed recomputation number i; called only if it matters.
    distance : Callable
        Of two ends, in standard deviations.
    """
    apart_by = distance(again, stored)
    if apart_by <= TOLERANCE:
        return Fate.FOLLOWS
    if np.isnan(apart_by):
        return Fate.UNSURE
    branches: list[list[End]] = [[again]]
    for i in range(N_DISTURBED):
        one = disturbed(i)
        for branch in branches:
            if distance(branch[0], one) < BROKEN:
                branch.append(one)
                break
        else:
            branches.append([one])
    for first, *others in branches:
        reach = max((distance(first, other) for other in others), default=0.0)
        if distance(first, stored) <= max(TOLERANCE, min(REACH * reach, BROKEN)):
            return Fate.FOLLOWS
    return Fate.UNSURE if any(len(branch) == 1 for branch in branches) else Fate.DEPARTS


class Purse:
    """CPU seconds that an audit may spend: on what it does once, and on parts of equal price.

    Parameters
    ----------
    budget : float
        How many.
    cpu : Callable
        CPU seconds spent by this process.
    """

    def __init__(self, budget: float, cpu: Callable[[], float]) -> None:
        self._budget, self._cpu = budget, cpu
        self._began = self._first = cpu()

    def has_for(self, done: int) -> bool:
        """Whether one more part can be paid for, after `done` of them; always one.

        What was spent before the first part is not spent again with each of the others.
        """
        now = self._cpu()
        if done == 0:
            self._first = now
            return True
        return now - self._began + (now - self._first) / done <= self._budget


def apart(first: Floats, second: Floats, scale: Floats) -> float:
    """Return the largest difference of two arrays (..., n_dim) in units of `scale` (n_dim,)."""
    difference = np.abs(first - second).reshape(-1, len(scale)).max(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(difference == 0.0, 0.0, difference / scale)))


def disturb(values: Floats, rng: np.random.Generator) -> Floats:
    """Return values with relative errors of up to `ROUNDING`."""
    return np.asarray(values * (1.0 + ROUNDING * rng.uniform(-1.0, 1.0, values.shape)))
