"""The validator of ``ttv_nested``: check an output, compare two, price a result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.nested.compute.cube import CubeLikelihood
from apps.nested.compute.run import MAX_BLOCKS, log_left
from apps.nested.compute.settings import NestedUnit
from apps.nested.output import NestedOutput, content_digest, read_nested_output
from apps.nested.validate import audit as nested_audit
from apps.nested.validate import compare as nested_comparison
from apps.nested.validate.compare import is_finite
from apps.nested.validate.segments import LOGL_TOLERANCE, RELATIVE_TOLERANCE, Retrace
from apps.nested.weights import (
    merge_points,
    weigh,
)
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.operations import CREDIT_FLOP_PER_PLANET_STEP, planet_steps
from apps.ttv.compute.population.settings import is_population
from apps.ttv.validate import population
from apps.ttv.validate.tables import transit_table
from apps.ttv.validate.ttvfast import Opinion, second_opinion
from boinc_project.errors import OutputError
from boinc_project.seeds import Stream, step_bits, stream_key
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, closed, inconclusive, invalid, valid
from validator.credit import cobblestones
from validator.segments import PLANNED_SHARE, UNSURE, Fate, Purse

N_RECOMPUTED = 64
"""Points whose log-likelihood is computed again: an output of which a share f is wrong passes with
probability (1 - f)^64, 4 % at f = 0.05. Of the prior's points said to have no model, as many."""

N_REFERENCE = 8
"""Final live points that TTVFast computes too if the unit's engine is another: a fault of the
engine is in all of them, so that few are enough."""

REPLAY_BUDGET = 20_000
"""Likelihood calls to spend on computing the first segment again. Units whose first segment takes
more are left to the audit, which begins with it."""

MAX_COPIES = 0.5
"""Largest share of points that are copies of others. A walk none of whose steps was accepted
returns the point that it began with; a run of which most points are such has not been sampled."""

referee = None
"""Two outputs that disagree in a part do so in all that follows from it: another one decides."""


def length_is_known(unit: Unit) -> bool:  # noqa: ARG001 - of every unit
    """Tell what `boinc_project.judge.Judge` asks."""
    return False


def one_word_is_enough(unit: Unit) -> bool:
    """Tell what `boinc_project.judge.Judge` asks."""
    return not is_population(unit.settings)


def check(unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
    """Judge one output by itself: structure, identity, order, values, a sample and the beginning.

    Raises
    ------
    UnitError
        If the unit or its inputs are not usable; the output cannot be judged then.
    """
    if is_population(unit.settings):
        return population.check(unit, path, inputs)
    settings = NestedUnit.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, transit_table(unit, inputs))
    try:
        output = read_nested_output(path)
    except OutputError as error:
        return invalid(error.message)
    case = _Case(unit, settings, CubeLikelihood(posterior, settings.sampler.proposal), output)
    for complaint in _COMPLAINTS:
        reason = complaint(case)
        if reason:
            return invalid(reason)
    match _first_segment(case):
        case Fate.DEPARTS:
            return invalid("The output's first segment is not what its beginning leads to.")
        case Fate.UNSURE:
            return inconclusive(UNSURE.format(1, 1))
    opinion = _second_opinion(case)
    if opinion is not None and opinion.doubt:
        # Not the host's fault: it ran the engine that it was sent, and so did the check.
        return inconclusive(opinion.doubt, compared=float(opinion.compared))
    weighted = weigh(merge_points([output]))
    return valid(
        "Its check passed.",
        log_z=weighted.logz,
        ess=weighted.ess,
        second_opinions=0.0 if opinion is None else float(opinion.compared),
        log_likelihood_max=float(output.live_logl.max()),
        n_likelihood=float(output.n_likelihood),
    )


def compare(unit: Unit, path_a: Path, path_b: Path) -> Verdict:
    """Compare two outputs of a unit, runs or populations."""
    if is_population(unit.settings):
        return population.compare(unit, path_a, path_b)
    return nested_comparison.compare(unit, path_a, path_b)


def audit(
    unit: Unit,
    path: Path,
    inputs: Mapping[str, Path],
    *,
    rng: np.random.Generator,
    budget: float,
    share: float = PLANNED_SHARE,
    cpu: Callable[[], float] = time.process_time,
) -> Verdict:
    """Compute random segments of an output again; see `boinc_project.judge.Audit`.

    Parameters
    ----------
    share : float
        Of the run's segments, to compute again at most.
    cpu : Callable
        CPU seconds spent by this process.
    """
    if is_population(unit.settings):
        return closed(population.audit, unit, path, inputs, rng=rng)
    return closed(
        nested_audit.audit,
        unit,
        path,
        inputs,
        rng=rng,
        purse=Purse(budget, cpu),
        share=share,
        replay_budget=REPLAY_BUDGET,
    )


def credit(unit: Unit, output: Path) -> float:
    """Return the cobblestones of a valid result, from the likelihood calls that it counts.

    How many a run takes is not known before it is done: what counts is the number in the output
    that a quorum agreed on, and no more than the unit allows.

    Parameters
    ----------
    unit : Unit
        The unit.
    output : Path
        Its canonical output.

    Raises
    ------
    UnitError
        If the unit's settings are not usable.
    OutputError
        If the output cannot be read.
    """
    if is_population(unit.settings):
        return population.credit(unit, output)
    settings = NestedUnit.from_mapping(unit.settings)
    model, found = settings.problem.model, read_nested_output(output)
    most = found.calls[0] + settings.sampler.max_call
    calls = min(found.n_likelihood, int(most))
    steps = planet_steps(
        n_planet=len(model.planets), span_days=model.end - model.epoch, dt_days=model.dt
    )
    return cobblestones(calls * steps * CREDIT_FLOP_PER_PLANET_STEP)


def can_be_canonical(output: Path) -> bool:
    """Tell whether an output can stand for its workunit: every whole one can."""
    del output
    return True


@dataclass(slots=True, eq=False)
class _Case:
    """An output, and all that it is judged by."""

    unit: Unit
    settings: NestedUnit
    target: CubeLikelihood
    output: NestedOutput


def _identity(case: _Case) -> str:
    output, sampler = case.output, case.settings.sampler
    if output.unit_digest != case.unit.digest:
        return "The output belongs to another unit."
    if output.app_version < case.unit.min_app_version:
        return "The output was computed by an app version older than the unit allows."
    if output.parameter_names != case.settings.coordinates:
        return "The output has other parameters than the unit."
    wanted = (sampler.n_live, len(case.settings.coordinates))
    if output.live_u.shape != wanted:
        return f"The output has live points of shape {output.live_u.shape}, not {wanted}."
    if output.segment != sampler.segment or output.n_segment > sampler.max_segments:
        return "The output has other segments than the unit."
    return ""


def _values(case: _Case) -> str:
    output = case.output
    if not is_finite(output):
        return "The output has numbers that are not finite."
    cube = np.concatenate([output.dead_u, output.live_u])
    if not ((cube > 0.0) & (cube < 1.0)).all():
        return "The output has points outside the prior."
    if not (output.scales > 0.0).all():
        return "The output has walks of no length."
    copies = 1.0 - len(np.unique(cube, axis=0)) / len(cube)
    return "The output has too many copies of points." if copies > MAX_COPIES else ""


def _order(case: _Case) -> str:
    """Return a complaint unless points died from the worst to the best, above their births."""
    output = case.output
    if (np.diff(output.dead_logl) < 0.0).any() or output.live_logl.min() < output.dead_logl[-1]:
        return "The output's points did not die in the order of their likelihoods."
    born_above = (output.dead_logl > output.dead_birth).all()
    if not (born_above and (output.live_logl > output.live_birth).all()):
        return "The output has a point below the contour that it was drawn in."
    return ""


def _end(case: _Case) -> str:
    """Return a complaint unless the run ended where the unit says, no earlier and no later."""
    output, sampler = case.output, case.settings.sampler
    limit = math.log(math.expm1(sampler.dlogz))
    # Rounding may differ by a hair at the very limit.
    slack = 1e-6
    left = log_left(output.dead_logl, output.live_logl, output.n_drawn)
    if output.n_segment < sampler.max_segments and left > limit + slack:
        return "The output's run ended too early."
    if output.n_segment > 1:
        before = len(output.dead_logl) - output.segment
        live = output.live_at(before)[1]
        if log_left(output.dead_logl[:before], live, output.n_drawn) < limit - slack:
            return "The output's run ended too late."
    return ""


def _counts(case: _Case) -> str:
    output, sampler = case.output, case.settings.sampler
    blocks = -(-output.n_drawn // sampler.n_live)
    spent = np.diff(output.calls)
    # A walk takes at most one call a step, and one more if no step is accepted; at least one.
    if output.calls[0] != blocks * sampler.n_live or (spent < sampler.segment).any():
        return "The output's count of likelihood calls does not fit its points."
    if sum(output.failures.values()) > output.n_likelihood:
        return "The output counts more failures than likelihood calls."
    if sum(output.failures.values()) < output.n_drawn - sampler.n_live:
        return "The output counts fewer failures than points without a model."
    return ""


def _likelihoods(case: _Case) -> str:
    """Return a complaint unless a sample of log-likelihoods comes out again.

    The sample follows from the output's own digest: the same for everyone who looks, and changed by
    every change of the output. It is no audit: nobody's secret chooses it.
    """
    output = case.output
    rng = np.random.default_rng(int(content_digest(output), 16))
    cube = np.concatenate([output.dead_u, output.live_u])
    logl = np.concatenate([output.dead_logl, output.live_logl])
    chosen = rng.choice(len(logl), size=min(N_RECOMPUTED, len(logl)), replace=False)
    again = case.target.log_likelihoods(cube[chosen])
    allowed = LOGL_TOLERANCE + RELATIVE_TOLERANCE * (logl.max() - logl[chosen])
    if not (np.abs(again - logl[chosen]) <= allowed).all():
        return "The output's log-likelihoods are not those of its points."
    return ""


def _second_opinion(case: _Case) -> Opinion | None:
    """Return what TTVFast says of some final live points; None if it is the unit's engine."""
    problem = case.settings.problem
    if problem.model.engine == "ttvfast":
        return None
    points = case.target.transform(case.output.live_u[:N_REFERENCE])
    # Likelihood times prior, whatever of it the cube's own density has been.
    densities = case.target.posterior.log_priors(points) + case.target.cube.log_ratios(points)
    stated = case.output.live_logl[:N_REFERENCE] + densities
    return second_opinion(problem, case.target.posterior.table, points, stated)


def _beginning(case: _Case) -> str:
    """Return a complaint unless the first live points are those that the unit's seed draws."""
    output = case.output
    if output.n_drawn > MAX_BLOCKS * len(output.live_u):
        return "The output drew more points of the prior than the app does."
    drawn = _prior_points(case.unit, output.n_drawn, output.live_u.shape)
    first, _ = output.live_at(0)
    places = {point.tobytes(): place for place, point in enumerate(drawn)}
    found = [places.get(point.tobytes(), -1) for point in first]
    if min(found) < 0 or (np.diff(found) <= 0).any() or found[-1] != output.n_drawn - 1:
        return "The output's first points are not those that the unit's seed draws."
    others = np.setdiff1d(np.arange(output.n_drawn), found)
    rng = np.random.default_rng(int(content_digest(output), 16))
    chosen = rng.choice(others, size=min(N_RECOMPUTED, len(others)), replace=False)
    if len(chosen) and (case.target.log_likelihoods(drawn[chosen]) > -math.inf).any():
        return "The output leaves out points of the prior that have a model."
    return ""


def _prior_points(unit: Unit, n: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the first points that a unit's seed draws from the prior, (n, n_dim)."""
    key = stream_key(unit.seed, Stream.PRIOR)
    blocks = range(-(-n // shape[0]))
    drawn = [np.random.Generator(step_bits(key, block)).random(shape) for block in blocks]
    return np.concatenate(drawn)[:n]


def _first_segment(case: _Case) -> Fate:
    """Return whether the run follows from its beginning; a dear segment is left to the audit."""
    output = case.output
    if output.calls[1] - output.calls[0] > REPLAY_BUDGET:
        return Fate.FOLLOWS
    retrace = Retrace(case.unit, case.settings, case.target.posterior, output)
    return retrace.fate(0, retrace.segment(0))


_COMPLAINTS: tuple[Callable[[_Case], str], ...] = (
    _identity,
    _values,
    _order,
    _counts,
    _end,
    _likelihoods,
    _beginning,
)
