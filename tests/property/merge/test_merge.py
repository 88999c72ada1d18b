"""Properties of merging, whatever the sub-chains are."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.ttv.merge.chains import Merged, merge_chains
from apps.ttv.merge.diagnostics import marginal
from apps.ttv.merge.posterior_files import posterior_digest
from apps.ttv.merge.sub_chain import SubChain
from tests.unit.apps.ttv.validate.ensembles import ar1, gaussian_log_prob

N_DIM = 2


@st.composite
def chain_lists(draw: st.DrawFn) -> list[SubChain]:
    """Return sub-chains of unlike lengths, generations, modes and health."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    chains = []
    for index in range(draw(st.integers(0, 6))):
        n_draw = draw(st.sampled_from([1, 2, 5, 20, 21, 40]))
        draws = ar1(rng, n_draw, draw(st.sampled_from([8, 9])), N_DIM, 0.5)
        draws = draws + draw(st.sampled_from([0.0, 0.0, 0.0, 50.0]))
        log_prob = gaussian_log_prob(draws)
        if draw(st.booleans()):
            log_prob[:, 0] -= 100.0
        key = (draw(st.integers(0, 1)), index, f"{rng.integers(2**62):064x}")
        chains.append(SubChain(key, draws, log_prob))
    return chains


@settings(deadline=None, max_examples=60)
@given(chain_lists(), st.randoms(use_true_random=False))
def test_the_order_of_sub_chains_does_not_matter(chains: list[SubChain], random: Random) -> None:
    shuffled = list(chains)
    random.shuffle(shuffled)
    one, other = merge_chains(chains, N_DIM), merge_chains(shuffled, N_DIM)
    assert posterior_digest(("x", "y"), one) == posterior_digest(("x", "y"), other)
    assert one.reports == other.reports
    assert one.modes == other.modes


@settings(deadline=None, max_examples=60)
@given(chain_lists())
def test_every_sub_chain_is_accounted_for(chains: list[SubChain]) -> None:
    found = merge_chains(chains, N_DIM)
    assert [one.key for one in found.reports] == sorted(chain.key for chain in chains)
    assert found.keys == tuple(one.key for one in found.reports if one.merged)
    for report in found.reports:
        assert report.merged or report.remark
        assert report.merged == (report.mode == 0)
        assert report.burn_in <= report.n_draw // 2
    assert found.draws.shape[:3] == found.log_prob.shape
    assert len(found.draws) == len(found.keys)


@settings(deadline=None, max_examples=40)
@given(chain_lists())
def test_merged_draws_are_draws_of_their_own_sub_chain(chains: list[SubChain]) -> None:
    found = merge_chains(chains, N_DIM)
    given_chains = {chain.key: chain for chain in chains}
    for key, draws in zip(found.keys, found.draws, strict=True):
        known = {tuple(point) for point in given_chains[key].draws.reshape(-1, N_DIM)}
        assert {tuple(point) for point in draws.reshape(-1, N_DIM)} <= known


@settings(deadline=None, max_examples=40)
@given(chain_lists())
def test_numbers_are_finite_or_nan_and_errors_are_not_negative(chains: list[SubChain]) -> None:
    found: Merged = merge_chains(chains, N_DIM)
    if not found.log_prob.size:
        return
    numbers = marginal(found.draws[..., 0])
    for estimate in (numbers.mean, numbers.sd, *numbers.quantiles.values()):
        assert math.isfinite(estimate.value)
        assert math.isnan(estimate.mcse) or estimate.mcse >= 0
    ordered = [one.value for one in numbers.quantiles.values()]
    assert ordered == sorted(ordered)
