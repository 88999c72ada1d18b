"""Segments of a chain: computed again from one stored draw to the next, and judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.chain import chain_coordinates, chain_sampler
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.sampler import Ensemble, Sampler
from apps.ttv.compute.settings import TtvSettings
from apps.ttv.output import TtvOutput
from boinc_project.seeds import Stream, stream_key
from boinc_project.unit import Unit
from validator.segments import TOLERANCE, Fate, apart, disturb, fate

LOG_PROB_TOLERANCE = 1e-3
"""Largest difference of a log-probability from the recomputed one. It changes a Metropolis step's
acceptance by less than 0.1 %, so a chain within it samples the same posterior to any accuracy that
a campaign reaches; rounding on unlike platforms stays below 1e-6."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segment:
    """The end of a recomputed segment.

    Attributes
    ----------
    coords, log_prob : ndarray
        The ensemble, (n_walker, n_dim) and (n_walker,).
    accepted : ndarray | None
        int64 (n_walker,), proposals accepted on the way; None if not known.
    """

    coords: Floats
    log_prob: Floats
    accepted: Ints | None


class Retrace:
    """Computes segments of one output again.

    Parameters
    ----------
    unit, settings : Unit, TtvSettings
        What was asked for.
    posterior : Posterior
        Of the unit's own engine.
    output : TtvOutput
        Finite, and of the unit's shape.

    Attributes
    ----------
    n_call : int
        Likelihood calls spent so far.
    """

    def __init__(
        self, unit: Unit, settings: TtvSettings, posterior: Posterior, output: TtvOutput
    ) -> None:
        self._unit, self._settings = unit, settings
        self._posterior, self._output = posterior, output
        self.n_call = 0

    def begin(self, number: int) -> tuple[Floats, Floats]:
        """Return the state that segment `number` begins with, its log-probabilities recomputed."""
        start = self._settings.start if number == 0 else self._output.draws[number - 1]
        self.n_call += len(start)
        return start, self._posterior.log_densities(start)

    def segment(self, number: int, coords: Floats, log_prob: Floats) -> Segment:
        """Return the end of segment `number`, which ends with stored draw `number`."""
        sampler = chain_sampler(self._unit, self._settings, self._posterior)
        return self._follow(sampler, number, coords, log_prob, None)

    def disturbed(self, number: int, coords: Floats, log_prob: Floats, which: int) -> Segment:
        """Return the same with disturbed arithmetic; see `validator.segments`."""
        # Not secret, and part of the method: equal questions always get equal answers.
        rng = np.random.default_rng([number, which])
        sampler = Sampler(
            self._settings.sampler,
            stream_key(self._unit.seed, Stream.CHAIN),
            lambda points: self._posterior.log_densities(disturb(points, rng)),
            coordinates=chain_coordinates(self._settings, self._posterior),
        )
        return self._follow(sampler, number, disturb(coords, rng), log_prob, rng)

    def stored(self, number: int) -> Segment:
        """Return what the output says that segment `number` leads to."""
        return Segment(self._output.draws[number], self._output.log_prob[number], None)

    def fate(self, number: int, coords: Floats, log_prob: Floats, end: Segment) -> Fate:
        """Judge a segment that was computed again."""
        return fate(
            self.stored(number),
            end,
            lambda i: self.disturbed(number, coords, log_prob, i),
            distance,
        )

    def _follow(
        self,
        sampler: Sampler,
        number: int,
        coords: Floats,
        log_prob: Floats,
        rng: np.random.Generator | None,
    ) -> Segment:
        thin = self._settings.sampler.thin
        accepted = np.zeros(len(coords), dtype=np.int64)
        now = Ensemble(coords, log_prob)
        for step in range(number * thin + 1, (number + 1) * thin + 1):
            now, moved = sampler.step(now, step)
            accepted += moved
            if rng is not None:
                # The coordinates of disturbed parameters are found anew.
                now = Ensemble(disturb(now.coords, rng), now.log_prob)
        self.n_call += thin * len(coords)
        return Segment(now.coords, now.log_prob, accepted)


def distance(one: Segment, other: Segment) -> float:
    """Return the distance of two ends, in standard deviations of the first's ensemble.

    The scale is the recomputed ensemble's, not the output's: a forger could widen that. Differences
    of log-probabilities count in units of theirs, so that both tolerances are one.
    """
    places = apart(one.coords, other.coords, one.coords.std(axis=0))
    unlike = float(np.max(np.abs(one.log_prob - other.log_prob)))
    return max(places, TOLERANCE * unlike / LOG_PROB_TOLERANCE)
