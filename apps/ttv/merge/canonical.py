"""The assimilator of ``ttv_mcmc``: canonical outputs in, one product out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TABLE_FILE, parse_table
from apps.ttv.merge import populations
from apps.ttv.merge.chains import Merged, merge_chains
from apps.ttv.merge.diagnostics import marginal
from apps.ttv.merge.evidence import log_constant
from apps.ttv.merge.product import Product
from apps.ttv.merge.quantities import quantities
from apps.ttv.merge.sub_chain import SubChain
from apps.ttv.merge.verdict.mcmc import Chains, judge
from apps.ttv.output import TtvOutput, content_digest, read_ttv_output
from assimilator.provenance import unit_entry
from boinc_project.campaign import Campaign
from boinc_project.errors import OutputError
from boinc_project.outputs import Canonical, Rejected


def merge(
    campaign: Campaign,
    outputs: Sequence[Canonical],
    *,
    created_at: datetime,
    rejected: Sequence[Rejected] = (),
    jobs: int = 1,  # noqa: ARG001 - nothing of it takes long
) -> Product:
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
    kinds = populations.sort(outputs)
    ordered = kinds.posterior
    second = populations.second_opinion(kinds.populations, log_constant(problem, table))
    read = [_read(one, problem) for one in ordered]
    merged = merge_chains(
        [
            SubChain(_key(one), output.draws, output.log_prob)
            for one, output in zip(ordered, read, strict=True)
        ],
        problem.n_dim,
    )
    found = quantities(problem, merged.draws) if merged.log_prob.size else ()
    marginals = {quantity.name: marginal(quantity.values) for quantity in found}
    free = {quantity.name: marginals[quantity.name] for quantity in found if not quantity.derived}
    acceptance = {
        _key(one): output.accepted / output.n_step
        for one, output in zip(ordered, read, strict=True)
    }
    return Product(
        campaign=campaign,
        problem=problem,
        table=table,
        merged=merged,
        quantities=found,
        marginals=marginals,
        verdict=judge(
            campaign,
            problem,
            table,
            Chains(merged, free, acceptance, _starts(ordered, merged, problem)),
            second,
        ),
        acceptance=acceptance,
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


def _starts(ordered: Sequence[Canonical], merged: Merged, problem: Problem) -> NDArray[np.float64]:
    """Return where the merged sub-chains of the first generation began, (n, n_dim)."""
    keys = set(merged.keys)
    points = [
        np.asarray(one.unit.settings["start"], dtype=np.float64)
        for one in ordered
        if one.unit.generation == 0 and _key(one) in keys
    ]
    return np.concatenate([np.empty((0, problem.n_dim)), *points])


def _key(output: Canonical) -> tuple[int, int, str]:
    return output.unit.generation, output.unit.index, output.unit.digest


def _read(canonical: Canonical, problem: Problem) -> TtvOutput:
    output = read_ttv_output(canonical.path)
    if output.unit_digest != canonical.unit.digest:
        raise OutputError(f"The output {canonical.path.name} is not of {canonical.unit.name}.")
    if output.parameter_names != problem.parameter_names:
        raise OutputError(f"The output {canonical.path.name} has other parameters.")
    return output
