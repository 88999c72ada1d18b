"""Nested runs in segments against evidences and posteriors that are known.

Independent runs give independent evidences, whose spread gives the error of their mean: Student's t
with n_run - 1 degrees of freedom then has a stated false-alarm rate, whatever the errors that runs
claim. Every test's is 1e-4; seeds are fixed, so a pass stays a pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import dynesty
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import dblquad

from apps.nested.merge.errors import resample
from apps.nested.merge.modes import find_modes
from apps.nested.output import NestedOutput
from apps.nested.weights import merge_points, weigh
from tests import nested_targets
from tests.nested_targets import Likely, gaussian, settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

N_RUN = 8
FALSE_ALARM = 1e-4


def runs(make: Callable[[], Likely], seed: int = 1, **changes: object) -> list[NestedOutput]:
    chosen = settings(**changes)
    return [nested_targets.run(make(), chosen, index, seed) for index in range(N_RUN)]


def assert_mean_is(values: list[float], truth: float) -> None:
    mean, error = np.mean(values), np.std(values, ddof=1) / math.sqrt(len(values))
    limit = float(stats.t.isf(FALSE_ALARM / 2, len(values) - 1))
    assert abs(mean - truth) < limit * error, (mean, error, truth)


def log_evidences(found: list[NestedOutput]) -> list[float]:
    return [weigh(merge_points([one])).logz for one in found]


@pytest.mark.parametrize("n_dim", [2, 5])
def test_a_gaussian_has_its_evidence_and_moments(n_dim: int) -> None:
    found = runs(lambda: gaussian(n_dim, 0.03))
    assert_mean_is(log_evidences(found), 0.0)
    means, spreads = [], []
    for one in found:
        points = merge_points([one])
        weights = weigh(points).weights
        means.append(float(weights @ points.cube[:, 0]))
        spreads.append(float(weights @ np.square(points.cube[:, 0] - 0.5)))
    assert_mean_is(means, 0.5)
    assert_mean_is(spreads, 0.03**2)


def test_an_eggbox_has_its_evidence() -> None:
    """Eighteen peaks (Feroz, Hobson & Bridges 2009): the integral is done numerically."""

    def log_likelihood(cube: np.ndarray) -> np.ndarray:
        x = 10.0 * math.pi * cube / 2.0
        return (2.0 + np.cos(x[:, 0]) * np.cos(x[:, 1])) ** 5

    truth, _ = dblquad(
        lambda y, x: math.exp(
            (2.0 + math.cos(5.0 * math.pi * x) * math.cos(5.0 * math.pi * y)) ** 5 - 243.0
        ),
        *(0.0, 1.0, 0.0, 1.0),
        epsabs=1e-10,
        epsrel=1e-6,
    )
    found = runs(lambda: Likely(2, log_likelihood), n_live=150, segment=75, batch=16)
    assert_mean_is(log_evidences(found), 243.0 + math.log(truth))


def test_two_modes_have_their_shares_after_the_merge() -> None:
    """A narrow mode with 30 % of the evidence, in a fifth of the other's volume."""
    at, widths = np.array([[0.3] * 3, [0.75] * 3]), np.array([0.05, 0.03])

    def log_likelihood(cube: np.ndarray) -> np.ndarray:
        squares = (((cube[:, None] - at) / widths[:, None]) ** 2).sum(axis=2)
        logs = np.log([0.7, 0.3]) - 3 * np.log(widths * math.sqrt(2 * math.pi))
        return np.logaddexp(*(logs - 0.5 * squares).T)

    found = runs(lambda: Likely(3, log_likelihood), n_live=150, segment=75, batch=16)
    assert_mean_is(log_evidences(found), 0.0)
    points = merge_points(found)
    modes = find_modes(points.cube, points.logl, weigh(points), resample(points))
    assert len(modes) == 2
    assert abs(modes[1].share - 0.3) < 4.5 * modes[1].share_error
    assert modes[1].share_error < 0.1


def test_a_prior_that_is_half_empty_halves_the_evidence() -> None:
    def log_likelihood(cube: np.ndarray) -> np.ndarray:
        inside = gaussian(2, 0.03, 0.3).log_likelihoods(cube)
        return np.where(cube[:, 0] > 0.5, -np.inf, inside)

    assert_mean_is(log_evidences(runs(lambda: Likely(2, log_likelihood))), 0.0)


def test_periodic_coordinates_have_no_edge() -> None:
    """A peak across the end of a circle is one peak; its evidence is 1."""
    constant = -2 * math.log(0.03 * math.sqrt(2 * math.pi))

    def log_likelihood(cube: np.ndarray) -> np.ndarray:
        apart = cube - [0.0, 0.5]
        apart[:, 0] -= np.round(apart[:, 0])
        return constant - 0.5 * ((apart / 0.03) ** 2).sum(axis=1)

    found = runs(lambda: Likely(2, log_likelihood, (0,)))
    assert_mean_is(log_evidences(found), 0.0)


@pytest.mark.parametrize("segment", [20])
def test_the_length_of_segments_changes_nothing(segment: int) -> None:
    """Against dynesty's own run of as many live points, in one piece and with its own walks.

    Welch's t of the two means; dynesty's evidences are larger by H / 2n, for the mean of a
    shrinkage where ours is that of its logarithm.
    """
    ours = log_evidences(runs(lambda: gaussian(4, 0.05), seed=2, segment=segment))
    theirs = []
    for index in range(N_RUN):
        target = gaussian(4, 0.05)
        whole = dynesty.NestedSampler(
            lambda u, target=target: float(target.log_likelihoods(u[None])[0]),
            lambda u: u,
            4,
            nlive=100,
            bound="multi",
            sample="rwalk",
            walks=25,
            rstate=np.random.default_rng([3, index]),
        )
        whole.run_nested(dlogz=0.05, print_progress=False, save_bounds=False)
        nats = float(whole.results.information[-1])
        theirs.append(float(whole.results.logz[-1]) - nats / 200)
    assert stats.ttest_ind(ours, theirs, equal_var=False).pvalue > FALSE_ALARM


def test_errors_are_those_of_the_scatter() -> None:
    """Sixteen runs: the variance of evidences over their mean error's square is chi-square."""
    chosen = settings()
    found = [nested_targets.run(gaussian(3, 0.03), chosen, index, 4) for index in range(16)]
    errors = []
    for one in found:
        again = resample(merge_points([one]))
        errors.append(float(again.error(lambda w: np.array([w.logz]))[0]))
    ratio = np.var(log_evidences(found), ddof=1) / np.mean(np.square(errors))
    low, high = stats.chi2.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], 15) / 15
    # The errors themselves are known to a tenth, which widens the interval by as much.
    assert 0.8 * low < ratio < 1.2 * high
