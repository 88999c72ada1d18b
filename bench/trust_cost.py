"""What check and audit cost, in CPU seconds of the unit: a part of ``bench/trust.py``.

Small units are computed from beginning to end. A unit of the planner's size takes half an hour to
an hour, so that it is not computed here. Its price is that of some thousand of its steps, measured
before and after the audit, times their number. Its output is made of draws of the posterior in any
order; only the segments that the audit will draw are computed, as the app computes them, so that
the audit does all that it does with an honest output, and passes it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from apps.ttv.compute.chain import chain_sampler
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.operations import likelihood_calls
from apps.ttv.compute.settings import TtvSettings
from apps.ttv.compute.table import parse_table
from apps.ttv.plan.campaign_file import MAX_STEPS
from apps.ttv.plan.units import fpops_per_call
from apps.ttv.validate import audit as ttv_audit
from apps.ttv.validate import check as ttv
from apps.ttv.validate.segments import Retrace
from boinc_project.unit import Unit, seal
from tests.adversarial import campaign
from tests.adversarial.kinds import Honest, honest
from validator.segments import AUDIT_SHARE, PLANNED_SHARE
from work_generator import sizing
from work_generator.reference import REFERENCE_FPOPS

N_MEASURED = 2500
"""Steps that are timed, before the audit and after it: some 2 s each."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of an honest unit, of its check and of its audit.

    Attributes
    ----------
    unit, check, audit : float
        Seconds.
    segments, planned : int
        Segments that the audit computed again, and that its plan has.
    share : float
        Of the unit's likelihoods, that the plan spends.
    """

    unit: float
    check: float
    audit: float
    segments: int
    planned: int
    share: float


def inputs_of(unit: Unit, directory: Path) -> dict[str, Path]:
    """Seal a unit of the campaign; return its input files."""
    seal(unit, {"transits.csv": campaign.table()}, directory / "unit")
    return {"transits.csv": directory / "unit" / "transits.csv"}


def budget(unit: Unit) -> float:
    """Return the CPU seconds that the server gives to an audit of a unit, by its estimate."""
    sampler, model = unit.settings["sampler"], unit.settings["model"]
    n_call = likelihood_calls(
        n_walker=sampler["n_walker"], n_step=sampler["n_step"], thin=sampler["thin"]
    )
    return AUDIT_SHARE * n_call * fpops_per_call(model) / REFERENCE_FPOPS


def small(index: int, directory: Path) -> Cost:
    """Compute, check and audit an honest unit that nothing is known of yet."""
    campaign.make_unit(index)
    began = time.process_time()
    one = honest(index)
    return _judge(one, time.process_time() - began, directory, np.random.default_rng(index))


def planned(directory: Path) -> Cost:
    """Audit a unit as long as the planner makes them; see above."""
    before = _seconds_per_step()
    unit = _long_unit(before)
    settings = TtvSettings.from_mapping(unit.settings)
    one = Honest(unit, _output(unit, settings, np.random.default_rng(1)))
    cost = _judge(one, 1.0, directory, np.random.default_rng(1))
    per_step = 0.5 * (before + _seconds_per_step())
    return replace(cost, unit=per_step * settings.sampler.n_step)


def _seconds_per_step() -> float:
    unit = campaign.make_unit(0)
    settings = TtvSettings.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, parse_table(campaign.table()))
    sampler = chain_sampler(unit, settings, posterior)
    chain = sampler.begin(settings.start)
    began = time.process_time()
    for _ in range(N_MEASURED):
        sampler.advance(chain)
    return (time.process_time() - began) / N_MEASURED


def _long_unit(seconds_per_step: float) -> Unit:
    """Return a unit of half an hour: of the planner's sizes the one that an audit is dearest for.

    What does not grow with a unit weighs most in the shortest.
    """
    unit = campaign.make_unit(0)
    sampler: dict[str, Any] = unit.settings["sampler"]
    n_walker, n_dim = np.shape(unit.settings["start"])
    size = sizing.fit(
        seconds_per_step * sizing.TARGET_SECONDS / sizing.LEAST_SECONDS,
        8 * n_walker * (n_dim + 1),
        thin=sampler["thin"],
        most_steps=MAX_STEPS,
    )
    sampler = {**sampler, "n_step": size.n_step, "thin": size.thin}
    return replace(unit, settings={**unit.settings, "sampler": sampler})


def _output(unit: Unit, settings: TtvSettings, rng: np.random.Generator) -> Any:
    """Return an output whose segments to be audited are honest; `rng` is as the audit's will be."""
    sampler, known = settings.sampler, honest(0).output
    n_draw = sampler.n_step // sampler.thin
    # Never the same twice running: a chain that stands still for so long is refused.
    leaps = np.random.default_rng(2).integers(1, len(known.draws), size=n_draw)
    at = np.cumsum(leaps) % len(known.draws)
    output = replace(
        known,
        unit_digest=unit.digest,
        draws=known.draws[at],
        log_prob=known.log_prob[at],
        n_step=sampler.n_step,
        thin=sampler.thin,
        n_likelihood=sampler.n_walker * (sampler.n_step + 1),
    )
    todo = ttv_audit.plan(settings, PLANNED_SHARE, with_start=False)
    posterior = Posterior(settings.problem, parse_table(campaign.table()))
    retrace = Retrace(unit, settings, posterior, output)
    counted = np.zeros(sampler.n_walker, dtype=np.int64)
    # In their order: the end of one may be the beginning of another. The check looks at the first.
    chosen = {0, *ttv_audit.segments(todo, n_draw, rng)}
    for number in sorted(chosen):
        end = retrace.segment(number, *retrace.begin(number))
        output.draws[number], output.log_prob[number] = end.coords, end.log_prob
        assert end.accepted is not None
        counted += end.accepted
    # Of the others, any number that draws which all moved allow.
    return replace(output, accepted=counted + (n_draw - len(chosen)) * sampler.thin // 2)


def _judge(one: Honest, unit: float, directory: Path, rng: np.random.Generator) -> Cost:
    path, inputs = one.write(directory / "honest.h5"), inputs_of(one.unit, directory)
    began = time.process_time()
    verdict = ttv.check(one.unit, path, inputs)
    assert verdict.is_valid, verdict.reason
    checked = time.process_time()
    verdict = ttv.audit(one.unit, path, inputs, rng=rng, budget=budget(one.unit))
    audited = time.process_time()
    assert verdict.is_valid, verdict.reason
    settings = TtvSettings.from_mapping(one.unit.settings)
    todo = ttv_audit.plan(settings, PLANNED_SHARE, with_start=False)
    done = int(verdict.statistics["segments"])
    return Cost(unit, checked - began, audited - checked, done, todo.n_segment, todo.share)
