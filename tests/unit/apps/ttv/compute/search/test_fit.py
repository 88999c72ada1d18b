"""Least squares and modes in whitened coordinates, on small problems."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.search.fit import Fit, Round
from apps.ttv.compute.search.mode import Mode, distances, log_laplace, nearest
from apps.ttv.compute.search.modes import (
    DELTA,
    LeftOut,
    SearchResult,
    confirmed,
    find_modes,
)
from apps.ttv.compute.search.squares import scales
from apps.ttv.compute.settings import Parameter
from boinc_project.errors import InputError
from tests.unit.apps.ttv.plan.timing_case import DATA, FLAT, LOG_MASS, MASS, pair, uniform

RAYLEIGH = {"kind": "rayleigh", "sigma": 0.05}
N_LINE = 6  # masses, periods and t0 of both planets


def near_the_peak(fit: Fit, n: int, seed: int = 1) -> np.ndarray:
    """Return points with times near the table's and the rest as the priors have it."""
    names = fit.problem.parameter_names
    points = fit.whitening.colour(np.random.default_rng(seed).normal(size=(n, len(names))))
    for name, value in (("b.period", 10.0), ("b.t0", 105.0), ("c.period", 20.3), ("c.t0", 108.0)):
        points[:, names.index(name)] = value
    return fit.whitening.whiten(points)


def eccentricities(posterior: Posterior, mode: Mode) -> list[float]:
    values = dict(zip(posterior.problem.parameter_names, mode.params.tolist(), strict=True))
    return [math.hypot(values[f"{p}.ecosw"], values[f"{p}.esinw"]) for p in "bc"]


def search(posterior: Posterior, n_start: int, seed: int = 1, delta: float = DELTA) -> SearchResult:
    rng = np.random.default_rng(seed)
    return find_modes(posterior.problem, posterior.table, rng, n_start=n_start, delta=delta)


@pytest.mark.parametrize("eccentricity", [FLAT, RAYLEIGH])
def test_the_cost_is_what_the_likelihood_and_a_normal_prior_say(eccentricity) -> None:
    fit = Fit(pair("pair.csv", eccentricity=eccentricity))
    w = near_the_peak(fit, 20)
    logs = fit.posterior.log_likelihoods(fit.whitening.colour(w))
    assert np.isfinite(logs).sum() > 10
    assert fit.costs(w) == pytest.approx(-2.0 * logs + np.sum(w**2, axis=1), rel=1e-9)
    assert fit.deviances(w) == pytest.approx(-2.0 * logs, rel=1e-9)


def test_the_cost_is_the_posterior_s_where_the_plane_s_reference_is_the_prior() -> None:
    """With Rayleigh priors nothing but a constant is left."""
    fit = Fit(pair("pair.csv", eccentricity=RAYLEIGH))
    w = near_the_peak(fit, 20)
    points = fit.whitening.colour(w)
    logs = fit.posterior.log_densities(points) - fit.whitening.log_jacobians(points, w)
    known = np.isfinite(logs)
    assert known.sum() > 10
    constants = (fit.costs(w) + 2.0 * logs)[known]
    assert constants == pytest.approx(np.full(len(constants), -10.0 * math.log(2 * math.pi)))


def test_beyond_all_priors_and_in_the_hole_of_one_no_model_is() -> None:
    fit = Fit(pair("pair.csv", eccentricity=uniform(0.05, 0.2)))
    w = near_the_peak(fit, 3)
    names = fit.problem.parameter_names
    w[0, names.index("b.mass")] = 100.0
    w[1, [names.index("b.ecosw"), names.index("b.esinw")]] = 1e-3
    w[2, [names.index(f"{p}.{e}") for p in "bc" for e in ("ecosw", "esinw")]] = 1.0
    assert np.isfinite(fit.costs(w)).tolist() == [False, False, True]


def test_derivatives_are_those_of_residuals_and_of_the_map() -> None:
    fit = Fit(pair("pair.csv", mass=MASS))
    w = near_the_peak(fit, 4, seed=2)
    points = fit.whitening.colour(w)
    jacobians, slopes = fit.jacobians(w, points, fit.residuals_of(points), fit.everything)
    n_transit = fit.posterior.table.n_transit
    assert jacobians.shape == (4, n_transit + 10, 10)
    assert np.array_equal(jacobians[0, n_transit:], np.eye(10))
    small = 1e-7 * np.random.default_rng(3).normal(size=w.shape)
    change = fit.residuals(w + small) - fit.residuals(w - small)
    told = np.einsum("nrd,nd->nr", jacobians[:, :n_transit], 2.0 * small)
    size = np.abs(told).max(axis=1, keepdims=True)
    assert np.all(np.abs(change - told) < 0.01 * size)
    moved = fit.whitening.colour(w + small) - fit.whitening.colour(w - small)
    assert moved == pytest.approx(np.einsum("njk,nk->nj", slopes, 2.0 * small), rel=0.02, abs=1e-12)


def test_a_step_changes_parameters_by_their_scales_and_is_never_long() -> None:
    fit = Fit(pair("pair.csv"))
    w = near_the_peak(fit, 50, seed=4)
    w[0, 0], w[1, 2:4] = 6.0, (5.0, 0.0)  # at the edges of a mass and of a plane
    points = fit.whitening.colour(w)
    sides = fit._sides(w, points, steps := np.minimum(0.01 * fit._sizes(w, points), 0.3))
    assert steps[:2].max() == 0.3
    moved = np.linalg.norm(sides[:, :, 0] - sides[:, :, 1], axis=2) / 2.0
    wanted = 0.01 * scales(fit.problem, points)
    free = steps < 0.3
    assert np.all(moved < 1.01 * wanted)
    lines = [i for i, parameter in enumerate(fit.problem.free) if parameter.prior is not None]
    assert len(lines) == N_LINE
    assert np.all((moved > 0.98 * wanted)[:, lines][free[:, lines]])


def test_where_one_side_has_no_model_the_other_tells_the_derivative() -> None:
    """A normal prior of a mass goes below zero, where nothing can be integrated."""
    wide = {"kind": "normal", "mean": 1.0, "sigma": 3.0}
    fit = Fit(pair("pair.csv", mass=wide))
    names = fit.problem.parameter_names
    points = fit.whitening.colour(near_the_peak(fit, 1))
    points[0, [names.index("b.mass"), names.index("c.mass")]] = 2e-5, 5.0
    w = fit.whitening.whiten(points)
    w[:, [names.index(f"{p}.{e}") for p in "bc" for e in ("ecosw", "esinw")]] = 0.1
    points = fit.whitening.colour(w)
    place = names.index("b.mass")
    moving = np.arange(len(names)) == place
    found, _ = fit.jacobians(w, points, fit.residuals_of(points), moving)
    further = w.copy()
    further[0, place] += 0.01
    change = (fit.residuals(further) - fit.residuals(w))[0] / 0.01
    data = found[0, :-1, 0]
    assert np.abs(data).max() > 1.0
    assert data == pytest.approx(change, rel=0.05, abs=0.05 * np.abs(data).max())


def test_what_the_data_leave_open_has_the_prior_s_width() -> None:
    """Nothing is known of a planet far outside, but for its prior."""
    far = {"c_period": uniform(900.0, 1000.0), "c_t0": uniform(110.0, 500.0)}
    fit = Fit(pair("inner-alone.csv", c_seen=False, c_mass=uniform(0.1, 0.2), **far))
    w = np.zeros((1, fit.problem.n_dim))
    covariance = fit.covariance(fit.refine(w, 60)[0])
    hidden = [name.startswith("c.") for name in fit.problem.parameter_names]
    widths = np.sqrt(np.diag(covariance))
    assert widths[hidden] == pytest.approx(np.ones(5), abs=0.02)
    place = fit.problem.parameter_names.index("b.period")
    assert widths[place] < 1e-2


def test_moves_that_end_outside_are_straight_in_w() -> None:
    fit = Fit(pair("pair.csv", mass=MASS))
    names = fit.problem.parameter_names
    w = near_the_peak(fit, 1)
    points = fit.whitening.colour(w)
    _, slopes = fit.jacobians(w, points, fit.residuals_of(points), fit.everything)
    for length, is_straight_in_x in ((0.2, True), (30.0, False)):
        moves = np.zeros_like(w)
        moves[0, names.index("b.mass")] = length
        ends, reached = fit.straight(w, points, slopes, moves, fit.everything)
        assert reached == pytest.approx(fit.whitening.colour(ends), rel=1e-9)
        other = reached if is_straight_in_x else ends
        begin = points if is_straight_in_x else w
        rate = slopes[0, 0, 0] if is_straight_in_x else 1.0
        assert other[0, 0] - begin[0, 0] == pytest.approx(length * rate, rel=1e-9)


def test_what_is_held_stays_though_the_other_half_of_its_plane_moves() -> None:
    fit = Fit(pair("pair.csv"))
    place = fit.problem.parameter_names.index("b.ecosw")
    w = near_the_peak(fit, 6)
    moved = fit.refine(w, 5, np.arange(w.shape[1]) != place)
    assert np.array_equal(moved[:, place], w[:, place])
    assert np.all(fit.costs(moved) <= fit.costs(w))
    assert np.any(fit.costs(moved) < fit.costs(w) - 1.0)


def test_rounds_only_go_down() -> None:
    fit = Fit(pair("pair.csv"))
    w = near_the_peak(fit, 8)
    first, costs = fit.solve(w, (Round(3, moving="timing"), Round(5)))
    assert costs.tolist() == sorted(costs.tolist())
    assert costs[0] < fit.costs(w).min()
    assert costs == pytest.approx(fit.costs(first), rel=1e-6)


@pytest.mark.parametrize("high", [0.2, 0.5])
def test_a_table_without_a_signal_has_a_mode_with_a_finite_evidence(high: float) -> None:
    posterior = pair("no-signal.csv", eccentricity=uniform(0.0, high))
    modes = search(posterior, 16).modes
    assert all(math.isfinite(log_laplace(mode, posterior)) for mode in modes)
    assert all(max(eccentricities(posterior, mode)) < high for mode in modes)
    assert modes[0].chi2 < 60.0


@pytest.mark.slow
def test_a_mode_beyond_the_corner_of_the_disc_is_found_inside() -> None:
    """Without the priors' pull it lies at e_c = 0.21, and was refused: the priors end at 0.2."""
    posterior = pair("pair.csv", mass=MASS)
    result = search(posterior, 96)
    assert len(result.modes) == 2
    assert all(max(eccentricities(posterior, mode)) < 0.2 for mode in result.modes)
    assert all(math.isfinite(log_laplace(mode, posterior)) for mode in result.modes)
    best, other = result.modes
    assert best.chi2 == pytest.approx(61.1, abs=0.2)
    assert max(eccentricities(posterior, other)) == pytest.approx(0.18, abs=0.01)
    assert other.chi2 == pytest.approx(69.8, abs=0.5)
    assert np.array_equal(nearest(result.modes, np.array([best.coords, other.coords])), [0, 1])
    last = confirmed(posterior.problem, posterior.table, result.modes)
    assert len(last.modes) + last.left_out.artefact + last.left_out.above == 2


def test_what_lies_too_far_above_is_counted() -> None:
    """Modes lie at 61.8 and 74.9, and fits that begin elsewhere end higher."""
    narrow = search(pair("pair.csv", mass=MASS), 24, delta=5.0)
    assert len(narrow.modes) == 1
    assert narrow.left_out.above > 0
    assert LeftOut(1, 2, 3) + LeftOut(4, 5, 6) == LeftOut(5, 7, 9)


@pytest.mark.slow
def test_no_mode_of_an_unseen_companion_is_lost_at_the_edge_of_its_priors() -> None:
    posterior = pair(
        "inner-alone.csv", c_seen=False, c_period=uniform(12.0, 60.0), c_t0=uniform(100.0, 160.0)
    )
    result = search(posterior, 832)
    last = confirmed(posterior.problem, posterior.table, result.modes)
    left_out = result.left_out + last.left_out
    assert len(last.modes) + left_out.artefact + left_out.above + left_out.ridge >= 10
    assert len(last.modes) >= 6
    period = posterior.problem.parameter_names.index("c.period")
    (near_three,) = (m for m in last.modes if abs(m.params[period] - 29.45) < 0.1)
    assert 0.15 < eccentricities(posterior, near_three)[1] < 0.2
    assert near_three.chi2 < 25.0
    assert all(math.isfinite(log_laplace(mode, posterior)) for mode in last.modes)


@pytest.mark.parametrize(
    ("eccentricity", "error"), [(FLAT, 0.1), (RAYLEIGH, 1e-9), (uniform(0.0, 0.9), 0.1)]
)
def test_without_data_the_evidence_is_one(eccentricity, error: float) -> None:
    """The prior's own mode, with its own width; the factor of 1 / e costs less than 0.1."""
    posterior = pair("pair.csv", eccentricity=eccentricity)
    w = np.zeros(posterior.problem.n_dim)
    fit = Fit(posterior)
    mode = Mode(fit.whitening.colour(w[np.newaxis])[0], w, 0.0, np.eye(len(w)))
    assert log_laplace(mode, posterior) == pytest.approx(0.0, abs=error)


def test_away_from_zero_the_evidence_has_the_prior_s_density() -> None:
    posterior = pair("pair.csv")
    fit = Fit(posterior)
    w = np.full((1, posterior.problem.n_dim), 0.7)
    points = fit.whitening.colour(w)
    scale = 1e-4
    mode = Mode(points[0], w[0], 3.0, scale**2 * np.eye(w.shape[1]))
    density = posterior.log_priors(points) - fit.whitening.log_jacobians(points, w)
    volume = 10 * math.log(scale * math.sqrt(2.0 * math.pi))
    expected = -1.5 + float(density[0]) + volume
    assert log_laplace(mode, posterior) == pytest.approx(expected, abs=1e-6)


def test_distances_are_in_the_norm_of_the_mode() -> None:
    covariance = np.array([[4.0, 1.2], [1.2, 1.0]])
    mode = Mode(np.zeros(2), np.array([1.0, 2.0]), 0.0, covariance)
    w = np.array([[1.0, 2.0], [3.0, 2.0], [0.0, 5.0]])
    offsets = w - mode.coords
    squares = [offset @ np.linalg.inv(covariance) @ offset for offset in offsets]
    assert distances(mode, w) ** 2 == pytest.approx(squares)


def test_a_jitter_and_wide_tails_are_deviances_like_others() -> None:
    plain = pair("pair.csv", mass=MASS)
    problem = plain.problem
    jitter = Parameter("noise.jitter", prior=problem.free[0].prior)
    noise = replace(problem.noise, kind="student_t", degrees=4.0)
    posterior = Posterior(replace(problem, noise=noise, jitter=jitter), plain.table)
    fit = Fit(posterior)
    w = near_the_peak(fit, 5)
    logs = posterior.log_likelihoods(fit.whitening.colour(w))
    assert np.isfinite(logs).any()
    assert fit.deviances(w) == pytest.approx(-2.0 * logs, rel=1e-9)
    assert np.all(fit.costs(fit.refine(w, 10)) <= fit.costs(w))


def renumbered(first: int) -> bytes:
    """Return the table of a pair with the numbers of c from `first` on one too high."""
    rows = (DATA / "pair.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    for row in cells[1:]:
        if row[0] == "c" and int(row[1]) >= first:
            row[1] = str(int(row[1]) + 1)
    return "\n".join(",".join(row) for row in cells).encode()


@pytest.mark.parametrize(
    ("table", "changes", "sentence"),
    [
        (
            "pair.csv",
            {"c_period": uniform(21.1, 21.5)},
            r"period of c is 20\.2873 days .* 21\.1 to",
        ),
        ("pair.csv", {"c_t0": uniform(87.5, 87.9)}, r"t0 of c is 87\.5 to 87\.9 .* 107\.7\d+ to"),
        ("pair.csv", {"c_t0": uniform(116.5, 119.5)}, r"t0 of c is .* nearest is at 107\.999"),
        (renumbered(8), {}, r"The transit 9 of c .* give it the number 8"),
        (
            renumbered(8),
            {"c_period": uniform(19.0, 23.0), "c_t0": uniform(104.2, 112.0)},
            r"best fit has chi2 .*transit 9 of c .* give it the number 8",
        ),
    ],
)
def test_a_search_that_fails_says_which_planet_does_not_fit_and_why(
    table, changes, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        search(pair(table, mass=LOG_MASS, **changes), 8)
