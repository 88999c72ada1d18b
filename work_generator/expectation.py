"""How many units a campaign will probably need: from its stop rule, and what a pilot was worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boinc_project.campaign import Campaign
from work_generator.stop import generation_sizes


@dataclass(frozen=True, slots=True)
class Expectation:
    """Units of a campaign.

    Attributes
    ----------
    first, most : int
        Units of the first generation, and the most there can be.
    likely : int or None
        Units that probably meet the stop rule, in whole generations; None if nothing is known, or
        if they would be more than `most`.
    text : str
        Why, for people.
    """

    first: int
    most: int
    likely: int | None
    text: str


def expect(campaign: Campaign, n_call: int) -> Expectation:
    """Return how many units a campaign probably needs.

    A unit of `n_call` likelihoods is taken to be worth as many effective draws, call by call, as
    the pilot was (``settings["pilot"]``: ``effective`` draws from ``n_call`` calls).

    Parameters
    ----------
    campaign : Campaign
        Prepared.
    n_call : int
        Likelihoods of one unit.
    """
    most = campaign.stop.max_units
    if campaign.stop.all_units:
        text = "One unit is all." if most == 1 else f"All {most} units are needed, each once."
        return Expectation(most, most, most, text)
    size = min(campaign.units_per_generation, most)
    per_unit = _effective(campaign.settings.get("pilot"), n_call)
    if per_unit is None:
        text = f"No pilot says how many units are needed: {size} to {most}."
        return Expectation(size, most, None, text)
    wanted = max(campaign.stop.ess_bulk, campaign.stop.ess_tail)
    needed = math.ceil(wanted / per_unit)
    likely = math.ceil(needed / size) * size
    why = (
        f"a unit is worth {per_unit:.3g} effective draws if it does as well as the pilot, and "
        f"{wanted:g} are wanted"
    )
    if needed > most:
        text = f"{needed} units are probably needed, but {most} are allowed: {why}."
        return Expectation(size, most, None, text)
    likely = min(likely, most)
    text = f"{likely} units are probably enough, in whole generations: {why}."
    return Expectation(size, most, likely, text)


def _effective(pilot: Mapping[str, Any] | None, n_call: int) -> float | None:
    """Return the effective draws of one unit; None if the pilot says nothing usable."""
    if not pilot:
        return None
    effective, calls = float(pilot.get("effective", 0.0)), float(pilot.get("n_call", 0.0))
    if not (math.isfinite(effective) and effective > 0 and math.isfinite(calls) and calls > 0):
        return None
    return effective * n_call / calls


def generations(campaign: Campaign, n_unit: int) -> tuple[int, ...]:
    """Return the sizes of the generations that make up `n_unit` units."""
    count = math.ceil(n_unit / campaign.units_per_generation)
    sizes = generation_sizes(campaign.stop, campaign.units_per_generation, count)
    return (*sizes[:-1], n_unit - sum(sizes[:-1]))
