"""The whole verdict on sub-chains of a known posterior."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apps.ttv.compute.whitening import Whitening
from apps.ttv.merge.chains import Merged, merge_chains
from apps.ttv.merge.diagnostics import Estimate, marginal
from apps.ttv.merge.evidence import log_constant
from apps.ttv.merge.sub_chain import SubChain
from apps.ttv.merge.verdict.mcmc import Chains, judge
from apps.ttv.merge.verdict.row import Verdict
from apps.ttv.merge.verdict.second_opinion import SecondOpinion
from boinc_project.campaign import Campaign, StopRule
from tests.unit.apps.ttv.merge.verdict import systems

PROBLEM = systems.problem()
TABLE = systems.table("good.csv")
PREPARED = {
    "dt_error": {"seconds": 1.0, "sigma": 0.05},
    "pilot": {"effective": 800.0, "n_call": 2000, "settled": True},
    "importance": {"log_z": -60.0, "error": 0.02},
    "modes": [{"weight": 1.0, "weight_error": 0.0, "trusted": True}],
}


def campaign(**settings: Any) -> Campaign:
    return Campaign(
        name="small",
        title="Small",
        description="",
        app="ttv_mcmc",
        seed=1,
        settings={**systems.settings(), **PREPARED, **settings},
        inputs={},
        units_per_generation=6,
        stop=StopRule(),
    )


def merged_of(pool: np.ndarray, rng: np.random.Generator) -> Merged:
    chains = []
    for place in range(12):
        draws = pool[rng.integers(0, len(pool), (40, 20))]
        chains.append(SubChain((place // 6, place % 6, "x"), draws, np.zeros((40, 20))))
    return merge_chains(chains, PROBLEM.n_dim)


@pytest.fixture(scope="module")
def pool() -> np.ndarray:
    return systems.sampled("good.csv")[0]


@pytest.fixture(scope="module")
def chains(pool: np.ndarray) -> Chains:
    """Sub-chains of independent draws of one posterior, which also began there."""
    rng = np.random.default_rng(1)
    merged = merged_of(pool, rng)
    return Chains(
        merged=merged,
        marginals={
            name: marginal(merged.draws[..., column])
            for column, name in enumerate(PROBLEM.parameter_names)
        },
        acceptance={key: np.full(20, 0.3) for key in merged.keys},
        starts=pool[rng.integers(0, len(pool), 240)],
    )


@pytest.fixture(scope="module")
def second(pool: np.ndarray) -> SecondOpinion:
    draws = pool[np.random.default_rng(2).integers(0, len(pool), 8000)]
    log_z = Estimate(-60.0 + log_constant(PROBLEM, TABLE), 0.05)
    return SecondOpinion(draws, log_z, 8, np.repeat(np.arange(8), 1000))


def unmet(verdict: Verdict) -> set[str]:
    return {row.key for row in verdict.rows if row.counts and not row.met}


def test_an_honest_campaign_is_sampled_described_and_informative(
    chains: Chains, second: SecondOpinion
) -> None:
    """False-alarm rate below 1 %."""
    verdict = judge(campaign(), PROBLEM, TABLE, chains, second)
    assert unmet(verdict) == set()
    assert verdict.converged
    keys = [row.key for row in verdict.rows]
    assert len(keys) == len(set(keys))
    assert {"rhat", "generations", "generation_trend", "starts", "second_widths"} <= set(keys)


def test_without_a_second_opinion_it_is_not_sampled(chains: Chains) -> None:
    verdict = judge(campaign(), PROBLEM, TABLE, chains, None)
    assert unmet(verdict) == {"second_opinion", "evidence"}
    assert (verdict.sampled, verdict.described, verdict.informative) == (False, True, True)


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"pilot": {"effective": 24.6, "n_call": 9, "settled": False}}, {"pilot", "pilot_settled"}),
        ({"importance": {"log_z": -60.0, "error": None}}, {"evidence"}),
        ({"dt_error": {"seconds": 1.0, "sigma": 0.4}}, {"step"}),
    ],
)
def test_what_was_prepared_badly_is_told(
    chains: Chains, second: SecondOpinion, settings: dict[str, Any], keys: set[str]
) -> None:
    assert unmet(judge(campaign(**settings), PROBLEM, TABLE, chains, second)) == keys


def test_a_model_of_another_table_does_not_describe_it(
    chains: Chains, second: SecondOpinion
) -> None:
    """The posterior is sampled all the same: more units are no help."""
    verdict = judge(campaign(), PROBLEM, systems.table("outliers.csv"), chains, second)
    assert not verdict.described
    assert verdict.sampled
    assert not verdict.converged


def test_starts_inside_of_the_posterior_are_told(chains: Chains, second: SecondOpinion) -> None:
    centre = chains.starts.mean(axis=0)
    narrow = Chains(
        chains.merged,
        chains.marginals,
        chains.acceptance,
        centre + 0.3 * (chains.starts - centre),
    )
    assert unmet(judge(campaign(), PROBLEM, TABLE, narrow, second)) == {"starts"}


def test_nothing_merged_is_no_verdict(chains: Chains) -> None:
    none = merge_chains([], PROBLEM.n_dim)
    empty = Chains(none, {}, {}, np.empty((0, PROBLEM.n_dim)))
    assert judge(campaign(), PROBLEM, TABLE, empty, None).missing == (
        "No output has been merged yet.",
    )


def test_the_pool_lies_inside_of_the_priors(pool: np.ndarray) -> None:
    assert np.isfinite(Whitening(PROBLEM).whiten(pool)).all()
