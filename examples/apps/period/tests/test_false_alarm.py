"""False-alarm probabilities: Baluev's beside astropy's, and the counted ones of pure noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from astropy.timeseries import LombScargle

from openastro_period.compute.bootstrap import resampled, target_key
from openastro_period.compute.work import PeriodWork
from openastro_period.curves import LightCurve
from openastro_period.grid import grid_between
from openastro_period.merge.false_alarm import FalseAlarm, baluev
from openastro_period.settings import Search

Simulate = Callable[..., LightCurve]


@pytest.mark.parametrize("power", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("n", [20, 300])
def test_baluevs_is_astropys(simulate: Simulate, power: float, n: int) -> None:
    curve = simulate(np.random.default_rng(1), n=n)
    judge = LombScargle(curve.time, curve.value, curve.error)
    highest = float(judge.autofrequency(maximum_frequency=7.0).max())
    theirs = judge.false_alarm_probability(power, method="baluev", maximum_frequency=7.0)
    # astropy takes the difference of two numbers near one, which ends at 1e-16.
    assert baluev(curve, power, highest) == pytest.approx(float(theirs), rel=1e-6, abs=1e-14)


def test_a_perfect_peak_is_no_error(simulate: Simulate) -> None:
    assert baluev(simulate(np.random.default_rng(2)), 1.0, 5.0) == 0.0


def test_none_below_one_over_n_is_claimed() -> None:
    none = FalseAlarm(0, 1000, 1e-50)
    assert none.text == "< 0.001"
    assert none.counted == 0.001
    assert not none.below(0.0005)
    assert none.below(0.001)
    assert FalseAlarm(0, 0, 1e-50).text == ""
    assert FalseAlarm(3, 1000, None).text == "0.003"
    assert not FalseAlarm(0, 0, None).below(0.5)


def test_resampled_light_curves_do_not_depend_on_how_many_are_made_at_once(
    simulate: Simulate,
) -> None:
    curve = simulate(np.random.default_rng(3), n=30, bands="gr")
    key = target_key(np.random.SeedSequence(5, spawn_key=(0, 1)), 2)
    values, errors = resampled(curve, key, 0, 6)
    for number in range(6):
        value, error = resampled(curve, key, number, 1)
        assert (value[0] == values[number]).all()
        assert (error[0] == errors[number]).all()
    other = target_key(np.random.SeedSequence(5, spawn_key=(0, 1)), 3)
    assert (resampled(curve, other, 0, 6)[0] != values).any()


def test_points_stay_in_their_band(simulate: Simulate) -> None:
    curve = simulate(np.random.default_rng(4), n=40, bands="gr")
    values, _ = resampled(curve, (1, 2), 0, 5)
    for _, places in curve.bands():
        assert np.isin(values[:, places], curve.value[places]).all()


def test_pure_noise_has_as_many_false_alarms_as_it_says(simulate: Simulate) -> None:
    """Of 200 light curves of noise, 20 +- 4.2 are expected to have a probability up to 0.1.

    Limits are at 3.5 standard deviations: a right program fails for one seed in 2000.
    """
    rng = np.random.default_rng(20261130)
    n_curve, limit = 200, 0.1
    curves = [simulate(rng, n=40, span=20.0) for _ in range(n_curve)]
    grid = grid_between(0.1, 5.0, 20.0, 5)
    work = PeriodWork(curves, Search(grid, 1, 100, None), np.random.SeedSequence(7), lambda: None)
    while not work.is_complete:
        work.advance()
    alarms = 0
    for entry in work.targets():
        best = entry["peaks"][0][1]
        alarms += sum(power >= best for power in entry["bootstrap"]) / 100 <= limit
    assert abs(alarms - n_curve * limit) < 3.5 * np.sqrt(n_curve * limit * (1 - limit))
