"""Whether a posterior has converged by the campaign's own rule, and if not, what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from assimilator.diagnostics import Marginal
from assimilator.merge import Merged
from assimilator.modes import NEGLIGIBLE, is_negligible
from boinc_project.campaign import StopRule

MIN_SUB_CHAINS = 4
"""Fewer independent sub-chains are no evidence, however good their numbers: R-hat then rests on a
variance of one or two degrees of freedom (Vehtari et al. 2021 ask for four chains)."""


DISAGREEMENT = 0.2
"""By how much a mode's weight by the planner and by the sub-chains may differ. The latter is
Laplace's approximation with the draws' own covariance: right to some ten per cent at best."""


def missing(
    merged: Merged,
    marginals: Mapping[str, Marginal],
    rule: StopRule,
    planned: Sequence[Mapping[str, Any]] = (),
) -> tuple[str, ...]:
    """Return what keeps a posterior from having converged, one sentence each; empty if nothing.

    Parameters
    ----------
    merged : Merged
        The posterior.
    marginals : Mapping[str, Marginal]
        Of the free parameters, by name.
    rule : StopRule
        The campaign's.
    planned : Sequence[Mapping[str, Any]]
        The modes found before the first unit, ``settings["modes"]``.

    Notes
    -----
    A number that cannot be computed counts as not reached: NaN never passes.
    """
    if not merged.reports:
        return ("No output has been merged yet.",)
    if not merged.keys:
        return ("None of the sub-chains could be merged; see their remarks.",)
    found = [*_independence(merged), *_modes(merged), *_weights(merged, planned)]
    n_unit = len(merged.keys)
    found += _worst(
        "R-hat",
        {name: one.rhat for name, one in marginals.items()},
        rule.rhat,
        at_most=True,
    )
    for what, sizes, limit in (
        ("bulk ESS", {name: one.ess_bulk for name, one in marginals.items()}, rule.ess_bulk),
        ("tail ESS", {name: one.ess_tail for name, one in marginals.items()}, rule.ess_tail),
    ):
        found += _worst(what, sizes, limit, at_most=False, n_unit=n_unit)
    return tuple(found)


def _independence(merged: Merged) -> list[str]:
    n_unit = len(merged.keys)
    if n_unit >= MIN_SUB_CHAINS:
        return []
    chains = "sub-chain is" if n_unit == 1 else "sub-chains are"
    return [
        f"Only {n_unit} {chains} merged: convergence needs at least {MIN_SUB_CHAINS} that were "
        "started apart."
    ]


def _modes(merged: Merged) -> list[str]:
    best = merged.modes[0]
    rivals = [mode for mode in merged.modes[1:] if not is_negligible(mode, best)]
    if not rivals:
        return []
    chains = sum(len(mode.members) for mode in rivals)
    return [
        f"The sub-chains found {len(rivals) + 1} separate modes of comparable probability; the "
        f"product holds the most probable one, and {chains} sub-chains sample the others."
    ]


def _weights(merged: Merged, planned: Sequence[Mapping[str, Any]]) -> list[str]:
    """Tell whether the planner's modes have weights to be trusted, and the chains agree with them.

    One mode alone needs no weight. Weight that the planner measured outside its best mode has to
    be in the sub-chains too: either as a mode of their own, or because they cross between modes.
    """
    if len(planned) < 2:
        return []
    least = math.exp(-NEGLIGIBLE)
    doubtful = [mode for mode in planned if not mode["trusted"] and mode["weight"] > least]
    if doubtful:
        return [
            f"The weights of {len(doubtful)} of {len(planned)} modes found before the first unit "
            "are not measured, only Laplace's approximation: which mode is the most probable is "
            "not certain."
        ]
    if len(merged.modes) < 2:
        return []
    logs = [mode.log_evidence for mode in merged.modes]
    error = max((mode["weight_error"] or 0.0) for mode in planned)
    chains = 1.0 / math.fsum(math.exp(log - logs[0]) for log in logs)
    best = max(planned, key=lambda mode: float(mode["weight"]))
    if abs(chains - best["weight"]) <= max(DISAGREEMENT, 3.0 * error):
        return []
    return [
        f"The most probable mode has {100 * best['weight']:.0f} % of the posterior by importance "
        f"sampling before the first unit, but {100 * chains:.0f} % by the sub-chains' own evidence."
    ]


def _worst(
    what: str,
    values: Mapping[str, float],
    limit: float,
    *,
    at_most: bool,
    n_unit: int = 0,
) -> list[str]:
    unknown = [name for name, value in values.items() if not math.isfinite(value)]
    if unknown:
        return [f"{what} of {unknown[0]} cannot be computed from so few draws."]
    short = {
        name: value
        for name, value in values.items()
        if not (value <= limit if at_most else value >= limit)
    }
    if not short:
        return []
    worst = (max if at_most else min)(short, key=lambda name: short[name])
    others = f" (and of {len(short) - 1} more parameters)" if len(short) > 1 else ""
    if at_most:
        return [
            f"{what} of {worst}{others} is {short[worst]:.3f}; "
            f"the stop rule asks for at most {limit:g}."
        ]
    more = math.ceil(n_unit * (limit / short[worst] - 1.0))
    return [
        f"{what} of {worst}{others} is {short[worst]:.0f}; the stop rule asks for at least "
        f"{limit:g}: about {more} more sub-chains like these {n_unit}."
    ]
