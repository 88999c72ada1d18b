"""Errors of what nested runs say: from resampled threads and, if there are enough, whole runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.nested.weights import Points, Weighted, resampled

N_RESAMPLED = 100
"""Resampled runs that errors come from: an error is then known to 7 %."""

MIN_RUNS = 4
"""Fewer independent runs are no evidence, however good their numbers: whether runs agree is the
only sign of a mode that some of them missed."""

_SEED = 20180101
"""Of the resampling: part of the method, so that equal outputs give equal products."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Resampling:
    """Runs like those at hand.

    Attributes
    ----------
    threads : tuple[Weighted, ...]
        Made of threads drawn with replacement (Higson et al. 2018).
    runs : tuple[Weighted, ...]
        Made of whole runs drawn with replacement; empty if there are fewer than `MIN_RUNS`.
    n_run : int
        Runs at hand.
    """

    threads: tuple[Weighted, ...]
    runs: tuple[Weighted, ...]
    n_run: int

    def error(self, statistic: Callable[[Weighted], Floats]) -> Floats:
        """Return the standard error of numbers that follow from weights.

        Threads know what a run's own chance does; whole runs also know what a run shares and other
        runs do not, as modes that walks did not reach. The larger of both is taken: the second
        alone rests on few runs, the first alone may be far too small.

        Parameters
        ----------
        statistic : Callable
            From weights to numbers, float64 (n,); a number that is not finite for one of the
            resampled runs has no error.
        """
        errors = [_scatter(self.threads, statistic)]
        if self.runs:
            # A sample of n with replacement has 1 - 1/n of the variance.
            errors.append(_scatter(self.runs, statistic) * math.sqrt(self.n_run / (self.n_run - 1)))
        return np.asarray(np.maximum.reduce(errors))  # NaN where one is


def resample(points: Points, shift: float = 0.0) -> Resampling:
    """Return runs like those at hand.

    Parameters
    ----------
    points : Points
        Of all runs.
    shift : float
        Added to every evidence.
    """
    n_run = len(points.n_live)
    kinds = []
    for whole in (False, True):
        rng = np.random.default_rng(_SEED)
        n = N_RESAMPLED if n_run >= MIN_RUNS or not whole else 0
        found = resampled(points, rng, n, whole_runs=whole)
        kinds.append(tuple(replace(one, logz=one.logz + shift) for one in found))
    return Resampling(kinds[0], kinds[1], n_run)


def _scatter(found: tuple[Weighted, ...], statistic: Callable[[Weighted], Floats]) -> Floats:
    values = np.array([statistic(one) for one in found])
    finite = np.isfinite(values).all(axis=0)
    return np.where(finite, np.where(finite, values, 0.0).std(axis=0, ddof=1), np.nan)
