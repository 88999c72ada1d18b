"""What the output of a unit of populations says of its search: step, peaks, and wide points.

Chains begin with it, and a false one would cost volunteers' time, though not a right posterior: so
all of it is looked at that can be computed again in a second.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.settings import PopulationUnit
from apps.ttv.compute.sampler_settings import MAX_CORRECTIONS
from apps.ttv.compute.search.mode import Mode, log_laplace
from apps.ttv.compute.search.searching import deviances
from apps.ttv.compute.search.steps import TOLERANCE, Step, measure_step, with_step
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable
from apps.ttv.compute.whitening import Whitening
from apps.ttv.population_output import PopulationOutput
from apps.ttv.validate.segments import LOG_PROB_TOLERANCE

N_WIDE = 64
"""Wide points whose density is computed again."""

# Error of a chosen step, over the tolerance that it was chosen by: which modes count is decided
# with the step of the search.
_MARGIN = 2.0
# Steps that an integration may have; see `apps.ttv.compute.settings`.
_MOST_STEPS = 1e8
# The stated error of a step is at least this part of what is measured here.
_HONEST = 0.9


def problem_of(settings: PopulationUnit, output: PopulationOutput) -> Problem | str:
    """Return the unit's problem with the step of its output, or a complaint.

    Raises
    ------
    UnitError
        If the unit's settings are not usable.
    """
    dt, seconds, sigma = output.step.tolist()
    model, stated = settings.problem.model, settings.stated
    if not (np.isfinite(output.step).all() and dt > 0.0 and min(seconds, sigma) >= 0.0):
        return "The output's step, or its error, is no number above zero."
    if output.modified_kick not in (0, 1):
        return "The output does not say whether its step has a modified kick."
    kick = bool(output.modified_kick)
    if stated.dt is not None and dt != stated.dt:
        return "The output has another step than the unit."
    if stated.modified_kick is not None and kick != stated.modified_kick:
        return "The output has another kind of step than the unit."
    if kick and model.engine != "batch":
        return "The output has a modified kick, which the unit's engine has not."
    if not (model.end - model.epoch) / dt <= _MOST_STEPS:
        return "The output's step is too short for the time between epoch and end."
    return with_step(settings.problem, Step(dt, kick, seconds, sigma))


def complaint(
    settings: PopulationUnit,
    problem: Problem,
    table: TransitTable,
    output: PopulationOutput,
    rng: np.random.Generator,
) -> str:
    """Return what is wrong with an output's search; empty if nothing is.

    Parameters
    ----------
    settings : PopulationUnit
        Of the unit.
    problem : Problem
        See `problem_of`.
    table : TransitTable
        The measured transits.
    output : PopulationOutput
        Its arrays fit together.
    rng : Generator
        Chooses which points are looked at.
    """
    posterior = Posterior(problem, table)
    return (
        _corrections(settings, output)
        or _peaks(posterior, output)
        or _step(settings, posterior, output)
        or _wide(settings, posterior, output, rng)
    )


def _corrections(settings: PopulationUnit, output: PopulationOutput) -> str:
    stated = settings.corrections
    if output.corrections > MAX_CORRECTIONS or stated not in (None, output.corrections):
        return "The output has other coordinates than the unit."
    return ""


def _peaks(posterior: Posterior, output: PopulationOutput) -> str:
    numbers = (output.peaks, output.peak_covariances, output.peak_chi2)
    if not all(np.isfinite(array).all() for array in numbers) or not (output.peak_counts > 0).all():
        return "The output's peaks have numbers that are not finite, or that nothing ended at."
    # Written so that NaN is outside, too.
    if not (posterior.log_priors(output.peaks) > -math.inf).all():
        return "The output has peaks outside the prior."
    if not (np.linalg.eigvalsh(output.peak_covariances) > 0.0).all():
        return "The output has a peak whose covariance is none."
    again = deviances(posterior.problem, posterior.table, _coords(posterior, output))
    if not (np.abs(np.array(again) - output.peak_chi2) <= 2.0 * LOG_PROB_TOLERANCE).all():
        return "The output's chi2 are not those of its peaks."
    return ""


def _step(settings: PopulationUnit, posterior: Posterior, output: PopulationOutput) -> str:
    modes = [
        Mode(*values)
        for values in zip(
            output.peaks,
            _coords(posterior, output),
            output.peak_chi2.tolist(),
            output.peak_covariances,
            strict=True,
        )
    ]
    logs = [log_laplace(mode, posterior) for mode in modes]
    best = output.peaks[int(np.argmax(logs))][np.newaxis]
    error = measure_step(posterior.problem, best, posterior.table).error_sigma
    if settings.stated.dt is None and not error <= _MARGIN * TOLERANCE:
        return "The output's step is too coarse for its best peak."
    if not output.step[2] >= _HONEST * error:
        return "The output's step is worse than it says."
    return ""


def _wide(
    settings: PopulationUnit,
    posterior: Posterior,
    output: PopulationOutput,
    rng: np.random.Generator,
) -> str:
    if output.wide.shape[1] != settings.n_point:
        return "The output has another number of wide points than the unit."
    points = output.wide.reshape(-1, output.wide.shape[2])
    if not (posterior.log_priors(points) > -math.inf).all():
        return "The output has wide points outside the prior."
    chosen = rng.choice(len(points), size=min(N_WIDE, len(points)), replace=False)
    if not np.isfinite(posterior.log_densities(points[chosen])).all():
        return "The output has wide points without a model."
    return ""


def _coords(posterior: Posterior, output: PopulationOutput) -> NDArray[np.float64]:
    return Whitening(posterior.problem).whiten(output.peaks)
