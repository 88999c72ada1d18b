"""The verdict on merged sub-chains: all of its rows, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from assimilator.diagnostics import Marginal
from assimilator.merge import Merged
from assimilator.verdict.chains import (
    Acceptance,
    dead_row,
    independence_row,
    mode_rows,
    stop_rule_rows,
)
from assimilator.verdict.pilot import pilot_rows
from assimilator.verdict.row import Row, Verdict, no_output, nothing_to_judge
from assimilator.verdict.step import step_row
from boinc_project.campaign import Campaign


def judge(
    campaign: Campaign, merged: Merged, marginals: Mapping[str, Marginal], acceptance: Acceptance
) -> Verdict:
    """Return the verdict on merged sub-chains.

    Parameters
    ----------
    campaign : Campaign
        Prepared.
    merged : Merged
        The posterior.
    marginals : Mapping[str, Marginal]
        Of the free parameters, by name.
    acceptance : Mapping
        Accepted share of each walker, by sub-chain.
    """
    if not merged.reports:
        return no_output()
    if not merged.keys:
        return nothing_to_judge("None of the sub-chains could be merged; see their remarks.")
    settings = campaign.settings
    rows: list[Row] = [
        independence_row(len(merged.keys)),
        *mode_rows(merged, settings.get("modes", ())),
        *stop_rule_rows(marginals, campaign.stop, len(merged.keys)),
        dead_row(merged, acceptance),
        *pilot_rows(settings),
        step_row(settings),
    ]
    return Verdict(tuple(rows))
