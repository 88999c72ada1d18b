"""What is found once, before the first unit of a timing campaign: modes, step, proposals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.built import load_kernel
from apps.ttv.likelihood import Posterior
from apps.ttv.settings import Problem
from apps.ttv.table import TABLE_FILE, TransitTable, parse_table
from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from work_generator import pilot
from work_generator.modes import Mode, confirmed, find_modes, log_laplace
from work_generator.second_opinion import stored
from work_generator.steps import Step, choose_dt, measure_step
from work_generator.ttv_file import posterior_of

# Log evidence below the best mode's at which a mode no longer decides about the step: 1 %.
_VISITED = 4.6
PILOT = 2**31
"""The pilot's branch of the seed tree; generations have numbers of their own, from 0."""
# Shares of the search and of the pilot in the progress that is told.
_HALF, _WHOLE = 50, 100

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was found, as values to plan with.

    Attributes
    ----------
    problem, table
        The posterior's definition and its data.
    modes, weights, trusted : tuple
        Of each mode.
    wide : ndarray
        float64 (n, n_dim), points to begin chains at.
    """

    problem: Problem
    table: TransitTable
    modes: tuple[Mode, ...]
    weights: tuple[float, ...]
    trusted: tuple[bool, ...]
    wide: NDArray[np.float64]


def find(campaign: Campaign, progress: Told | None = None) -> Campaign:
    """Find the modes, weigh them, choose the step, and fit what the first generation needs.

    The result follows from the campaign and its seed.

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
    first = posterior_of(campaign.settings, campaign.inputs)
    # The root of the seed tree: every unit has a branch of its own below it.
    rng = np.random.default_rng(np.random.SeedSequence(campaign.seed))
    modes, left_out = search(campaign, rng, _first_half(progress))
    step = step_for(campaign.settings["model"], first, modes)
    model = {**campaign.settings["model"], "dt": step.dt, "modified_kick": step.modified_kick}
    settings = {
        **campaign.settings,
        "model": model,
        "dt_error": {"seconds": step.error, "sigma": step.error_sigma},
        "left_out": left_out,
    }
    posterior = posterior_of(for_search(settings), campaign.inputs)
    seed = np.random.SeedSequence(campaign.seed, spawn_key=(PILOT,))
    flown = pilot.fly(posterior, modes, seed, _second_half(progress))
    if progress is not None:
        progress(_WHOLE, _WHOLE)
    settings["modes"] = [
        {
            "params": mode.params.tolist(),
            "coords": mode.coords.tolist(),
            "chi2": mode.chi2,
            "covariance": mode.covariance.tolist(),
            "n_found": mode.n_found,
            "weight": weight.weight,
            "weight_error": weight.error,
            "trusted": weight.trusted,
        }
        for mode, weight in zip(modes, flown.weights, strict=True)
    ]
    settings["wide"] = flown.wide.tolist()
    settings["pilot"] = {
        "effective": flown.effective,
        "n_call": flown.n_draw,
        "settled": flown.settled,
        "island_log_z": list(flown.island_log_z),
    }
    settings["population"] = stored(flown)
    settings["importance"] = {"log_z": flown.log_z, "error": flown.log_z_error}
    settings["proposal"] = {
        "coordinates": {"corrections": flown.corrections},
        **flown.proposal.to_json(),
    }
    return replace(campaign, settings=settings)


def search(
    campaign: Campaign, rng: np.random.Generator, progress: Told | None = None
) -> tuple[list[Mode], dict[str, int]]:
    """Return the modes of a campaign, best first, and the counts of what was left out.

    See `work_generator.modes.LeftOut`.
    """
    posterior = posterior_of(for_search(campaign.settings), campaign.inputs)
    problem, table = posterior.problem, posterior.table
    first = find_modes(problem, table, rng, progress, n_start=campaign.settings["starts"])
    last = confirmed(problem, table, first.modes)
    return list(last.modes), asdict(first.left_out + last.left_out)


def has_modes(campaign: Campaign) -> bool:
    """Whether step and modes have been found."""
    model = campaign.settings["model"]
    return (
        model["dt"] is not None
        and model["modified_kick"] is not None
        and "modes" in campaign.settings
    )


def prepared_of(campaign: Campaign) -> Prepared:
    """Read what `find` has stored in a campaign's settings.

    Raises
    ------
    InputError
        If the campaign is not prepared.
    """
    if not has_modes(campaign):
        raise InputError(f"The campaign {campaign.name} is not prepared yet.", name=campaign.name)
    stored = campaign.settings["modes"]
    modes = tuple(
        Mode(
            params=np.array(mode["params"]),
            coords=np.array(mode["coords"]),
            chi2=mode["chi2"],
            covariance=np.array(mode["covariance"]),
            n_found=mode["n_found"],
        )
        for mode in stored
    )
    return Prepared(
        problem=Problem.from_mapping(campaign.settings),
        table=parse_table(campaign.inputs[TABLE_FILE]),
        modes=modes,
        weights=tuple(mode["weight"] for mode in stored),
        trusted=tuple(mode["trusted"] for mode in stored),
        wide=np.array(campaign.settings["wide"]),
    )


def for_search(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a campaign's settings with the compiled engine, if it was built.

    What is looked for does not depend on the engine, whose times agree to a millisecond; half a
    million likelihoods of a pilot take the other one ten minutes and more.
    """
    if load_kernel() is None:
        return dict(settings)
    return {**settings, "model": {**settings["model"], "engine": "batch"}}


def step_for(model: Mapping[str, Any], first: Posterior, modes: list[Mode]) -> Step:
    """Choose the step where the file leaves it open, and measure it in any case."""
    logs = [log_laplace(mode, first) for mode in modes]
    # The step must be fine enough for every mode that a chain is likely to visit.
    least = max(logs) - _VISITED
    points = np.array([m.params for m, log in zip(modes, logs, strict=True) if log >= least])
    if model["dt"] is not None:
        return measure_step(first.problem, points, first.table)
    return choose_dt(first.problem, points, first.table, modified_kick=model["modified_kick"])


def _first_half(progress: Told | None) -> Told | None:
    if progress is None:
        return None
    return lambda done, total: progress(_HALF * done // total, _WHOLE)


def _second_half(progress: Told | None) -> Callable[[float], None] | None:
    if progress is None:
        return None
    return lambda share: progress(_HALF + round((_WHOLE - _HALF) * share), _WHOLE)
