"""How many operations a transit-timing chain takes: the one home of every such constant.

Two questions have two answers, and they are not the same number.

*What is it worth?* Credit counts the arithmetic that TTVFast's algorithm needs, engine or no
engine: `CREDIT_FLOP_PER_PLANET_STEP`. A faster engine does not make a result worth less.

*How long will it take?* BOINC's client divides ``rsc_fpops_est`` by what its Whetstone benchmark
measured. So run time is stated as what that benchmark would have done meanwhile on the reference
host (`work_generator.reference`), and follows the engine: `RUN_TIME`. It is larger than the
arithmetic for TTVFast, whose Python wrapper and cold Kepler restarts cost time without counting,
and smaller for an engine that uses vector units, which Whetstone does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CREDIT_FLOP_PER_PLANET_STEP = 850.0
"""Operations of TTVFast for one planet and one step.

Derivation, by counting + - * / sqrt as 1 and sin, cos, cbrt as 20 each (what their polynomials and
argument reductions take), for the algorithm of Deck et al. (2014, ApJ 787, 132):

- Kepler drift in universal variables: set-up of r0, beta, eta, zeta and the starting guess 40;
  4.5 iterations on average (cold restarts included) of sin and cos of half the argument, the G
  functions and a third-order step, 40 + 45 each: 383; f, g, df/dt, dg/dt and the new state: 60;
- kick: heliocentric from Jacobi coordinates 20, the planet's share of the pairwise forces with
  their r^-3 (two square roots and divisions) 75, velocity update 10;
- transit search: two dot products a step and the sign test 15;
- half a kick more at each output, the refinement of transits by Newton's method on the osculating
  orbit, 5 iterations of 90 + 40 each at 2 ends every P/dt = 20 steps: 65; corrector and
  conversions, spread over the steps: 2;
- the likelihood's and sampler's own share, a fifth to a quarter of the whole when measured: 180.

What matters is that it is one constant for everyone."""


@dataclass(frozen=True, slots=True)
class EngineRunTime:
    """What an engine's run time is, in operations of BOINC's Whetstone benchmark.

    Attributes
    ----------
    per_planet_step : float
        For one planet and one step of the integration.
    per_call : float
        For each likelihood besides: wrapper, matching of transits, priors, sampler.
    """

    per_planet_step: float
    per_call: float

    def flop(self, planet_steps: float) -> float:
        """Return the operations of one likelihood call."""
        return planet_steps * self.per_planet_step + self.per_call


RUN_TIME = {
    # 225 to 300 ns a planet-step on the reference host, which does 1000 operations in 250 ns; the
    # wrapper and its lists take 250 microseconds a call.
    "ttvfast": EngineRunTime(1.0e3, 1.0e6),
    # 24 ns a planet-step with AVX2, four lanes at once; emcee's own 210 microseconds a step are
    # shared by some 30 walkers, and matching and priors take about as much again.
    "batch": EngineRunTime(1.0e2, 6.0e4),
}
"""By ``model.engine``. Planning measures; these stand in where nothing was measured."""


def planet_steps(*, n_planet: int, span_days: float, dt_days: float) -> int:
    """Return the planet-steps of one likelihood.

    Parameters
    ----------
    n_planet : int
        Planets integrated, observed or not.
    span_days, dt_days : float
        Length of the integration and its step.
    """
    return n_planet * math.ceil(span_days / dt_days)


def calls_per_step(*, corrections: int, thin: int) -> float:
    """Return the integrations that one step of one walker takes.

    Every correction of ephemerides (`apps.ttv.compute.coordinates`) takes one more for each place
    that a walker is offered, and one for each that it has when a draw is kept.
    """
    return 1.0 + corrections * (1.0 + 1.0 / thin)


def likelihood_calls(*, n_walker: int, n_step: int, thin: int, corrections: int = 0) -> int:
    """Return the integrations of a chain: each step moves every walker; the start counts, too."""
    return n_walker * (n_step * (1 + corrections) + corrections * math.ceil(n_step / thin) + 1)


def credit_flop(*, n_planet: int, span_days: float, dt_days: float, n_call: int) -> float:
    """Return the operations that likelihood calls earn credit for; parameters as above."""
    steps = planet_steps(n_planet=n_planet, span_days=span_days, dt_days=dt_days)
    return n_call * steps * CREDIT_FLOP_PER_PLANET_STEP
