"""The evidence and the posterior weights of nested runs, for the rooms that judge and merge them.

Independent runs merge exactly. Each of their points was drawn from the prior inside a contour, its
*birth*, and lies on another, its *death*; how many live points there were at any contour, in all
runs together, is the number of points that were born below it and die at or above it. So all points
sorted by their deaths are one run with as many live points as the runs have in sum (Skilling 2006,
Bayesian Analysis 1, 833; Higson et al. 2018, Bayesian Analysis 13, 873).

With n points alive, the next death shrinks the volume by a factor distributed as Beta(n, 1), whose
logarithm has the mean -1/n. Points of the prior without a model died at the very beginning.

Errors are those of Higson et al. (2018), section 4: a run of n live points consists of n threads,
each a run of one live point; drawing threads with replacement gives runs like the one at hand, and
their scatter holds both the unknown volumes and the sampling of the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.nested.output import NestedOutput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The points of any number of runs, by rising log-likelihood.

    Attributes
    ----------
    cube : ndarray
        float64 (n, n_dim), places in the unit cube.
    logl, birth : ndarray
        float64 (n,), log-likelihoods at death and birth: L* where the cube is not the prior's, see
        `apps.nested.compute.proposal`.
    thread : ndarray
        int64 (n,), which live point each of them was, counted over all runs.
    run : ndarray
        int64 (n,), which run each is of.
    n_live : tuple[int, ...]
        Live points of each run.
    n_drawn : tuple[int, ...]
        Points of the prior that each run drew to begin with.
    """

    cube: Floats
    logl: Floats
    birth: Floats
    thread: Ints
    run: Ints
    n_live: tuple[int, ...]
    n_drawn: tuple[int, ...]

    @property
    def n_thread(self) -> int:
        """Live points of all runs together."""
        return sum(self.n_live)

    @property
    def n_floor(self) -> int:
        """Points of the prior that had no model."""
        return sum(self.n_drawn) - sum(self.n_live)


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Points with the weights that the expected volumes give them.

    Attributes
    ----------
    logz : float
        Logarithm of the evidence.
    log_volume : ndarray
        float64 (n,), of the cube inside each point's contour.
    weights : ndarray
        float64 (n,), summing to 1.
    """

    logz: float
    log_volume: Floats
    weights: Floats

    @property
    def ess(self) -> float:
        """Effective number of independent draws (Kish 1965)."""
        return float(1.0 / np.square(self.weights).sum())


def merge_points(runs: Sequence[NestedOutput]) -> Points:
    """Merge runs; equal likelihoods stay in the order of the runs.

    Parameters
    ----------
    runs : Sequence
        At least one.
    """
    first = np.cumsum([0, *(len(one.live_logl) for one in runs)])
    pieces = [_points_of(one, int(start)) for one, start in zip(runs, first, strict=False)]
    cube, logl, birth, thread = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    run = np.repeat(np.arange(len(runs)), [len(piece[1]) for piece in pieces])
    order = np.argsort(logl, kind="stable")
    return Points(
        cube=cube[order],
        logl=logl[order],
        birth=birth[order],
        thread=thread[order],
        run=run[order],
        n_live=tuple(len(one.live_logl) for one in runs),
        n_drawn=tuple(one.n_drawn for one in runs),
    )


def live_counts(logl: Floats, birth: Floats) -> Ints:
    """Return how many points are alive when each point dies, itself included, (n,).

    Of points with one likelihood, those before it in the order are dead already; a plateau so
    shrinks the volume as it should (Fowlie, Handley & Su 2021, MNRAS 503, 1199).

    Parameters
    ----------
    logl : ndarray
        Sorted.
    birth : ndarray
        In the same order.
    """
    born = np.searchsorted(np.sort(birth), logl, side="left")
    return np.asarray(born - np.arange(len(logl)), dtype=np.int64)


def weigh(points: Points) -> Weighted:
    """Return the evidence and the weights that follow from the expected volumes."""
    shrinkage = -1.0 / live_counts(points.logl, points.birth)
    start = _log_start(points.n_thread, points.n_floor)
    return _weigh(points.logl, start + np.cumsum(shrinkage), start)


def resampled(
    points: Points, rng: np.random.Generator, n: int, *, whole_runs: bool = False
) -> list[Weighted]:
    """Return the weights of runs made of threads, or of whole runs, drawn with replacement.

    Threads of a run share the walks' shortcomings; whole runs do not. So the scatter of the latter
    is the larger one where walks are too short to forget where they began. A point's weight holds
    how often its thread was drawn.

    Parameters
    ----------
    points : Points
        Of all runs.
    rng : Generator
        Decides what is drawn.
    n : int
        Number of runs to make.
    whole_runs : bool
        Whether whole runs are drawn.
    """
    births = np.argsort(points.birth, kind="stable")
    born = np.searchsorted(points.birth[births], points.logl, side="left")
    # The sums of 1/k for k up to the largest number of live points that can come together.
    most = len(points.n_live) * max(points.n_live)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, most + 1))])
    found = []
    for _ in range(n):
        copies = _draw_runs(points, rng) if whole_runs else _draw_threads(points, rng)
        ever = np.concatenate([[0], np.cumsum(copies[births])])[born]
        alive = ever - (np.cumsum(copies) - copies)
        shrinkage = harmonic[alive - copies] - harmonic[alive]
        start = _log_start(points.n_thread, points.n_floor, rng)
        found.append(_weigh(points.logl, start + np.cumsum(shrinkage), start, copies > 0))
    return found


def information(points: Points, weighted: Weighted) -> float:
    """Return the information H in nats: the mean of log(L / Z) over the posterior."""
    return float(weighted.weights @ (points.logl - weighted.logz))


def insertion_ranks(run: NestedOutput) -> Floats:
    """Return where each new point stands among the live points that it joins, 0 to 1.

    If new points are drawn from the prior inside the contour, as they must be, their ranks are
    uniform (Fowlie, Handley & Su 2020, MNRAS 497, 5256).

    Returns
    -------
    ndarray
        float64 (n_dead,): of the point that took the place of each dead one.
    """
    live = run.live_at(0)[1]
    n = len(live)
    follower = _followers(run)
    alive = np.sort(live)
    ranks = np.empty(len(run.dead_logl))
    for place, new in enumerate(follower.tolist()):
        # The one that dies is the lowest; the new one comes in among the others.
        rank = int(np.searchsorted(alive[1:], new))
        alive[:rank] = alive[1 : rank + 1]
        alive[rank] = new
        ranks[place] = (rank + 0.5) / n
    return ranks


def _followers(run: NestedOutput) -> Floats:
    """Return the log-likelihood of the point that takes the place of each dead one, (n_dead,)."""
    order = np.argsort(run.dead_slot, kind="stable")
    slots = run.dead_slot[order]
    followers = run.live_logl[run.dead_slot]
    same = np.flatnonzero(np.diff(slots) == 0)
    followers[order[same]] = run.dead_logl[order[same + 1]]
    return np.asarray(followers)


def _points_of(run: NestedOutput, first_thread: int) -> tuple[Floats, Floats, Floats, Ints]:
    slots = np.concatenate([run.dead_slot, np.arange(len(run.live_logl))])
    return (
        np.concatenate([run.dead_u, run.live_u]),
        np.concatenate([run.dead_logl, run.live_logl]),
        np.concatenate([run.dead_birth, run.live_birth]),
        slots + first_thread,
    )


def _draw_threads(points: Points, rng: np.random.Generator) -> Ints:
    """Return how often each point's thread is drawn; as many threads of every run as it has."""
    drawn = [rng.multinomial(n, np.full(n, 1.0 / n)) for n in points.n_live]
    return np.asarray(np.concatenate(drawn)[points.thread])


def _draw_runs(points: Points, rng: np.random.Generator) -> Ints:
    """Return how often each point's run is drawn."""
    n = len(points.n_live)
    return np.asarray(rng.multinomial(n, np.full(n, 1.0 / n))[points.run])


def _log_start(n_live: int, n_floor: int, rng: np.random.Generator | None = None) -> float:
    """Return the logarithm of the prior's share that has a model: its mean, or a random one.

    Drawing went on until the last of the live points was found; so the share is distributed as
    Beta(n_live, n_floor).
    """
    if not n_floor:
        return 0.0
    if rng is not None:
        return math.log(rng.beta(n_live, n_floor))
    return -math.fsum(1.0 / k for k in range(n_live, n_live + n_floor))


def _weigh(
    logl: Floats, log_volume: Floats, log_start: float, drawn: NDArray[np.bool_] | None = None
) -> Weighted:
    """Integrate the likelihood over the volume by the trapezoidal rule.

    Every contour has half of the volume between its neighbours, and the last one all that is inside
    of it. Points that are not `drawn` have no contour.
    """
    chosen = slice(None) if drawn is None else drawn
    volumes = log_volume[chosen]
    log_outer = np.concatenate([[log_start], volumes[:-1]])
    log_inner = np.concatenate([volumes[1:], [-np.inf]])
    terms = logl[chosen] + log_outer + np.log(-0.5 * np.expm1(log_inner - log_outer))
    peak = float(terms.max())
    parts = np.exp(terms - peak)
    total = float(parts.sum())
    weights = np.zeros(len(logl))
    weights[chosen] = parts / total
    return Weighted(peak + math.log(total), log_volume, weights)
