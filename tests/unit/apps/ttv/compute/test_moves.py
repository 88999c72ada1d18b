from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from apps.ttv.compute.moves import SnookerMove, log_mixture, make_moves, sample_mixture
from apps.ttv.compute.sampler_settings import Mixture, SamplerSettings

MIXTURE = Mixture(
    weights=np.array([0.3, 0.7]),
    means=np.array([[-2.0, 0.0], [1.0, 1.0]]),
    choleskys=np.array([[[0.5, 0.0], [0.3, 0.4]], [[1.0, 0.0], [-0.5, 0.7]]]),
    degrees=5.0,
)


def test_mixture_density_is_scipys() -> None:
    points = np.random.default_rng(1).normal(size=(50, 2)) * 3
    expected = sum(
        weight * stats.multivariate_t(mean, cholesky @ cholesky.T, df=5.0).pdf(points)
        for weight, mean, cholesky in zip(
            MIXTURE.weights, MIXTURE.means, MIXTURE.choleskys, strict=True
        )
    )
    np.testing.assert_allclose(log_mixture(MIXTURE, points), np.log(expected), rtol=1e-12)


def test_mixture_samples_follow_its_density() -> None:
    """Kolmogorov-Smirnov on the first coordinate, level 1e-6, fixed seed."""
    draws = sample_mixture(MIXTURE, 4000, np.random.RandomState(2))

    def cdf(x):
        parts = [
            weight * stats.t(5.0, mean[0], cholesky[0, 0]).cdf(x)
            for weight, mean, cholesky in zip(
                MIXTURE.weights, MIXTURE.means, MIXTURE.choleskys, strict=True
            )
        ]
        return sum(parts)

    assert stats.kstest(draws[:, 0], cdf).pvalue > 1e-6
    assert integrate.quad(lambda x: (cdf(x + 1e-5) - cdf(x - 1e-5)) / 2e-5, -30, 30)[
        0
    ] == pytest.approx(1.0, abs=1e-3)


def test_snooker_moves_along_the_line_through_another_walker() -> None:
    """Proposal and Metropolis factor of ter Braak & Vrugt 2008, equations 3 to 5."""
    rng = np.random.default_rng(3)
    s = rng.normal(size=(5, 3))
    groups = [rng.normal(size=(1, 3)) for _ in range(3)]
    q, factors = SnookerMove().get_proposal(s, groups, np.random.RandomState(4))
    for walker, proposal, factor in zip(s, q, factors, strict=True):
        fits = []
        for z in range(3):
            line = walker - groups[z][0]
            unit = line / np.linalg.norm(line)
            z1, z2 = (groups[i][0] for i in range(3) if i != z)
            shift = 1.7 * np.dot(unit, z1 - z2)
            ratio = np.linalg.norm(proposal - groups[z][0]) / np.linalg.norm(line)
            for sign in (-1, 1):
                moved = np.allclose(proposal, walker + sign * shift * unit, atol=1e-12)
                fits.append(moved and np.isclose(factor, 2 * np.log(ratio), atol=1e-12))
        assert any(fits)


def test_weights_and_names_become_moves() -> None:
    names = ("de", "de_gamma1", "snooker", "stretch", "mixture")
    moves, weights = make_moves(
        SamplerSettings(8, 1, 1, tuple((name, 0.2) for name in names), MIXTURE)
    )
    assert [type(move).__name__ for move in moves] == [
        "DEMove",
        "DEMove",
        "SnookerMove",
        "StretchMove",
        "MixtureMove",
    ]
    assert moves[1].gamma0 == 1.0
    assert weights == [0.2] * 5
