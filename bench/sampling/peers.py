"""The peers: emcee with the moves for correlated posteriors, until its own R-hat is small."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import emcee
import numpy as np
from numpy.typing import NDArray

from bench.sampling.judge import MOST_RHAT, Run, judged

N_CHAIN = 4
"""Ensembles of a peer: the fewest that R-hat is worth something of."""
_FIRST_STEPS = 400
"""Steps before a peer is judged for the first time; it is judged again whenever they doubled."""
_KEPT = 500
"""Draws of every walker that are judged, at most: more say nothing new of chains this slow."""

Floats = NDArray[np.float64]


def emcee_moves() -> list[tuple[emcee.moves.Move, float]]:
    """Return emcee's moves for correlated posteriors, in the shares that its guide gives."""
    return [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)]


def emcee_run(
    log_density: Callable[[Floats], Floats],
    starts: Sequence[Floats],
    *,
    seed: int,
    budget: float,
    least_ess: float,
) -> Run:
    """Run independent ensembles until they agree and are worth enough, or the budget ends.

    Parameters
    ----------
    log_density : Callable
        Of points (n, n_dim), the log posterior densities (n,).
    starts : sequence of ndarray
        (n_walker, n_dim) of each ensemble.
    seed : int
        Of the moves.
    budget : float
        CPU seconds.
    least_ess : float
        Bulk effective size to reach, beside R-hat: that of the other side's stop rule.
    """
    samplers, states = [], []
    for index, start in enumerate(starts):
        sampler = emcee.EnsembleSampler(
            *start.shape, log_density, moves=emcee_moves(), vectorize=True
        )
        sampler.random_state = np.random.RandomState([seed, index]).get_state()
        samplers.append(sampler)
        states.append(emcee.State(start))
    began, n_step, ahead = time.process_time(), 0, _FIRST_STEPS
    while True:
        for place, sampler in enumerate(samplers):
            # Walkers on a thin ridge look linearly dependent to emcee's check.
            states[place] = sampler.run_mcmc(states[place], ahead, skip_initial_state_check=True)
        n_step += ahead
        ahead = n_step
        spent = time.process_time() - began
        draws = np.array([s.get_chain(discard=n_step // 3) for s in samplers])
        draws = draws[:, :: max(1, draws.shape[1] // _KEPT)]
        run = judged(spent, sum(len(start) for start in starts) * (n_step + 1), draws)
        # The next stretch takes as long as everything before it.
        if (run.rhat < MOST_RHAT and run.ess >= least_ess) or 2.0 * spent > budget:
            return run
