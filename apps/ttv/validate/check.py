"""The validator of ``ttv_mcmc``: check an output, compare two, price a unit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.operations import credit_flop, likelihood_calls
from apps.ttv.compute.population.settings import is_population
from apps.ttv.compute.settings import TtvSettings
from apps.ttv.output import TtvOutput, content_digest, read_ttv_output
from apps.ttv.validate import audit as ttv_audit
from apps.ttv.validate import population
from apps.ttv.validate.segments import LOG_PROB_TOLERANCE, Retrace
from apps.ttv.validate.statistics import MIN_EFFECTIVE, compare_runs
from apps.ttv.validate.tables import transit_table
from apps.ttv.validate.ttvfast import Opinion, second_opinion
from boinc_project.errors import OutputError
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, closed, inconclusive, invalid, valid
from validator.comparison import open_both
from validator.credit import cobblestones
from validator.segments import PLANNED_SHARE, TOLERANCE, UNSURE, Fate, Purse

N_RECOMPUTED = 64
"""Draws whose log-probability is computed again: an output of which a share f is wrong passes with
probability (1 - f)^64, 4 % at f = 0.05. They are one call of the unit's engine: some milliseconds
of the compiled one, 0.1 s of TTVFast."""

N_REFERENCE = 8
"""Of these, draws that TTVFast computes too if the unit's engine is another: a fault of the engine
is in all of them, so that few are enough."""

START_BUDGET = {"ttvfast": 10_000, "batch": 200_000}
"""Likelihood calls to spend, by engine, on following a chain from its start to its first stored
draw: 10 to 20 s of CPU. The audit of units that store their first draw later than that begins with
their first segment."""

STALL_EXPECTED = 125.0
"""Acceptances expected in a stretch without any, above which a chain was not run but padded. Even
if the rate fell to a fifth after the burn-in, an honest chain does so with probability e^-25."""

referee = None
"""Two outputs that disagree in a part do so in all that follows from it: another one decides."""


def length_is_known(unit: Unit) -> bool:
    """Tell what `boinc_project.judge.Judge` asks."""
    return not is_population(unit.settings)


def one_word_is_enough(unit: Unit) -> bool:
    """Tell what `boinc_project.judge.Judge` asks."""
    return not is_population(unit.settings)


def check(unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
    """Judge one output by itself: structure, identity, values, and a recomputed sample.

    Raises
    ------
    UnitError
        If the unit or its inputs are not usable; the output cannot be judged then.
    """
    if is_population(unit.settings):
        return population.check(unit, path, inputs)
    settings = TtvSettings.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, transit_table(unit, inputs))
    try:
        output = read_ttv_output(path)
    except OutputError as error:
        return invalid(error.message)
    case = _Case(unit, settings, posterior, output)
    for complaint in _COMPLAINTS:
        reason = complaint(case)
        if reason:
            return invalid(reason)
    match _start(case):
        case Fate.DEPARTS:
            return invalid("The output's chain does not start as the unit says.")
        case Fate.UNSURE:
            return inconclusive(UNSURE.format(1, 1))
    opinion = _second_opinion(case)
    if opinion is not None and opinion.doubt:
        # Not the host's fault: it ran the engine that it was sent, and so did the check.
        return inconclusive(opinion.doubt, compared=float(opinion.compared))
    return valid(
        "Its check passed.",
        acceptance=float(output.accepted.sum()) / (settings.sampler.n_step * len(output.accepted)),
        recomputed=float(min(N_RECOMPUTED, output.log_prob.size)),
        second_opinions=0.0 if opinion is None else float(opinion.compared),
        log_prob_max=float(output.log_prob.max()),
    )


def compare(unit: Unit, path_a: Path, path_b: Path) -> Verdict:
    """Compare two outputs: by digest, else draw by draw, else by their statistics.

    Raises
    ------
    OutputError
        If one of them cannot be read.
    """
    if is_population(unit.settings):
        return population.compare(unit, path_a, path_b)
    both = open_both(
        unit,
        (path_a, path_b),
        read=read_ttv_output,
        digest=content_digest,
        shape=lambda one: (one.draws.shape, one.parameter_names),
        is_finite=_finite,
    )
    if isinstance(both, Verdict):
        return both
    a, b = both
    distance = _distance(a, b)
    if distance <= TOLERANCE:
        if a.n_likelihood != b.n_likelihood or (a.accepted != b.accepted).any():
            return invalid("The two outputs are one chain, but count it differently.")
        return valid("It follows the other result draw by draw.", distance=distance)
    found = compare_runs(a.parameter_names, (a.draws, b.draws), (a.log_prob, b.log_prob))
    if not found.has_evidence:
        return inconclusive(
            "Too little evidence: the outputs differ, and their statistics rest on "
            f"{found.effective:.1f} effectively independent draws; {MIN_EFFECTIVE:.0f} are needed.",
            **found.numbers(),
        )
    statistic, quantity, z = found.worst
    if not found.agrees:
        return invalid(
            f"The two outputs disagree: {statistic} of {quantity} by {abs(z):.1f} standard errors.",
            **found.numbers(),
        )
    return valid("Its statistics agree with those of the other result.", **found.numbers())


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
        Of the unit's likelihood calls, to spend at most.
    cpu : Callable
        CPU seconds spent by this process.
    """
    if is_population(unit.settings):
        return closed(population.audit, unit, path, inputs, rng=rng)
    return closed(
        ttv_audit.audit,
        unit,
        path,
        inputs,
        rng=rng,
        purse=Purse(budget, cpu),
        share=share,
        with_start=_starts_late(unit),
    )


def credit(unit: Unit, output: Path) -> float:
    """Return the cobblestones of a valid result, from the likelihood calls the unit asks for.

    Parameters
    ----------
    unit : Unit
        The unit.
    output : Path
        Of a unit of populations; what a chain costs is known before it is computed.

    Raises
    ------
    UnitError
        If the unit's settings are not usable.
    """
    if is_population(unit.settings):
        return population.credit(unit, output)
    del output
    settings = TtvSettings.from_mapping(unit.settings)
    model, sampler = settings.problem.model, settings.sampler
    return cobblestones(
        credit_flop(
            n_planet=len(model.planets),
            span_days=model.end - model.epoch,
            dt_days=model.dt,
            n_call=likelihood_calls(
                n_walker=sampler.n_walker,
                n_step=sampler.n_step,
                thin=sampler.thin,
                corrections=sampler.corrections or 0,
            ),
        )
    )


def can_be_canonical(output: Path) -> bool:
    """Tell whether an output can stand for its workunit: every whole one can."""
    del output
    return True


@dataclass(slots=True, eq=False)
class _Case:
    """An output, and all that it is judged by."""

    unit: Unit
    settings: TtvSettings
    posterior: Posterior
    output: TtvOutput

    def moved(self) -> NDArray[np.bool_]:
        """Return where a walker is not where it was one stored draw before.

        bool (n_draw, n_walker); the draw before the first is the start.
        """
        path = np.concatenate([self.settings.start[None], self.output.draws])
        return np.asarray((path[1:] != path[:-1]).any(axis=2))


def _finite(output: TtvOutput) -> bool:
    return bool(np.isfinite(output.draws).all() and np.isfinite(output.log_prob).all())


def _distance(a: TtvOutput, b: TtvOutput) -> float:
    """Return the largest difference of corresponding draws, in standard deviations of both."""
    largest = 0.0
    for left, right in ((a.draws, b.draws), (a.log_prob[..., None], b.log_prob[..., None])):
        scale = np.concatenate([left, right]).std(axis=(0, 1))
        apart = np.abs(left - right).max(axis=(0, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(apart == 0.0, 0.0, apart / scale)
        largest = max(largest, float(np.max(ratio)))
    return largest


def _identity(case: _Case) -> str:
    output, sampler = case.output, case.settings.sampler
    if output.unit_digest != case.unit.digest:
        return "The output belongs to another unit."
    if output.app_version < case.unit.min_app_version:
        return "The output was computed by an app version older than the unit allows."
    if output.parameter_names != case.settings.problem.parameter_names:
        return "The output has other parameters than the unit."
    if (output.n_step, output.thin) != (sampler.n_step, sampler.thin):
        return "The output has another number of steps than the unit."
    wanted = (sampler.n_step // sampler.thin, sampler.n_walker, case.settings.problem.n_dim)
    if output.draws.shape != wanted:
        return f"The output has draws of shape {output.draws.shape}, not {wanted}."
    return ""


def _finiteness(case: _Case) -> str:
    return "" if _finite(case.output) else "The output has numbers that are not finite."


def _counts(case: _Case) -> str:
    """Return a complaint unless the counts can belong to these draws.

    A walker that moved between two stored draws accepted at least once and at most `thin` times in
    between: an exact bound in both directions, which frozen walkers with invented counts and moving
    walkers with frozen counts both break.
    """
    output, sampler = case.output, case.settings.sampler
    accepted, moves = output.accepted, case.moved().sum(axis=0)
    if not ((accepted >= 0) & (accepted <= sampler.n_step)).all():
        return "The output counts more accepted proposals than there were steps."
    # Walkers that start from one point can "move" by nothing: a difference of equals.
    distinct = len(np.unique(case.settings.start, axis=0)) == sampler.n_walker
    at_most = moves * sampler.thin if distinct else sampler.n_step
    if not ((moves <= accepted) & (accepted <= at_most)).all():
        return "The output's counts of accepted proposals do not fit its draws."
    if not accepted.any():
        return "No walker ever moved."
    # One call for every walker's start, and one for every proposal.
    if output.n_likelihood != sampler.n_walker * (sampler.n_step + 1):
        return "The output's count of likelihood calls does not fit its draws."
    return ""


def _stall(case: _Case) -> str:
    """Return a complaint if the whole ensemble stood still for longer than chance allows."""
    sampler, accepted = case.settings.sampler, case.output.accepted
    moving = case.moved().any(axis=1)
    stretches = np.diff(np.flatnonzero(np.concatenate([[True], moving, [True]]))) - 1
    still = int(stretches.max()) * sampler.thin
    rest = max(sampler.n_step - still, 1)
    # Proposals accepted in the stretch if the rate were that of the rest of the chain.
    expected = float(accepted.sum()) / rest * still
    return "" if expected <= STALL_EXPECTED else "The whole ensemble stood still for too long."


def _repetition(case: _Case) -> str:
    """Return a complaint unless a walker that stayed kept its log-probability, and no other."""
    log_prob, stayed = case.output.log_prob, ~case.moved()[1:]
    if (log_prob[1:][stayed] != log_prob[:-1][stayed]).any():
        return "The output gives one point two log-probabilities."
    return ""


def _support(case: _Case) -> str:
    points = np.concatenate([case.output.draws[:1][0], case.output.draws[case.moved()]])
    # Written so that NaN is outside, too.
    if not (case.posterior.log_priors(points) > -math.inf).all():
        return "The output has draws outside the prior."
    return ""


def _sample(case: _Case, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `n` draws and their log-probabilities as the output has them.

    The sample follows from the output's own digest: the same for everyone who looks, and changed by
    every change of the output. It is no audit: nobody's secret chooses it.
    """
    output = case.output
    rng = np.random.default_rng(int(content_digest(output), 16))
    size = output.log_prob.size
    places = rng.choice(size, size=min(N_RECOMPUTED, size), replace=False)[:n]
    at = np.unravel_index(places, output.log_prob.shape)
    return output.draws[at], output.log_prob[at]


def _log_probabilities(case: _Case) -> str:
    """Return a complaint unless a sample of log-probabilities comes out again."""
    points, stated = _sample(case, N_RECOMPUTED)
    again = case.posterior.log_densities(points)
    if not (np.abs(again - stated) <= LOG_PROB_TOLERANCE).all():
        return "The output's log-probabilities are not those of its draws."
    return ""


def _second_opinion(case: _Case) -> Opinion | None:
    """Return what TTVFast says of a part of the sample; None if the unit's engine is TTVFast."""
    problem = case.settings.problem
    if problem.model.engine == "ttvfast":
        return None
    return second_opinion(problem, case.posterior.table, *_sample(case, N_REFERENCE))


def _starts_late(unit: Unit) -> bool:
    """Whether following a chain from its start to its first stored draw is left to the audit."""
    settings = TtvSettings.from_mapping(unit.settings)
    sampler, engine = settings.sampler, settings.problem.model.engine
    return sampler.thin * sampler.n_walker > START_BUDGET[engine]


def _start(case: _Case) -> Fate:
    """Return whether the chain follows from its start; a late first draw is left to the audit."""
    if _starts_late(case.unit):
        return Fate.FOLLOWS
    retrace = Retrace(case.unit, case.settings, case.posterior, case.output)
    coords, log_prob = retrace.begin(0)
    return retrace.fate(0, coords, log_prob, retrace.segment(0, coords, log_prob))


_COMPLAINTS: tuple[Callable[[_Case], str], ...] = (
    _identity,
    _finiteness,
    _counts,
    _stall,
    _repetition,
    _support,
    _log_probabilities,
)
