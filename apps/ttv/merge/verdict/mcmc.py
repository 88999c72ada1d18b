"""The verdict on merged sub-chains: all of its rows, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable
from apps.ttv.compute.whitening import Whitening
from apps.ttv.merge.chains import Merged
from apps.ttv.merge.diagnostics import Marginal
from apps.ttv.merge.evidence import importance_evidence, log_constant
from apps.ttv.merge.verdict.chains import (
    Acceptance,
    dead_row,
    independence_row,
    mode_rows,
    stop_rule_rows,
)
from apps.ttv.merge.verdict.evidence import evidence_rows
from apps.ttv.merge.verdict.fit import fit_rows
from apps.ttv.merge.verdict.generations import generation_rows
from apps.ttv.merge.verdict.information import information_rows
from apps.ttv.merge.verdict.pilot import pilot_rows
from apps.ttv.merge.verdict.residuals import residuals_of
from apps.ttv.merge.verdict.row import Row, Verdict, no_output, nothing_to_judge
from apps.ttv.merge.verdict.second_opinion import SecondOpinion, second_opinion_rows
from apps.ttv.merge.verdict.shape import Shape, shape_of, thinned
from apps.ttv.merge.verdict.starts import start_row
from apps.ttv.merge.verdict.step import step_row
from boinc_project.campaign import Campaign

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """A campaign's sub-chains, and all that is known of them.

    Attributes
    ----------
    merged : Merged
        The posterior.
    marginals : Mapping[str, Marginal]
        Of the free parameters, by name.
    acceptance : Mapping
        Accepted share of each walker, by sub-chain.
    starts : ndarray
        float64 (n, n_dim), where the merged sub-chains of the first generation began.
    """

    merged: Merged
    marginals: Mapping[str, Marginal]
    acceptance: Acceptance
    starts: Floats


def judge(
    campaign: Campaign,
    problem: Problem,
    table: TransitTable,
    chains: Chains,
    second: SecondOpinion | None,
) -> Verdict:
    """Return the verdict on merged sub-chains.

    Parameters
    ----------
    campaign : Campaign
        Prepared.
    problem, table
        The posterior's definition and its data.
    chains : Chains
        All sub-chains.
    second : SecondOpinion | None
        None while it has not come back.
    """
    merged = chains.merged
    if not merged.reports:
        return no_output()
    if not merged.keys:
        return nothing_to_judge("None of the sub-chains could be merged; see their remarks.")
    draws = merged.draws.reshape(-1, problem.n_dim)
    best = draws[int(merged.log_prob.argmax())]
    rows = [
        *_sampled(campaign, problem, table, chains, second),
        *fit_rows(residuals_of(problem, table, draws, best), problem),
        *information_rows(problem, draws),
    ]
    return Verdict(tuple(rows))


def product_shape(merged: Merged, whitening: Whitening) -> Shape:
    """Return the shape of merged sub-chains, with errors from leaving out one after the other."""
    some = [thinned(draws) for draws in merged.draws]
    blocks = np.repeat(np.arange(len(some)), len(some[0]))
    return shape_of(whitening.whiten(np.concatenate(some)), blocks)


def _sampled(
    campaign: Campaign,
    problem: Problem,
    table: TransitTable,
    chains: Chains,
    second: SecondOpinion | None,
) -> list[Row]:
    merged, settings, names = chains.merged, campaign.settings, problem.parameter_names
    whitening = Whitening(problem)
    product = product_shape(merged, whitening)
    return [
        independence_row(len(merged.keys)),
        *mode_rows(merged, settings.get("modes", ())),
        *stop_rule_rows(chains.marginals, campaign.stop, len(merged.keys)),
        dead_row(merged, chains.acceptance),
        *generation_rows(merged, whitening, names),
        start_row(whitening.whiten(chains.starts), product, names),
        *pilot_rows(settings),
        step_row(settings),
        *second_opinion_rows(second, product, whitening, names),
        *evidence_rows(
            importance_evidence(settings, log_constant(problem, table)),
            "Importance sampling",
            None if second is None else second.log_z,
            0.0 if second is None else second.n_part - 1.0,
        ),
    ]
