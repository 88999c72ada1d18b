"""The judge of samplers, on draws whose worth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.sampling.judge import Run, judged, score, spread


def runs(n_run: int, n_draw: int, stated: float, *, shift: float = 0.0) -> list[Run]:
    """Return runs of independent normal draws, of which so many are stated."""
    rng = np.random.default_rng(5)
    return [
        Run(
            seconds=10.0,
            n_call=1000,
            draws=rng.normal(size=(4, n_draw // 40, 10, 3)) + shift * rng.normal(),
            rhat=1.001,
            ess=stated,
            settled=True,
        )
        for _ in range(n_run)
    ]


def test_the_spread_of_independent_draws_is_the_stated_one() -> None:
    """Forty runs of three parameters know it to 6 %: 25 % is missed once in 30,000 times."""
    assert spread(runs(40, 4000, 4000.0)) == pytest.approx(1.0, abs=0.25)


def test_an_effective_size_that_is_overstated_is_lowered() -> None:
    told = score("overstated", runs(40, 4000, 36_000.0))
    assert told.spread == pytest.approx(3.0, rel=0.25)
    assert told.honest_ess == pytest.approx(4000.0, rel=0.5)
    assert told.per_hour == pytest.approx(360.0 * told.honest_ess)


def test_runs_that_end_at_different_places_are_worth_little() -> None:
    assert score("apart", runs(10, 4000, 4000.0, shift=1.0)).honest_ess < 40.0


def test_a_single_seed_has_no_spread_and_a_run_that_has_not_settled_has_no_score() -> None:
    (only,) = runs(1, 4000, 4000.0)
    assert math.isnan(spread([only]))
    assert score("single", [only]).honest_ess == 4000.0
    rng = np.random.default_rng(6)
    apart = rng.normal(size=(4, 100, 10, 3)) + 3.0 * np.arange(4).reshape(4, 1, 1, 1)
    run = judged(10.0, 1000, apart)
    assert not run.settled
    assert math.isnan(score("apart", [run]).per_hour)
