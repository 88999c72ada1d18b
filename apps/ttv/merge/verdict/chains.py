"""Rows of the stop rule and of the sub-chains: R-hat, sizes, independence, dead ones, modes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.merge.chains import Merged
from apps.ttv.merge.diagnostics import Marginal
from apps.ttv.merge.modes import NEGLIGIBLE, is_negligible
from apps.ttv.merge.verdict.row import Relation, Row, Word, within
from boinc_project.campaign import StopRule

MIN_SUB_CHAINS = 4
"""Fewer independent sub-chains are no evidence, however good their numbers: R-hat then rests on a
variance of one or two degrees of freedom (Vehtari et al. 2021 ask for four chains)."""

DEAD = 0.01
"""Share of accepted proposals below which a sub-chain is dead: its walkers move once in a hundred
steps, so that what it holds is where it began. Healthy ones accept 10 to 60 %."""

DISAGREEMENT = 0.2
"""By how much a mode's weight by the planner and by the sub-chains may differ. The latter is
Laplace's approximation with the draws' own covariance: right to some ten per cent at best."""

Acceptance = Mapping[tuple[int, int, str], NDArray[np.float64]]


def stop_rule_rows(
    marginals: Mapping[str, Marginal], rule: StopRule, n_unit: int
) -> tuple[Row, ...]:
    """Return the rows of R-hat and of the effective sizes, by the campaign's own limits.

    Parameters
    ----------
    marginals : Mapping[str, Marginal]
        Of the free parameters, by name.
    rule : StopRule
        The campaign's.
    n_unit : int
        Sub-chains merged.
    """
    rhat = {name: marginal.rhat for name, marginal in marginals.items()}
    bulk = {name: marginal.ess_bulk for name, marginal in marginals.items()}
    tail = {name: marginal.ess_tail for name, marginal in marginals.items()}
    return (
        _rhat(rhat, rule.rhat),
        _size("ess_bulk", "Bulk ESS", bulk, rule.ess_bulk, n_unit),
        _size("ess_tail", "Tail ESS", tail, rule.ess_tail, n_unit),
    )


def independence_row(n_unit: int) -> Row:
    """Return the row of the number of merged sub-chains."""
    chains = "1 sub-chain is" if n_unit == 1 else f"{n_unit} sub-chains are"
    text = f"{chains} merged, started apart."
    if n_unit < MIN_SUB_CHAINS:
        text = (
            f"Only {chains} merged: agreement needs at least {MIN_SUB_CHAINS} that were started "
            f"apart, {MIN_SUB_CHAINS - n_unit} more."
        )
    return Row(
        "independence",
        Word.SAMPLED,
        "Independent sub-chains",
        float(n_unit),
        float(MIN_SUB_CHAINS),
        Relation.AT_LEAST,
        text,
    )


def dead_row(merged: Merged, acceptance: Acceptance) -> Row:
    """Return the row of merged sub-chains that do not move.

    Parameters
    ----------
    merged : Merged
        The posterior.
    acceptance : Mapping
        Accepted share of each walker, by sub-chain.
    """
    rates = [float(np.mean(acceptance[key])) for key in merged.keys]
    # NaN is dead: a rate that cannot be had moves nobody.
    dead = sum(not rate >= DEAD for rate in rates)
    text = f"All merged sub-chains move: the least one accepts {100 * min(rates):.2g} %."
    if dead:
        text = (
            f"{dead} of {len(rates)} merged sub-chains hardly move: they accept "
            f"{100 * min(rates):.2g} % of the proposals, and {100 * DEAD:g} % is the least. They "
            "began where the proposals do not fit: prepare the campaign again, or write more steps."
        )
    return Row("dead", Word.SAMPLED, "Dead sub-chains", float(dead), 0.0, Relation.AT_MOST, text)


def mode_rows(merged: Merged, planned: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Return the rows of separate modes and of their weights.

    Parameters
    ----------
    merged : Merged
        The posterior.
    planned : Sequence[Mapping]
        The modes found before the first unit, ``settings["modes"]``.
    """
    rows = [_rivals(merged), _unmeasured(planned)]
    if len(planned) > 1 and len(merged.modes) > 1 and rows[1].met:
        rows.append(_shares(merged, planned))
    return tuple(rows)


def _rivals(merged: Merged) -> Row:
    best = merged.modes[0]
    rivals = [mode for mode in merged.modes[1:] if not is_negligible(mode, best)]
    text = "The sub-chains sample one mode; others, if any, have no weight beside it."
    if rivals:
        chains = sum(len(mode.members) for mode in rivals)
        text = (
            f"The sub-chains found {len(rivals) + 1} separate modes of comparable probability; the "
            f"product holds the most probable one, and {chains} sub-chains sample the others. "
            'Nested sampling weighs modes: write app = "ttv_nested".'
        )
    return Row(
        "modes", Word.SAMPLED, "Rival modes", float(len(rivals)), 0.0, Relation.AT_MOST, text
    )


def _unmeasured(planned: Sequence[Mapping[str, Any]]) -> Row:
    """Return the row of modes whose weight is a guess; one mode alone needs no weight."""
    least = math.exp(-NEGLIGIBLE)
    several = planned if len(planned) > 1 else ()
    doubtful = [mode for mode in several if not mode["trusted"] and mode["weight"] > least]
    text = "The weights of all modes found before the first unit are measured, or none is needed."
    if doubtful:
        text = (
            f"The weights of {len(doubtful)} of {len(planned)} modes found before the first unit "
            "are not measured, only Laplace's approximation: which mode is the most probable is "
            'not certain. Nested sampling weighs modes: write app = "ttv_nested".'
        )
    return Row(
        "mode_weights",
        Word.SAMPLED,
        "Modes without a measured weight",
        float(len(doubtful)),
        0.0,
        Relation.AT_MOST,
        text,
    )


def _shares(merged: Merged, planned: Sequence[Mapping[str, Any]]) -> Row:
    """Return the row that compares the best mode's weight by the planner and by the sub-chains.

    Weight that the planner measured outside its best mode has to be in the sub-chains too: either
    as a mode of their own, or because they cross between modes.
    """
    logs = [mode.log_evidence for mode in merged.modes]
    error = max((mode["weight_error"] or 0.0) for mode in planned)
    chains = 1.0 / math.fsum(math.exp(log - logs[0]) for log in logs)
    best = float(max(planned, key=lambda mode: float(mode["weight"]))["weight"])
    return Row(
        "mode_shares",
        Word.SAMPLED,
        "The best mode's weight by two methods",
        abs(chains - best),
        max(DISAGREEMENT, 3.0 * error),
        Relation.AT_MOST,
        f"The most probable mode has {100 * best:.0f} % of the posterior by importance sampling "
        f"before the first unit, and {100 * chains:.0f} % by the sub-chains' own evidence.",
    )


def _rhat(values: Mapping[str, float], limit: float) -> Row:
    relation = Relation.AT_MOST
    value, name, others = _worst(values, relation, limit)
    if not math.isfinite(value):
        text = f"R-hat of {name} cannot be computed from so few draws."
    elif value <= limit:
        text = f"R-hat is {value:.4f} at most, of {name}; the stop rule allows {limit:g}."
    else:
        text = (
            f"R-hat of {name}{others} is {value:.3f}; the stop rule asks for at most {limit:g}: "
            "the sub-chains do not say the same yet."
        )
    return Row("rhat", Word.SAMPLED, "Chains against each other", value, limit, relation, text)


def _size(key: str, title: str, values: Mapping[str, float], limit: float, n_unit: int) -> Row:
    relation = Relation.AT_LEAST
    value, name, others = _worst(values, relation, limit)
    if not math.isfinite(value):
        text = f"{title} of {name} cannot be computed from so few draws."
    elif value >= limit:
        text = f"{title} is {value:.0f} at least, of {name}; the stop rule asks for {limit:g}."
    else:
        more = math.ceil(n_unit * (limit / value - 1.0))
        text = (
            f"{title} of {name}{others} is {value:.0f}; the stop rule asks for at least "
            f"{limit:g}: about {more} more sub-chains like these {n_unit}."
        )
    return Row(key, Word.SAMPLED, title, value, limit, relation, text)


def _worst(values: Mapping[str, float], relation: Relation, limit: float) -> tuple[float, str, str]:
    """Return the worst number, whose it is, and in words how many more are beyond the limit."""
    unknown = [name for name, value in values.items() if not math.isfinite(value)]
    if unknown or not values:
        return math.nan, unknown[0] if unknown else "no parameter", ""
    choose = max if relation is Relation.AT_MOST else min
    name = choose(values, key=lambda name: values[name])
    beyond = sum(not within(value, relation, limit) for value in values.values())
    return values[name], name, f" (and of {beyond - 1} more parameters)" if beyond > 1 else ""
