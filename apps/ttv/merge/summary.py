"""The summary of a posterior as plain JSON values: every number with its Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from apps.ttv.merge.chains import ChainReport, Merged
from apps.ttv.merge.diagnostics import Estimate, Marginal
from apps.ttv.merge.quantities import Quantity
from assimilator.summary import number
from boinc_project.campaign import Published


def parameter_entry(
    quantity: Quantity, marginal: Marginal, published: Sequence[Published]
) -> dict[str, Any]:
    """Return the entry of one quantity."""
    return {
        "name": quantity.name,
        "label": quantity.label,
        "unit": quantity.unit,
        "derived": quantity.derived,
        "mean": estimate(marginal.mean),
        "sd": estimate(marginal.sd),
        **{name: estimate(value) for name, value in marginal.quantiles.items()},
        "rhat": number(marginal.rhat),
        "ess_bulk": number(marginal.ess_bulk),
        "ess_tail": number(marginal.ess_tail),
        "published": [
            {"value": paper.value, "plus": paper.plus, "minus": paper.minus, "source": paper.source}
            for paper in published
            if paper.parameter == quantity.name
        ],
    }


def extremes(marginals: Mapping[str, Marginal]) -> dict[str, Any]:
    """Return the worst R-hat and effective sizes, and whose they are."""
    return {
        "rhat_max": _worst({name: each.rhat for name, each in marginals.items()}, largest=True),
        "ess_bulk_min": _worst({name: each.ess_bulk for name, each in marginals.items()}),
        "ess_tail_min": _worst({name: each.ess_tail for name, each in marginals.items()}),
    }


def sub_chain_entry(report: ChainReport, campaign: str, acceptance: float) -> dict[str, Any]:
    """Return the entry of one sub-chain."""
    generation, index, digest = report.key
    return {
        "unit": f"{campaign}_g{generation}_u{index:03d}",
        "generation": generation,
        "index": index,
        "unit_digest": digest,
        "merged": report.merged,
        "mode": report.mode,
        "burn_in": report.burn_in,
        "n_draw": report.n_draw,
        "acceptance": number(acceptance),
        "log_prob_median": number(report.log_prob_median),
        "stuck_walkers": report.stuck_walkers,
        "remark": report.remark,
    }


def mode_entries(merged: Merged) -> list[dict[str, Any]]:
    """Return the entries of the modes, the merged one first."""
    return [
        {
            "mode": place,
            "sub_chains": len(mode.members),
            "log_prob_max": number(mode.log_prob_max),
            "log_evidence": number(mode.log_evidence),
        }
        for place, mode in enumerate(merged.modes)
    ]


def estimate(estimate: Estimate) -> dict[str, float | None]:
    """Return a number and its Monte Carlo error as JSON values."""
    return {"value": number(estimate.value), "mcse": number(estimate.mcse)}


def _worst(values: Mapping[str, float], *, largest: bool = False) -> dict[str, Any] | None:
    if not values:
        return None
    for name, value in values.items():
        if not math.isfinite(value):
            return {"value": None, "parameter": name}
    name = (max if largest else min)(values, key=lambda one: values[one])
    return {"value": values[name], "parameter": name}
