"""How often ephemerides are corrected, on small systems."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.corrections import MOST, choose_corrections
from apps.ttv.compute.population.importance import largest_power
from apps.ttv.compute.population.settings import Peaks
from apps.ttv.compute.population.target import Target
from apps.ttv.compute.search.modes import find_modes
from apps.ttv.compute.settings import Parameter
from apps.ttv.compute.whitening import Whitening
from tests.unit.apps.ttv.plan.timing_case import DATA, pair, uniform


def chosen(posterior: Posterior, seed: int = 1, peaks: Peaks | None = None) -> int:
    """Return the number for these peaks; else for one whose approximation has no model."""
    if peaks is None:
        n_dim = posterior.problem.n_dim
        middle = Whitening(posterior.problem).colour(np.zeros((1, n_dim)))
        peaks = Peaks(middle, 1e6 * np.eye(n_dim)[np.newaxis])
    return choose_corrections(posterior, np.random.default_rng(seed), peaks)


def peaks_of(posterior: Posterior) -> Peaks:
    """Return the modes that a short search finds."""
    searched = find_modes(posterior.problem, posterior.table, np.random.default_rng(1), n_start=24)
    return Peaks(
        np.array([mode.params for mode in searched.modes]),
        np.array([mode.covariance for mode in searched.modes]),
    )


def sharper(name: str, factor: float) -> bytes:
    """Return a table whose standard errors are smaller by a factor."""
    head, *rows = (DATA / name).read_text().splitlines()
    cells = [row.split(",") for row in rows]
    lines = [",".join([*row[:3], f"{float(row[3]) / factor:.9f}"]) for row in cells]
    return "\n".join([head, *lines]).encode()


def straight_share(posterior: Posterior, corrections: int) -> float:
    """Return the weight of what lies within one standard error of its line, by own draws.

    The region is the one that populations pass: the power of the likelihood that leaves a hundred
    of 2000 draws effective.
    """
    exact = Coordinates(posterior.problem, posterior.engine, posterior.observations, MOST + 4)
    target = Target(posterior, exact)
    y = target.broad_draws(2000, np.random.RandomState(99))
    y[:, list(exact.timed)] = 0.0
    broad, densities = target.evaluate(y)
    gains = np.where(np.isfinite(densities), densities - broad, -math.inf)
    power = largest_power(gains, 100.0)
    points = exact.to_points(y)
    kept = np.isfinite(points).all(axis=1) & np.isfinite(gains)
    weights = np.exp(power * (gains - gains.max()))[kept]
    less = Coordinates(posterior.problem, posterior.engine, posterior.observations, corrections)
    off = np.abs(less.from_points(points[kept])[:, list(less.timed)]).max(axis=1)
    return float(weights[off * math.sqrt(power) < 1.0].sum() / weights.sum())


def test_few_transits_and_heavy_planets_need_several() -> None:
    heavy = pair("five.csv")
    number = chosen(heavy)
    assert 2 <= number <= MOST
    # The weights are worth a hundred draws: three of their standard errors around nine tenths.
    assert straight_share(heavy, number) > 0.8
    assert straight_share(heavy, number - 1) < 0.98


def test_light_planets_need_fewer() -> None:
    assert chosen(pair("five.csv", mass=uniform(0.0, 3.0))) < chosen(pair("five.csv"))


def test_far_better_transits_need_none() -> None:
    """They are too far from a line for corrections to converge."""
    assert chosen(pair(sharper("pair.csv", 1000.0))) == 0


def test_where_no_draw_has_a_model_as_many_as_pay_are_made() -> None:
    assert chosen(pair("pair.csv", mass=uniform(8e4, 9e4))) == MOST


def test_without_a_free_ephemeris_there_is_nothing_to_correct() -> None:
    free = pair("pair.csv")
    periods = {"b.period": 10.0057, "c.period": 20.2873}
    parameters = tuple(
        Parameter(parameter.name, fixed=periods[parameter.name])
        if parameter.name in periods
        else parameter
        for parameter in free.problem.parameters
    )
    assert chosen(Posterior(replace(free.problem, parameters=parameters), free.table)) == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_the_number_follows_from_the_generator(seed: int) -> None:
    posterior = pair("five.csv", mass=uniform(0.0, 3.0))
    assert chosen(posterior, seed) == chosen(posterior, seed)


def scatter_left(posterior: Posterior, peaks: Peaks, corrections: int) -> float:
    """Return the largest scatter about a polynomial of second degree, of draws it has not seen."""
    exact = Coordinates(posterior.problem, posterior.engine, posterior.observations, MOST + 4)
    (y,) = peaks.draws(exact, 1000, np.random.RandomState(98))
    timed = list(exact.timed)
    y[:, timed] = 0.0
    points = exact.to_points(y)
    known = np.isfinite(points).all(axis=1)
    less = Coordinates(posterior.problem, posterior.engine, posterior.observations, corrections)
    off = less.from_points(points[known])[:, timed]
    others = np.delete(y[known], timed, axis=1)
    pairs = [others[:, i] * others[:, j] for i in range(6) for j in range(i, 6)]
    columns = np.stack([np.ones(len(others)), *others.T, *pairs], axis=1)
    half = len(columns) // 2
    fitted = columns[half:] @ np.linalg.lstsq(columns[:half], off[:half], rcond=None)[0]
    return float(np.sqrt(np.mean((off[half:] - fitted) ** 2, axis=0)).max())


def test_around_a_peak_as_many_are_made_as_make_it_straight() -> None:
    """A tenth of a standard error; of other draws twice that may be left, and no less before."""
    posterior = pair("pair.csv")
    peaks = peaks_of(posterior)
    best = Peaks(peaks.points[:1], peaks.covariances[:1])
    number = chosen(posterior, peaks=peaks)
    assert 2 <= number < MOST
    assert scatter_left(posterior, best, number) < 0.2
    assert scatter_left(posterior, best, number - 1) > 0.05


def test_a_bent_or_cut_peak_gets_as_many_as_pay() -> None:
    assert chosen(pair("pair.csv")) == MOST
