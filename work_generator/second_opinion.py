"""The second opinion of a timing campaign: a unit that no start, map or proposal is shared with.

It brings a population from the prior to the posterior, with a seed and fits of its own, and ends
with importance draws. Its draws are never merged: they are what a product is compared with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from apps.ttv.population.refining import LAST, MOST_LOOKS
from boinc_project.campaign import Campaign
from boinc_project.unit import Unit
from work_generator.estimate import Cost
from work_generator.pilot import Pilot

# HDF5's own structures and the attributes around the arrays.
_OUTPUT_OVERHEAD = 32_768


def stored(pilot: Pilot) -> dict[str, Any]:
    """Return ``settings["population"]`` of a prepared campaign: the pilot's own unit."""
    peaks = pilot.unit.peaks
    assert peaks is not None
    return {
        "n_island": pilot.unit.n_island,
        "n_point": pilot.unit.n_point,
        "corrections": pilot.unit.corrections,
        "calls": pilot.n_call,
        "peaks": {"points": peaks.points.tolist(), "covariances": peaks.covariances.tolist()},
    }


def second_opinion(
    campaign: Campaign, problem: Mapping[str, Any], *, index: int, min_app_version: int
) -> Unit:
    """Return the unit.

    Parameters
    ----------
    campaign : Campaign
        Prepared.
    problem : Mapping
        The part of all units' settings that defines their posterior.
    index : int
        After the last unit of generation 0.
    min_app_version : int
        Of the app that computes populations.
    """
    inputs = {
        name: hashlib.sha256(data).hexdigest() for name, data in sorted(campaign.inputs.items())
    }
    return Unit(
        app=campaign.app,
        min_app_version=min_app_version,
        campaign=campaign.name,
        campaign_seed=campaign.seed,
        generation=0,
        index=index,
        settings={**problem, "population": campaign.settings["population"]},
        inputs=inputs,
    )


def population_cost(
    campaign: Campaign, unit: Unit, *, fpops_per_call: float, memory: float, disk: float
) -> Cost:
    """Return what the unit costs: as much as the pilot did, within chance."""
    population = unit.settings["population"]
    n_dim = len(population["peaks"]["points"][0])
    return Cost(
        n_call=population["calls"],
        fpops=population["calls"] * fpops_per_call,
        bytes_down=len(unit.to_bytes()),
        bytes_shared=sum(len(data) for data in campaign.inputs.values()),
        bytes_up=8 * MOST_LOOKS * LAST * population["n_point"] * (n_dim + 2) + _OUTPUT_OVERHEAD,
        memory=memory,
        disk=disk,
    )
