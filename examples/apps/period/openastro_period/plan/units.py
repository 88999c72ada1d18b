"""Units of a campaign, and what they cost."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from boinc_project.campaign import Campaign
from boinc_project.cost import Cost
from boinc_project.unit import Unit
from openastro_period.settings import Search, read_search

OPERATIONS_PER_FREQUENCY = 300.0
"""A power of a hundred thousand takes 75 ns on a processor of 4 GFLOPS: three transforms of twice
the length, and one division."""
OPERATIONS_PER_POINT = 6000.0
"""Three spreadings onto 14 cells, and a phase."""
OPERATIONS_PER_BOX = 40.0
"""For one point, of one duration at one period."""
BYTES_PER_POWER = 13
OUTLINE_BYTES = 8000


def operations_of_target(search: Search, points: int, bands: int) -> float:
    """Return the operations of one target.

    Parameters
    ----------
    search : Search
        What is computed.
    points, bands : int
        Of its light curve.
    """
    terms = 1.0 if search.n_terms == 1 else 2.0 * search.n_terms + search.n_terms**2
    spectrum = terms * (
        OPERATIONS_PER_FREQUENCY * search.grid.n * max(1, bands) + OPERATIONS_PER_POINT * points
    )
    total = spectrum * (1 + search.bootstrap)
    if search.transits:
        boxes = search.transits.grid.n * len(search.transits.durations)
        total += OPERATIONS_PER_BOX * boxes * points
    return total


def plan_units(campaign: Campaign, app: str, version: int) -> list[Unit]:
    """Return all units of a campaign."""
    return [
        Unit(
            app=app,
            min_app_version=version,
            campaign=campaign.name,
            campaign_seed=campaign.seed,
            generation=0,
            index=index,
            settings={
                **campaign.settings["search"],
                **{name: entry[name] for name in ("targets", "n_point", "n_band")},
            },
            inputs={entry["table"]: _digest(campaign.inputs[entry["table"]])},
        )
        for index, entry in enumerate(campaign.settings["units"])
    ]


def operations(unit: Unit) -> float:
    """Return the operations of a unit, whose settings state points and bands of its targets."""
    n_target = len(unit.settings["targets"])
    points = unit.settings["n_point"] // n_target
    return n_target * operations_of_target(
        read_search(unit.settings), points, unit.settings["n_band"]
    )


def cost(campaign: Campaign, unit: Unit) -> Cost:
    """Return what a unit costs: its own light curves are downloaded for it alone."""
    search = read_search(unit.settings)
    n_target = len(unit.settings["targets"])
    down = sum(len(campaign.inputs[name]) for name in unit.inputs) + len(unit.to_bytes())
    up = n_target * (OUTLINE_BYTES + BYTES_PER_POWER * search.bootstrap)
    total = operations(unit)
    return Cost(
        n_call=max(1, round(total)),
        fpops=total,
        bytes_down=down,
        bytes_shared=0,
        bytes_up=up,
        memory=3.0e8 + 64.0 * search.grid.n,
        disk=5.0e8,
    )


def describe(settings: Mapping[str, Any]) -> list[str]:
    """Say what a campaign computes."""
    search = read_search(settings["search"])
    targets = sum(len(entry["targets"]) for entry in settings["units"])
    grid = search.grid
    lines = [
        f"Periods of {targets} targets from {1 / grid.last:.6g} to {1 / grid.first:.6g} days: "
        f"{grid.n:,} frequencies, {search.n_terms} "
        f"harmonic{'s' if search.n_terms > 1 else ''} and a floating mean.",
        f"{search.bootstrap:,} resampled light curves of each target give its false-alarm "
        "probability."
        if search.bootstrap
        else "Without resampled light curves: false-alarm probabilities are Baluev's alone.",
    ]
    if search.transits:
        lines.append(f"Transits at {search.transits.grid.n:,} periods.")
    if settings["left_out"]:
        lines.append(f"Note: {settings['left_out']} points that are not finite are left out.")
    if settings["skipped"]:
        some = ", ".join(settings["skipped"][:5])
        lines.append(f"Note: {len(settings['skipped'])} targets are left out, as {some}.")
    return lines


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
