"""Simulation-based calibration: ranks of true values, and whether they are uniform.

If true values are drawn from the prior and the posterior is right, the rank of a true value among
draws of its posterior is uniform (Talts et al. 2018, arXiv:1804.06788). That holds for any subset
of systems that is chosen by what the data and the campaign say, so that it can be asked of those
alone whose product says *sampled*.

Ranks of different parameters of one system depend on each other, those of different systems do
not. So each test takes one number of each system, and many tests are taken together by Bonferroni,
which holds whatever their dependence. The rank of the true point's density among those of the
draws is one of the numbers (Modrak et al. 2023, Bayesian Analysis): it sees errors that no
marginal shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

Array = NDArray[np.float64]

DENSITY = "density"
"""The name of the rank of the true point's density."""
MOST_DRAWS, FEWEST_DRAWS = 99, 9
FEWEST_SYSTEMS = 4
"""A kind with fewer systems has no tests of its own: they could hardly fail, and would only raise
the number of tests."""


def fractional_ranks(
    draws: Array, truth: Array, effective: float, rng: np.random.Generator
) -> Array:
    """Return ranks of true values as numbers in 0 to 1, uniform if all is right, (n_dim,).

    Parameters
    ----------
    draws : ndarray
        float64 (n_draw, n_dim).
    truth : ndarray
        float64 (n_dim,).
    effective : float
        Smallest effective number of draws of any parameter: as many, and at most `MOST_DRAWS`, are
        picked, because draws that depend on each other give ranks that are too extreme.
    """
    wanted = int(np.clip(effective, FEWEST_DRAWS, MOST_DRAWS))
    chosen = draws[rng.choice(len(draws), size=min(wanted, len(draws)), replace=False)]
    below = np.sum(chosen < truth, axis=0)
    # Spread evenly within a rank, so that systems with unlike numbers of draws go together.
    return np.asarray((below + rng.random(len(truth))) / (len(chosen) + 1))


@dataclass(frozen=True, slots=True)
class Check:
    """One test of uniformity.

    Attributes
    ----------
    of : str
        Kind, or "all".
    quantity : str
        Whose ranks.
    tail : bool
        Whether ranks were folded around the middle: too narrow and too wide show there.
    n_system : int
        Ranks that it was made of.
    p : float
        Probability of a deviation as large under uniform ranks (Kolmogorov-Smirnov, exact).
    """

    of: str
    quantity: str
    tail: bool
    n_system: int
    p: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """The ranks of one system, by quantity."""

    kind: str
    ranks: Mapping[str, float]


def checks(systems: Sequence[Ranked]) -> list[Check]:
    """Return the tests of each kind with enough systems, and of all kinds together.

    All kinds share few names, so that those together are of roles: the mass of the first planet,
    of the second, and so on.
    """
    made: list[Check] = []
    for kind in sorted({system.kind for system in systems}):
        members = [system.ranks for system in systems if system.kind == kind]
        if len(members) >= FEWEST_SYSTEMS:
            made += _checks_of(kind, members)
    if systems:
        made += _checks_of("all", [_roles(system.ranks) for system in systems])
    return made


def smallest(made: Iterable[Check]) -> float | None:
    """Return the smallest p after Bonferroni; None if there was no test."""
    p_values = [check.p for check in made]
    return min(1.0, min(p_values) * len(p_values)) if p_values else None


def _checks_of(name: str, members: Sequence[Mapping[str, float]]) -> list[Check]:
    made = []
    for quantity in dict.fromkeys(key for ranks in members for key in ranks):
        values = np.array([ranks[quantity] for ranks in members if quantity in ranks])
        for tail in (False, True):
            tested = np.abs(2.0 * values - 1.0) if tail else values
            p = float(kstest(tested, "uniform").pvalue)
            made.append(Check(name, quantity, tail, len(values), p))
    return made


def _roles(ranks: Mapping[str, float]) -> dict[str, float]:
    """Return ranks with the planets' places for their names: ``1.mass`` for the first planet's."""
    planets = list(dict.fromkeys(name.split(".")[0] for name in ranks if "." in name))
    roles: dict[str, float] = {}
    for name, rank in ranks.items():
        planet, _, element = name.partition(".")
        role = f"{planets.index(planet) + 1}.{element}" if element else name
        if not role.startswith("noise"):
            roles[role] = rank
    return roles
