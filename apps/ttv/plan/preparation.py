"""What is found once, before the first unit of a timing campaign: modes, step, proposals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.unit import compute
from apps.ttv.compute.search.mode import Mode
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TABLE_FILE, TransitTable, parse_table
from apps.ttv.compute.whitening import Whitening
from apps.ttv.plan.campaign_file import posterior_of
from apps.ttv.plan.pilot import Pilot, read_pilot
from apps.ttv.plan.second_opinion import for_search, population_settings, refuse_old
from apps.ttv.population_output import LEFT_OUT, PopulationOutput
from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from boinc_project.unit import Unit

# Parts of the work that progress is told in.
_WHOLE = 1000

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


@dataclass(frozen=True, slots=True, eq=False)
class Flown:
    """What the output of a preparation's unit says.

    Attributes
    ----------
    modes : tuple[Mode, ...]
        That its search has kept, best first.
    settings : Mapping
        The campaign's, with step, second opinion, evidence and the pilot's health.
    posterior : Posterior
        With the step, and the unit's engine.
    pilot : Pilot
        What chains begin with.
    """

    modes: tuple[Mode, ...]
    settings: Mapping[str, Any]
    posterior: Posterior
    pilot: Pilot


def read_output(campaign: Campaign, unit: Unit, output: PopulationOutput) -> Flown:
    """Read the output of a preparation's unit; what it says follows from the output alone.

    Parameters
    ----------
    campaign : Campaign
        As read from its file.
    unit : Unit
        See `apps.ttv.plan.second_opinion.preparation_unit`.
    output : PopulationOutput
        Of it.

    Raises
    ------
    InputError
        If the output is of another unit.
    """
    if output.unit_digest != unit.digest:
        raise InputError(
            f"The preparation is of another campaign than {campaign.name}, or of an earlier "
            "version of its file."
        )
    stated = {key: campaign.settings["model"][key] for key in ("dt", "modified_kick")}
    dt, seconds, sigma = output.step.tolist()
    kick = bool(output.modified_kick)
    settings = {
        **campaign.settings,
        "model": {**campaign.settings["model"], "dt": dt, "modified_kick": kick},
        "stated_step": stated,
        "dt_error": {"seconds": seconds, "sigma": sigma},
        "left_out": {reason: getattr(output, reason) for reason in LEFT_OUT},
        "starts_failed": dict(output.failures),
    }
    posterior = posterior_of(for_search(settings), campaign.inputs)
    modes = _modes(posterior.problem, output)
    pilot = read_pilot(posterior, modes, output, unit.seed)
    settings["pilot"] = {
        "effective": pilot.effective,
        "n_call": pilot.n_draw,
        "settled": pilot.settled,
        "island_log_z": list(pilot.island_log_z),
        "corrections": output.corrections,
        "calls": output.n_likelihood,
    }
    settings["population"] = population_settings(campaign)
    settings["importance"] = {"log_z": pilot.log_z, "error": pilot.log_z_error}
    return Flown(modes, settings, posterior, pilot)


def prepared_from(campaign: Campaign, unit: Unit, output: PopulationOutput) -> Campaign:
    """Return a campaign of chains with all that its preparation's unit has found.

    Parameters
    ----------
    campaign, unit, output
        See `read_output`.

    Raises
    ------
    InputError
        If the output is of another unit.
    """
    flown = read_output(campaign, unit, output)
    settings = dict(flown.settings)
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
        for mode, weight in zip(flown.modes, flown.pilot.weights, strict=True)
    ]
    settings["wide"] = flown.pilot.wide.tolist()
    settings["proposal"] = {
        "coordinates": {"corrections": flown.pilot.corrections},
        **flown.pilot.proposal.to_json(),
    }
    return replace(campaign, settings=settings)


def computed(campaign: Campaign, unit: Unit, progress: Told | None = None) -> PopulationOutput:
    """Compute a preparation's unit in this process, and keep it nowhere.

    Raises
    ------
    InputError
        If no model fits, or no step is fine enough.
    """
    table = parse_table(campaign.inputs[TABLE_FILE])
    if progress is None:
        return compute(unit, table)
    output = compute(unit, table, lambda share: progress(round(_WHOLE * share), _WHOLE))
    progress(_WHOLE, _WHOLE)
    return output


def _modes(problem: Problem, output: PopulationOutput) -> tuple[Mode, ...]:
    coords = Whitening(problem).whiten(output.peaks)
    return tuple(
        Mode(*values)
        for values in zip(
            output.peaks,
            coords,
            output.peak_chi2.tolist(),
            output.peak_covariances,
            output.peak_counts.tolist(),
            strict=True,
        )
    )


def has_modes(campaign: Campaign) -> bool:
    """Whether step and modes have been found."""
    model = campaign.settings["model"]
    return (
        model["dt"] is not None
        and model["modified_kick"] is not None
        and "modes" in campaign.settings
    )


def prepared_of(campaign: Campaign) -> Prepared:
    """Read what `prepared_from` has stored in a campaign's settings.

    Raises
    ------
    InputError
        If the campaign is not prepared, or was by a version of old.
    """
    if not has_modes(campaign):
        raise InputError(f"The campaign {campaign.name} is not prepared yet.", name=campaign.name)
    refuse_old(campaign)
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
