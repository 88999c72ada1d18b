"""Least squares from many starts at once, on the batch likelihood.

Levenberg-Marquardt (Marquardt 1963, J. SIAM 11, 431), several dampings tried at once:
every iteration evaluates the central differences of all starts in one batch, and the trial steps of
all starts and dampings in a second one. Starts that have converged or lead nowhere drop out, and
after some iterations only the better part goes on (successive halving: Jamieson & Talwalkar 2016,
AISTATS 51, 240), so that hundreds of starts cost as much as a few dozen complete fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.search.journal import Fitted, Fitting, Journal, key_of
from apps.ttv.compute.search.squares import SumOfSquares, scales, squares

# Dampings tried at once, in units of each start's own.
_DAMPINGS = np.array([1e-3, 0.1, 1.0, 10.0, 100.0])
_FIRST_DAMPING, _SMALLEST_DAMPING, _LARGEST_DAMPING = 0.1, 1e-8, 1e6
# Keeps a matrix regular that is singular by rounding.
_ROUNDING = 1e-12
# A start has converged if this many iterations in a row gain less than this in cost each.
_GAIN, _PATIENCE = 1e-3, 3
# Fits are equal if their costs and all parameters, in units of their scales, differ by less.
_EQUAL_COST, _EQUAL = 0.1, 0.1

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Round:
    """One round of successive halving.

    Attributes
    ----------
    n_iteration : int
        At most so many iterations.
    keep : float
        Share of the starts, the best ones, that the round takes in.
    moving : str
        What moves: ``"timing"``, periods and t0 only, because with wrong phases everything else
        only smears the transits; ``"rest"``, everything but the periods and t0 of unseen planets,
        whose wrong masses would drive them out of their cells of a grid; or ``"all"``.
    """

    n_iteration: int
    keep: float = 1.0
    moving: str = "all"


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """Where fits are, (n, ...) each: in both coordinates, with the data's residuals and costs."""

    w: Array
    points: Array
    residuals: Array
    costs: Array

    def take(self, rows: NDArray[np.intp]) -> _Ends:
        """Return some of them."""
        return _Ends(self.w[rows], self.points[rows], self.residuals[rows], self.costs[rows])


class Fit(SumOfSquares):
    """Levenberg-Marquardt from many starts on the sum of squares of one posterior.

    Parameters
    ----------
    posterior : Posterior
        Model, noise and priors.
    journal : Journal, optional
        Keeps what is computed, and gives back what was.
    """

    def __init__(self, posterior: Posterior, journal: Journal | None = None) -> None:
        self.journal = journal or Journal()
        super().__init__(posterior, self.journal.poll)
        names = self.problem.parameter_names
        timing = [name.endswith((".period", ".t0")) for name in names]
        unseen = {planet.name for planet in self.problem.model.planets if not planet.observed}
        hidden = [name.partition(".")[0] in unseen for name in names]
        self._moving = {
            "timing": np.array(timing),
            "rest": ~(np.array(timing) & np.array(hidden)),
            "all": self.everything,
        }

    def solve(
        self, starts: Array, rounds: tuple[Round, ...], share: float = 1.0
    ) -> tuple[Array, Array]:
        """Fit from many starts.

        Parameters
        ----------
        starts : ndarray
            float64 (n, n_dim), in w.
        rounds : tuple[Round, ...]
            One after the other.
        share : float
            Of the whole search that this is; for its progress.

        Returns
        -------
        w : ndarray
            float64 (n_left, n_dim), those of the last round with a model, best first.
        costs : ndarray
            Their sums of squares.
        """
        w, costs = starts, self.costs(starts)
        works = np.cumsum([0.0, *_works(rounds)])
        shares = (share * works / works[-1]).tolist()
        for stage, begin, end in zip(rounds, shares[:-1], shares[1:], strict=True):
            order = self._best(w, costs, stage.keep)
            w, costs = w[order], costs[order]
            if len(w):
                self.journal.stage(begin, end)
                ends = self._round(w, self._moving[stage.moving], stage.n_iteration)
                w, costs = ends.w, ends.costs
        order = np.argsort(costs, kind="stable")
        return w[order], costs[order]

    def _best(self, w: Array, costs: Array, share: float) -> NDArray[np.intp]:
        """Return the best share of the starts, best first, and besides whatever equals them.

        Equals are fits that have arrived, and cost nothing. Counted, they would crowd out the other
        minima: the widest basin often has more than half of all starts.
        """
        order = np.argsort(costs, kind="stable")
        order = order[np.isfinite(costs[order])]
        ranked, values = self.whitening.colour(w[order]), costs[order]
        size = _EQUAL * scales(self.problem, ranked)
        is_first = np.ones(len(order), dtype=bool)
        for place in range(1, len(order)):
            begin = int(np.searchsorted(values, values[place] - _EQUAL_COST))
            others = ranked[begin:place][is_first[begin:place]]
            is_first[place] = not (np.abs(others - ranked[place]) < size[place]).all(axis=1).any()
        return np.asarray(order[np.cumsum(is_first) <= math.ceil(share * len(order))])

    def not_eccentricity(self, planet: str) -> Mask:
        """Return what moves if a planet's eccentricity vector is held."""
        held = (f"{planet}.ecosw", f"{planet}.esinw")
        return np.array([name not in held for name in self.problem.parameter_names])

    def refine(self, w: Array, n_iteration: int, moving: Mask | None = None) -> Array:
        """Go on from w (n, n_dim), which stay in their order, with some coordinates or all."""
        mask = self.everything if moving is None else moving
        return self._round(w, mask, n_iteration).w

    def _round(self, w: Array, moving: Mask, n: int) -> Fitted:
        model = self.problem.model
        key = key_of(w, moving, n, (model.dt, model.modified_kick))
        kept = self.journal.kept(key)
        if kept is not None:
            return kept
        now = self.journal.going or self._begin(w)
        while now.n_iteration < n and self._advance(now, moving):
            self.journal.note(key, now, n)
        return self.journal.complete(key, now)

    def _begin(self, w: Array) -> Fitting:
        points = self.whitening.colour(w)
        residuals = self.residuals_of(points)
        return Fitting(
            w.copy(),
            points,
            residuals,
            squares(residuals) + squares(w),
            damping=np.full(len(w), _FIRST_DAMPING),
            idle=np.zeros(len(w), dtype=np.int64),
        )

    def _advance(self, now: Fitting, moving: Mask) -> bool:
        """Do an iteration, or return that none is needed; an exception leaves `now` as it was."""
        going = (now.idle < _PATIENCE) & (now.damping < _LARGEST_DAMPING) & np.isfinite(now.costs)
        active = np.flatnonzero(going)
        if not len(active) or not moving.any():
            return False
        before = self.n_call
        ends = _Ends(now.w[active], now.points[active], now.residuals[active], now.costs[active])
        best, used = self._step(ends, moving, now.damping[active])
        gain = ends.costs - best.costs
        better = gain > 0.0
        now.idle[active] = np.where(better & (gain > _GAIN), 0, now.idle[active] + better)
        now.damping[active] = np.where(
            better, np.maximum(used, _SMALLEST_DAMPING), now.damping[active] * 1e3
        )
        places = active[better]
        now.w[places], now.points[places] = best.w[better], best.points[better]
        now.residuals[places], now.costs[places] = best.residuals[better], best.costs[better]
        now.n_iteration += 1
        now.n_call += self.n_call - before
        return True

    def _step(self, ends: _Ends, moving: Mask, damping: Array) -> tuple[_Ends, Array]:
        """Return each start's best trial, and the damping that led there."""
        jacobians, slopes = self.jacobians(ends.w, ends.points, ends.residuals, moving)
        pulled = np.concatenate([ends.residuals, ends.w[:, moving]], axis=1)
        tried = damping[:, np.newaxis] * _DAMPINGS
        n, n_damping = tried.shape
        moves = np.zeros((n, n_damping, len(moving)))
        moves[:, :, moving] = _damped(jacobians, pulled, tried)
        # All dampings of the first start, then of the next.
        begins, origins, directions = (
            np.repeat(values, n_damping, axis=0) for values in (ends.w, ends.points, slopes)
        )
        w, points = self.straight(
            begins, origins, directions, moves.reshape(n * n_damping, -1), moving
        )
        residuals = self.residuals_of(points)
        costs = squares(residuals) + squares(w)
        best = costs.reshape(n, n_damping).argmin(axis=1)
        rows = np.arange(n) * n_damping + best
        return _Ends(w, points, residuals, costs).take(rows), tried[np.arange(n), best]


def _works(rounds: tuple[Round, ...]) -> list[float]:
    """Return the iterations of all starts that each round may take, relative to each other."""
    left, works = 1.0, []
    for stage in rounds:
        left *= stage.keep
        works.append(left * max(stage.n_iteration, 1))
    return works


def _damped(jacobians: Array, residuals: Array, damping: Array) -> Array:
    """Return the steps of several dampings (n, n_damping), (n, n_damping, n_moving)."""
    gradient = np.einsum("nrd,nr->nd", jacobians, residuals)
    curvature = np.einsum("nrd,nre->nde", jacobians, jacobians)
    # In units of each coordinate's own curvature, which is 1 or more because of the prior: timing
    # and the rest are orders of magnitude apart.
    unit = np.sqrt(np.einsum("ndd->nd", curvature))
    curvature /= unit[:, :, np.newaxis] * unit[:, np.newaxis]
    diagonals = (damping + _ROUNDING)[:, :, np.newaxis, np.newaxis] * np.eye(unit.shape[1])
    right = np.repeat(-(gradient / unit)[:, np.newaxis, :, np.newaxis], damping.shape[1], axis=1)
    steps = np.linalg.solve(curvature[:, np.newaxis] + diagonals, right)[..., 0]
    return np.asarray(steps / unit[:, np.newaxis])
