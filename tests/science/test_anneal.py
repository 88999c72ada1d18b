"""The annealed population against posteriors that are known exactly.

Points of one population are hardly independent of each other after resampling, so that means are
taken over independent populations, whose scatter gives their errors; false-alarm rate 1e-4 a test.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from work_generator.anneal import HALF, anneal
from work_generator.proposals import fit_proposal

N_RUN = 8
FALSE_ALARM = 1e-4


def agree(values: list[float], truth: float, n_test: int) -> None:
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    t = abs(np.mean(values) - truth) / error
    assert 2 * stats.t(len(values) - 1).sf(t) > FALSE_ALARM / n_test, (np.mean(values), truth)


def square(low: float, high: float, n_dim: int, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(low, high, size=(n, n_dim))


def flat(low: float, high: float):
    def log_priors(points: np.ndarray) -> np.ndarray:
        inside = np.all((points > low) & (points < high), axis=1)
        return np.where(inside, 0.0, -math.inf)

    return log_priors


THIN = 0.01


def banana(points: np.ndarray) -> np.ndarray:
    """x_0 normal, the others 0.01 wide around parabolas of it."""
    x = points.T
    thin = (x[1] - x[0] ** 2) ** 2 + (x[2] + 0.5 * x[0] ** 2 - x[0]) ** 2
    return -0.5 * (x[0] ** 2 + thin / THIN**2)


@pytest.mark.slow
def test_a_thin_banana_is_filled_from_end_to_end() -> None:
    """From a cube of width 80, 3e-9 of which holds the posterior."""
    runs = []
    for seed in range(N_RUN):
        rng = np.random.default_rng([1, seed])
        points = square(-40.0, 40.0, 3, 600, rng)
        runs.append(anneal(banana, flat(-40.0, 40.0), points, [0, 1, 2], rng))
    for power, x in ((1.0, [run.points for run in runs]), (HALF, [run.wide for run in runs])):
        sigma = 1.0 / math.sqrt(power)
        agree([float(p[:, 0].mean()) for p in x], 0.0, 8)
        agree([float(np.mean(p[:, 0] ** 2)) for p in x], sigma**2, 8)
        agree([float(np.mean(np.abs(p[:, 0]) > 2 * sigma)) for p in x], 0.0455, 8)
        agree([float(np.mean((p[:, 1] - p[:, 0] ** 2) ** 2)) for p in x], (THIN * sigma) ** 2, 8)
    assert all(run.forgotten for run in runs)


def two_peaks(points: np.ndarray) -> np.ndarray:
    """A third of the posterior around -5, twice as narrow as the rest around 5."""
    near = stats.norm(-5, 0.5).logpdf(points).sum(axis=1) + math.log(1 / 3)
    far = stats.norm(5, 1.0).logpdf(points).sum(axis=1) + math.log(2 / 3)
    return np.logaddexp(near, far)


@pytest.mark.slow
def test_two_peaks_keep_their_parts() -> None:
    found = []
    for seed in range(N_RUN):
        rng = np.random.default_rng([2, seed])
        points = square(-15.0, 15.0, 2, 800, rng)
        run = anneal(two_peaks, flat(-15.0, 15.0), points, [0, 1], rng)
        found.append(float(np.mean(run.points[:, 0] < 0)))
    agree(found, 1 / 3, 1)


def test_a_population_that_cannot_move_says_so() -> None:
    """Each point's likelihood is its own secret: nothing that is offered is ever accepted."""
    rng = np.random.default_rng(3)
    points = square(0.0, 1.0, 2, 200, rng)
    known = {tuple(point) for point in points.tolist()}

    def only_those(asked: np.ndarray) -> np.ndarray:
        return np.array([0.0 if tuple(p) in known else -1e9 for p in asked.tolist()])

    assert not anneal(only_those, flat(0.0, 1.0), points, [0, 1], rng).forgotten


def test_the_same_seed_gives_the_same_population() -> None:
    def one() -> np.ndarray:
        rng = np.random.default_rng(4)
        points = square(-10.0, 10.0, 3, 100, rng)
        return anneal(banana, flat(-10.0, 10.0), points, [0, 1, 2], rng).points

    assert one().tobytes() == one().tobytes()


def test_progress_rises_to_the_end() -> None:
    told: list[float] = []
    rng = np.random.default_rng(5)
    points = square(-10.0, 10.0, 3, 100, rng)
    anneal(banana, flat(-10.0, 10.0), points, [0, 1, 2], rng, told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    assert len(told) > 5


def test_a_proposal_along_a_banana_is_worth_most_of_its_draws() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(4000, 3))
    x[:, 1] = x[:, 0] ** 2 + THIN * x[:, 1]
    x[:, 2] = x[:, 0] - 0.5 * x[:, 0] ** 2 + THIN * x[:, 2]
    proposal = fit_proposal([x], [1.0], [0, 1, 2])
    points = proposal.sample(4000, np.random.RandomState(1))
    logs = banana(points) - proposal.log_densities(points)
    weights = np.exp(logs - logs.max())
    assert weights.sum() ** 2 / np.sum(weights**2) > 0.8 * len(points)
    # Normalised: the mean weight is the banana's integral.
    integral = (2 * math.pi) ** 1.5 * THIN**2
    assert np.mean(np.exp(logs)) == pytest.approx(integral, rel=0.05)
