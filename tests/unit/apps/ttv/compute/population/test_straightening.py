from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.compute.population.straightening import dependence_order, fit_shear, to_json
from apps.ttv.compute.sampler_settings import parse_sampler


def bent(n: int) -> np.ndarray:
    """Draws whose third coordinate follows the first two, on very unlike scales."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 3))
    x[:, 2] = 5.0 + x[:, 0] ** 2 - 2.0 * x[:, 0] * x[:, 1] + 0.01 * x[:, 2]
    return x * [10.0, 1e-3, 1.0]


def test_masses_come_first_and_times_last() -> None:
    names = ("b.mass", "b.period", "b.ecosw", "b.t0", "c.mass", "c.period", "noise.jitter")
    ordered = [names[place] for place in dependence_order(names)]
    assert ordered == [
        "b.mass", "c.mass", "noise.jitter", "b.ecosw", "b.period", "c.period", "b.t0",
    ]  # fmt: skip


def test_a_fit_takes_the_bend_out() -> None:
    draws = bent(2000)
    shear = fit_shear(draws, [0, 1, 2])
    u = shear.straighten(draws)
    assert u[:, 2].std() == pytest.approx(0.01 / draws[:, 2].std(), rel=0.05)
    assert np.abs(np.corrcoef(u.T) - np.eye(3)).max() < 0.1


def test_the_order_decides_what_follows_what() -> None:
    draws = bent(2000)
    shear = fit_shear(draws, [2, 1, 0])
    assert shear.straighten(draws)[:, 2].std() > 0.3  # x_0 is no polynomial of x_2


def test_few_draws_fit_a_plane_and_very_few_nothing() -> None:
    """For the third of three coordinates, a quadric has 6 terms and a plane 3; 5 draws for each."""
    plane = fit_shear(bent(20), [0, 1, 2]).coefficients[2]
    assert np.flatnonzero(plane).tolist() == [0, 1, 3]
    assert not fit_shear(bent(10), [0, 1, 2]).coefficients[2].any()


def test_a_fit_travels_in_a_unit_bit_for_bit() -> None:
    shear = fit_shear(bent(500), [1, 0, 2])
    raw = {"n_walker": 8, "n_step": 4, "thin": 2, "moves": [["de", 1.0]], "shear": to_json(shear)}
    read = parse_sampler(raw, 3).shear
    assert read is not None
    draws = bent(20)
    assert read.straighten(draws).tobytes() == shear.straighten(draws).tobytes()
