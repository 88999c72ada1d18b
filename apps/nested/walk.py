"""Random walks inside a likelihood contour, many in lock-step: dynesty's rwalk, a batch at a time.

dynesty asks its pool for a queue of proposals at once, each of which is a walk of a fixed number of
steps (`dynesty.internal_samplers.RWalkSampler`; Skilling 2006, Bayesian Analysis 1, 833). Here the
pool is this process, and it moves all walks of a queue by one step at a time, so that one call of
the likelihood evaluates the whole batch: an engine that computes several systems in the lanes of
one processor is kept busy, and the bookkeeping of a step is paid once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from dynesty.internal_samplers import RWalkSampler, SamplerReturn
from numpy.typing import NDArray

from apps.nested.cube import Target

Floats = NDArray[np.float64]

TARGET_ACCEPTANCE = 0.5
"""Share of steps that stay inside the contour, which the walks' length is tuned to: dynesty's
own default. Steps far from it diffuse slowly, either because they are short or because they fail."""


class LockstepWalk(RWalkSampler):
    """dynesty's random walk with a scale to begin with.

    Parameters
    ----------
    scale : float
        Length of a step in units of the bounding ellipsoid, tuned from then on.
    options
        Those of `dynesty.internal_samplers.RWalkSampler`.
    """

    def __init__(self, scale: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        # dynesty makes the instance that it uses from this one's arguments.
        self.input_kwargs = {**options, "scale": scale}
        self.scale = scale


class LockstepPool:
    """What dynesty takes for a pool of processes: it advances a queue of walks together.

    Parameters
    ----------
    target : Target
        Evaluates a batch.
    walks : int
        Steps of a walk.
    size : int
        Walks at once.
    """

    def __init__(self, target: Target, walks: int, size: int) -> None:
        self.size = size
        self._target = target
        self._walks = walks

    def map(self, function: Callable[..., Any], arguments: Iterable[Any]) -> list[SamplerReturn]:
        """Return the ends of all walks, in the order of `arguments`.

        Parameters
        ----------
        function : Callable
            What dynesty would run in each process; `LockstepWalk.sample`, for which this stands.
        arguments : Iterable
            `dynesty.internal_samplers.SamplerArgument`, all for one contour.
        """
        del function
        return walk_together(list(arguments), self._target, self._walks)


def walk_together(arguments: Sequence[Any], target: Target, walks: int) -> list[SamplerReturn]:
    """Advance walks in lock-step; each takes exactly `walks` steps, accepted or not.

    A step is proposed uniformly in an ellipsoid around the walk's place, which is symmetric, and
    accepted if it stays in the cube and above the contour: so walks leave the prior inside the
    contour invariant, and the number of steps must not depend on what they find.

    All random numbers come from one generator, seeded as dynesty seeds its first walk.

    Parameters
    ----------
    arguments : Sequence
        `dynesty.internal_samplers.SamplerArgument` of each walk.
    target : Target
        The likelihood.
    walks : int
        Steps.
    """
    rng = np.random.default_rng(arguments[0].rseed)
    contour, scale = float(arguments[0].loglstar), float(arguments[0].scale)
    place = np.array([one.u for one in arguments], dtype=np.float64)
    axes = np.array([one.axes for one in arguments], dtype=np.float64)
    n_walk, n_dim = place.shape
    periodic = list(target.periodic)
    logl = np.full(n_walk, np.nan)
    n_accept = np.zeros(n_walk, dtype=np.int64)
    n_call = np.zeros(n_walk, dtype=np.int64)
    for _ in range(walks):
        proposal = place + scale * np.einsum("kij,kj->ki", axes, _in_ball(n_walk, n_dim, rng))
        proposal[:, periodic] %= 1.0
        inside = ((proposal > 0.0) & (proposal < 1.0)).all(axis=1)
        found = _evaluate(target, proposal, inside)
        better = found > contour
        place[better], logl[better] = proposal[better], found[better]
        n_accept += better
        n_call += inside
    still = n_accept == 0
    logl[still] = _evaluate(target, place, still)[still]
    n_call += still
    return [
        SamplerReturn(
            u=place[k],
            v=place[k],
            logl=float(logl[k]),
            ncalls=int(n_call[k]),
            evaluation_history=[],
            tuning_info={
                "accept": int(n_accept[k]),
                "reject": walks - int(n_accept[k]),
                "scale": scale,
            },
            proposal_stats=None,
        )
        for k in range(n_walk)
    ]


def _in_ball(n: int, n_dim: int, rng: np.random.Generator) -> Floats:
    """Return points uniformly distributed in the unit ball, (n, n_dim)."""
    direction = rng.standard_normal((n, n_dim))
    radius = rng.random(n) ** (1.0 / n_dim)
    return np.asarray(direction * (radius / np.sqrt((direction**2).sum(axis=1)))[:, None])


def _evaluate(target: Target, points: Floats, chosen: NDArray[np.bool_]) -> Floats:
    values = np.full(len(points), -np.inf)
    if chosen.any():
        values[chosen] = target.log_likelihoods(points[chosen])
    return values
