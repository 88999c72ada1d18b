"""The rows of the stop rule, of sub-chains that do not move, and of modes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from apps.ttv.merge.chains import Merged, merge_chains
from apps.ttv.merge.diagnostics import Estimate, Marginal
from apps.ttv.merge.sub_chain import SubChain
from apps.ttv.merge.verdict.chains import dead_row, independence_row, mode_rows, stop_rule_rows
from apps.ttv.merge.verdict.row import Row
from boinc_project.campaign import StopRule
from tests.unit.apps.ttv.validate.ensembles import ar1, gaussian_log_prob

RULE = StopRule(rhat=1.01, ess_bulk=400, ess_tail=400)
GOOD = Marginal(Estimate(0, 0), Estimate(0, 0), {}, rhat=1.01, ess_bulk=400.0, ess_tail=400.0)


@pytest.fixture(scope="module")
def merged() -> Merged:
    chains = []
    for index in range(4):
        draws = ar1(np.random.default_rng(index), 100, 8, 2, 0.5)
        chains.append(SubChain((0, index, "x"), draws, gaussian_log_prob(draws)))
    return merge_chains(chains, 2)


def unmet(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.met]


def test_the_limits_themselves_are_good_enough() -> None:
    rows = stop_rule_rows({"x": GOOD, "y": GOOD}, RULE, 4)
    assert [row.key for row in rows] == ["rhat", "ess_bulk", "ess_tail"]
    assert not unmet(rows)


@pytest.mark.parametrize("field", ["rhat", "ess_bulk", "ess_tail"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_cannot_be_computed_is_not_met(field: str, value: float) -> None:
    (row,) = unmet(stop_rule_rows({"x": GOOD, "y": replace(GOOD, **{field: value})}, RULE, 4))
    assert row.key == field
    assert "of y cannot be computed" in row.text
    assert row.to_json()["value"] is None


def test_the_worst_parameter_is_named_and_the_others_counted() -> None:
    marginals = {
        "x": replace(GOOD, rhat=1.02),
        "y": replace(GOOD, rhat=1.3, ess_bulk=200.0),
        "z": replace(GOOD, rhat=1.05),
    }
    rhat, bulk = unmet(stop_rule_rows(marginals, RULE, 4))
    assert (rhat.value, bulk.value) == (1.3, 200.0)
    assert rhat.text.startswith(
        "R-hat of y (and of 2 more parameters) is 1.300; the stop rule asks for at most 1.01"
    )
    assert bulk.text == (
        "Bulk ESS of y is 200; the stop rule asks for at least 400: "
        "about 4 more sub-chains like these 4."
    )


def test_three_sub_chains_are_too_few() -> None:
    assert independence_row(4).met
    assert not independence_row(3).met
    assert independence_row(3).text.startswith("Only 3 sub-chains are merged")
    assert independence_row(1).text.startswith("Only 1 sub-chain is merged")


@pytest.mark.parametrize(("rate", "dead"), [(0.01, 0.0), (0.004, 1.0), (math.nan, 1.0)])
def test_a_sub_chain_that_does_not_move_is_dead(merged: Merged, rate: float, dead: float) -> None:
    rates = {key: np.full(8, 0.3) for key in merged.keys}
    row = dead_row(merged, rates | {merged.keys[0]: np.full(8, rate)})
    assert (row.value, row.met) == (dead, dead == 0.0)


def planned(*weights: float, trusted: bool = True) -> list[dict[str, object]]:
    error = 0.01 if trusted else None
    return [{"weight": weight, "weight_error": error, "trusted": trusted} for weight in weights]


def test_weights_that_were_not_measured_are_not_met(merged: Merged) -> None:
    assert not unmet(mode_rows(merged, ()))
    assert not unmet(mode_rows(merged, planned(0.7, 0.3)))
    assert not unmet(mode_rows(merged, planned(1.0, trusted=False)))
    (row,) = unmet(mode_rows(merged, planned(0.7, 0.3, trusted=False)))
    assert "The weights of 2 of 2 modes" in row.text
    hopeless = [*planned(1.0), *planned(1e-6, trusted=False)]
    assert not unmet(mode_rows(merged, hopeless))


@pytest.mark.parametrize(("weight", "agrees"), [(0.75, True), (0.5, False)])
def test_weights_that_disagree_with_the_sub_chains_are_not_met(
    merged: Merged, weight: float, agrees: bool
) -> None:
    """The chains say 0.73: two modes whose log evidences differ by 1."""
    (mode,) = merged.modes
    other = replace(mode, log_evidence=mode.log_evidence - 1.0)
    rows = mode_rows(replace(merged, modes=(mode, other)), planned(weight, 1 - weight))
    by_key = {row.key: row for row in rows}
    assert by_key["mode_shares"].met is agrees
    assert by_key["modes"].value == 1.0
    assert "2 separate modes of comparable probability" in by_key["modes"].text
