"""Whether a posterior has converged, and the words for what is missing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from assimilator.convergence import missing
from assimilator.diagnostics import Estimate, Marginal
from assimilator.merge import Merged, merge_chains
from assimilator.sub_chain import SubChain
from boinc_project.campaign import StopRule
from tests.unit.validator.ensembles import ar1, gaussian_log_prob

RULE = StopRule(rhat=1.01, ess_bulk=400, ess_tail=400)
GOOD = Marginal(Estimate(0, 0), Estimate(0, 0), {}, rhat=1.01, ess_bulk=400.0, ess_tail=400.0)


@pytest.fixture(scope="module")
def merged() -> Merged:
    chains = []
    for index in range(4):
        draws = ar1(np.random.default_rng(index), 100, 8, 2, 0.5)
        chains.append(SubChain((0, index, "x"), draws, gaussian_log_prob(draws)))
    return merge_chains(chains, 2)


def test_the_limits_themselves_are_good_enough(merged: Merged) -> None:
    assert missing(merged, {"x": GOOD, "y": GOOD}, RULE) == ()


@pytest.mark.parametrize("field", ["rhat", "ess_bulk", "ess_tail"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_cannot_be_computed_is_missing(merged: Merged, field: str, value: float) -> None:
    (sentence,) = missing(merged, {"x": GOOD, "y": replace(GOOD, **{field: value})}, RULE)
    assert "of y cannot be computed" in sentence


def test_the_worst_parameter_is_named_and_the_others_counted(merged: Merged) -> None:
    marginals = {
        "x": replace(GOOD, rhat=1.02),
        "y": replace(GOOD, rhat=1.3, ess_bulk=200.0),
        "z": replace(GOOD, rhat=1.05),
    }
    rhat, bulk = missing(merged, marginals, RULE)
    assert rhat == (
        "R-hat of y (and of 2 more parameters) is 1.300; the stop rule asks for at most 1.01."
    )
    assert bulk == (
        "bulk ESS of y is 200; the stop rule asks for at least 400: "
        "about 4 more sub-chains like these 4."
    )


def test_three_sub_chains_are_too_few(merged: Merged) -> None:
    few = replace(merged, keys=merged.keys[:3])
    (sentence,) = missing(few, {"x": GOOD}, RULE)
    assert sentence.startswith("Only 3 sub-chains are merged")


def planned(*weights: float, trusted: bool = True) -> list[dict[str, object]]:
    error = 0.01 if trusted else None
    return [{"weight": one, "weight_error": error, "trusted": trusted} for one in weights]


def test_weights_that_were_not_measured_are_missing(merged: Merged) -> None:
    marginals = {"x": GOOD}
    assert missing(merged, marginals, RULE, planned(0.7, 0.3)) == ()
    assert missing(merged, marginals, RULE, planned(1.0, trusted=False)) == ()
    (sentence,) = missing(merged, marginals, RULE, planned(0.7, 0.3, trusted=False))
    assert "The weights of 2 of 2 modes" in sentence
    hopeless = [*planned(1.0), *planned(1e-6, trusted=False)]
    assert missing(merged, marginals, RULE, hopeless) == ()


@pytest.mark.parametrize(("weight", "agrees"), [(0.75, True), (0.5, False)])
def test_weights_that_disagree_with_the_sub_chains_are_missing(
    merged: Merged, weight: float, agrees: bool
) -> None:
    """The chains say 0.73: two modes whose log evidences differ by 1."""
    (mode,) = merged.modes
    other = replace(mode, log_evidence=mode.log_evidence - 1.0)
    two = replace(merged, modes=(mode, other))
    found = missing(two, {"x": GOOD}, RULE, planned(weight, 1 - weight))
    assert any("by the sub-chains' own evidence" in one for one in found) is not agrees
