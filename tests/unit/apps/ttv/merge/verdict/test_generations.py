"""Generations against each other: honest ones pass, those that still spread out do not."""

from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.merge.verdict.generations import generation_rows
from apps.ttv.merge.verdict.row import Row
from tests.unit.apps.ttv.merge.verdict import honest


def rows(merged: object) -> dict[str, Row]:
    by_key = generation_rows(merged, honest.WHITENING, honest.NAMES)  # type: ignore[arg-type]
    return {row.key: row for row in by_key}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("n_generation", "per"), [(1, 8), (2, 4), (4, 6)])
def test_honest_sub_chains_pass(seed: int, n_generation: int, per: int) -> None:
    """False-alarm rate 1e-3 a row; the first generation mixes three times as slowly."""
    merged = honest.chains(np.random.default_rng(seed), n_generation, per, first=0.92)
    by_key = rows(merged)
    assert all(row.met for row in by_key.values()), by_key
    assert set(by_key) == (
        {"generations"} if n_generation == 1 else {"generations", "generation_trend"}
    )


def test_a_width_that_grows_is_a_trend() -> None:
    merged = honest.chains(np.random.default_rng(1), 5, 8)
    growing = honest.scaled(merged, np.array([0.7, 0.8, 0.9, 1.0, 1.1]), 3)
    trend = rows(growing)["generation_trend"]
    assert not trend.met
    assert "of b.inclination by" in trend.text
    assert "more generations" in trend.text


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_a_first_generation_of_another_width_is_told(factor: float) -> None:
    merged = honest.chains(np.random.default_rng(2), 3, 8)
    row = rows(honest.scaled(merged, np.array([factor, 1.0, 1.0]), 0))["generations"]
    assert not row.met
    assert row.text.startswith("Generation 0 differs from the others: the ")
    assert "of b.ecosw" in row.text


def test_a_drift_inside_of_one_generation_is_told() -> None:
    merged = honest.chains(np.random.default_rng(3), 1, 8)
    draws = merged.draws.copy()
    draws[..., 2] += np.linspace(0.0, 2.0, draws.shape[1])[:, None]
    row = rows(honest.of_draws(draws, list(merged.keys)))["generations"]
    assert not row.met
    assert "the mean of b.t0 by" in row.text
    assert "up" in row.text


def test_a_small_last_generation_is_joined_to_the_one_before() -> None:
    merged = honest.chains(np.random.default_rng(4), 3, 6)
    few = [place for place, key in enumerate(merged.keys) if key[0] < 2 or key[1] < 2]
    keys = [merged.keys[place] for place in few]
    by_key = rows(honest.of_draws(merged.draws[few], keys))
    assert all(row.met for row in by_key.values())


@pytest.mark.parametrize("n_chain", [1, 2])
def test_what_cannot_be_compared_is_not_met(n_chain: int) -> None:
    merged = honest.chains(np.random.default_rng(5), 1, n_chain)
    frozen = honest.of_draws(np.zeros_like(merged.draws), list(merged.keys))
    row = rows(frozen)["generations"]
    assert not row.met
    assert row.to_json()["value"] is None
    assert "cannot be compared" in row.text
