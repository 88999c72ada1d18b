"""The chain, one step at a time.

Step s draws all its random numbers from its own stream, derived from the unit's seed and s. So the
ensemble after step s follows from the ensemble after step s - 1 alone: a run can stop anywhere and
go on, and any segment between two stored draws can be computed again by anyone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from emcee.model import Model
from emcee.state import State
from numpy.typing import NDArray

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.moves import make_moves
from apps.ttv.compute.sampler_settings import SamplerSettings
from apps.ttv.compute.shear import Shear
from boinc_project.errors import UnitError
from boinc_project.seeds import step_bits

Vector = NDArray[np.float64]
LogProbability = Callable[[Vector], Vector]
"""From points (n, n_dim) to log densities (n,)."""

CHUNK = 64
"""Points evaluated between two looks at the client. With the batch engine they take 3 to 100 ms,
with TTVFast 0.1 to 0.5 s: a task obeys within a second. No value depends on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """The walkers after a step.

    Attributes
    ----------
    coords : ndarray
        float64 (n_walker, n_dim), parameters.
    log_prob : ndarray
        float64 (n_walker,).
    places : ndarray, optional
        float64 (n_walker, n_dim), `coords` in the coordinates that moves are made in. They are
        found anew, from `coords`, for the first step and after every kept draw, so that a segment
        between two draws follows from the draw alone; in between they are carried, because every
        correction of ephemerides takes an integration.
    """

    coords: Vector
    log_prob: Vector
    places: Vector | None = None


@dataclass(slots=True)
class Chain:
    """A chain after `step` completed steps.

    Attributes
    ----------
    step : int
        Steps completed; 0 is the start.
    now : Ensemble
        The walkers.
    accepted : ndarray
        int64 (n_walker,), accepted proposals so far.
    draws, draws_log_prob : list
        The ensembles after every `thin` steps so far.
    n_call : int
        Calls of the log probability so far.
    failures : Counter
        Failed integrations so far, by kind.
    """

    step: int
    now: Ensemble
    accepted: NDArray[np.int64]
    draws: list[Vector] = field(default_factory=list)
    draws_log_prob: list[Vector] = field(default_factory=list)
    n_call: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Sampler:
    """Moves an ensemble of walkers.

    Parameters
    ----------
    settings : SamplerSettings
        Number of walkers, moves, thinning.
    key : tuple[int, int]
        Of the unit's CHAIN stream; see `boinc_project.seeds.stream_key`.
    log_probability : Callable
        Log densities of points; -inf outside the support, never NaN.
    poll : Callable
        Called before every `CHUNK` points; may raise to leave the step, which then has no effect.
    coordinates : Coordinates, optional
        In which the moves are made; the parameters if there are none.
    """

    def __init__(
        self,
        settings: SamplerSettings,
        key: tuple[int, int],
        log_probability: LogProbability,
        poll: Callable[[], None] = lambda: None,
        coordinates: Coordinates | None = None,
    ) -> None:
        self._coordinates = coordinates
        self.settings = settings
        self._key = key
        self._log_probability = log_probability
        self._poll = poll
        self._moves, weights = make_moves(settings)
        self._edges = np.cumsum(weights)

    def begin(self, start: Vector) -> Chain:
        """Return the chain before its first step.

        Raises
        ------
        UnitError
            If a starting point has no probability.
        """
        coords = np.array(start, dtype=np.float64)
        log_prob = self._evaluate(coords)
        for walker, value in enumerate(log_prob):
            if not math.isfinite(value):
                raise UnitError(f"The start of walker {walker} has no probability.", walker=walker)
        accepted = np.zeros(len(coords), dtype=np.int64)
        return Chain(0, Ensemble(coords, log_prob), accepted, n_call=len(coords))

    def advance(self, chain: Chain) -> None:
        """Do one step; if it is interrupted by an exception, `chain` stays as it was."""
        chain.now, accepted = self.step(chain.now, chain.step + 1)
        chain.step += 1
        chain.accepted = chain.accepted + accepted
        chain.n_call += len(accepted)
        if chain.step % self.settings.thin == 0:
            chain.draws.append(chain.now.coords)
            chain.draws_log_prob.append(chain.now.log_prob)

    def step(self, now: Ensemble, step: int) -> tuple[Ensemble, NDArray[np.bool_]]:
        """Return the ensemble after step number `step`, and which walkers moved.

        Parameters
        ----------
        now : Ensemble
            After step ``step - 1``; not changed.
        step : int
            Counted from 1.
        """
        random = np.random.RandomState(step_bits(self._key, step))
        last = len(self._moves) - 1
        move = self._moves[min(int(np.searchsorted(self._edges, random.rand())), last)]
        frame = _Frame(self._coordinates, self.settings.shear, self._evaluate)
        known = now.places if (step - 1) % self.settings.thin else None
        places, u, density = frame.enter(now, known)
        moved, _, accepted = self._propose(move, u, density, random, frame.evaluate)
        # Who stays keeps every bit: to leave the parameters and to come back would round.
        coords, log_prob, places = now.coords.copy(), now.log_prob.copy(), places.copy()
        for walker in np.flatnonzero(accepted).tolist():
            seen = frame.seen[moved[walker].tobytes()]
            coords[walker], log_prob[walker], places[walker] = seen
        return Ensemble(coords, log_prob, places), accepted

    def _propose(
        self,
        move: Any,
        coords: Vector,
        log_prob: Vector,
        random: np.random.RandomState,
        evaluate: LogProbability,
    ) -> tuple[Vector, Vector, NDArray[np.bool_]]:
        model = Model(evaluate, lambda q: (evaluate(q), None), map, random)
        state = State(coords, log_prob=log_prob, copy=True)
        state, accepted = move.propose(model, state)
        return state.coords, state.log_prob, accepted

    def _evaluate(self, points: Vector) -> Vector:
        log_prob = np.empty(len(points))
        for begin in range(0, len(points), CHUNK):
            self._poll()
            chunk = slice(begin, begin + CHUNK)
            log_prob[chunk] = self._log_probability(points[chunk])
        return log_prob


class _Frame:
    """The coordinates that one step is made in: of the settings, and straightened.

    Parameters
    ----------
    coordinates : Coordinates | None
        None: the parameters themselves.
    shear : Shear | None
        None: they are not straightened.
    log_probability : Callable
        Of parameters.

    Attributes
    ----------
    seen : dict
        Parameters, their log probability and their coordinates, by the bytes of the straightened
        coordinates that were evaluated.
    """

    def __init__(
        self,
        coordinates: Coordinates | None,
        shear: Shear | None,
        log_probability: LogProbability,
    ) -> None:
        self._coordinates, self._shear = coordinates, shear
        self._log_probability = log_probability
        self.seen: dict[bytes, tuple[Vector, float, Vector]] = {}

    def enter(self, now: Ensemble, known: Vector | None) -> tuple[Vector, Vector, Vector]:
        """Return coordinates, straightened coordinates, and the log densities there.

        Parameters
        ----------
        now : Ensemble
            The walkers.
        known : ndarray | None
            Their coordinates, if they are carried.
        """
        y, density = now.coords, now.log_prob
        if self._coordinates is not None:
            y = self._coordinates.from_points(now.coords) if known is None else known
            density = density - self._coordinates.log_jacobians(now.coords, y)
        return y, (y if self._shear is None else self._shear.straighten(y)), density

    def evaluate(self, u: Vector) -> Vector:
        """Return the log densities at places, and remember what was there."""
        y = u if self._shear is None else self._shear.bend(u)
        points = y if self._coordinates is None else self._coordinates.to_points(y)
        log_prob = np.full(len(u), -math.inf)
        # Places that are those of no parameters have no density.
        possible = np.flatnonzero(np.isfinite(points).all(axis=1))
        log_prob[possible] = self._log_probability(points[possible])
        for place, point, value, coordinate in zip(u, points, log_prob.tolist(), y, strict=True):
            self.seen[place.tobytes()] = point, value, coordinate
        inside = np.flatnonzero(np.isfinite(log_prob))
        density = np.full(len(u), -math.inf)
        density[inside] = log_prob[inside]
        if self._coordinates is not None and len(inside):
            density[inside] -= self._coordinates.log_jacobians(points[inside], y[inside])
        return density
