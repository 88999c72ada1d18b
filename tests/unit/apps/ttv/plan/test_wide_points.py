"""Where chains begin, from importance draws."""

from __future__ import annotations

import numpy as np

from apps.ttv.compute.population.importance import picked
from apps.ttv.plan.wide_points import outer_weights


def test_draws_far_out_in_any_parameter_are_chosen_more_often() -> None:
    """Widths of 1000 draws are known to 5 %: all three are wider at seven standard errors."""
    rng = np.random.default_rng(1)
    along = rng.normal(size=20_000)
    # A bent ridge: the second parameter follows the square of the first.
    w = np.stack([along, along**2 + 0.1 * rng.normal(size=20_000), rng.normal(size=20_000)], axis=1)
    logs = np.zeros(20_000)
    outer = outer_weights(w, logs)
    assert outer.min() >= 0.0
    assert outer.max() <= np.log(20.0)
    chosen = w[picked(outer, 1000, np.random.RandomState(2))]
    for column, all_draws in zip(chosen.T, w.T, strict=True):
        own = np.diff(np.quantile(all_draws, [0.05, 0.95]))[0]
        assert np.diff(np.quantile(column, [0.05, 0.95]))[0] > 1.15 * own
    # They stay on the ridge.
    assert np.abs(chosen[:, 1] - chosen[:, 0] ** 2).max() < 0.6


def test_weights_decide_where_the_middle_is() -> None:
    rng = np.random.default_rng(3)
    w = np.concatenate([rng.normal(size=(5000, 2)), rng.normal(size=(5000, 2)) + 30.0])
    logs = np.repeat([0.0, -np.inf], 5000)
    outer = outer_weights(w, logs)
    assert np.isfinite(outer[:5000]).all()
    assert not np.isfinite(outer[5000:]).any()
    assert np.median(outer[:5000]) < np.log(3.5)
