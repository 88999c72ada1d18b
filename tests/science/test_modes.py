"""Modes, steps and starting points on a simulated system and on Kepler-9."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from apps.ttv.likelihood import Posterior
from apps.ttv.model import TimingModel
from apps.ttv.moves import log_mixture, sample_mixture
from apps.ttv.sampler import Sampler
from apps.ttv.settings import Mixture, Problem, SamplerSettings, TtvSettings
from apps.ttv.table import PlanetTransits, TransitTable, parse_table
from boinc_project.errors import InputError
from boinc_project.seeds import Stream, stream_key, unit_seed
from work_generator.campaign_file import load_campaign
from work_generator.modes import DELTA, Mode, find_mode, find_modes
from work_generator.pilot import fly
from work_generator.proposals import proposal
from work_generator.ridge import fit_ridge
from work_generator.starts import starting_points
from work_generator.steps import choose_dt
from work_generator.ttv_file import posterior_of

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = EXAMPLES / "data"
# Two super-periods of 210 days and errors of 17 s: the mass-eccentricity degeneracy is broken.
TRUTH = np.array([20.0, 10.0, 0.03, -0.02, 3.0, 30.0, 21.0, -0.01, 0.04, 7.0])
SIGMA = 0.0002
PAIR = (("b", 10.0, 3.0), ("c", 21.0, 7.0))
SPAN = (1.0, 0.0, 420.0, 0.5)


def settings(pairs, star_mass: float, epoch: float, end: float, dt: float) -> dict[str, Any]:
    parameters = []
    for planet, period, t0 in pairs:
        for element, prior in (
            ("mass", {"kind": "log_uniform", "low": 0.5, "high": 300.0}),
            ("period", {"kind": "uniform", "low": period - 0.3, "high": period + 0.3}),
            ("eccentricity", {"kind": "uniform", "low": 0.0, "high": 0.2}),
            ("t0", {"kind": "uniform", "low": t0 - 1.0, "high": t0 + 1.0}),
        ):
            parameters.append({"name": f"{planet}.{element}", "prior": prior})
    return {
        "model": {
            "star_mass": star_mass,
            "epoch": epoch,
            "end": end,
            "dt": dt,
            "engine": "batch",
            "planets": [{"name": planet, "observed": True} for planet, _, _ in pairs],
        },
        "parameters": parameters,
    }


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem.from_mapping(settings(PAIR, *SPAN))


@pytest.fixture(scope="module")
def table(problem: Problem) -> TransitTable:
    """The model's times with Gaussian errors."""
    rng = np.random.default_rng(9)
    planets = []
    for planet, times in zip("bc", TimingModel(problem).transit_times(TRUTH), strict=True):
        times = times[:-1] + SIGMA * rng.normal(size=len(times) - 1)
        epochs, sigmas = np.arange(len(times)), np.full(len(times), SIGMA)
        planets.append(PlanetTransits(planet, epochs, times, sigmas))
    return TransitTable(tuple(planets))


@pytest.fixture(scope="module")
def mode(problem: Problem, table: TransitTable) -> Mode:
    return find_mode(problem, table, np.random.default_rng(1), n_start=12)


def test_the_truth_is_found_again(mode: Mode, table: TransitTable) -> None:
    """chi2 and the distance to the truth follow their distributions; false alarms 1e-4 each."""
    freedom = table.n_transit - len(TRUTH)
    assert stats.chi2(freedom).cdf(mode.chi2) < 1 - 1e-4
    offset = mode.params - TRUTH
    distance2 = offset @ np.linalg.solve(mode.covariance, offset)
    assert stats.chi2(len(TRUTH)).cdf(distance2) < 1 - 1e-4


def test_a_search_follows_from_its_generator(problem, table, mode) -> None:
    again = find_mode(problem, table, np.random.default_rng(1), n_start=12)
    assert again.params.tobytes() == mode.params.tobytes()
    assert again.covariance.tobytes() == mode.covariance.tobytes()


def test_progress_is_told(problem, table) -> None:
    told = []
    find_mode(problem, table, np.random.default_rng(1), lambda *x: told.append(x), n_start=2)
    assert [done for done, _ in told] == list(range(1, told[0][1] + 1))


def test_priors_that_exclude_the_table_are_named(problem, table) -> None:
    far = settings((("b", 14.0, 3.0), ("c", 27.0, 7.0)), *SPAN)
    with pytest.raises(InputError, match="priors of periods and t0 fit the table"):
        find_mode(Problem.from_mapping(far), table, np.random.default_rng(1), n_start=2)


@pytest.mark.parametrize("tolerance", [0.1, 0.01])
@pytest.mark.parametrize("engine", ["batch", "ttvfast"])
def test_the_step_is_as_fine_as_asked(problem, table, mode, engine: str, tolerance: float) -> None:
    """TTVFast with an eighth of the step judges; the tenth beyond is what it itself is off by."""
    asked = replace(problem, model=replace(problem.model, engine=engine))
    step = choose_dt(asked, mode.params[np.newaxis], table, tolerance=tolerance)
    kick = {"modified_kick": step.modified_kick, "dt": step.dt}
    chosen = replace(asked, model=replace(asked.model, **kick))
    times = Posterior(chosen, table).engine.observed_times(mode.params[np.newaxis])[0]
    judge = Posterior(problem, table, step.dt / 8, engine="ttvfast")
    reference = judge.engine.observed_times(mode.params[np.newaxis])[0]
    assert np.abs(times - reference).max() < 1.1 * tolerance * SIGMA
    assert step.error_sigma < tolerance
    assert step.error == pytest.approx(step.error_sigma * SIGMA * 86400, rel=1e-3)


def test_the_worst_of_the_modes_decides_about_the_step(problem, table, mode) -> None:
    close = mode.params.copy()
    close[[2, 3, 7, 8]] = 0.1, 0.1, -0.1, -0.1
    alone = choose_dt(problem, mode.params[np.newaxis], table)
    both = choose_dt(problem, np.stack([mode.params, close]), table)
    assert both.dt <= alone.dt
    assert both.error > 1.2 * alone.error


def test_no_step_is_an_error_not_a_guess(problem, table, mode) -> None:
    with pytest.raises(InputError, match="too close for this model"):
        choose_dt(problem, mode.params[np.newaxis], table, tolerance=1e-12)


def test_starting_points_surround_the_mode(problem, table, mode) -> None:
    """About 1.4 times as wide as the posterior, all different, all possible."""
    points = np.concatenate(
        [
            starting_points(mode, problem, 24, np.random.default_rng(i), table=table)
            for i in range(4)
        ]
    )
    posterior = Posterior(problem, table)
    assert all(posterior(point) > -math.inf for point in points.tolist())
    assert len(np.unique(points, axis=0)) == len(points)
    spread = points.std(axis=0) / np.sqrt(np.diag(mode.covariance))
    assert (spread > 0.8).all()
    assert (spread < 2.2).all()


def test_starting_points_may_be_draws(problem, table, mode) -> None:
    draws = starting_points(mode, problem, 40, np.random.default_rng(1), table=table)
    points = starting_points(draws, problem, 24, np.random.default_rng(2), table=table)
    assert {tuple(point) for point in points.tolist()} <= {tuple(d) for d in draws.tolist()}
    assert len(np.unique(points, axis=0)) == 24
    twice = np.repeat(draws, 2, axis=0)
    with pytest.raises(InputError, match="only 40 different draws for 41"):
        starting_points(twice, problem, 41, np.random.default_rng(2), table=table)


def mixture_of(raw: dict[str, Any]) -> Mixture:
    """Return the mixture as the app reads it from a unit."""
    sampler = {"n_walker": 20, "n_step": 1, "thin": 1, "moves": [["mixture", 1.0]]}
    unit = {
        **settings(PAIR, *SPAN),
        "sampler": {**sampler, "mixture": raw},
        "start": [TRUTH.tolist()] * 20,
    }
    mixture = TtvSettings.from_mapping(unit).sampler.mixture
    assert mixture is not None
    return mixture


def worth(log_densities, mixture: Mixture, n: int, seed: int = 1) -> float:
    """Return how many draws of the posterior a draw of the mixture is worth (Kish)."""
    points = sample_mixture(mixture, n, np.random.RandomState(seed))
    logs = log_densities(points) - log_mixture(mixture, points)
    weights = np.exp(logs - logs.max())
    return float(weights.sum() ** 2 / np.sum(weights**2)) / n


def test_without_draws_a_proposal_is_the_modes_normal_approximation(mode) -> None:
    other = Mode(mode.params + 0.5, 300.0, mode.covariance)
    mixture = mixture_of(proposal([mode, other], [0.75, 0.25]))
    assert mixture.weights == pytest.approx([0.75, 0.25])
    np.testing.assert_allclose(mixture.means, [mode.params, other.params])
    factor = mixture.choleskys[1]
    np.testing.assert_allclose(factor @ factor.T, mode.covariance, rtol=1e-6)


def test_a_mode_without_draws_stays_reachable(mode) -> None:
    other = Mode(mode.params + 0.5, 300.0, mode.covariance)
    draws = np.random.default_rng(3).multivariate_normal(mode.params, mode.covariance, 2000)
    mixture = mixture_of(proposal([mode, other], [0.75, 0.25], draws))
    assert mixture.weights[-1] == pytest.approx(0.025)
    np.testing.assert_allclose(mixture.means[-1], other.params)


def test_few_draws_do_not_replace_a_mode(mode) -> None:
    draws = np.random.default_rng(3).multivariate_normal(mode.params, mode.covariance, 400)
    assert len(mixture_of(proposal([mode], [1.0], draws)).weights) == 1


def bent(points):
    """Log density of a banana in ten dimensions, up to a constant: x1 bends with x0 squared."""
    x = points.T
    return -0.5 * (x[0] ** 2 + ((x[1] - x[0] ** 2) / 0.3) ** 2 + np.sum(x[2:] ** 2, axis=0))


def test_beads_follow_a_bent_posterior() -> None:
    """A normal distribution is a poor proposal for a banana, the row of beads a good one."""
    rng = np.random.default_rng(4)
    draws = rng.normal(size=(4000, 10))
    draws[:, 1] = draws[:, 0] ** 2 + 0.3 * draws[:, 1]
    fit = fit_ridge(draws)
    beads = Mixture(fit.weights, fit.means, np.linalg.cholesky(fit.covariances), 30.0)
    plain = Mixture(
        np.ones(1), draws.mean(0)[None], np.linalg.cholesky(np.cov(draws.T))[None], 30.0
    )
    assert worth(bent, beads, 2000) > 0.5
    assert worth(bent, plain, 2000) < 0.25


def test_beads_cover_a_normal_posterior_too() -> None:
    draws = np.random.default_rng(5).normal(size=(4000, 10))
    fit = fit_ridge(draws)
    beads = Mixture(fit.weights, fit.means, np.linalg.cholesky(fit.covariances), 30.0)
    assert worth(lambda x: -0.5 * np.sum(x * x, axis=1), beads, 2000) > 0.5


def test_a_pilot_that_finds_nothing_keeps_the_modes_and_says_so(problem, table, mode) -> None:
    posterior = Posterior(problem, table)
    off = mode.params + 8.0 * np.sqrt(np.diag(mode.covariance))
    lost = Mode(off, mode.chi2, mode.covariance * 1e-4)
    pilot = fly(posterior, [lost], np.random.default_rng(6))
    (weight,) = pilot.weights
    assert not weight.trusted
    assert weight.error is None
    assert weight.weight == 1.0


def test_modes_are_weighed_by_what_lies_below_them(problem, table, mode) -> None:
    """One posterior, cut in two by a second, false mode 0.8 sigma away: the parts are areas.

    Draws nearer to a mode are that mode's. Both modes see the same normal posterior from beside it,
    so the parts are those of a normal distribution left and right of the cut; 4 sigma of the errors
    stated, and 0.02 for the posterior's own bend.
    """
    step = np.linalg.cholesky(mode.covariance)[:, 0]
    modes = [Mode(mode.params + shift * step, mode.chi2, mode.covariance) for shift in (-0.5, 2.5)]
    pilot = fly(Posterior(problem, table), modes, np.random.default_rng(7))
    assert all(weight.trusted for weight in pilot.weights)
    share = stats.norm.cdf(1.0)
    assert math.fsum(weight.weight for weight in pilot.weights) == pytest.approx(1.0)
    error = pilot.weights[0].error
    assert error is not None
    assert pilot.weights[0].weight == pytest.approx(share, abs=4 * error + 0.02)


@pytest.mark.slow
def test_a_chain_recovers_the_simulated_system(problem, table, mode) -> None:
    """Posterior means within the posterior of the truth; widths within 35 % of the mode's."""
    draws = []
    for index in range(3):
        seed = unit_seed(5, generation=0, index=index)
        sampler = Sampler(
            SamplerSettings(24, 150, 1, (("de", 0.8), ("snooker", 0.2))),
            stream_key(seed, Stream.CHAIN),
            Posterior(problem, table).log_densities,
        )
        rng = np.random.default_rng(index)
        chain = sampler.begin(starting_points(mode, problem, 24, rng, table=table))
        for _ in range(150):
            sampler.advance(chain)
        draws.append(np.array(chain.draws[50:]).reshape(-1, 10))
    merged = np.concatenate(draws)
    offset = merged.mean(axis=0) - TRUTH
    distance2 = offset @ np.linalg.solve(np.cov(merged.T), offset)
    assert stats.chi2(10).cdf(distance2) < 1 - 1e-4
    ratio = merged.std(axis=0) / np.sqrt(np.diag(mode.covariance))
    assert (np.abs(np.log(ratio)) < np.log(1.35)).all(), ratio


@pytest.fixture(scope="module")
def kepler_9() -> tuple[Problem, TransitTable, Mode]:
    table = parse_table((DATA / "kepler-9.csv").read_bytes())
    pairs = (("b", 19.23, 144.25), ("c", 39.0, 136.3))
    problem = Problem.from_mapping(settings(pairs, 1.02, 135.0, 1600.0, 0.9))
    return problem, table, find_mode(problem, table, np.random.default_rng(1), n_start=12)


@pytest.mark.slow
def test_kepler_9_has_its_known_masses(kepler_9) -> None:
    """Check fit of the published times: chi2 159.6 for 97 degrees of freedom, 43.2 and 29.8 Earth.

    The tolerances are the check fit's own formal errors, 0.5 and 0.3 Earth masses.
    """
    problem, table, mode = kepler_9
    assert table.n_transit - problem.n_dim == 97
    assert mode.chi2 == pytest.approx(159.6, abs=0.5)
    names = problem.parameter_names
    assert mode.params[names.index("b.mass")] == pytest.approx(43.2, abs=0.5)
    assert mode.params[names.index("c.mass")] == pytest.approx(29.8, abs=0.3)
    e_b = math.hypot(mode.params[names.index("b.ecosw")], mode.params[names.index("b.esinw")])
    assert e_b == pytest.approx(0.064, abs=0.002)


@pytest.mark.slow
def test_the_pilot_follows_kepler_9s_ridge(kepler_9) -> None:
    """The posterior of Kepler-9 is bent; a pilot's proposals must be worth more than a normal's."""
    problem, table, mode = kepler_9
    posterior = Posterior(problem, table)
    normal = mixture_of(proposal([mode], [1.0]))
    pilot = fly(posterior, [mode], np.random.default_rng(6))
    raw = pilot.proposal
    assert worth(posterior.log_densities, mixture_of(raw), 4000) > 1.5 * worth(
        posterior.log_densities, normal, 4000
    )
    assert pilot.effective / pilot.n_call > 0.3
    assert pilot.weights[0].trusted


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_kepler_9_b_alone_finds_and_weighs_c(seed: int) -> None:
    """The companion that shifts b's transits is found from them alone, among periods of 30 to 50 d.

    Borsato et al. 2019 with the transits of both: 38.99 days, 29.9 Earth masses. Without c's own
    transits the mass is known to some ten per cent only, so that 1.4 times is asked for.
    """
    campaign = load_campaign(EXAMPLES / "kepler-9b-alone.toml")
    raw = copy.deepcopy(dict(campaign.settings))
    (period,) = (p for p in raw["parameters"] if p["name"] == "c.period")
    period["prior"].update(low=30.0, high=50.0)
    posterior = posterior_of(raw, campaign.inputs)
    problem, table = posterior.problem, posterior.table
    best = find_mode(problem, table, np.random.default_rng(seed), n_start=400)
    values = dict(zip(problem.parameter_names, best.params.tolist(), strict=True))
    assert values["c.period"] == pytest.approx(38.99, abs=0.5)
    assert 29.9 / 1.4 < values["c.mass"] < 29.9 * 1.4
    assert best.chi2 < 125.0


@pytest.mark.slow
def test_the_search_of_kepler_307_ends_in_one_ridge_and_its_masses_are_the_published_ones() -> None:
    """Starts of all eccentricities run down into one mode: ends of its ridge are not counted twice.

    Jontof-Hutter et al. 2016, with the same noise: 7.44 +0.91 -0.87 and 3.64 +0.65 -0.58 Earth
    masses; the peak lies within two of their sigmas.
    """
    campaign = load_campaign(EXAMPLES / "kepler-307.toml")
    posterior = posterior_of(campaign.settings, campaign.inputs)
    problem, table = posterior.problem, posterior.table
    (mode,) = find_modes(problem, table, np.random.default_rng(1), n_start=36)
    values = dict(zip(problem.parameter_names, mode.params.tolist(), strict=True))
    assert values["b.mass"] == pytest.approx(7.44, abs=2 * 0.91)
    assert values["c.mass"] == pytest.approx(3.64, abs=2 * 0.65)


def test_two_phases_of_an_unseen_planet_are_two_modes(problem, table) -> None:
    """A search that keeps only what it likes best would report one of several minima."""
    hidden = settings(PAIR, *SPAN)
    hidden["model"]["planets"][1]["observed"] = False
    for parameter in hidden["parameters"]:
        if parameter["name"] == "c.period":
            parameter["prior"] = {"kind": "uniform", "low": 18.0, "high": 32.0}
        if parameter["name"] == "c.t0":
            parameter["prior"] = {"kind": "uniform", "low": 0.0, "high": 30.0}
    alone = Problem.from_mapping(hidden)
    seen = TransitTable((table.planets[0],))
    modes = find_modes(alone, seen, np.random.default_rng(3), n_start=200)
    costs = [mode.chi2 for mode in modes]
    assert len(modes) > 1
    assert costs == sorted(costs)
    assert costs[-1] <= costs[0] + DELTA
    few = find_modes(alone, seen, np.random.default_rng(3), n_start=200, delta=1.0)
    assert len(few) < len(modes)
