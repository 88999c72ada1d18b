"""One judge of all samplers: R-hat and effective size, stated and by the spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.merge.diagnostics import marginal

HOUR = 3600.0
MOST_RHAT = 1.01
"""Largest R-hat of a run whose effective size counts (Vehtari et al. 2021)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The outcome of one sampler with one seed.

    Attributes
    ----------
    seconds : float
        Of CPU, everything that this sampler needs included.
    n_call : int
        Likelihoods.
    draws : ndarray
        float64 (n_chain, n_draw, n_walker, n_dim), or (n_draw, n_dim) of a sampler that states its
        size itself.
    rhat : float
        The largest of any parameter; NaN if it does not apply.
    ess : float
        The smallest bulk effective size of any parameter, as the sampler's own series say.
    settled : bool
        Whether the sampler says that its draws are the posterior's.
    """

    seconds: float
    n_call: int
    draws: Floats
    rhat: float
    ess: float
    settled: bool


def judged(seconds: float, n_call: int, draws: Floats) -> Run:
    """Judge chains, (n_chain, n_draw, n_walker, n_dim), by R-hat alone."""
    marginals = [marginal(draws[..., i]) for i in range(draws.shape[-1])]
    rhat = max(entry.rhat for entry in marginals)
    ess = min(entry.ess_bulk for entry in marginals)
    return Run(seconds, n_call, draws, rhat, ess, settled=rhat < MOST_RHAT)


@dataclass(frozen=True, slots=True)
class Score:
    """A sampler's score on one kind of system, over seeds.

    Attributes
    ----------
    name : str
        Of the sampler.
    seconds, n_call, rhat, ess : float
        Medians over seeds; the largest of R-hat.
    spread : float
        Spread of medians and of 16 and 84 % quantiles over seeds, in units of what the stated
        effective size promises, root mean square over parameters; NaN of fewer than two seeds.
    settled : bool
        Whether the sampler says so for every seed.
    """

    name: str
    seconds: float
    n_call: float
    rhat: float
    ess: float
    spread: float
    settled: bool

    @property
    def honest_ess(self) -> float:
        """The effective size that the spread over seeds allows, never above the stated one."""
        return self.ess / max(1.0, self.spread) ** 2 if self.spread == self.spread else self.ess

    @property
    def per_hour(self) -> float:
        """Honest effective draws for an hour of CPU; NaN if the runs have not settled."""
        return self.honest_ess / self.seconds * HOUR if self.settled else math.nan


def score(name: str, runs: Sequence[Run]) -> Score:
    """Return the score of runs that differ by their seeds."""
    return Score(
        name=name,
        seconds=float(np.median([run.seconds for run in runs])),
        n_call=float(np.median([run.n_call for run in runs])),
        rhat=float(np.max([run.rhat for run in runs])),
        ess=float(np.median([run.ess for run in runs])),
        spread=spread(runs),
        settled=all(run.settled for run in runs),
    )


def spread(runs: Sequence[Run]) -> float:
    """Return the spread of central quantiles over seeds, in units of their stated errors.

    The error of a normal's quantile of probability p from n draws is sd sqrt(p (1 - p) / n) /
    phi(z_p); sd is the half-width between 16 and 84 %. It is 1 for draws that are worth what is
    stated, with an error of 1 / sqrt(2 (n_seed - 1)) at worst, if all parameters move together.
    """
    if len(runs) < 2:
        return math.nan
    probabilities = np.array([0.158655, 0.5, 0.841345])
    densities = np.array([0.241971, 0.398942, 0.241971])
    quantiles = np.array(
        [
            np.quantile(run.draws.reshape(-1, run.draws.shape[-1]), probabilities, axis=0)
            for run in runs
        ]
    )
    widths = 0.5 * (quantiles[:, 2] - quantiles[:, 0]).mean(axis=0)
    sizes = np.array([run.ess for run in runs]).mean()
    stated = np.sqrt(probabilities * (1.0 - probabilities) / sizes) / densities
    ratios = quantiles.var(axis=0, ddof=1) / (stated[:, np.newaxis] * widths) ** 2
    return float(np.sqrt(ratios.mean()))
