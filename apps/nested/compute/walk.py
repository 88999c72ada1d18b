"""Random walks inside a likelihood contour, many in lock-step, a batch of likelihoods at a time.

dynesty asks its pool for a queue of proposals at once, each of which is a walk of a fixed number of
steps (`dynesty.internal_samplers.RWalkSampler`; Skilling 2006, Bayesian Analysis 1, 833). Here the
pool is this process, and it moves all walks of a queue by one step at a time, so that one call of
the likelihood evaluates the whole batch: an engine that computes several systems in the lanes of
one processor is kept busy, and the bookkeeping of a step is paid once.

Most steps are along the difference of two live points (differential evolution: ter Braak 2006,
Statistics and Computing 16, 239). Transit times leave thin, curved sheets: the live points know
their directions and lengths, where ellipsoids around them only know how thick they are all in all.
The other steps, uniform in a bounding ellipsoid as dynesty's own, keep the walks from being caught
in the space that the live points happen to span.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from dynesty.internal_samplers import RWalkSampler, SamplerReturn
from numpy.typing import NDArray

from apps.nested.compute.cube import Target

Floats = NDArray[np.float64]

TARGET_ACCEPTANCE = 0.5
"""Share of steps in the ellipsoid that stay inside the contour, which their length is tuned to:
dynesty's own default. Steps far from it diffuse slowly, because they are short or because they
fail."""

BALL_EVERY = 5
"""One step of so many is in the ellipsoid: the first of each. On the timing problem of the tests,
with as many calls, evidences of runs scatter 2.1 times more than their errors if all steps are, and
1.0 times if one in five is."""

HOP = 0.1
"""Share of the other steps that are as long as the difference itself: they lead from one mode of
the posterior to another."""


class LockstepWalk(RWalkSampler):
    """dynesty's random walk, with a scale to begin with and the live points at hand.

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

    def prepare_sampler(self, **given: Any) -> list[Any]:
        """Hand the live points of the moment to the walks, beside what dynesty gives them."""
        self.sampler_kwargs["live"] = given["nested_sampler"].live_u.copy()
        return list(super().prepare_sampler(**given))


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

    Steps are proposed from distributions that do not depend on the walk's place and have no
    preferred sign, and accepted if they stay in the cube and above the contour: so walks leave the
    prior inside the contour invariant. The number of steps must not depend on what they find.

    All random numbers come from one generator, seeded as dynesty seeds its first walk.

    Parameters
    ----------
    arguments : Sequence
        `dynesty.internal_samplers.SamplerArgument` of each walk, of `LockstepWalk`.
    target : Target
        The likelihood.
    walks : int
        Steps.
    """
    rng = np.random.default_rng(arguments[0].rseed)
    contour, scale = float(arguments[0].loglstar), float(arguments[0].scale)
    live = np.asarray(arguments[0].kwargs["live"])
    place = np.array([one.u for one in arguments], dtype=np.float64)
    axes = np.array([one.axes for one in arguments], dtype=np.float64)
    n_walk, n_dim = place.shape
    periodic = list(target.periodic)
    logl = np.full(n_walk, np.nan)
    n_accept, n_call, n_ball = (np.zeros(n_walk, dtype=np.int64) for _ in range(3))
    for step in range(walks):
        if step % BALL_EVERY == 0:
            move = scale * np.einsum("kij,kj->ki", axes, _in_ball(n_walk, n_dim, rng))
        else:
            move = _differences(live, periodic, n_walk, rng)
        proposal = place + move
        proposal[:, periodic] %= 1.0
        inside = ((proposal > 0.0) & (proposal < 1.0)).all(axis=1)
        found = _evaluate(target, proposal, inside)
        better = found > contour
        place[better], logl[better] = proposal[better], found[better]
        n_accept += better
        n_call += inside
        if step % BALL_EVERY == 0:
            n_ball += better
    still = n_accept == 0
    logl[still] = _evaluate(target, place, still)[still]
    n_call += still
    balls = -(-walks // BALL_EVERY)
    return [
        SamplerReturn(
            u=place[k],
            v=place[k],
            logl=float(logl[k]),
            ncalls=int(n_call[k]),
            evaluation_history=[],
            # The steps that the scale is the length of.
            tuning_info={
                "accept": int(n_ball[k]),
                "reject": balls - int(n_ball[k]),
                "scale": scale,
            },
            proposal_stats=None,
        )
        for k in range(n_walk)
    ]


def _differences(live: Floats, periodic: list[int], n: int, rng: np.random.Generator) -> Floats:
    """Return steps along differences of two live points each, (n, n_dim).

    Their lengths are those of ter Braak (2006) times a random factor around 1, so that short steps
    are there, too; a few are whole differences.
    """
    first = rng.integers(len(live), size=n)
    other = (first + rng.integers(1, len(live), size=n)) % len(live)
    apart = live[first] - live[other]
    apart[:, periodic] -= np.round(apart[:, periodic])  # the shorter way round
    usual = 2.38 / math.sqrt(2.0 * live.shape[1]) * rng.gamma(4.0, 0.25, n)
    return np.asarray(np.where(rng.random(n) < HOP, 1.0, usual)[:, None] * apart)


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
