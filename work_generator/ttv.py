"""Plan a transit-timing campaign: which sub-chains, from which starting points.

What costs computing (the modes, the step, the length of a unit) is found once, by `prepare`, and
kept in the campaign's settings under ``"modes"``, ``model.dt`` and ``sampler``. `plan` then only
follows from its arguments.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.likelihood import Posterior
from apps.ttv.operations import RUN_TIME, likelihood_calls, planet_steps
from apps.ttv.settings import Problem
from apps.ttv.table import TABLE_FILE, TransitTable, parse_table
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError
from boinc_project.seeds import Stream, step_bits, stream_key, unit_seed
from boinc_project.unit import Unit
from work_generator import sizing
from work_generator.estimate import Cost, measure
from work_generator.modes import Mode, choose_dt, find_modes, starting_points
from work_generator.proposals import pilot_proposal, proposal
from work_generator.reference import speed
from work_generator.ttv_file import MAX_STEPS, SECTIONS, posterior_of, read_sections

__all__ = [
    "SECTIONS",
    "cost",
    "describe",
    "fitting",
    "is_prepared",
    "plan",
    "preparation",
    "prepare",
    "published_names",
    "read_sections",
    "resized",
    "seconds_per_call",
]

MIN_APP_VERSION = 200
"""The first version of ``ttv_mcmc`` with the batch engine."""

# Python, numpy, h5py and TTVFast take 120 MB on Linux; walkers and draws are small beside that.
_MEMORY = 3.0e8
# The slot holds links, checkpoints and the output. The app itself lies in the project's directory,
# but its launcher may unpack beside it: 200 MB.
_DISK = 5.0e8

# HDF5's own structures and the attributes around the arrays.
_OUTPUT_OVERHEAD = 32_768
# Draws that a unit's starting points are chosen from: more only cost time.
_POOL_PER_WALKER = 20


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A prepared campaign, as values to plan with."""

    problem: Problem
    table: TransitTable
    modes: tuple[Mode, ...]
    weights: tuple[float, ...]


def published_names(settings: Mapping[str, Any]) -> list[str]:
    """Return the parameters and derived quantities that published values may be given for."""
    keys = ("mass", "period", "eccentricity", "omega", "ecosw", "esinw", "t0", "inclination")
    planets = [planet["name"] for planet in settings["model"]["planets"]]
    return [f"{planet}.{key}" for planet in planets for key in (*keys, "node")]


def describe(campaign: Campaign) -> list[str]:
    """Say what the campaign computes, in a few lines for people."""
    posterior = posterior_of(campaign.settings, campaign.inputs)
    problem, table = posterior.problem, posterior.table
    planets = [
        planet.name if planet.observed else f"{planet.name} (unseen)"
        for planet in problem.model.planets
    ]
    sampler = campaign.settings["sampler"]
    length = f"{sampler['n_step']} steps, every {sampler['thin']}th kept"
    if sampler["n_step"] is None:
        length = f"as many steps as {sizing.TARGET_SECONDS / 60:.0f} minutes allow"
    return [
        f"Planets: {', '.join(planets)}. Transits: {table.n_transit} in "
        f"{(table.last - table.first) / 365.25:.1f} years. Free parameters: {problem.n_dim}.",
        f"Each unit: {sampler['n_walker']} walkers, {length}.",
    ]


def preparation(campaign: Campaign) -> list[str]:
    """Say which modes and which step were found, in a few lines for people."""
    prepared = _prepared(campaign)
    lines = [f"Step: {campaign.settings['model']['dt']:g} days."]
    for mode, weight in zip(prepared.modes, prepared.weights, strict=True):
        values = zip(prepared.problem.parameter_names, mode.params, strict=True)
        masses = [f"{name} {value:.4g}" for name, value in values if name.endswith(".mass")]
        lines.append(
            f"Mode of {100 * weight:.3g} % of the posterior: chi2 {mode.chi2:.1f} for "
            f"{prepared.table.n_transit} transits, {', '.join(masses)} Earth masses."
        )
    if prepared.modes[0].n_found == 1:
        n_start = campaign.settings["starts"]
        lines.append(
            f"The best mode was found by only one of {n_start} fits, so there may be a better one: "
            f"write starts = {4 * n_start} or so below [model]."
        )
    return lines


def is_prepared(campaign: Campaign) -> bool:
    """Whether step and modes have been found, and the length of a unit."""
    return _has_modes(campaign) and campaign.settings["sampler"]["n_step"] is not None


def _has_modes(campaign: Campaign) -> bool:
    return campaign.settings["model"]["dt"] is not None and "modes" in campaign.settings


def prepare(campaign: Campaign, progress: Callable[[int, int], None] | None = None) -> Campaign:
    """Find the modes, and what the campaign file leaves to be measured: step, length of a unit.

    Modes and step follow from the campaign and its seed. The length of a unit, ``n_step = "auto"``,
    comes from the time that a likelihood takes here, and is never measured again: a prepared
    campaign is returned as it is.

    Parameters
    ----------
    campaign : Campaign
        As read from its file.
    progress : Callable, optional
        Told the number of fits done, and of fits in all.

    Raises
    ------
    InputError
        If no model fits, or no step is fine enough.
    """
    if is_prepared(campaign):
        return campaign
    found = campaign if _has_modes(campaign) else _find_modes(campaign, progress)
    if found.settings["sampler"]["n_step"] is not None:
        return found
    return resized(found, seconds_per_call(found) * speed())


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
    return sizing.fit(
        sampler["n_walker"] * reference_seconds_per_call,
        _bytes_per_draw(sampler["n_walker"], n_dim),
        thin=sampler["thin"],
        most_steps=MAX_STEPS,
    )


def _bytes_per_draw(n_walker: int, n_dim: int) -> int:
    """Return the bytes of one kept step: coordinates and log-probability of every walker."""
    return 8 * n_walker * (n_dim + 1)


def _find_modes(campaign: Campaign, progress: Callable[[int, int], None] | None) -> Campaign:
    first = posterior_of(campaign.settings, campaign.inputs)
    # The root of the seed tree: every unit has a branch of its own below it.
    rng = np.random.default_rng(np.random.SeedSequence(campaign.seed))
    n_start = campaign.settings["starts"]
    modes = find_modes(first.problem, first.table, rng, progress, n_start=n_start)
    model = dict(campaign.settings["model"])
    if model["dt"] is None:
        model["dt"] = choose_dt(first.problem, modes[0].params.tolist(), first.table)
    weights = mode_weights(modes, first)
    stored = [
        {
            "params": mode.params.tolist(),
            "chi2": mode.chi2,
            "covariance": mode.covariance.tolist(),
            "n_found": mode.n_found,
            "weight": weight,
        }
        for mode, weight in zip(modes, weights, strict=True)
        if weight > 0
    ]
    settings = {**campaign.settings, "model": model, "modes": stored}
    prepared = replace(campaign, settings=settings)
    if not _learns(prepared):
        return prepared
    known = _prepared(prepared)
    pilot = pilot_proposal(known.problem, known.table, known.modes, known.weights, rng)
    return replace(campaign, settings={**settings, "proposal": pilot})


def mode_weights(modes: list[Mode], posterior: Posterior) -> list[float]:
    """Return each mode's part of the posterior, by Laplace's approximation.

    The integral over a mode is about exp(log posterior) times the square root of the covariance's
    determinant (MacKay 2003, chapter 27). Parts below a millionth count as nothing.
    """
    logs = []
    for mode in modes:
        _, log_determinant = np.linalg.slogdet(mode.covariance)
        log_prior = posterior.log_prior(mode.params.tolist())
        logs.append(-0.5 * mode.chi2 + log_prior + 0.5 * float(log_determinant))
    best = max(logs)
    if not math.isfinite(best):
        raise InputError("The best fit lies outside of the priors: widen them.")
    parts = [math.exp(value - best) for value in logs]
    parts = [part if part > 1e-6 else 0.0 for part in parts]
    total = math.fsum(parts)
    return [part / total for part in parts]


def plan(campaign: Campaign, progress: Progress) -> list[Unit]:
    """Return the units of the next generation.

    The units of generation 0 start around the modes, as many around each as is its part of the
    posterior. Later ones start from draws of the merged posterior, so that burn-in is paid once.

    Raises
    ------
    InputError
        If the campaign is not prepared, or no starting points can be found.
    """
    if not is_prepared(campaign):
        raise InputError(f"The campaign {campaign.name} is not prepared yet.", name=campaign.name)
    prepared = _prepared(campaign)
    generation = len(progress.issued)
    n_unit = min(campaign.units_per_generation, campaign.stop.max_units - sum(progress.issued))
    inputs = {
        name: hashlib.sha256(data).hexdigest() for name, data in sorted(campaign.inputs.items())
    }
    shared = {key: campaign.settings[key] for key in ("model", "parameters")}
    shared["sampler"] = _sampler(prepared, campaign, progress)
    units = []
    for index in range(max(0, n_unit)):
        seed = unit_seed(campaign.seed, generation=generation, index=index)
        rng = np.random.Generator(step_bits(stream_key(seed, Stream.START), 0))
        start = _start(prepared, campaign, progress, (index + 0.5) / n_unit, rng)
        units.append(
            Unit(
                app=campaign.app,
                min_app_version=MIN_APP_VERSION,
                campaign=campaign.name,
                campaign_seed=campaign.seed,
                generation=generation,
                index=index,
                settings={**shared, "start": start.tolist()},
                inputs=inputs,
            )
        )
    return units


def cost(campaign: Campaign, unit: Unit) -> Cost:
    """Return what one unit costs, in counts that do not depend on a machine."""
    model, sampler = campaign.settings["model"], campaign.settings["sampler"]
    n_walker, n_draw = sampler["n_walker"], sampler["n_step"] // sampler["thin"]
    n_dim = len(unit.settings["start"][0])
    n_call = likelihood_calls(n_walker=n_walker, n_step=sampler["n_step"])
    steps = planet_steps(
        n_planet=len(model["planets"]),
        span_days=model["end"] - model["epoch"],
        dt_days=model["dt"],
    )
    return Cost(
        n_call=n_call,
        fpops=n_call * RUN_TIME[model["engine"]].flop(steps),
        bytes_down=len(unit.to_bytes()),
        bytes_shared=sum(len(data) for data in campaign.inputs.values()),
        bytes_up=n_draw * _bytes_per_draw(n_walker, n_dim) + 8 * n_walker + _OUTPUT_OVERHEAD,
        memory=_MEMORY,
        disk=_DISK,
    )


def seconds_per_call(campaign: Campaign) -> float:
    """Measure the likelihood at the best mode on this machine, CPU seconds per call."""
    prepared = _prepared(campaign)
    posterior = Posterior(prepared.problem, prepared.table)
    # The sampler moves half of its walkers at once.
    n_point = campaign.settings["sampler"]["n_walker"] // 2
    points = np.tile(prepared.modes[0].params, (n_point, 1))
    return measure(lambda: _evaluate(posterior, points)) / len(points)


def _evaluate(posterior: Posterior, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log densities at `points`, (n, n_dim), by the call that the sampler makes."""
    return posterior.log_densities(points)


def _prepared(campaign: Campaign) -> _Prepared:
    if not _has_modes(campaign):
        raise InputError(f"The campaign {campaign.name} is not prepared yet.", name=campaign.name)
    stored = campaign.settings["modes"]
    modes = tuple(
        Mode(
            params=np.array(mode["params"]),
            chi2=mode["chi2"],
            covariance=np.array(mode["covariance"]),
            n_found=mode["n_found"],
        )
        for mode in stored
    )
    return _Prepared(
        problem=Problem.from_mapping(campaign.settings),
        table=parse_table(campaign.inputs[TABLE_FILE]),
        modes=modes,
        weights=tuple(mode["weight"] for mode in stored),
    )


def _sampler(prepared: _Prepared, campaign: Campaign, progress: Progress) -> dict[str, Any]:
    """Return a generation's sampler settings: the mixture move learns from the one before."""
    sampler = dict(campaign.settings["sampler"])
    if not _learns(campaign):
        return sampler
    if progress.draws is None and "proposal" in campaign.settings:
        return {**sampler, "mixture": campaign.settings["proposal"]}
    if progress.draws is None:
        return {**sampler, "mixture": proposal(prepared.modes, prepared.weights)}
    draws = np.asarray(progress.draws, dtype=np.float64)
    return {**sampler, "mixture": proposal(prepared.modes, prepared.weights, draws)}


def _learns(campaign: Campaign) -> bool:
    """Whether the campaign's moves propose from a fit to what is known."""
    return any(name == "mixture" for name, _ in campaign.settings["sampler"]["moves"])


def _start(
    prepared: _Prepared,
    campaign: Campaign,
    progress: Progress,
    place: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return a unit's starting points, (n_walker, n_dim).

    `place`, between 0 and 1, is where the unit stands in its generation: it chooses the mode.
    """
    n_walker = campaign.settings["sampler"]["n_walker"]
    if progress.draws is None:
        cumulative = np.cumsum(prepared.weights)
        mode = prepared.modes[min(int(np.searchsorted(cumulative, place)), len(cumulative) - 1)]
        return starting_points(mode, prepared.problem, n_walker, rng, table=prepared.table)
    draws = np.asarray(progress.draws, dtype=np.float64)
    pool = min(len(draws), _POOL_PER_WALKER * n_walker)
    chosen = draws[rng.choice(len(draws), size=pool, replace=False)]
    return starting_points(chosen, prepared.problem, n_walker, rng)
