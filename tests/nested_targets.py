"""Targets over the unit cube whose evidence is known, and nested runs of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from apps.nested.compute.cube import Target
from apps.nested.compute.proposal import Proposal, Superposition
from apps.nested.compute.run import NestedRun, NestedSampler, is_complete, output_of
from apps.nested.compute.settings import NestedSettings
from apps.nested.output import NestedOutput
from apps.ttv.compute.shear import Shear, n_feature
from boinc_project.seeds import Stream, stream_key, unit_seed

LIKELY = Callable[[np.ndarray], np.ndarray]


class Likely:
    """A target of any function of points of the cube."""

    def __init__(self, n_dim: int, function: LIKELY, periodic: tuple[int, ...] = ()) -> None:
        self.n_dim, self.periodic, self._function = n_dim, periodic, function
        self.n_call = 0

    def log_likelihoods(self, cube: np.ndarray) -> np.ndarray:
        self.n_call += len(cube)
        return self._function(cube)


def gaussian(n_dim: int, sigma: float, centre: float = 0.5) -> Likely:
    """A normalised Gaussian far from the walls: its evidence is 1."""
    constant = -n_dim * math.log(sigma * math.sqrt(2.0 * math.pi))
    return Likely(n_dim, lambda u: constant - 0.5 * (((u - centre) / sigma) ** 2).sum(axis=1))


class Plain:
    """Coordinates that are the parameters."""

    def to_points(self, y: np.ndarray) -> np.ndarray:
        return y

    def from_points(self, points: np.ndarray) -> np.ndarray:
        return points

    def log_jacobians(self, points: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.zeros(len(points))


class Proposed:
    """A function of points of the prior's unit cube, in the cube of a proposal."""

    def __init__(self, of: Likely, proposal: Proposal) -> None:
        self.n_dim, self.periodic = of.n_dim + 1, ()
        self._of, self._superposition = of, Superposition(proposal, lambda cube: cube, Plain())
        self.n_call = 0

    def values(self, cube: np.ndarray) -> np.ndarray:
        return self._superposition(cube)

    def log_likelihoods(self, cube: np.ndarray) -> np.ndarray:
        self.n_call += len(cube)
        values = self.values(cube)
        inside = ((values >= 0.0) & (values <= 1.0)).all(axis=1)
        log_priors = np.where(inside, 0.0, -np.inf)
        found = np.full(len(cube), -np.inf)
        ratios = self._superposition.log_ratios(values, log_priors)
        found[inside] = self._of.log_likelihoods(values[inside]) - ratios[inside]
        return found


def round_proposal(
    n_dim: int, sigma: float, *centres: float, share: float = 0.8, bend: float = 0.0
) -> Proposal:
    """Return round components of equal weight and one width, all coordinates of a centre alike.

    With `bend`, the last coordinate follows the square of the first.
    """
    coefficients = [np.zeros(n_feature(k)) for k in range(n_dim)]
    if bend:
        coefficients[-1][2] = bend
    n = len(centres)
    return Proposal(
        share,
        0,
        Shear(np.arange(n_dim), np.full(n_dim, 0.5), np.full(n_dim, 0.1), tuple(coefficients)),
        np.full(n, 1.0 / n),
        np.array([[(centre - 0.5) / 0.1] * n_dim for centre in centres]),
        np.tile(np.eye(n_dim) * sigma / 0.1, (n, 1, 1)),
    )


def settings(**changes: object) -> NestedSettings:
    values = {
        "n_live": 100,
        "dlogz": 0.05,
        "segment": 50,
        "method": "rwalk",
        "walks": 25,
        "batch": 8,
        "max_segments": 1000,
    }
    return NestedSettings(**(values | changes))  # type: ignore[arg-type]


def sampler(target: Target, chosen: NestedSettings, index: int = 0, seed: int = 1) -> NestedSampler:
    own = unit_seed(seed, generation=0, index=index)
    return NestedSampler(
        chosen, stream_key(own, Stream.PRIOR), stream_key(own, Stream.CHAIN), target
    )


def run(
    target: Likely | Proposed, chosen: NestedSettings, index: int = 0, seed: int = 1
) -> NestedOutput:
    """Return a whole run."""
    nested = sampler(target, chosen, index, seed)
    found = nested.begin()
    found.calls.append(target.n_call)
    while not is_complete(found, chosen):
        nested.advance(found)
        found.calls.append(target.n_call)
    return written(found)


def written(found: NestedRun) -> NestedOutput:
    """Return what a run is written as, as if by the app on this platform."""
    return output_of(
        found,
        tuple(f"p{k}" for k in range(found.live_u.shape[1])),
        unit_digest="ab" * 32,
        app_version=100,
        platform="x86_64-pc-linux-gnu",
    )
