"""Units of populations: the preparation of a timing campaign, and the second opinion of it.

Both search for modes and bring a population from the prior to the posterior, each with a seed of
its own. What the preparation gives is what chains begin with; the draws of the second opinion are
never merged: they are what a product is compared with. The two share nothing but the campaign file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from apps.ttv.compute.built import load_kernel
from apps.ttv.compute.operations import likelihood_calls
from apps.ttv.compute.population.refining import LOOK, MOST_LOOKS, draws_of_round
from apps.ttv.compute.search.steps import with_first_step
from apps.ttv.plan.campaign_file import posterior_of
from boinc_project.campaign import PREPARATION, SECOND_OPINION, Campaign
from boinc_project.cost import Cost
from boinc_project.errors import InputError
from boinc_project.unit import Unit

N_ISLAND = 1
"""Populations of a unit. The evidence of one with twice the points is better than that of two."""
POINTS_PER_PARAMETER, MANY_POINTS = 200, 2000
"""Points of a population. With 1000 of 10 parameters the ends of a long ridge had too few ancestors
(widths 20 % too small); with 2000 the importance draws put them right."""
SHARE = 0.2
"""Part of a campaign's likelihood calls that its second opinion may take."""
CALLS_OF_SEARCH, CALLS_PER_START = 100_000, 800
"""Likelihood calls of a unit's search: those around the best fit, whatever the number of starts,
and for each start. Thousands of calls of the systems in examples/, in brackets what is expected:
Kepler-9 144 (138) with 48 starts and 509 (420) with 400, Kepler-307 178 (177) with 96 and 408 (420)
with 400, with any eccentricity 112 (177), Kepler-51 212 (177), Kepler-9 b alone 1141 (1316) with
1520."""
CALLS_PER_POINT, ROUNDS = 450, 5
"""Likelihood calls of a unit for each point of its population, and rounds of draws with which it
concludes: three that follow the population and a look of two. Measured calls for each point are 434
for Kepler-9 with 500 points and 411 with 2000, and 583 for Kepler-307, whose likelihood corrects
four peaks. Kepler-9 concludes with five rounds of 8000, Kepler-307 with twenty-five. See
``bench/ttv_opinion.py``."""
FEW_POINTS = 500
"""Points of a second opinion at least: its rounds have as many draws as those of 2000 points, and
with fewer its own error would often be more than the 10 % that a verdict allows."""

# A unit is paid for no more than this many times what is expected: systems with several
# corrections take twice as much.
_AT_MOST = 4
# HDF5's own structures and the attributes around the arrays.
_OUTPUT_OVERHEAD = 65_536


def preparation_unit(campaign: Campaign, *, min_app_version: int) -> Unit:
    """Return the unit whose output a campaign is prepared from.

    It follows from what the campaign file says of model, priors, table, search and seed alone.

    Parameters
    ----------
    campaign : Campaign
        As read from its file.
    min_app_version : int
        Of the app that computes populations.
    """
    return _unit(
        campaign, _population(campaign, many_points(campaign)), PREPARATION, min_app_version
    )


def second_opinion(campaign: Campaign, *, min_app_version: int) -> Unit:
    """Return the second opinion's unit: the same whether the campaign is prepared or not.

    Raises
    ------
    InputError
        If the campaign was prepared by a version whose second opinion knew the peaks of its search.
    """
    population = campaign.settings.get("population")
    if population is None:
        population = population_settings(campaign)
    refuse_old(campaign)
    return _unit(campaign, population, SECOND_OPINION, min_app_version)


def population_settings(campaign: Campaign) -> dict[str, Any]:
    """Return ``settings["population"]`` of a prepared campaign: its second opinion's."""
    return _population(campaign, points_of_second_opinion(campaign))


def refuse_old(campaign: Campaign) -> None:
    """Refuse a campaign that was prepared before preparations were units.

    Raises
    ------
    InputError
        If it was.
    """
    population = campaign.settings.get("population")
    if population is not None and "n_start" not in population:
        raise InputError(
            f"The campaign {campaign.name} was prepared by an earlier version of this program, "
            "whose second opinion knew what the preparation had found: begin it again, by "
            "`openastro campaign issue` under another name, or by `run-local` with another --out.",
            name=campaign.name,
        )


def many_points(campaign: Campaign) -> int:
    """Return the points of a preparation's population."""
    n_dim = posterior_of(campaign.settings, campaign.inputs).problem.n_dim
    return max(MANY_POINTS, POINTS_PER_PARAMETER * n_dim)


def points_of_second_opinion(campaign: Campaign) -> int:
    """Return as many points as the preparation has, or fewer if the campaign is small.

    With all units that a campaign of chains may have, no more than `SHARE` of the calls is the
    second opinion's, unless that leaves less than `FEW_POINTS`. Chains whose length follows from
    the target's time are hours long, and nested runs are longer than any population.
    """
    most, sampler = many_points(campaign), campaign.settings["sampler"]
    if sampler.get("n_step") is None:
        return most
    calls_of_chain = likelihood_calls(
        n_walker=sampler["n_walker"], n_step=sampler["n_step"], thin=sampler["thin"]
    )
    calls = campaign.stop.max_units * calls_of_chain
    left = SHARE / (1.0 - SHARE) * calls - _calls_of_search(campaign.settings["starts"])
    left -= ROUNDS * draws_of_round(most)
    return min(most, max(FEW_POINTS, int(left / CALLS_PER_POINT)))


def expected_calls(population: Mapping[str, Any]) -> int:
    """Return the likelihood calls that ``settings["population"]`` of a unit is expected to take."""
    points: int = population["n_point"] * population["n_island"]
    rounds = ROUNDS * draws_of_round(population["n_point"])
    return _calls_of_search(population["n_start"]) + CALLS_PER_POINT * points + rounds


def _calls_of_search(n_start: int) -> int:
    return CALLS_OF_SEARCH + CALLS_PER_START * n_start


def for_search(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a campaign's settings with the compiled engine, if it was built.

    What is looked for does not depend on the engine, whose times agree to a millisecond; half a
    million likelihoods of a population take the other one ten minutes and more.
    """
    if load_kernel() is None:
        return dict(settings)
    return {**settings, "model": {**settings["model"], "engine": "batch"}}


def model_to_cost(campaign: Campaign, unit: Unit) -> dict[str, Any]:
    """Return the model that a unit of populations is priced by: with a step, and its own engine.

    Before the campaign is prepared, the step to search with stands for the one to be chosen.
    """
    model: dict[str, Any] = with_first_step(campaign.settings)["model"]
    return {**model, "engine": unit.settings["model"]["engine"]}


def population_cost(
    campaign: Campaign, unit: Unit, *, fpops_per_call: float, memory: float, disk: float
) -> Cost:
    """Return what a unit of populations is expected to cost."""
    population = unit.settings["population"]
    n_dim = posterior_of(campaign.settings, campaign.inputs).problem.n_dim
    n_point = population["n_point"]
    n_call = min(population["calls"], expected_calls(population))
    n_draw = MOST_LOOKS * LOOK * draws_of_round(n_point)
    numbers = n_draw * (n_dim + 2) + n_point * population["n_island"] * n_dim
    return Cost(
        n_call=n_call,
        fpops=n_call * fpops_per_call,
        bytes_down=len(unit.to_bytes()),
        bytes_shared=sum(len(data) for data in campaign.inputs.values()),
        bytes_up=8 * numbers + _OUTPUT_OVERHEAD,
        memory=memory,
        disk=disk,
    )


def _population(campaign: Campaign, n_point: int) -> dict[str, Any]:
    population = {
        "n_start": campaign.settings["starts"],
        "n_island": N_ISLAND,
        "n_point": n_point,
    }
    return {**population, "calls": _AT_MOST * expected_calls(population)}


def _unit(
    campaign: Campaign, population: Mapping[str, Any], index: int, min_app_version: int
) -> Unit:
    keys = ("model", "parameters", "noise")
    problem = {key: campaign.settings[key] for key in keys if key in campaign.settings}
    # A prepared campaign has a step; the unit chooses its own where the campaign file leaves it
    # open.
    model = {**problem["model"], **campaign.settings.get("stated_step", {})}
    settings = for_search({**problem, "model": model, "population": dict(population)})
    return Unit(
        app=campaign.app,
        min_app_version=min_app_version,
        campaign=campaign.name,
        campaign_seed=campaign.seed,
        generation=0,
        index=index,
        settings=settings,
        inputs={
            name: hashlib.sha256(data).hexdigest() for name, data in sorted(campaign.inputs.items())
        },
    )
