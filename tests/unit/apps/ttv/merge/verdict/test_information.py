"""Bits of information, and edges of priors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest

from apps.ttv.merge.verdict.information import (
    LEAST_BITS,
    bits,
    edge_shares,
    information_rows,
    prior_scores,
)
from apps.ttv.merge.verdict.row import Row
from tests.unit.apps.ttv.merge.verdict import systems

LOG_MASS = {"kind": "log_uniform", "low": 0.1, "high": 300.0}
PROBLEM = systems.problem(mass=LOG_MASS)
NAMES = PROBLEM.parameter_names


def normal_bits(centre: float, width: float) -> float:
    """Return the divergence of one normal distribution from the standard one."""
    return (0.5 * (centre**2 + width**2 - 1.0) - math.log(width)) / math.log(2.0)


@pytest.mark.parametrize(
    ("centre", "width"), [(0.0, 1.0), (0.0, 0.5), (1.0, 0.1), (-2.0, 1e-5), (0.0, 1.3)]
)
def test_bits_are_those_of_normal_distributions(centre: float, width: float) -> None:
    """The entropy of 4000 draws is known to 0.01 bits, its bias is below 0.02."""
    draws = centre + width * np.random.default_rng(1).standard_normal(4000)
    assert bits(draws) == pytest.approx(normal_bits(centre, width), abs=0.07)


def test_half_of_the_prior_is_the_least_that_counts() -> None:
    assert normal_bits(0.0, 0.5) < LEAST_BITS < normal_bits(0.0, 0.45)


def prior_draws(n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = np.column_stack(
        [systems.sample(PROBLEM, parameter, rng, n) for parameter in PROBLEM.free]
    )
    for planet, prior in PROBLEM.eccentricities.items():
        places = [NAMES.index(f"{planet}.{part}") for part in ("ecosw", "esinw")]
        points[:, places] = [prior.sample(rng) for _ in points]
    return points


@pytest.fixture(scope="module")
def prior() -> np.ndarray:
    return prior_draws(4000)


def test_the_prior_is_normal_in_its_own_coordinates(prior: np.ndarray) -> None:
    """Kolmogorov and Smirnov's distance of 4000 draws exceeds 0.035 once in 10,000."""
    for column in prior_scores(PROBLEM, prior).T:
        assert kstest(column, "norm").statistic < 0.035


def by_key(rows: tuple[Row, ...]) -> dict[str, Row]:
    return {row.key: row for row in rows}


def test_draws_of_the_prior_say_nothing(prior: np.ndarray) -> None:
    rows = by_key(information_rows(PROBLEM, prior))
    assert not rows["information"].met
    assert "You see the priors" in rows["information"].text
    for name in NAMES:
        row = rows[f"information.{name}"]
        assert row.value is not None
        assert row.value < 0.1
        assert not row.met
        assert not row.counts
        assert row.text.startswith(f"The data do not constrain {name}")
    assert rows["prior_edges"].met


def test_one_known_mass_is_enough(prior: np.ndarray) -> None:
    draws = prior.copy()
    place = NAMES.index("c.mass")
    draws[:, place] = 18.0 * np.exp(0.1 * np.random.default_rng(2).standard_normal(len(draws)))
    rows = by_key(information_rows(PROBLEM, draws))
    assert rows["information"].met
    assert "of c.mass" in rows["information"].text
    assert rows["information.c.mass"].met
    assert not rows["information.b.mass"].met
    # Uniform in the logarithm over ln 3000; a normal distribution of width 0.1 has 0.1 * 4.13.
    expected = math.log2(math.log(3000.0) / (0.1 * math.sqrt(2 * math.pi * math.e)))
    assert rows["information"].value == pytest.approx(expected, abs=0.1)


def test_known_periods_are_no_information_on_masses(prior: np.ndarray) -> None:
    draws = prior.copy()
    draws[:, NAMES.index("b.period")] = 10.0 + 1e-4 * np.random.default_rng(2).random(len(draws))
    rows = by_key(information_rows(PROBLEM, draws))
    assert rows["information.b.period"].met
    assert not rows["information"].met


def test_frozen_draws_are_not_met(prior: np.ndarray) -> None:
    draws = prior.copy()
    draws[:, NAMES.index("b.mass")] = 5.0
    rows = by_key(information_rows(PROBLEM, draws))
    assert not rows["information"].met
    assert rows["information"].to_json()["value"] is None


@pytest.mark.parametrize(("name", "side"), [("b.mass", "lower"), ("c.eccentricity", "upper")])
def test_a_posterior_that_piles_up_at_an_edge_is_told(
    name: str, side: str, prior: np.ndarray
) -> None:
    draws = prior.copy()
    rng = np.random.default_rng(3)
    if name == "b.mass":
        draws[:, NAMES.index(name)] = 0.1 * np.exp(0.3 * rng.exponential(size=len(draws)))
    else:
        e = 0.2 - 0.01 * rng.random(len(draws))
        angle = rng.uniform(0, 2 * math.pi, len(draws))
        draws[:, NAMES.index("c.ecosw")] = e * np.cos(angle)
        draws[:, NAMES.index("c.esinw")] = e * np.sin(angle)
    row = by_key(information_rows(PROBLEM, draws))["prior_edges"]
    assert not row.met
    assert not row.counts
    assert f"{name}, {side} edge of its prior" in row.text


def test_draws_of_the_prior_have_one_per_cent_at_each_edge(prior: np.ndarray) -> None:
    """Binomial: 40 of 4000 at each of 14 edges, to five errors."""
    shares = edge_shares(PROBLEM, prior)
    assert "b.eccentricity, lower" not in shares
    assert len(shares) == 14
    for share in shares.values():
        assert abs(share - 0.01) < 5 * math.sqrt(0.01 * 0.99 / 4000)
