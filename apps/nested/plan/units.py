"""Plan a campaign of nested runs: which of them, and how long they may take.

Runs of one campaign differ in nothing but their seeds, so that all of them together are one run
with as many live points as they have in sum. No run needs a starting point. What is looked for
before the first unit is sent is the best fit, because the step of the integration is chosen there,
and what the posterior looks like around it: the proposal of `apps.nested.compute.proposal`, which
changes how long a run takes and how well its walks mix, but not what it is a run of.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from apps.nested.compute.cube import CubeLikelihood
from apps.nested.compute.proposal import parse_proposal
from apps.nested.compute.settings import MAX_DEAD, MAX_LIVE, least_live, parse_sampler
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.importance import TRUSTED_EFFECTIVE, kish, log_mean
from apps.ttv.compute.population.settings import is_population
from apps.ttv.compute.search.mode import Mode, log_laplace
from apps.ttv.plan.campaign_file import posterior_of
from apps.ttv.plan.lines import (
    artefact_lines,
    describe_problem,
    failed_lines,
    pilot_lines,
    remark_lines,
    step_line,
)
from apps.ttv.plan.preparation import computed, read_output
from apps.ttv.plan.second_opinion import (
    model_to_cost,
    population_cost,
    preparation_unit,
    refuse_old,
    second_opinion,
)
from apps.ttv.plan.units import (
    fpops_per_call,
    problem_settings,
)
from apps.ttv.population_output import PopulationOutput
from boinc_project.campaign import Campaign, Progress
from boinc_project.cost import Cost
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from boinc_project.seeds import Stream, step_bits, stream_key
from boinc_project.unit import Unit
from work_generator import sizing
from work_generator.estimate import measure

MIN_APP_VERSION = 220
"""The first version of ``ttv_nested`` whose units of populations begin with a search."""

# Python, numpy, scipy, h5py and TTVFast take 170 MB on Linux; points are small beside that.
_MEMORY = 4.0e8
# The slot holds links, checkpoints and the output. The app itself lies in the project's directory,
# but its launcher may unpack beside it: 300 MB.
_DISK = 8.0e8
# HDF5's own structures and the attributes around the arrays.
_OUTPUT_OVERHEAD = 32_768
# Share of a walk's steps that stay in the cube and cost a call, as runs show it: without a
# proposal, and with one, where the points that the steps are differences of fill the cube.
_INSIDE, _INSIDE_FILLED = 0.85, 0.3
# Random points of the cube that tell how far a run has to go.
_CUBE_POINTS = 20_000
# The limit of a run, over its expected length: a posterior far wider than its best fit's curvature
# says makes runs shorter, one with a needle elsewhere longer.
_LIMIT_RATIO = 2.0
_LIMIT_MARGIN = 20.0  # units of n_live iterations


def describe(campaign: Campaign) -> list[str]:
    """Say what the campaign computes, in a few lines for people."""
    sampler = campaign.settings["sampler"]
    return [
        describe_problem(campaign),
        f"Each unit: a nested run with {sampler['n_live']} live points, walks of "
        f"{sampler['walks']} steps, until {sampler['dlogz']:g} of log Z is left, "
        f"{_begins(sampler)}.",
        *remark_lines(campaign.settings),
    ]


def _begins(sampler: Mapping[str, Any]) -> str:
    share = _share(sampler)
    if not share:
        return "from the prior"
    return f"from the prior and, {share:.0%} of the points, a fit to the posterior"


def preparation(campaign: Campaign) -> list[str]:
    """Say which step and which best fit were found, in a few lines for people."""
    best = _best(campaign)
    n_transit = posterior_of(campaign.settings, campaign.inputs).table.n_transit
    return [
        step_line(campaign.settings),
        *failed_lines(campaign.settings),
        *artefact_lines(campaign.settings),
        *pilot_lines(campaign.settings),
        f"Best fit: chi2 {best['chi2']:.1f} for {n_transit} transits.",
        f"Expected length of a run: {best['e_folds'] - math.log(_dlogz(campaign)):.0f} times its "
        "live points.",
    ]


def is_prepared(campaign: Campaign) -> bool:
    """Whether the step and a best fit have been found."""
    model = campaign.settings["model"]
    stated = model["dt"] is not None and model["modified_kick"] is not None
    return stated and "best" in campaign.settings


def prepare(
    campaign: Campaign,
    progress: Callable[[int, int], None] | None = None,
    store: InputStore | None = None,  # noqa: ARG001 - transit times are never large
    jobs: int = 1,  # noqa: ARG001 - fits go one after the other
) -> Campaign:
    """Find the best fit, and the step if the campaign file says ``"auto"``.

    The result follows from the campaign and its seed; a prepared campaign is returned as it is.

    Raises
    ------
    InputError
        If no model fits, or no step is fine enough.
    """
    if is_prepared(campaign):
        return campaign
    (unit, *_) = preparing(campaign)
    return prepared_from(campaign, computed(campaign, unit, progress))


def preparing(campaign: Campaign) -> tuple[Unit, ...]:
    """Return the units to compute before the campaign can be planned; see `AppPlanner`."""
    if is_prepared(campaign):
        return ()
    return (
        preparation_unit(campaign, min_app_version=MIN_APP_VERSION),
        second_opinion(campaign, min_app_version=MIN_APP_VERSION),
    )


def prepared_from(campaign: Campaign, output: PopulationOutput) -> Campaign:
    """Return the campaign, prepared from the output of the preparation's unit.

    Raises
    ------
    InputError
        If the output is of another unit, or its best fit lies outside of the priors.
    """
    unit = preparation_unit(campaign, min_app_version=MIN_APP_VERSION)
    flown = read_output(campaign, unit, output)
    settings = dict(flown.settings)
    e_folds = expected_e_folds(flown.modes, flown.posterior)
    share = _share(campaign.settings["sampler"])
    if share:
        # Runs whose walks are too short agree with each other and are wrong: only another method
        # tells.
        settings["proposal"] = flown.pilot.proposal.for_cube(share, flown.pilot.corrections)
        rng = np.random.Generator(step_bits(stream_key(unit.seed, Stream.PRIOR), 0))
        e_folds = e_folds_from_cube(flown.posterior, settings["proposal"], e_folds, rng)
    settings["best"] = {
        "params": flown.modes[0].params.tolist(),
        "chi2": flown.modes[0].chi2,
        "e_folds": e_folds,
    }
    return replace(campaign, settings=settings)


def e_folds_from_cube(
    posterior: Posterior, proposal: Mapping[str, Any], plain: float, rng: np.random.Generator
) -> float:
    """Return log(L*_max / Z) by random points of the cube, for runs with a proposal.

    Parameters
    ----------
    posterior : Posterior
        The target.
    proposal : Mapping
        Of the units; see `apps.nested.compute.proposal`.
    plain : float
        The same without a proposal. If too few of the points have weight, the proposal is no use,
        and runs are as long as without, begun with what is left of the cube for the prior.
    rng : Generator
        Decides the points.
    """
    target = CubeLikelihood(posterior, parse_proposal(proposal, posterior.problem.n_dim))
    logs = target.log_likelihoods(rng.random((_CUBE_POINTS, target.n_dim)))
    if kish(logs) < TRUSTED_EFFECTIVE:
        return plain - math.log(1.0 - proposal["share"])
    return max(0.0, float(logs.max()) - log_mean(logs))


def expected_e_folds(modes: Sequence[Mode], posterior: Posterior) -> float:
    """Return log(L_max / Z), in Laplace's approximation (MacKay 2003, chapter 27).

    A run that leaves no more than dlogz out ends at a volume of dlogz * Z / L_max: it shrinks the
    prior by a factor e as often as this, and -log(dlogz) times more.

    Raises
    ------
    InputError
        If the best fit lies outside of the priors.
    """
    best = max(-0.5 * mode.chi2 for mode in modes)
    terms = [log_laplace(mode, posterior) for mode in modes]
    peak = max(terms)
    if not math.isfinite(peak):
        raise InputError("The best fit lies outside of the priors: widen them.")
    return max(0.0, best - peak - math.log(math.fsum(math.exp(term - peak) for term in terms)))


def plan(campaign: Campaign, progress: Progress) -> list[Unit]:
    """Return the units of the next generation: runs like those before, with seeds of their own.

    Raises
    ------
    InputError
        If the campaign is not prepared.
    """
    sampler = _unit_sampler(campaign)
    n_unit = min(campaign.units_per_generation, campaign.stop.max_units - sum(progress.issued))
    inputs = {
        name: hashlib.sha256(data).hexdigest() for name, data in sorted(campaign.inputs.items())
    }
    settings = problem_settings(campaign)
    refuse_old(campaign)
    runs = [
        Unit(
            app=campaign.app,
            min_app_version=MIN_APP_VERSION,
            campaign=campaign.name,
            campaign_seed=campaign.seed,
            generation=len(progress.issued),
            index=index,
            settings={**settings, "sampler": sampler},
            inputs=inputs,
        )
        for index in range(max(0, n_unit))
    ]
    # Campaigns that were prepared by hand have no second opinion; their verdict says so.
    if progress.issued or "population" not in campaign.settings:
        return runs
    return [*runs, second_opinion(campaign, min_app_version=MIN_APP_VERSION)]


def _unit_sampler(campaign: Campaign) -> dict[str, Any]:
    """Return the sampler of every unit, with the proposal that the campaign was prepared with."""
    sampler = {**campaign.settings["sampler"], "max_segments": _max_segments(campaign)}
    sampler.pop("proposal_share", None)
    if "proposal" in campaign.settings:
        sampler["proposal"] = campaign.settings["proposal"]
    return sampler


def cost(campaign: Campaign, unit: Unit) -> Cost:
    """Return what one unit is expected to cost, in counts that do not depend on a machine.

    How many calls a run takes is not known before it is done; its output may be as large as the
    limit of its segments allows.
    """
    if is_population(unit.settings):
        return population_cost(
            campaign,
            unit,
            fpops_per_call=fpops_per_call(model_to_cost(campaign, unit)),
            memory=_MEMORY,
            disk=_DISK,
        )
    n_dim = posterior_of(campaign.settings, campaign.inputs).problem.n_dim
    sampler = parse_sampler(unit.settings["sampler"], n_dim)
    # The cube's coordinates, a likelihood and a slot.
    n_stored = n_dim + (sampler.proposal is not None) + 2
    n_call = math.ceil(_expected_calls(campaign, sampler.n_live))
    points = sampler.max_dead + sampler.n_live
    return Cost(
        n_call=n_call,
        fpops=n_call * fpops_per_call(campaign.settings["model"]),
        bytes_down=len(unit.to_bytes()),
        bytes_shared=sum(len(data) for data in campaign.inputs.values()),
        bytes_up=8 * (points * n_stored + 2 * sampler.max_segments + 2) + _OUTPUT_OVERHEAD,
        memory=_MEMORY,
        disk=_DISK,
    )


def seconds_per_call(campaign: Campaign) -> float:
    """Measure the likelihood at the best fit on this machine, CPU seconds per call."""
    posterior = posterior_of(campaign.settings, campaign.inputs)
    n_point = campaign.settings["sampler"]["batch"]
    points = np.tile(np.array(_best(campaign)["params"]), (n_point, 1))
    return measure(lambda: posterior.log_likelihoods(points)) / len(points)


def fitting(campaign: Campaign, reference_seconds_per_call: float) -> str:
    """Return what to write below [sampler] so that units take the target's time."""
    n_live = campaign.settings["sampler"]["n_live"]
    seconds = _expected_calls(campaign, n_live) * reference_seconds_per_call
    n_dim = posterior_of(campaign.settings, campaign.inputs).problem.n_dim
    wanted = sizing.preferred(n_live * sizing.TARGET_SECONDS / seconds)
    least = least_live(n_dim, has_proposal="proposal" in campaign.settings)
    return f"n_live = {min(max(wanted, least), MAX_LIVE)}"


def _expected_calls(campaign: Campaign, n_live: int) -> float:
    """Return the likelihood calls of a run of so many live points, the rest as it is."""
    sampler = campaign.settings["sampler"]
    iterations = n_live * (_best(campaign)["e_folds"] - math.log(sampler["dlogz"]))
    # Half of a batch falls behind, on average, by the time that its points are used, and half of
    # one is left over at the end of a segment.
    wasted = 1.0 + 0.5 * sampler["batch"] / n_live + 0.5 * sampler["batch"] / sampler["segment"]
    inside = _INSIDE_FILLED if "proposal" in campaign.settings else _INSIDE
    return float(iterations * wasted * sampler["walks"] * inside + 2 * n_live)


def _share(sampler: Mapping[str, Any]) -> float:
    """Return the part of the cube that is the proposal's; campaigns of old have none."""
    return float(sampler.get("proposal_share", 0.0))


def _best(campaign: Campaign) -> Mapping[str, Any]:
    if not is_prepared(campaign):
        raise InputError(f"The campaign {campaign.name} is not prepared yet.", name=campaign.name)
    best: Mapping[str, Any] = campaign.settings["best"]
    return best


def _dlogz(campaign: Campaign) -> float:
    return float(campaign.settings["sampler"]["dlogz"])


def _max_segments(campaign: Campaign) -> int:
    sampler = campaign.settings["sampler"]
    expected: float = _best(campaign)["e_folds"] - math.log(sampler["dlogz"])
    iterations: float = (_LIMIT_RATIO * expected + _LIMIT_MARGIN) * sampler["n_live"]
    segment: int = sampler["segment"]
    return min(math.ceil(iterations / segment), MAX_DEAD // segment)
