"""A population on its way: evidence, arrival, and any interruption."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from scipy import stats

from apps.ttv.compute.population.anneal import HALF, Annealer, Annealing
from apps.ttv.compute.population.target import Target
from apps.ttv.compute.whitening import Whitening
from boinc_project.errors import UnitError
from tests.unit.apps.ttv.compute.population import toy

N_POINT = 400
KEY = (1, 2)


def annealer_of(posterior: object, n_point: int = N_POINT, key: tuple[int, int] = KEY) -> Annealer:
    target = toy.target_of(posterior)
    return Annealer(target, n_point, range(target.n_dim), key)


def arrived(annealer: Annealer) -> Annealing:
    now = annealer.begin()
    while not now.is_done:
        annealer.advance(now)
    return now


@pytest.fixture(scope="module")
def normal() -> Annealing:
    return arrived(annealer_of(toy.Normal()))


@pytest.fixture(scope="module")
def flat() -> Annealing:
    return arrived(annealer_of(toy.Flat()))


def test_the_evidence_of_a_normal_posterior_is_right(normal: Annealing) -> None:
    """To five times what seeds scatter by, 0.10: the false-alarm rate is below 1e-5."""
    assert abs(normal.log_z - toy.LOG_Z) < 0.5


def test_the_population_of_a_normal_posterior_is_right(normal: Annealing) -> None:
    """Means to five standard errors of 400 points, widths likewise."""
    assert normal.points.shape == (N_POINT, 4)
    errors = toy.SPREAD / np.sqrt(N_POINT)
    assert (np.abs(normal.points.mean(axis=0) - toy.MEAN) < 5.0 * errors).all()
    assert (np.abs(normal.points.std(axis=0) / toy.SPREAD - 1.0) < 5.0 / np.sqrt(800)).all()
    assert normal.memory < 0.2


def test_half_way_the_population_is_kept_for_chains(normal: Annealing) -> None:
    """The likelihood to the power 1/2 under the whole prior."""
    assert HALF in normal.powers
    assert normal.powers[-1] == 1.0
    assert (np.diff(normal.powers) > 0.0).all()
    spread = toy.WIDTH / np.sqrt(HALF) / np.sqrt(1.0 + toy.WIDTH**2 / HALF)
    assert normal.wide.shape == normal.points.shape
    assert (np.abs(normal.wide.std(axis=0) / spread - 1.0) < 5.0 / np.sqrt(800)).all()


def test_a_flat_likelihood_has_an_evidence_of_one(flat: Annealing) -> None:
    """To five times what seeds scatter by, 0.04: the false-alarm rate is below 1e-5."""
    assert abs(flat.log_z) < 0.2
    assert flat.powers == [HALF, 1.0]


def test_a_flat_likelihood_leaves_the_prior(flat: Annealing) -> None:
    """By Kolmogorov and Smirnov, each at a false-alarm rate of 1e-4 for independent points."""
    problem = toy.Flat().problem
    for place in (0, 1, 4, 5, 6, 9):
        assert stats.kstest(flat.points[:, place], "norm").pvalue > 1e-4
    points = Whitening(problem).colour(flat.points)
    for first in (2, 7):
        e = np.hypot(points[:, first], points[:, first + 1])
        assert stats.kstest(e, "uniform", (0.0, 0.06)).pvalue > 1e-4


def same(first: Annealing, second: Annealing) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
        for name in ("points", "broad", "target", "wide", "powers")
    ) and (first.power, first.log_z, first.n_step, first.memory) == (
        second.power,
        second.log_z,
        second.n_step,
        second.memory,
    )


def test_resumed_after_every_step_it_is_the_same_bit_for_bit(normal: Annealing) -> None:
    now = annealer_of(toy.Normal()).begin()
    while not now.is_done:
        now = copy.deepcopy(now)
        annealer_of(toy.Normal()).advance(now)
    assert same(now, normal)


def test_another_key_is_another_population(normal: Annealing) -> None:
    other = arrived(annealer_of(toy.Normal(), key=(1, 3)))
    assert not np.array_equal(other.points, normal.points)


def test_a_step_that_is_interrupted_leaves_the_population_as_it_was() -> None:
    annealer = annealer_of(toy.Normal())
    now = annealer.begin()
    annealer.advance(now)
    before = copy.deepcopy(now)
    n_poll = 0

    def poll() -> None:
        nonlocal n_poll
        n_poll += 1
        if n_poll == 4:
            raise KeyboardInterrupt

    target = annealer.target
    interrupted = Target(target.posterior, target.coordinates, poll)
    with pytest.raises(KeyboardInterrupt):
        Annealer(interrupted, N_POINT, range(4), KEY).advance(now)
    assert same(now, before)
    annealer.advance(now)
    annealer.advance(before)
    assert same(now, before)


def test_progress_grows_from_nothing_to_all() -> None:
    annealer = annealer_of(toy.Normal(), 200)
    now = annealer.begin()
    told = [annealer.fraction(now)]
    while not now.is_done:
        annealer.advance(now)
        told.append(annealer.fraction(now))
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert told == sorted(told)


def test_a_posterior_without_any_model_is_an_error() -> None:
    class Nowhere(toy.Normal):
        def log_densities(self, points: np.ndarray) -> np.ndarray:
            return np.full(len(points), -np.inf)

    with pytest.raises(UnitError, match="No point"):
        annealer_of(Nowhere()).begin()


def test_points_without_a_model_cost_their_part_of_the_evidence() -> None:
    """Half of the prior has no model. To five times what seeds scatter by, 0.05."""

    class Half(toy.Flat):
        def log_densities(self, points: np.ndarray) -> np.ndarray:
            densities = super().log_densities(points)
            return np.where(points[:, 1] > 10.0, densities, -np.inf)

    now = arrived(annealer_of(Half()))
    assert abs(now.log_z - np.log(0.5)) < 0.25
    assert (now.points[:, 1] > 0.0).all()
