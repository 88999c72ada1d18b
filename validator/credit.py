"""Credit of a unit, from counted operations: a host cannot claim more than its unit is worth.

A cobblestone is 1/200 day of a machine of 1 GFLOPS (BOINC, ``sched/credit.cpp``).
"""

from __future__ import annotations

import math

COBBLESTONES_PER_FLOP = 200.0 / (86400.0 * 1e9)

FLOP_PER_PLANET_STEP = 850.0
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

The sum is 850; within the spread of such counts it agrees with the measured 225 ns on a core of
about 4 GFLOPS in Whetstone's sense. What matters is that it is one constant for everyone."""


def cobblestones(flop: float) -> float:
    """Return the credit of `flop` floating-point operations."""
    return flop * COBBLESTONES_PER_FLOP


def ttv_flop(
    *, n_planet: int, span_days: float, dt_days: float, n_walker: int, n_step: int
) -> float:
    """Return the operations of a TTV sub-chain.

    Parameters
    ----------
    n_planet : int
        Planets integrated, observed or not.
    span_days, dt_days : float
        Length of the integration and its step.
    n_walker, n_step : int
        Each step moves every walker once; the starting points cost one likelihood each, too.
    """
    calls = n_walker * (n_step + 1)
    return calls * n_planet * math.ceil(span_days / dt_days) * FLOP_PER_PLANET_STEP
