"""The assimilator of ``ttv_nested``: canonical outputs in, one product out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, kstwo

from apps.nested.compute.cube import Cube, cube_of
from apps.nested.compute.proposal import parse_proposal
from apps.nested.compute.run import log_left
from apps.nested.merge.errors import Resampling, resample
from apps.nested.merge.modes import find_modes
from apps.nested.merge.product import Evidence, NestedProduct, Posterior, SubRun
from apps.nested.merge.verdict import judge
from apps.nested.output import NestedOutput, content_digest, read_nested_output
from apps.nested.weights import (
    Weighted,
    information,
    insertion_ranks,
    merge_points,
    weigh,
)
from apps.ttv.compute.likelihood import Posterior as TimingPosterior
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TABLE_FILE, parse_table
from apps.ttv.merge import populations
from apps.ttv.merge.diagnostics import QUANTILES, Estimate, Marginal
from apps.ttv.merge.evidence import importance_evidence, log_constant
from apps.ttv.merge.quantities import Quantity, quantities
from apps.ttv.merge.resampling import systematic
from assimilator.provenance import unit_entry
from boinc_project.campaign import Campaign
from boinc_project.errors import OutputError
from boinc_project.outputs import Canonical, Rejected

MAX_DRAWS = 20_000
"""Equally weighted draws that are written at most."""

_SEED = 20180101
"""Of the draws' order: part of the method, so that equal outputs give equal products."""

Floats = NDArray[np.float64]


def merge(
    campaign: Campaign,
    outputs: Sequence[Canonical],
    *,
    created_at: datetime,
    rejected: Sequence[Rejected] = (),
    jobs: int = 1,  # noqa: ARG001 - nothing of it takes long
) -> NestedProduct:
    """Merge the canonical outputs of a campaign; their order does not matter.

    Parameters
    ----------
    campaign : Campaign
        Prepared: its settings are those of its units.
    outputs : Sequence[Canonical]
        Any number, also none; one for each unit.
    created_at : datetime
        Aware; written into the product, and the only thing that may differ between two merges.
    rejected : Sequence[Rejected]
        For the provenance.

    Raises
    ------
    OutputError
        If an output cannot be read, or is not of its unit.
    UnitError
        If the campaign's settings or its table are not usable.
    """
    problem = Problem.from_mapping(campaign.settings)
    table = parse_table(campaign.inputs[TABLE_FILE])
    raw = campaign.settings.get("proposal")
    proposal = None if raw is None else parse_proposal(raw, problem.n_dim)
    cube = cube_of(TimingPosterior(problem, table), proposal)
    constant = log_constant(problem, table)
    kinds = populations.sort(outputs)
    ordered = kinds.posterior
    second = populations.second_opinion(kinds.populations, constant)
    read = [_read(one, cube) for one in ordered]
    runs = tuple(
        sub_run(_key(one), output, float(one.unit.settings["sampler"]["dlogz"]), constant)
        for one, output in zip(ordered, read, strict=True)
    )
    posterior: Posterior | None = None
    again: Resampling | None = None
    found: tuple[Quantity, ...] = ()
    marginals: dict[str, Marginal] = {}
    if read:
        importance = importance_evidence(campaign.settings, constant)
        again = resample(merge_points(read), constant)
        posterior, found, marginals = _posterior(
            problem, cube, read, runs, constant, importance, again
        )
    return NestedProduct(
        campaign=campaign,
        problem=problem,
        table=table,
        posterior=posterior,
        runs=runs,
        quantities=found,
        marginals=marginals,
        verdict=judge(campaign, problem, table, posterior, again, runs, second),
        units=(
            *(
                unit_entry(one, output, content_digest(output))
                for one, output in zip(ordered, read, strict=True)
            ),
            *populations.entries((*kinds.preparations, *kinds.populations)),
        ),
        rejected=tuple(rejected),
        created_at=created_at,
    )


def sub_run(
    key: tuple[int, int, str], output: NestedOutput, dlogz: float, constant: float
) -> SubRun:
    """Return what one run says by itself.

    Parameters
    ----------
    key : tuple
        Generation, index and digest of its unit.
    output : NestedOutput
        The run.
    dlogz : float
        What the unit allows to be left out.
    constant : float
        See `log_constant`.
    """
    points = merge_points([output])
    again = resample(points)
    left = log_left(output.dead_logl, output.live_logl, output.n_drawn)
    cut = left > math.log(math.expm1(dlogz)) + 1e-6
    return SubRun(
        key=key,
        logz=Estimate(weigh(points).logz + constant, _logz_error(again)),
        n_dead=len(output.dead_logl),
        n_live=len(output.live_logl),
        n_likelihood=output.n_likelihood,
        insertion_p=insertion_probability([insertion_ranks(output)]),
        remark="It reached the limit of its length before it was done." if cut else "",
    )


def insertion_probability(ranks: Sequence[Floats]) -> float:
    """Return the probability of ranks as uneven as these, by Kolmogorov and Smirnov's test.

    Ranks of one batch of walks follow from one set of live points, but for the few that have been
    replaced meanwhile; the test takes them as independent.
    """
    merged = np.sort(np.concatenate(ranks))
    n = len(merged)
    steps = np.arange(n + 1) / n
    distance = max(float((steps[1:] - merged).max()), float((merged - steps[:-1]).max()))
    return float(kstwo.sf(distance, n))


def weighted_marginal(values: Floats, weighted: Weighted, again: Resampling) -> Marginal:
    """Summarise one quantity of all weighted points; errors are those of `Resampling.error`."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]

    def numbers(one: Weighted) -> Floats:
        weights = one.weights
        mean = float(weights @ values)
        sd = math.sqrt(float(weights @ np.square(values - mean)))
        edges = np.cumsum(weights[order])
        marks = np.array(list(QUANTILES.values())) * edges[-1]
        places = np.minimum(np.searchsorted(edges, marks), len(ordered) - 1)
        return np.array([mean, sd, *ordered[places]])

    best, errors = numbers(weighted), again.error(numbers)
    estimates = [Estimate(float(v), float(e)) for v, e in zip(best, errors, strict=True)]
    return Marginal(
        mean=estimates[0],
        sd=estimates[1],
        quantiles=dict(zip(QUANTILES, estimates[2:], strict=True)),
        rhat=math.nan,
        ess_bulk=math.nan,
        ess_tail=math.nan,
    )


def _posterior(
    problem: Problem,
    cube: Cube,
    read: Sequence[NestedOutput],
    runs: Sequence[SubRun],
    constant: float,
    importance: Estimate | None,
    again: Resampling,
) -> tuple[Posterior, tuple[Quantity, ...], dict[str, Marginal]]:
    points = merge_points(read)
    weighted = weigh(points)
    values = cube.transform(points.cube)
    log_ratios = cube.log_ratios(values)
    logl = points.logl + log_ratios
    nats = information(replace(points, logl=logl), weighted)
    weighted = replace(weighted, logz=weighted.logz + constant)
    n_draw = max(1, min(MAX_DRAWS, int(weighted.ess)))
    # In an order that says nothing, so that any part of the draws is a sample, too.
    chosen = np.random.default_rng(_SEED).permutation(systematic(weighted.weights, n_draw))
    posterior = Posterior(
        points=points,
        weighted=weighted,
        values=values,
        logl=logl,
        chosen=chosen,
        evidence=replace(_evidence(weighted, again, nats, read, runs), importance=importance),
        modes=find_modes(values, logl, weighted, again),
    )
    shape = (1, -1, 1, problem.n_dim)
    found = quantities(problem, values[chosen].reshape(shape))
    everywhere = quantities(problem, values.reshape(shape))
    marginals = {
        one.name: weighted_marginal(one.values.reshape(-1), weighted, again) for one in everywhere
    }
    return posterior, found, marginals


def _evidence(
    weighted: Weighted,
    again: Resampling,
    nats: float,
    read: Sequence[NestedOutput],
    runs: Sequence[SubRun],
) -> Evidence:
    return Evidence(
        logz=Estimate(weighted.logz, _logz_error(again)),
        information=nats,
        ess=weighted.ess,
        n_live=sum(run.n_live for run in runs),
        n_likelihood=sum(output.n_likelihood for output in read),
        insertion_p=insertion_probability([insertion_ranks(output) for output in read]),
        scatter_p=_scatter_probability(runs),
    )


def _scatter_probability(runs: Sequence[SubRun]) -> float:
    """Return the probability that the runs' evidences scatter so much by chance; NaN for one."""
    if len(runs) < 2:
        return math.nan
    values = np.array([run.logz.value for run in runs])
    # One error for all: those of single runs are known to 7 % only, and the runs are alike.
    variance = float(np.mean([run.logz.mcse**2 for run in runs]))
    return float(chi2.sf(float(((values - values.mean()) ** 2).sum()) / variance, len(runs) - 1))


def _logz_error(again: Resampling) -> float:
    return float(again.error(lambda one: np.array([one.logz]))[0])


def _key(output: Canonical) -> tuple[int, int, str]:
    return output.unit.generation, output.unit.index, output.unit.digest


def _read(canonical: Canonical, cube: Cube) -> NestedOutput:
    output = read_nested_output(canonical.path)
    if output.unit_digest != canonical.unit.digest:
        raise OutputError(f"The output {canonical.path.name} is not of {canonical.unit.name}.")
    if output.parameter_names != cube.names:
        raise OutputError(f"The output {canonical.path.name} has other parameters.")
    return output
