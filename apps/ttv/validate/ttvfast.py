"""A second opinion on the compiled engine: TTVFast, an independent code, on a few draws.

Whoever computed an output and the validator that recomputes it run the same kernel, and would
share its mistakes. So a few draws are also computed by TTVFast, and the log-probabilities may
differ by what the times of the two may differ by, and no more.

Let every transit's time differ by at most d days. With residuals r_i in units of sigma_i, and
u_i = d / sigma_i, minus the Gaussian log-likelihood, sum r_i^2 / 2, changes by at most
sum (abs(r_i) u_i + u_i^2 / 2). Of Student's t with nu degrees, first and second derivatives in r
are at most (nu + 1) / nu times the Gaussian's, abs(r) and 1, and so is the bound. A jitter only
widens the sigmas, which makes either smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.failures import CODES, FailureKind
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.operations import RUN_TIME, planet_steps
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable

AGREEMENT = 0.1 / 86400.0
"""Days by which a transit of the engine "batch" may differ from TTVFast's at the same step. The
kernel's map is TTVFast's, and only rounding and the ends of iterations differ: below 1e-4 s rms on
four systems (``bench/ttv_likelihood.py``), below 0.1 s rms on every tested one
(``tests/unit/apps/ttv/compute/test_engine.py``)."""

FINER = 0.25
"""The step at which TTVFast is to be compared with the modified kick, in steps of the unit. The
two maps differ by their own errors then: TTVFast's at the unit's step, which is measured beside it,
is a bound for both (``tests/science/test_rebound.py``)."""

MIN_SHARE = 0.5
"""Share of the draws for which TTVFast must have transit times, or nothing is said: it goes on
after its Kepler solver failed, and such a result is refused."""

MAX_REFERENCE = 8
"""Draws of an audit that TTVFast computes, too: a fault of the engine is in all of them, so few are
enough."""

REFERENCE_SHARE = 0.25
"""Part of the audit that they may take. TTVFast costs 10 to 40 times as much as the engine."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What TTVFast says of some log-probabilities.

    Attributes
    ----------
    compared : int
        Draws that it could compute.
    excess : float
        The largest difference over its tolerance; NaN if nothing could be compared.
    has_room : bool
        Whether TTVFast's wrapper has room for the transits of such a system.
    n : int
        Draws asked for.
    """

    compared: int
    excess: float
    has_room: bool
    n: int

    @property
    def doubt(self) -> str:
        """Why the output cannot be called valid, as a sentence; empty if there is no reason."""
        if not self.has_room:
            return ""
        if self.compared < MIN_SHARE * self.n:
            return (
                f"TTVFast could compute only {self.compared} of {self.n} draws: the engine's "
                "log-probabilities have no second opinion."
            )
        if not self.excess <= 1.0:  # written so that NaN is a doubt
            return (
                "TTVFast gives other log-probabilities than the engine of this unit, by "
                f"{self.excess:.3g} times what their transit times may differ by."
            )
        return ""


def second_opinion(
    problem: Problem, table: TransitTable, points: Array, log_prob: Array
) -> Opinion:
    """Compute points with TTVFast and compare.

    Parameters
    ----------
    problem : Problem
        The unit's; its engine is the compiled one.
    table : TransitTable
        The measured transits.
    points : ndarray
        float64 (n, n_dim).
    log_prob : ndarray
        float64 (n,), log-probabilities by the compiled engine.
    """
    step = problem.model.dt * (FINER if problem.model.modified_kick else 1.0)
    reference = Posterior(problem, table, dt=step, engine="ttvfast")
    times, codes = reference.engine.observed_times(points)
    apart = np.full(len(points), AGREEMENT)
    if problem.model.modified_kick:
        coarse = Posterior(problem, table, engine="ttvfast")
        there, failed = coarse.engine.observed_times(points)
        apart += np.abs(there - times).max(axis=1)
        codes = np.where(codes == 0, failed, codes)
    full = codes == CODES[FailureKind.TOO_MANY_TRANSITS]
    good = codes == 0
    if not good.any():
        return Opinion(0, float("nan"), not full.all(), len(points))
    # The times are integrated once: that is what an opinion costs.
    again = reference.log_densities_at(points[good], times[good], codes[good])
    difference = np.abs(again - log_prob[good])
    allowed = tolerance(problem, reference, times[good], apart[good])
    return Opinion(int(good.sum()), float(np.max(difference / allowed)), True, len(points))


def tolerance(problem: Problem, posterior: Posterior, times: Array, apart: Array) -> Array:
    """Return how far log-likelihoods may differ, (n,), if times differ by up to `apart` days.

    Parameters
    ----------
    problem : Problem
        For its noise.
    posterior : Posterior
        For its observations.
    times : ndarray
        float64 (n, n_transit), model times, days.
    apart : ndarray
        float64 (n,), days.
    """
    seen = posterior.observations
    residuals = np.abs(seen.times - times) / seen.sigmas
    units = apart[:, np.newaxis] / seen.sigmas
    noise = problem.noise
    factor = (noise.degrees + 1.0) / noise.degrees if noise.kind == "student_t" else 1.0
    return np.asarray(factor * np.sum(residuals * units + 0.5 * units**2, axis=1))


def cost_in_calls(problem: Problem) -> float:
    """Return what a point costs here, in calls of the unit's engine; 0 if that is TTVFast."""
    model = problem.model
    if model.engine == "ttvfast":
        return 0.0
    steps = planet_steps(
        n_planet=len(model.planets), span_days=model.end - model.epoch, dt_days=model.dt
    )
    reference = RUN_TIME["ttvfast"]
    cost = reference.flop(steps)
    if model.modified_kick:
        cost += reference.flop(steps / FINER)
    return cost / RUN_TIME[model.engine].flop(steps)
