"""The zoo's reference run against densities that are known, and one quick kind."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from bench.zoo import groups, reference
from bench.zoo.agreement import rhats
from bench.zoo.kinds import KINDS
from bench.zoo.reference import ScaledPosterior
from bench.zoo.simulate import draw_prior, simulate
from bench.zoo.straight import Straight

LOG_2PI = math.log(2.0 * math.pi)


class Known:
    """A standard normal prior times a sum of normal likelihoods, bent by a parabola or not."""

    def __init__(self, centres: np.ndarray, weights: np.ndarray, precision: np.ndarray) -> None:
        self.centres, self.weights, self.precision = centres, weights, precision
        self.n_dim = centres.shape[1]
        self.bent = (0, 1)

    def log_terms(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        off = points[:, None] - self.centres
        terms = -0.5 * np.einsum("nki,ij,nkj->nk", off, self.precision, off) + np.log(self.weights)
        priors = -0.5 * np.sum(points**2, axis=1) - 0.5 * self.n_dim * LOG_2PI
        return np.asarray(logsumexp(terms, axis=1)), priors

    def draw_prior(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.standard_normal((n, self.n_dim))

    def log_evidences(self) -> np.ndarray:
        """Return log Z of each normal: of N(0, I) and N(centre, inverse precision) together."""
        inverse = np.linalg.inv(self.precision)
        wider = inverse + np.eye(self.n_dim)
        size = 0.5 * (np.linalg.slogdet(inverse)[1] - np.linalg.slogdet(wider)[1])
        away = np.einsum("ki,ij,kj->k", self.centres, np.linalg.inv(wider), self.centres)
        return np.log(self.weights) + size - 0.5 * away


def thin(n_dim: int) -> np.ndarray:
    """Return a precision whose normal distribution is a thousand times thinner one way."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(n_dim, n_dim)))[0]
    return axes @ np.diag(np.geomspace(1e6, 1.0, n_dim)) @ axes.T


def test_a_correlated_normal_distribution() -> None:
    """Widths within 5 % and five errors, the evidence within its three (99.7 %)."""
    known = Known(np.full((1, 5), 0.4), np.ones(1), thin(5))
    sampled = reference.run(known, seed=1, budget=100.0)
    assert sampled is not None
    assert sampled.settled
    covariance = np.linalg.inv(known.precision + np.eye(5))
    mean = covariance @ known.precision @ known.centres[0]
    widths, errors = sampled.widths_with_errors()
    true = 3.2897 * np.sqrt(np.diag(covariance))
    assert np.all(np.abs(widths[0] / true - 1.0) < np.minimum(0.05, 5.0 * errors[0] + 0.01))
    middle = sampled.quantiles()[2]
    assert np.all(np.abs(middle - mean) < 0.1 * np.sqrt(np.diag(covariance)))
    assert abs(sampled.log_z - known.log_evidences()[0]) < 3.0 * sampled.log_z_error
    assert sampled.log_z_error < 0.2


def test_two_modes_are_weighed() -> None:
    """Modes a hundred widths apart, 1 to 3: exchanges with the prior weigh them within 0.05."""
    centres = np.array([[1.0, -0.5, 0.2], [-1.0, 0.5, -0.2]])
    known = Known(centres, np.array([0.25, 0.75]), 1e4 * np.eye(3))
    sampled = reference.run(known, seed=2, budget=100.0)
    assert sampled is not None
    assert sampled.settled
    share = float(np.mean(sampled.draws[:, :, 0] < 0.0))
    assert abs(share - 0.75) < 0.05
    assert abs(sampled.log_z - float(logsumexp(known.log_evidences()))) < 3.0 * sampled.log_z_error


def test_a_stored_group_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    known = Known(np.full((1, 3), 0.2), np.ones(1), thin(3))
    group = groups.begin(known, 3, 0, 16, np.zeros(3))
    for _ in range(groups.N_WARM):
        group.advance(known)
    groups.store(group, tmp_path / "group.npz")
    other = groups.restore(tmp_path / "group.npz")
    for member in (group, other):
        member.advance(known)
    # Archives are stored bent, which costs the last bits.
    assert np.allclose(group.draws[0][:5], other.draws[0][:5], rtol=1e-6, atol=1e-9)
    assert group.n_block == other.n_block == groups.N_WARM + 1
    assert len(other.stones) == 1


def test_groups_that_have_not_met_are_told() -> None:
    rng = np.random.default_rng(4)
    same = rng.normal(size=(4, 4000, 2))
    apart = same + np.array([0.0, 0.5])[:, None, None].repeat(2, axis=0)
    wider = same * np.array([1.0, 1.3])[:, None, None].repeat(2, axis=0)
    assert np.all(rhats(same) < reference.LARGEST_RHAT)
    assert np.all(rhats(apart) > 1.02)
    assert np.all(rhats(wider) > reference.LARGEST_RHAT)


def test_a_budget_that_ends_too_early_gives_no_reference() -> None:
    known = Known(np.full((1, 3), 0.2), np.ones(1), thin(3))
    assert reference.run(known, seed=5, budget=0.0) is None


@pytest.mark.parametrize("n_point", [20, 400], ids=["linear", "quadratic"])
def test_straight_coordinates_go_back(n_point: int) -> None:
    rng = np.random.default_rng(6)
    points = rng.normal(size=(2, n_point, 6))
    points[:, :, 1] += 3.0 * points[:, :, 4] ** 2 + points[:, :, 5]
    straight = Straight.fit(points, (0, 1))
    u = straight.straighten(points)
    assert np.allclose(straight.bend(u), points, rtol=0.0, atol=1e-12)
    if n_point > 100:
        assert float(u[:, :, 1].std()) < 0.5 * float(points[:, :, 1].std())
    (first,) = np.linalg.slogdet(_jacobian(straight, points[:1, :1]))[1:]
    assert abs(float(first)) < 1e-5


def _jacobian(straight: Straight, point: np.ndarray) -> np.ndarray:
    """Return the derivatives at a point of the first level."""
    steps = 1e-6 * np.eye(point.shape[2])
    first = Straight(
        straight.bent,
        straight.others,
        straight.centres[:1],
        straight.scales[:1],
        straight.coefficients[:1],
    )
    forward = first.straighten(point + steps)
    return np.asarray((forward - first.straighten(point - steps))[0] / 2e-6)


def test_the_target_is_the_posterior(tmp_path: Path) -> None:
    """Density in its coordinates is the parameters' over the Jacobian, taken by differences."""
    system = simulate(KINDS["weak"], 1, tmp_path)
    target = ScaledPosterior(system.posterior)
    rng = np.random.default_rng(8)
    x = np.array([draw_prior(system.posterior.problem, rng) for _ in range(40)])
    points = target.of_parameters(x)
    assert np.allclose(target.to_parameters(points), x, rtol=1e-9)
    likelihoods, priors = target.log_terms(points)
    assert np.allclose(likelihoods, system.posterior.log_likelihoods(x), rtol=1e-6)
    steps = 1e-5 * np.eye(target.n_dim)
    for point, prior, stated in zip(points, priors, system.posterior.log_priors(x), strict=True):
        ahead, behind = target.to_parameters(point + steps), target.to_parameters(point - steps)
        jacobian = float(np.linalg.slogdet((ahead - behind) / 2e-5)[1])
        assert abs(prior - stated - jacobian) < 1e-4
    assert {system.posterior.problem.parameter_names[place] for place in target.bent} == {
        "b.period",
        "b.t0",
        "c.period",
        "c.t0",
    }


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_quick_kind_settles_and_is_kept(tmp_path: Path) -> None:
    """The true values lie inside of 99.9 % of ten draws' ranges; asking again costs nothing."""
    system = simulate(KINDS["easy"], 1, tmp_path / "system")
    told: list[str] = []

    def ask() -> reference.Reference:
        sampled = reference.of_posterior(
            system.posterior,
            system.truth,
            seed=1,
            budget=600.0,
            directory=tmp_path,
            told=told.append,
        )
        assert sampled is not None
        return sampled

    sampled = ask()
    n_told = len(told)
    assert sampled.settled
    draws = sampled.draws.reshape(-1, sampled.draws.shape[2])
    below = np.mean(draws < system.truth, axis=0)
    assert np.all((below > 5e-5) & (below < 1.0 - 5e-5))
    again = ask()
    assert len(told) == n_told
    assert np.array_equal(again.draws, sampled.draws)
    assert again.log_z == sampled.log_z
