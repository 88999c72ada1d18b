"""Burn-in, stuck walkers, separate modes: what is merged, and what is only reported."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.ttv.merge.chains import merge_chains
from apps.ttv.merge.modes import NEGLIGIBLE, find_modes, is_negligible
from apps.ttv.merge.sub_chain import SubChain, burn_in, log_prob_drop, stuck_walkers
from tests.unit.apps.ttv.validate.ensembles import ar1, gaussian_log_prob

N_DIM = 3
Floats = NDArray[np.float64]


def chain(
    index: int,
    *,
    n_draw: int = 200,
    n_walker: int = 12,
    drift: float = 0.0,
    at: float = 0.0,
    width: float = 1.0,
    lower: float = 0.0,
    generation: int = 0,
) -> SubChain:
    """Return a sub-chain on a Gaussian of some width, whose beginning may drift."""
    draws = ar1(np.random.default_rng([1, generation, index]), n_draw, n_walker, N_DIM, 0.6)
    log_prob = gaussian_log_prob(draws) - lower
    fading = np.exp(-np.arange(n_draw) / 8.0)
    draws = at + width * draws + drift * fading[:, None, None]
    return SubChain((generation, index, f"{index:064x}"), draws, log_prob - drift * fading[:, None])


def test_a_stationary_generation_keeps_nearly_everything() -> None:
    assert burn_in([chain(k) for k in range(6)]) <= 20


def test_a_drift_is_dropped() -> None:
    found = burn_in([chain(k, drift=10.0) for k in range(6)])
    assert 20 <= found <= 100


def test_generations_have_their_own_burn_in() -> None:
    chains = [chain(k, drift=10.0) for k in range(4)]
    chains += [chain(k, generation=1) for k in range(4)]
    found = merge_chains(chains, N_DIM)
    first, second = (
        {one.burn_in for one in found.reports if one.key[0] == generation} for generation in (0, 1)
    )
    assert len(first) == len(second) == 1
    assert first.pop() > second.pop()


def test_a_walker_far_below_its_ensemble_is_stuck() -> None:
    one = chain(0)
    log_prob = one.log_prob.copy()
    log_prob[:, 3] -= 2 * log_prob_drop(N_DIM)
    found = stuck_walkers(SubChain(one.key, one.draws, log_prob))
    assert found.tolist() == [k == 3 for k in range(12)]


def test_a_walker_that_is_low_for_a_while_is_not_stuck() -> None:
    one = chain(0)
    log_prob = one.log_prob.copy()
    log_prob[:90, 3] -= 100.0
    assert not stuck_walkers(SubChain(one.key, one.draws, log_prob)).any()


def test_stuck_walkers_are_left_out_and_counted() -> None:
    chains = [chain(k) for k in range(3)]
    log_prob, draws = chains[1].log_prob.copy(), chains[1].draws.copy()
    log_prob[:, :2] -= 50.0
    draws[:, :2] += 30.0
    chains[1] = SubChain(chains[1].key, draws, log_prob)
    found = merge_chains(chains, N_DIM)
    assert [one.stuck_walkers for one in found.reports] == [0, 2, 0]
    assert found.draws.shape[2] == 10
    assert found.draws.max() < 20
    assert "2 stuck walkers" in found.reports[1].remark


def test_a_sub_chain_of_stuck_walkers_is_set_apart() -> None:
    chains = [chain(k) for k in range(3)]
    log_prob = chains[0].log_prob.copy()
    log_prob[:, ::2] -= 60.0  # half of them: no ensemble is the main one
    chains[0] = SubChain(chains[0].key, chains[0].draws, log_prob)
    found = merge_chains(chains, N_DIM)
    assert len(found.keys) == 2
    assert found.reports[0].mode is None
    assert "stuck" in found.reports[0].remark


def test_two_modes_are_never_averaged() -> None:
    chains = [chain(k) for k in range(4)] + [chain(k, at=40.0) for k in (4, 5)]
    found = merge_chains(chains, N_DIM)
    assert [len(mode.members) for mode in found.modes] == [4, 2]
    assert len(found.keys) == 4
    assert found.draws.max() < 20
    assert [one.mode for one in found.reports] == [0, 0, 0, 0, 1, 1]
    assert "another mode" in found.reports[5].remark


def test_the_number_of_sub_chains_is_no_weight() -> None:
    """One sub-chain in a wide, high mode against five in a low one."""
    chains = [chain(k, at=60.0, lower=30.0) for k in range(5)] + [chain(5, width=2.0)]
    found = merge_chains(chains, N_DIM)
    assert found.keys == (chains[5].key,)
    assert is_negligible(found.modes[1], found.modes[0])


def test_evidence_of_a_gaussian_is_its_volume() -> None:
    (mode,) = find_modes([chain(k, n_draw=3000, width=0.1) for k in range(3)])
    truth = N_DIM * (0.5 * np.log(2 * np.pi) + np.log(0.1))
    assert mode.log_prob_max == pytest.approx(0.0, abs=0.05)
    assert mode.log_evidence == pytest.approx(truth, abs=0.1)


def test_a_mode_of_equal_evidence_is_not_negligible() -> None:
    near, far = find_modes([chain(0), chain(1, at=40.0)])
    assert not is_negligible(far, near)
    low = find_modes([chain(0), chain(1, at=40.0, lower=2 * NEGLIGIBLE)])
    assert is_negligible(low[1], low[0])


def test_overlapping_sub_chains_are_one_mode_even_if_they_disagree() -> None:
    """A difference inside a mode is R-hat's to find, not a reason to drop a sub-chain."""
    assert len(find_modes([chain(k, at=0.8 * k) for k in range(4)])) == 1


def test_modes_side_by_side_across_a_valley_are_told_apart() -> None:
    """Every parameter alone overlaps; the line across the valley does not."""
    valley = np.array([[10.0, 10.0, 0.0], [0.1, -0.1, 0.0], [0.0, 0.0, 1.0]])
    one, other = chain(0), chain(1)
    chains = [
        SubChain(one.key, one.draws @ valley, one.log_prob),
        SubChain(other.key, other.draws @ valley + np.array([0.6, -0.6, 0.0]), other.log_prob),
    ]
    assert len(find_modes(chains)) == 2


def test_too_short_a_sub_chain_is_reported_not_merged() -> None:
    found = merge_chains([chain(0), chain(1, n_draw=3)], N_DIM)
    assert found.keys == ((0, 0, f"{0:064x}"),)
    assert "only 3 draws" in found.reports[1].remark


def test_nothing_merges_to_nothing() -> None:
    found = merge_chains([], N_DIM)
    assert found.draws.shape == (0, 0, 0, N_DIM)
    assert found.reports == found.modes == found.keys == ()


def test_a_degenerate_chain_has_no_evidence() -> None:
    one = chain(0)
    flat = SubChain(one.key, np.zeros_like(one.draws), np.zeros_like(one.log_prob))
    (mode,) = find_modes([flat])
    assert mode.log_evidence == -np.inf
    assert len(find_modes([flat, chain(1)])) == 1
