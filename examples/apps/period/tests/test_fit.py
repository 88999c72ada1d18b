"""Fitted periods: recovered, with errors that are right."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from openastro_period.compute.work import PeriodWork
from openastro_period.curves import LightCurve
from openastro_period.grid import grid_between
from openastro_period.merge.aliases import named, of_the_day
from openastro_period.merge.false_alarm import baluev
from openastro_period.merge.fit import fit_period
from openastro_period.settings import Search

Simulate = Callable[..., LightCurve]


def test_the_error_is_that_of_montgomery_and_odonoghue() -> None:
    """Delta Scuti Star Newsletter 13, 28 (1999): sqrt(6 / N) sigma / (pi T A), of even sampling."""
    n, span, amplitude, noise = 2000, 50.0, 1.0, 0.5
    time = np.arange(n) * span / n
    rng = np.random.default_rng(1)
    value = amplitude * np.sin(2 * np.pi * 1.37 * time) + noise * rng.normal(size=n)
    curve = LightCurve("even", time, value, np.full(n, noise), np.full(n, ""))
    fit = fit_period(curve, 1.37, 0.002, 1 / span, 1)
    expected = math.sqrt(6 / n) * noise / (math.pi * span * amplitude)
    # The scatter and the amplitude are measured to 1.6 % each.
    assert fit.frequency_error == pytest.approx(expected, rel=0.06)
    assert fit.amplitude == pytest.approx(amplitude, rel=0.06)


def test_periods_scatter_by_their_errors(simulate: Simulate) -> None:
    """The variance of 200 normal numbers is 1 +- 0.1; limits are at 3.3 of these: one in 1000."""
    rng = np.random.default_rng(2)
    off = []
    for _ in range(200):
        curve = simulate(rng, n=80, span=60.0, period=0.731, amplitude=2.0)
        fit = fit_period(curve, 1 / 0.731, 0.002, 1 / 60, 1)
        assert fit.period_error is not None
        off.append((fit.period - 0.731) / fit.period_error)
    assert abs(np.var(off) - 1.0) < 0.33


def test_wrong_errors_of_a_light_curve_do_not_matter(simulate: Simulate) -> None:
    curve = simulate(np.random.default_rng(3), n=80, period=0.731, amplitude=2.0)
    small = LightCurve(curve.name, curve.time, curve.value, curve.error / 10, curve.band)
    one, two = (fit_period(each, 1 / 0.731, 0.001, 0.01, 1) for each in (curve, small))
    assert two.period_error == pytest.approx(one.period_error, rel=1e-6)


def test_the_extreme_times_are_those_of_the_model() -> None:
    time = np.linspace(100.0, 130.0, 400)
    value = 10.0 + np.cos(2 * np.pi * (time - 103.2) / 2.5)
    curve = LightCurve("cosine", time, value, np.full(400, 0.01), np.full(400, ""))
    fit = fit_period(curve, 0.4001, 0.001, 1 / 30, 1)
    assert fit.period == pytest.approx(2.5, abs=1e-6)
    assert math.remainder(fit.t_high - 103.2, 2.5) == pytest.approx(0.0, abs=2e-3)
    assert math.remainder(fit.t_low - 104.45, 2.5) == pytest.approx(0.0, abs=2e-3)
    assert abs(fit.t_high - 115.0) <= 1.26


def test_injected_periods_are_recovered(simulate: Simulate) -> None:
    """At an amplitude of 1.3 sigma, 100 points have a false alarm far below 1e-3.

    Two of 100 may be missed: the chance that noise beats such a peak is below 1e-4 each.
    """
    rng = np.random.default_rng(4)
    periods = np.exp(rng.uniform(np.log(0.25), np.log(20.0), 100))
    curves = [simulate(rng, n=100, period=p, amplitude=1.3, span=100.0) for p in periods]
    grid = grid_between(0.04, 5.0, 100.0, 10)
    work = PeriodWork(curves, Search(grid, 1, 0, None), np.random.SeedSequence(1), lambda: None)
    while not work.is_complete:
        work.advance()
    recovered = 0
    for curve, period, entry in zip(curves, periods, work.targets(), strict=True):
        place, power = entry["peaks"][0]
        fit = fit_period(curve, grid.at(place), grid.step, 0.01, 1)
        assert fit.period_error is not None
        near = abs(fit.period - period) < 5 * fit.period_error
        recovered += near and baluev(curve, power, grid.last - grid.first) < 1e-3
    assert recovered >= 98


def test_images_of_a_peak_are_named() -> None:
    peaks = [(2.7, 0.5), (0.7, 0.4), (3.4, 0.3), (0.85, 0.2), (0.3, 0.1), (5.0, 0.1)]
    names = [(alias.name, alias.frequency) for alias in named(1.7, peaks, 0.8, 0.01)]
    assert names == [
        ("f + 1/d", 2.7),
        ("f - 1/d", 0.7),
        ("half the period", 3.4),
        ("double the period", 0.85),
        ("2/d - f", 0.3),
    ]


def test_images_of_the_year_need_several_years() -> None:
    peak = [(1.7 + 1 / 365.25, 0.5)]
    assert [alias.name for alias in named(1.7, peak, 0.8, 1 / 3000)] == ["f + 1/yr"]
    assert named(1.7, peak, 0.8, 0.002) == []


def test_peaks_where_nights_repeat_are_suspicious() -> None:
    assert of_the_day(1.0005, 0.001) == "at 1/d, where nights repeat"
    assert of_the_day(2.0054, 0.001) == "at 2/d, where nights repeat"
    assert of_the_day(1.5, 0.001) == ""
