"""Powers of the engine beside those of astropy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from astropy.timeseries import LombScargle, LombScargleMultiband

from openastro_period.compute import engine
from openastro_period.compute.engine import Engine
from openastro_period.curves import LightCurve
from openastro_period.grid import Grid, grid_between
from openastro_period.validate.exact import exact_powers

Simulate = Callable[..., LightCurve]
ERROR = 1e-8
"""The largest that any power may have."""


def nothing() -> None:
    pass


def powers(curve: LightCurve, grid: Grid, n_terms: int) -> np.ndarray:
    made = Engine(grid, n_terms, nothing)
    return made.powers(curve, curve.value[np.newaxis], curve.error[np.newaxis])[0]


@pytest.mark.parametrize("n_terms", [1, 2, 3])
@pytest.mark.parametrize("bands", ["", "gr"])
@pytest.mark.parametrize("start", [0.0, 2_455_000.5])
def test_powers_are_the_exact_ones(
    simulate: Simulate, n_terms: int, bands: str, start: float
) -> None:
    curve = simulate(
        np.random.default_rng(1), n=90, period=0.7, amplitude=1.0, bands=bands, start=start
    )
    grid = grid_between(0.02, 8.0, curve.span, 5)
    made = powers(curve, grid, n_terms)
    places = np.random.default_rng(2).choice(grid.n, 60, replace=False)
    exact = exact_powers(curve, grid.at(places), n_terms)
    assert np.abs(made[places] - exact).max() < ERROR


def test_powers_of_bands_are_those_of_the_multiband_periodogram(simulate: Simulate) -> None:
    curve = simulate(np.random.default_rng(3), n=120, period=1.3, amplitude=0.8, bands="gri")
    grid = grid_between(0.1, 4.0, curve.span, 5)
    judge = LombScargleMultiband(
        curve.time, curve.value, curve.band, curve.error,
        nterms_base=0, nterms_band=1, reg_base=None, reg_band=None,
    )  # fmt: skip
    places = np.arange(0, grid.n, 40)
    theirs = judge.power(grid.at(places), method="flexible")
    assert np.abs(powers(curve, grid, 1)[places] - theirs).max() < ERROR


@pytest.mark.parametrize("n_terms", [1, 2])
def test_a_grid_in_pieces_has_the_same_powers(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch, n_terms: int
) -> None:
    curve = simulate(np.random.default_rng(4), n=50, amplitude=1.0)
    grid = grid_between(0.1, 6.0, curve.span, 5)
    whole = powers(curve, grid, n_terms)
    monkeypatch.setattr(engine, "CELLS", 700)
    assert np.abs(powers(curve, grid, n_terms) - whole).max() < ERROR


def test_light_curves_of_a_batch_have_the_powers_of_each_alone(simulate: Simulate) -> None:
    rng = np.random.default_rng(5)
    curve = simulate(rng, n=60)
    values, errors = rng.normal(size=(4, 60)), rng.uniform(0.5, 1.5, (4, 60))
    grid = grid_between(0.1, 6.0, curve.span, 5)
    together = Engine(grid, 1, nothing).powers(curve, values, errors)
    for row in range(4):
        alone = Engine(grid, 1, nothing).powers(curve, values[row : row + 1], errors[row : row + 1])
        assert np.abs(together[row] - alone[0]).max() < ERROR


def test_frequencies_that_even_sampling_cannot_see_have_no_power() -> None:
    """At the sampling frequency all phases are alike, and rounding errors would be a peak."""
    time = np.arange(200) * 0.25
    rng = np.random.default_rng(6)
    curve = LightCurve("even", time, rng.normal(size=200), np.ones(200), np.full(200, ""))
    grid = Grid(0.5, 0.01, 1001, 5)
    made = powers(curve, grid, 1)
    blind = np.isclose(grid.at(np.arange(grid.n)) % 2.0, 0.0, atol=1e-9)
    assert blind.sum() == 5
    assert (made[blind] == 0.0).all()
    places = np.flatnonzero(blind)
    assert (exact_powers(curve, grid.at(places), 1) == 0.0).all()
    assert made[~blind].max() < 0.2


def test_a_light_curve_without_variance_has_no_power(simulate: Simulate) -> None:
    curve = simulate(np.random.default_rng(7), n=40)
    grid = grid_between(0.1, 2.0, curve.span, 5)
    made = Engine(grid, 1, nothing).powers(curve, np.full((1, 40), 12.5), np.ones((1, 40)))
    assert (made == 0.0).all()


@pytest.mark.parametrize("n_terms", [1, 2])
@pytest.mark.parametrize("bands", ["", "gr"])
def test_the_window_function_is_that_of_the_points_weights(
    simulate: Simulate, n_terms: int, bands: str
) -> None:
    curve = simulate(np.random.default_rng(8), n=70, bands=bands)
    grid = grid_between(0.05, 3.0, curve.span, 5)
    made = Engine(grid, n_terms, nothing)
    row = np.newaxis
    _, windows = made.spectra(curve, curve.value[row], curve.error[row], window=True)
    phases = np.exp(2j * np.pi * np.outer(grid.at(np.arange(grid.n)), curve.time))
    weight = curve.error**-2.0
    assert np.abs(windows[0] - np.abs(phases @ weight / weight.sum()) ** 2).max() < ERROR


def test_the_client_is_asked_between_any_two_pieces(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(engine, "CELLS", 500)
    curve = simulate(np.random.default_rng(9), n=50)
    grid = grid_between(0.1, 6.0, curve.span, 5)
    made = Engine(grid, 1, lambda: asked.append(1))
    made.powers(curve, curve.value[np.newaxis], curve.error[np.newaxis])
    assert len(asked) >= grid.n // 500
    assert made.batch == 1


def test_the_judge_is_astropys_own_periodogram(simulate: Simulate) -> None:
    curve = simulate(np.random.default_rng(10), n=80, amplitude=1.0)
    frequencies = np.array([0.31, 1.0, 2.7])
    judge = LombScargle(curve.time, curve.value, curve.error)
    theirs = judge.power(frequencies, method="cython", assume_regular_frequency=False)
    assert np.abs(exact_powers(curve, frequencies, 1) - theirs).max() < 1e-12
