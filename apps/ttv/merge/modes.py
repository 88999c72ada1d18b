"""Separate modes among sub-chains: found, weighed, and never averaged over.

How many sub-chains landed in a mode says where they started, not how probable the mode is. So modes
are weighed by their evidence, here by Laplace's approximation, and a product holds the draws of one
mode only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.merge.sub_chain import SubChain, log_prob_drop

SEPARATION = 2.0
"""Two sub-chains are apart if, along the line that tells them apart best, their means differ by
more than this many times the sum of their standard deviations: their 95 % intervals do not meet."""

NEGLIGIBLE = 10.0
"""A mode whose log evidence is lower by more than this is negligible: its weight, below 5e-5, is
less than a campaign's draws resolve, with e^2 left for the approximation's error."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mode:
    """Sub-chains that sample one mode.

    Attributes
    ----------
    members : tuple[int, ...]
        Places of the sub-chains in the list given.
    log_prob_max : float
        Of all their draws.
    log_evidence : float
        Logarithm of the posterior density's integral over the mode, by Laplace's approximation.
    """

    members: tuple[int, ...]
    log_prob_max: float
    log_evidence: float


def find_modes(chains: Sequence[SubChain]) -> tuple[Mode, ...]:
    """Return the modes that the sub-chains sample, the one with most evidence first.

    Sub-chains belong to one mode if they overlap, or are linked by others that do. Slow mixing
    inside a mode is not looked for here; that is what R-hat tells.
    """
    left = list(range(len(chains)))
    groups = []
    while left:
        group, frontier = [], [left.pop(0)]
        while frontier:
            one = frontier.pop()
            group.append(one)
            near = [other for other in left if not _apart(chains[one], chains[other])]
            left = [other for other in left if other not in near]
            frontier.extend(near)
        groups.append(tuple(sorted(group)))
    modes = [_weigh(group, chains) for group in groups]
    return tuple(sorted(modes, key=lambda mode: (-mode.log_evidence, mode.members)))


def is_negligible(mode: Mode, best: Mode) -> bool:
    """Tell whether a mode may be left out beside the best one; False for NaN."""
    return best.log_evidence - mode.log_evidence > NEGLIGIBLE


def _apart(one: SubChain, other: SubChain) -> bool:
    n_dim = one.draws.shape[2]
    drop = abs(float(np.median(one.log_prob) - np.median(other.log_prob)))
    return drop > log_prob_drop(n_dim) or _separation(_points(one), _points(other)) > SEPARATION


def _separation(first: Floats, second: Floats) -> float:
    """Return the distance of the means over the sum of the deviations along Fisher's direction."""
    scale = np.concatenate([first, second]).std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    apart = (first.mean(axis=0) - second.mean(axis=0)) / scale
    within = _covariance(first / scale) + _covariance(second / scale)
    # A ridge far below the noise of a correlation keeps degenerate directions from blowing up.
    direction = np.linalg.solve(within + 1e-9 * np.eye(len(scale)), apart)
    if not direction.any():
        return 0.0
    along = [(points / scale) @ direction for points in (first, second)]
    spread = float(along[0].std() + along[1].std())
    gap = abs(float(along[0].mean() - along[1].mean()))
    return gap / spread if spread > 0 else math.inf


def _weigh(members: tuple[int, ...], chains: Sequence[SubChain]) -> Mode:
    points = np.concatenate([_points(chains[one]) for one in members])
    n_dim = points.shape[1]
    peak = max(float(chains[one].log_prob.max()) for one in members)
    sign, log_determinant = np.linalg.slogdet(_covariance(points))
    volume = 0.5 * (n_dim * math.log(2 * math.pi) + float(log_determinant))
    return Mode(members, peak, peak + volume if sign > 0 else -math.inf)


def _points(chain: SubChain) -> Floats:
    return chain.draws.reshape(-1, chain.draws.shape[2])


def _covariance(points: Floats) -> Floats:
    return np.atleast_2d(np.cov(points, rowvar=False))
