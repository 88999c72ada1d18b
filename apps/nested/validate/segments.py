"""Segments of a nested run: computed again from one stored set of live points to the next."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.nested.compute.cube import CubeLikelihood
from apps.nested.compute.proposal import Proposal
from apps.nested.compute.run import Segment
from apps.nested.compute.settings import NestedUnit
from apps.nested.compute.unit import nested_sampler
from apps.nested.output import NestedOutput
from apps.ttv.compute.likelihood import Posterior
from boinc_project.unit import Unit
from validator.segments import TOLERANCE, Fate, apart, disturb, fate

LOGL_TOLERANCE = 1e-3
"""Largest difference of a log-likelihood from the recomputed one: a point's weight is then right to
0.1 %. Rounding on unlike platforms stays below 1e-6 near the peak; far below it, where residuals
are thousands of standard errors, it grows with them."""

RELATIVE_TOLERANCE = 1e-6
"""The same for every unit that a log-likelihood lies below the best one. Such points have no
weight: exp(-1000) at the place where this doubles `LOGL_TOLERANCE`."""

Floats = NDArray[np.float64]


class _Disturbed(CubeLikelihood):
    """A likelihood with errors of its own."""

    def __init__(
        self, posterior: Posterior, proposal: Proposal | None, rng: np.random.Generator
    ) -> None:
        super().__init__(posterior, proposal)
        self._rng = rng

    def log_likelihoods(self, cube: Floats) -> Floats:
        return super().log_likelihoods(np.clip(disturb(cube, self._rng), 0.0, 1.0))


class Retrace:
    """Computes segments of one output again.

    Parameters
    ----------
    unit, settings : Unit, NestedUnit
        What was asked for.
    posterior : Posterior
        Of the unit's own engine.
    output : NestedOutput
        Finite, and of the unit's shape.

    Attributes
    ----------
    n_call : int
        Likelihood calls that the last undisturbed segment took.
    """

    def __init__(
        self, unit: Unit, settings: NestedUnit, posterior: Posterior, output: NestedOutput
    ) -> None:
        self._unit, self._settings = unit, settings
        self._posterior, self._output = posterior, output
        self._proposal = settings.sampler.proposal
        self.n_call = 0

    def begin(self, number: int) -> tuple[Floats, Floats]:
        """Return the live points that segment `number` begins with, and what is said of them."""
        return self._output.live_at(number * self._output.segment)

    def are_likely(self, points: Floats, logl: Floats) -> bool:
        """Return whether points of the cube have the log-likelihoods that are said of them."""
        again = CubeLikelihood(self._posterior, self._proposal).log_likelihoods(points)
        return bool((np.abs(again - logl) <= self._allowed(logl)).all())

    def segment(self, number: int) -> Segment:
        """Return what segment `number` does."""
        target = CubeLikelihood(self._posterior, self._proposal)
        sampler = nested_sampler(self._unit, self._settings.sampler, target)
        found = sampler.segment(*self.begin(number), float(self._output.scales[number]), number)
        self.n_call = target.n_call
        return found

    def disturbed(self, number: int, which: int) -> Segment:
        """Return the same with disturbed arithmetic; see `validator.segments`."""
        # Not secret, and part of the method: equal questions always get equal answers.
        rng = np.random.default_rng([number, which])
        target = _Disturbed(self._posterior, self._proposal, rng)
        sampler = nested_sampler(self._unit, self._settings.sampler, target)
        live_u, live_logl = self.begin(number)
        scale = float(disturb(self._output.scales[number : number + 1], rng)[0])
        return sampler.segment(disturb(live_u, rng), disturb(live_logl, rng), scale, number)

    def fate(self, number: int, found: Segment) -> Fate:
        """Judge a segment that was computed again."""
        return fate(
            self.stored(number),
            found,
            lambda i: self.disturbed(number, i),
            lambda one, other: self.distance(number, one, other),
        )

    def stored(self, number: int) -> Segment:
        """Return what the output says of segment `number`."""
        output = self._output
        begin, end = number * output.segment, (number + 1) * output.segment
        live_u, live_logl = output.live_at(end)
        dead = slice(begin, end)
        return Segment(
            dead_u=output.dead_u[dead],
            dead_logl=output.dead_logl[dead],
            dead_slot=output.dead_slot[dead],
            live_u=live_u,
            live_logl=live_logl,
            scale=float(output.scales[number + 1]),
        )

    def distance(self, number: int, one: Segment, other: Segment) -> float:
        """Return the distance of two segments from one beginning.

        In standard deviations of the live points that they begin with; differences of
        log-likelihoods, and relative ones of the length of steps, are scaled so that all tolerances
        are one. Infinite if other points died.
        """
        if not np.array_equal(one.dead_slot, other.dead_slot):
            return math.inf
        scale = self.begin(number)[0].std(axis=0)
        unlike = max(
            float(np.max(np.abs(a - b) / self._allowed(a)))
            for a, b in ((one.dead_logl, other.dead_logl), (one.live_logl, other.live_logl))
        )
        return max(
            apart(one.dead_u, other.dead_u, scale),
            apart(one.live_u, other.live_u, scale),
            abs(one.scale - other.scale) / one.scale,
            TOLERANCE * unlike,
        )

    def _allowed(self, logl: Floats) -> Floats:
        best = float(self._output.live_logl.max())
        return np.asarray(LOGL_TOLERANCE + RELATIVE_TOLERANCE * np.abs(best - logl))
