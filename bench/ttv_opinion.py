"""Likelihood calls of units of populations: ``python bench/ttv_opinion.py [EXAMPLE ...]``.

Units of populations are priced before they are computed (`apps.ttv.plan.second_opinion`). Here both
units of each example are computed, in this process, and their calls are counted beside those that
were expected. ``share`` is the second opinion's part of the calls of a whole campaign: preparation,
second opinion, and the most chains that its file allows; null where chains are as long as the
target's time. A unit of an example takes one to four minutes of one processor; ``--short`` computes
the second opinion of the first example alone. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from apps.ttv.compute.operations import likelihood_calls
from apps.ttv.compute.population.unit import compute
from apps.ttv.compute.table import TABLE_FILE, parse_table
from apps.ttv.plan.second_opinion import expected_calls
from boinc_project import application
from boinc_project.campaign import Campaign
from boinc_project.unit import Unit
from work_generator.campaign_file import load_campaign

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
DEFAULT = ("kepler-9", "kepler-307")


def counted(campaign: Campaign, unit: Unit) -> int:
    """Compute a unit of populations; return its likelihood calls."""
    output = compute(unit, parse_table(campaign.inputs[TABLE_FILE]))
    return int(output.n_likelihood)


def calls_of_chains(campaign: Campaign) -> int | None:
    """Return the calls of all chains that a campaign may have; None if the target says."""
    sampler = campaign.settings["sampler"]
    if sampler.get("n_step") is None:
        return None
    keys = ("n_walker", "n_step", "thin")
    return campaign.stop.max_units * likelihood_calls(**{key: sampler[key] for key in keys})


def row(name: str, *, short: bool) -> dict[str, Any]:
    """Return the numbers of one example."""
    campaign = load_campaign(EXAMPLES / f"{name}.toml")
    preparation, opinion = application.get(campaign.app).preparing(campaign)
    numbers: dict[str, Any] = {"example": name, "share": None}
    for key, unit in (("opinion", opinion),) if short else (
        ("preparation", preparation),
        ("opinion", opinion),
    ):  # fmt: skip
        calls = counted(campaign, unit)
        expected = expected_calls(unit.settings["population"])
        numbers |= {key: calls, f"{key}_over_expected": round(calls / expected, 2)}
    chains = calls_of_chains(campaign)
    if chains is not None and not short:
        whole = numbers["preparation"] + numbers["opinion"] + chains
        numbers["share"] = round(numbers["opinion"] / whole, 3)
    return numbers


def main() -> None:
    """Print a line for each example as it is had, and all of them as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("examples", nargs="*", default=DEFAULT, metavar="EXAMPLE")
    parser.add_argument("--short", action="store_true", help="one second opinion alone")
    options = parser.parse_args()
    names = options.examples[:1] if options.short else options.examples
    rows = []
    for name in names:
        rows.append(row(name, short=options.short))
        print(rows[-1], flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
