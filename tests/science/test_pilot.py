"""Weights of modes, starting points and proposals, on a simulated system and on Kepler-9."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from apps.nested.cube import CubeLikelihood
from apps.nested.proposal import parse_proposal
from apps.ttv.likelihood import Posterior
from apps.ttv.population.importance import kish, log_mean, relative_error
from apps.ttv.settings import Problem
from apps.ttv.table import TransitTable, parse_table
from boinc_project.errors import InputError
from tests.science.simulated import PAIR, SPAN, TRUTH, settings, simulated_table
from work_generator import region
from work_generator.campaign_file import load_campaign
from work_generator.modes import Mode, find_mode
from work_generator.pilot import Pilot, fly
from work_generator.population import from_peaks, last_look
from work_generator.starts import starting_points
from work_generator.ttv_file import posterior_of

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = EXAMPLES / "data"


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    problem = Problem.from_mapping(settings(PAIR, *SPAN))
    return Posterior(problem, simulated_table(problem))


@pytest.fixture(scope="module")
def mode(posterior: Posterior) -> Mode:
    return find_mode(posterior.problem, posterior.table, np.random.default_rng(1), n_start=12)


@pytest.fixture(scope="module")
def flown(posterior: Posterior, mode: Mode) -> Pilot:
    return fly(posterior, [mode], np.random.default_rng(2))


@pytest.mark.slow
def test_a_proposal_is_worth_most_of_its_draws(flown: Pilot) -> None:
    """Kish; a normal distribution around the mode is worth less, as the next test has it."""
    assert flown.effective > 0.5 * flown.n_call
    (weight,) = flown.weights
    assert weight.weight == 1.0
    assert weight.trusted


@pytest.mark.slow
def test_importance_draws_have_the_truth_inside(flown: Pilot, posterior: Posterior) -> None:
    """The truth follows the posterior's normal approximation; false-alarm rate 1e-4."""
    points = flown.proposal.sample(4000, np.random.RandomState(3))
    logs = posterior.log_densities(points) - flown.proposal.log_densities(points)
    weights = np.exp(logs - logs.max())
    mean = np.average(points, axis=0, weights=weights)
    offset = mean - TRUTH
    distance2 = offset @ np.linalg.solve(np.cov(points.T, aweights=weights), offset)
    assert stats.chi2(10).cdf(distance2) < 1 - 1e-4


@pytest.mark.slow
def test_chains_begin_more_widely_than_the_posterior(
    flown: Pilot, posterior: Posterior, mode: Mode
) -> None:
    """1.4 times: the likelihood to the power 1/2. R-hat would else see nothing."""
    (wide,) = flown.wide
    ratio = wide.std(axis=0) / np.sqrt(np.diag(mode.covariance))
    assert (ratio > 1.2).all(), ratio
    assert (ratio < 1.8).all(), ratio
    points = starting_points(wide, posterior, 24, np.random.default_rng(4))
    assert len(np.unique(points, axis=0)) == 24
    assert {tuple(point) for point in points.tolist()} <= {tuple(p) for p in wide.tolist()}
    assert np.isfinite(posterior.log_densities(points)).all()


def test_too_few_draws_are_refused(posterior: Posterior) -> None:
    draws = np.repeat(TRUTH[None] + np.linspace(0, 1e-6, 20)[:, None], 3, axis=0)
    with pytest.raises(InputError, match="only 20 different draws for 21"):
        starting_points(draws, posterior, 21, np.random.default_rng(1))


def test_a_region_holds_the_prior_cut_off_at_its_box(posterior: Posterior, mode: Mode) -> None:
    """Every coordinate is uniform in the prior's own quantiles, by Kolmogorov and Smirnov; the
    eccentricity vectors in the plane, where their density is as 1/e; false-alarm rate 1e-4."""
    whole, points = region.draw(posterior, [mode], 0, 2000, np.random.default_rng(5))
    assert len(points) == 2000
    assert whole.contains(points).all()
    names = posterior.problem.parameter_names
    place = names.index("b.mass")
    low, high = max(whole.low[place], 0.5), min(whole.high[place], 300.0)
    shares = np.log(points[:, place] / low) / math.log(high / low)
    assert stats.kstest(shares, "uniform").pvalue > 1e-4
    assert not whole.contains(points + 1.01 * (whole.high - whole.low)).any()


@pytest.mark.slow
def test_modes_are_weighed_by_what_lies_below_them(posterior: Posterior, mode: Mode) -> None:
    """One posterior, cut in two by a second, false mode: the parts are areas.

    Draws nearer to a mode are that mode's. Both modes see the same normal posterior from beside it,
    so the parts are those of a normal distribution left and right of the cut; 4 sigma of the errors
    stated, and 0.02 for the posterior's own bend.
    """
    step = np.linalg.cholesky(mode.covariance)[:, 0]
    modes = [Mode(mode.params + shift * step, mode.chi2, mode.covariance) for shift in (-0.5, 2.5)]
    pilot = fly(posterior, modes, np.random.default_rng(7))
    assert all(weight.trusted for weight in pilot.weights)
    share = stats.norm.cdf(1.0)
    assert math.fsum(weight.weight for weight in pilot.weights) == pytest.approx(1.0)
    error = pilot.weights[0].error
    assert error is not None
    assert pilot.weights[0].weight == pytest.approx(share, abs=4 * error + 0.02)


@pytest.mark.slow
def test_a_mode_that_is_none_is_not_trusted(posterior: Posterior, mode: Mode) -> None:
    """A needle beside the posterior, as a fit that was stopped too early would leave."""
    off = mode.params + 8.0 * np.sqrt(np.diag(mode.covariance))
    lost = Mode(off, mode.chi2, mode.covariance * 1e-8)
    (weight,) = fly(posterior, [lost], np.random.default_rng(6)).weights
    assert not weight.trusted
    assert weight.error is None
    assert weight.weight == 1.0


@pytest.mark.slow
def test_kepler_9s_ridge_is_filled() -> None:
    """Its posterior is bent, and a normal distribution worth a tenth of its draws."""
    table: TransitTable = parse_table((DATA / "kepler-9.csv").read_bytes())
    pairs = (("b", 19.23, 144.25), ("c", 39.0, 136.3))
    problem = Problem.from_mapping(settings(pairs, 1.02, 135.0, 1600.0, 0.9))
    best = find_mode(problem, table, np.random.default_rng(1), n_start=12)
    posterior = Posterior(problem, table)
    told: list[float] = []
    pilot = fly(posterior, [best], np.random.default_rng(6), told.append)
    assert pilot.effective > 0.6 * pilot.n_call
    assert pilot.weights[0].trusted
    assert told == sorted(told)
    z = np.random.default_rng(8).normal(size=(4000, 10))
    points = best.params + z @ np.linalg.cholesky(best.covariance).T
    logs = posterior.log_densities(points) + 0.5 * np.sum(z * z, axis=1)
    weights = np.exp(logs - logs.max())
    assert weights.sum() ** 2 / np.sum(weights**2) < 0.5 * len(points)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 8, 9])
def test_a_population_that_lost_the_peak_finds_it_again(seed: int) -> None:
    """Kepler-307: annealed from the prior, all of a population ends at masses of next to nothing.

    There the data say little, and the prior's part is large. Chains must not begin there: the
    peak's mass of b is 8.5 Earth masses, and its posterior as wide as 0.9.
    """
    campaign = load_campaign(EXAMPLES / "kepler-307.toml")
    posterior = posterior_of(campaign.settings, campaign.inputs)
    best = find_mode(posterior.problem, posterior.table, np.random.default_rng(1), n_start=24)
    pilot = fly(posterior, [best], np.random.default_rng(seed))
    (weight,), (wide,) = pilot.weights, pilot.wide
    assert weight.trusted
    assert pilot.settled
    assert pilot.effective > 0.3 * pilot.n_call
    masses = wide[:, posterior.problem.parameter_names.index("b.mass")]
    assert np.quantile(masses, 0.05) > 4.0
    assert 1.0 < masses.std() < 2.0


@pytest.mark.slow
def test_a_hopeless_mode_at_the_edge_of_the_priors_stops_nobody(
    posterior: Posterior, mode: Mode
) -> None:
    """Its points go back towards it until they have a density, however wide its covariance is."""
    low = mode.params.copy()
    low[posterior.problem.parameter_names.index("b.mass")] = 0.51  # 0.5 is the prior's end
    edge = Mode(low, mode.chi2 + 1e4, 100.0 * mode.covariance)
    pilot = fly(posterior, [mode, edge], np.random.default_rng(9))
    assert pilot.weights[1].weight < 1e-9
    assert not pilot.weights[1].trusted
    assert len(pilot.wide[1]) >= 1000
    assert np.isfinite(posterior.log_densities(pilot.wide[1])).all()
    assert pilot.weights[0].trusted
    assert pilot.settled


@pytest.mark.slow
def test_a_fit_that_begins_at_the_peaks_finds_the_posterior(
    flown: Pilot, posterior: Posterior, mode: Mode
) -> None:
    """Its evidence is the good pilot's, to within four errors, a false-alarm rate of 6e-5.

    Random points of nested runs' cube are worth most of a draw of the posterior.
    """
    rng = np.random.default_rng(5)
    found = from_peaks([mode], posterior, rng)
    look = last_look(found, posterior, rng)
    assert flown.log_z_error is not None
    error = math.hypot(relative_error(look.logs), flown.log_z_error)
    assert abs(log_mean(look.logs) - flown.log_z) < 4.0 * error
    proposal = parse_proposal(found.for_cube(0.8), posterior.problem.n_dim)
    target = CubeLikelihood(posterior, proposal)
    logs = target.log_likelihoods(np.random.default_rng(6).random((4000, target.n_dim)))
    assert kish(logs) > 0.3 * 4000
