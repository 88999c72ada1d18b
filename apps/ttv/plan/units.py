"""Plan a transit-timing campaign: which sub-chains, from which starting points.

What costs computing (the modes, the step, the length of a unit) is found once, by `prepare`, and
kept in the campaign's settings under ``"modes"``, ``model.dt`` and ``sampler``. `plan` then only
follows from its arguments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.operations import RUN_TIME, calls_per_step, likelihood_calls, planet_steps
from apps.ttv.compute.population.proposal import Proposal, fit_proposal
from apps.ttv.compute.population.settings import is_population
from apps.ttv.compute.population.straightening import dependence_order
from apps.ttv.compute.search.mode import nearest
from apps.ttv.compute.whitening import Whitening
from apps.ttv.plan.campaign_file import MAX_STEPS, posterior_of
from apps.ttv.plan.lines import describe_problem, remark_lines
from apps.ttv.plan.pilot import KEPT
from apps.ttv.plan.preparation import Prepared, computed, has_modes, prepared_of
from apps.ttv.plan.preparation import prepared_from as found_from
from apps.ttv.plan.second_opinion import (
    model_to_cost,
    population_cost,
    preparation_unit,
    second_opinion,
)
from apps.ttv.plan.starts import starting_points
from apps.ttv.population_output import PopulationOutput
from boinc_project.campaign import Campaign, Progress
from boinc_project.cost import Cost
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from boinc_project.seeds import Stream, step_bits, stream_key, unit_seed
from boinc_project.unit import Unit
from work_generator import sizing
from work_generator.estimate import measure
from work_generator.reference import speed

MIN_APP_VERSION = 240
"""The first version of ``ttv_mcmc`` whose units of populations begin with a search."""

# Python, numpy, h5py and TTVFast take 120 MB on Linux; walkers and draws are small beside that.
_MEMORY = 3.0e8
# The slot holds links, checkpoints and the output. The app itself lies in the project's directory,
# but its launcher may unpack beside it: 200 MB.
_DISK = 5.0e8

# HDF5's own structures and the attributes around the arrays.
_OUTPUT_OVERHEAD = 32_768
# Draws that a generation's proposal is fitted to, beside those where chains begin: what earlier
# generations have missed stays reachable.
_MOST_DRAWS = 8000


def published_names(settings: Mapping[str, Any]) -> list[str]:
    """Return the parameters and derived quantities that published values may be given for."""
    keys = ("mass", "period", "eccentricity", "omega", "ecosw", "esinw", "t0", "inclination")
    planets = [planet["name"] for planet in settings["model"]["planets"]]
    return [f"{planet}.{key}" for planet in planets for key in (*keys, "node")]


def describe(campaign: Campaign) -> list[str]:
    """Say what the campaign computes, in a few lines for people."""
    sampler = campaign.settings["sampler"]
    length = f"{sampler['n_step']} steps, every {sampler['thin']}th kept"
    if sampler["n_step"] is None:
        length = f"as many steps as {sizing.TARGET_SECONDS / 60:.0f} minutes allow"
    return [
        describe_problem(campaign),
        f"Each unit: {sampler['n_walker']} walkers, {length}.",
        *remark_lines(campaign.settings),
    ]


def is_prepared(campaign: Campaign) -> bool:
    """Whether step and modes have been found, and the length of a unit."""
    return has_modes(campaign) and campaign.settings["sampler"]["n_step"] is not None


def prepare(
    campaign: Campaign,
    progress: Callable[[int, int], None] | None = None,
    store: InputStore | None = None,  # noqa: ARG001 - transit times are never large
    jobs: int = 1,  # noqa: ARG001 - fits go one after the other
) -> Campaign:
    """Find and weigh the modes, and measure what the file leaves open: step, length of a unit.

    Modes and step follow from the campaign and its seed. The length of a unit, ``n_step = "auto"``,
    comes from the time that a likelihood takes here, and is never measured again: a prepared
    campaign is returned as it is.

    Parameters
    ----------
    campaign : Campaign
        As read from its file.
    progress : Callable, optional
        Told how much is done, and out of what.

    Raises
    ------
    InputError
        If no model fits, or no step is fine enough.
    """
    if is_prepared(campaign):
        return campaign
    if has_modes(campaign):
        return _sized(campaign)
    (unit, *_) = preparing(campaign)
    return prepared_from(campaign, computed(campaign, unit, progress))


def preparing(campaign: Campaign) -> tuple[Unit, ...]:
    """Return the units to compute before the campaign can be planned.

    The first of them is the preparation, which `prepared_from` reads. The others are of
    generation 0, and need no preparation. None if the campaign has its modes.
    """
    if has_modes(campaign):
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
        If the output is of another unit.
    """
    unit = preparation_unit(campaign, min_app_version=MIN_APP_VERSION)
    return _sized(found_from(campaign, unit, output))


def _sized(campaign: Campaign) -> Campaign:
    if campaign.settings["sampler"]["n_step"] is not None:
        return campaign
    return resized(campaign, seconds_per_call(campaign) * speed())


def resized(campaign: Campaign, reference_seconds_per_call: float) -> Campaign:
    """Return the campaign with units that take the target's time on the reference host.

    Parameters
    ----------
    campaign : Campaign
        Its ``thin`` is the smallest that the result may have.
    reference_seconds_per_call : float
        CPU seconds of a likelihood call there.
    """
    size = _size(campaign, reference_seconds_per_call)
    sampler = {**campaign.settings["sampler"], "n_step": size.n_step, "thin": size.thin}
    return replace(campaign, settings={**campaign.settings, "sampler": sampler})


def fitting(campaign: Campaign, reference_seconds_per_call: float) -> str:
    """Return what to write below [sampler] so that units take the target's time."""
    size = _size(campaign, reference_seconds_per_call)
    return f"n_step = {size.n_step} with thin = {size.thin}"


def _size(campaign: Campaign, reference_seconds_per_call: float) -> sizing.Size:
    sampler = campaign.settings["sampler"]
    n_dim = posterior_of(campaign.settings, campaign.inputs).problem.n_dim
    calls = calls_per_step(
        corrections=campaign.settings["proposal"]["coordinates"]["corrections"],
        thin=sampler["thin"],
    )
    return sizing.fit(
        sampler["n_walker"] * calls * reference_seconds_per_call,
        _bytes_per_draw(sampler["n_walker"], n_dim),
        thin=sampler["thin"],
        most_steps=MAX_STEPS,
    )


def _bytes_per_draw(n_walker: int, n_dim: int) -> int:
    """Return the bytes of one kept step: coordinates and log-probability of every walker."""
    return 8 * n_walker * (n_dim + 1)


def plan(campaign: Campaign, progress: Progress) -> list[Unit]:
    """Return the units of the next generation.

    All chains start at draws that are wider than the posterior. Beside the
    chains of generation 0, and beyond the campaign's number of units, stands the second opinion.

    Raises
    ------
    InputError
        If the campaign is not prepared, or no starting points can be found.
    """
    if not is_prepared(campaign):
        raise InputError(f"The campaign {campaign.name} is not prepared yet.", name=campaign.name)
    prepared = prepared_of(campaign)
    generation = len(progress.issued)
    n_unit = min(campaign.units_per_generation, campaign.stop.max_units - sum(progress.issued))
    inputs = {
        name: hashlib.sha256(data).hexdigest() for name, data in sorted(campaign.inputs.items())
    }
    shared = problem_settings(campaign)
    chains = {**shared, "sampler": _sampler(prepared, campaign, progress)}
    units = []
    for index in range(max(0, n_unit)):
        seed = unit_seed(campaign.seed, generation=generation, index=index)
        rng = np.random.Generator(step_bits(stream_key(seed, Stream.START), 0))
        units.append(
            Unit(
                app=campaign.app,
                min_app_version=MIN_APP_VERSION,
                campaign=campaign.name,
                campaign_seed=campaign.seed,
                generation=generation,
                index=index,
                settings={**chains, "start": _start(prepared, campaign, rng).tolist()},
                inputs=inputs,
            )
        )
    # Campaigns that were prepared by hand have no second opinion; their verdict says so.
    if generation == 0 and "population" in campaign.settings:
        units.append(second_opinion(campaign, min_app_version=MIN_APP_VERSION))
    return units


def problem_settings(campaign: Campaign) -> dict[str, Any]:
    """Return the part of a unit's settings that defines its posterior."""
    keys = ("model", "parameters", "noise")
    return {key: campaign.settings[key] for key in keys if key in campaign.settings}


def cost(campaign: Campaign, unit: Unit) -> Cost:
    """Return what one unit costs, in counts that do not depend on a machine."""
    model, sampler = campaign.settings["model"], campaign.settings["sampler"]
    if is_population(unit.settings):
        fpops = fpops_per_call(model_to_cost(campaign, unit))
        return population_cost(campaign, unit, fpops_per_call=fpops, memory=_MEMORY, disk=_DISK)
    n_walker, n_draw = sampler["n_walker"], sampler["n_step"] // sampler["thin"]
    n_dim = len(unit.settings["start"][0])
    n_call = likelihood_calls(
        n_walker=n_walker,
        n_step=sampler["n_step"],
        thin=sampler["thin"],
        corrections=unit.settings["sampler"]["coordinates"]["corrections"],
    )
    return Cost(
        n_call=n_call,
        fpops=n_call * fpops_per_call(model),
        bytes_down=len(unit.to_bytes()),
        bytes_shared=sum(len(data) for data in campaign.inputs.values()),
        bytes_up=n_draw * _bytes_per_draw(n_walker, n_dim) + 8 * n_walker + _OUTPUT_OVERHEAD,
        memory=_MEMORY,
        disk=_DISK,
    )


def fpops_per_call(model: Mapping[str, Any]) -> float:
    """Return the operations of one likelihood call, by the measure of BOINC's own benchmark.

    Parameters
    ----------
    model : Mapping
        A campaign's model settings, with its step.
    """
    steps = planet_steps(
        n_planet=len(model["planets"]),
        span_days=model["end"] - model["epoch"],
        dt_days=model["dt"],
    )
    return RUN_TIME[model["engine"]].flop(steps)


def seconds_per_call(campaign: Campaign) -> float:
    """Measure the likelihood at the best mode on this machine, CPU seconds per call."""
    prepared = prepared_of(campaign)
    posterior = Posterior(prepared.problem, prepared.table)
    # The sampler moves half of its walkers at once.
    n_point = campaign.settings["sampler"]["n_walker"] // 2
    points = np.tile(prepared.modes[0].params, (n_point, 1))
    return measure(lambda: _evaluate(posterior, points)) / len(points)


def _evaluate(posterior: Posterior, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log densities at `points`, (n, n_dim), by the call that the sampler makes."""
    return posterior.log_densities(points)


def _sampler(prepared: Prepared, campaign: Campaign, progress: Progress) -> dict[str, Any]:
    """Return a generation's sampler settings: the proposals learn from the one before."""
    sampler = dict(campaign.settings["sampler"])
    fitted = campaign.settings["proposal"]
    if progress.draws is not None:
        fitted = {**fitted, **_refitted(prepared, campaign, progress).to_json()}
    if not any(name == "mixture" for name, _ in sampler["moves"]):
        return {**sampler, "coordinates": fitted["coordinates"], "shear": fitted["shear"]}
    return {**sampler, **fitted}


def _refitted(prepared: Prepared, campaign: Campaign, progress: Progress) -> Proposal:
    """Return a proposal fitted to draws, and to where chains begin, which stays reachable."""
    draws = np.asarray(progress.draws, dtype=np.float64)
    rng = np.random.Generator(
        step_bits(stream_key(np.random.SeedSequence(campaign.seed), Stream.START), len(draws))
    )
    some = draws[rng.choice(len(draws), size=min(len(draws), _MOST_DRAWS), replace=False)]
    posterior = Posterior(prepared.problem, prepared.table)
    corrections = campaign.settings["proposal"]["coordinates"]["corrections"]
    coordinates = Coordinates(
        prepared.problem, posterior.engine, posterior.observations, corrections
    )
    points = np.concatenate([some, prepared.wide])
    whitened = Whitening(prepared.problem).whiten(points)
    places = nearest(prepared.modes, whitened)
    y = coordinates.from_points(points)
    groups = [y[: len(some)][places[: len(some)] == mode] for mode in range(len(prepared.modes))]
    enough = [group for group in groups if len(np.unique(group, axis=0)) > 2 * y.shape[1]]
    sizes = [(1.0 - KEPT) * len(group) / len(some) for group in enough]
    return fit_proposal(
        [*enough, y[len(some) :]],
        [*sizes, KEPT],
        dependence_order(prepared.problem.parameter_names),
    )


def _start(prepared: Prepared, campaign: Campaign, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a unit's starting points, (n_walker, n_dim): of every generation, wide ones.

    Chains that begin at what earlier ones have drawn share what these have missed.
    """
    posterior = Posterior(prepared.problem, prepared.table)
    return starting_points(prepared.wide, posterior, campaign.settings["sampler"]["n_walker"], rng)
