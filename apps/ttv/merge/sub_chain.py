"""Sub-chains as arrays, and how far each of them can be trusted by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from apps.ttv.autocorrelation import autocorrelate

MAX_BURN_IN = 0.5
"""Largest share of a sub-chain that is dropped. One whose beginning is longer has not converged,
and R-hat will say so; dropping more would hide it."""

BURN_IN_STEPS = 20
"""Places between 0 and `MAX_BURN_IN` where the burn-in may end; a finer grid than 2.5 % of the
chain would only follow noise."""

GOOD_ENOUGH = 0.9
"""Share of the greatest evidence at which the beginning is kept: estimates of it scatter by some
10 %, and draws should not be dropped for noise."""

TAIL = 1e-6
"""Posterior probability that is too small to be met by chance: a campaign has some 1e5 draws."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SubChain:
    """The chain of one unit.

    Attributes
    ----------
    key : tuple[int, int, str]
        Generation, index and digest of its unit: the order of sub-chains in every product.
    draws : ndarray
        float64 (n_draw, n_walker, n_dim).
    log_prob : ndarray
        float64 (n_draw, n_walker).
    """

    key: tuple[int, int, str]
    draws: Floats
    log_prob: Floats

    def after(self, burn_in: int) -> SubChain:
        """Return the sub-chain without its first `burn_in` draws."""
        return SubChain(self.key, self.draws[burn_in:], self.log_prob[burn_in:])

    def of_walkers(self, walkers: NDArray[np.intp]) -> SubChain:
        """Return the sub-chain of some of the walkers."""
        return SubChain(self.key, self.draws[:, walkers], self.log_prob[:, walkers])


def burn_in(chains: Sequence[SubChain]) -> int:
    """Return how many draws to drop at the beginning of sub-chains that started alike.

    The rest has the most effectively independent ensembles (Chodera 2016, J. Chem. Theory Comput.
    12, 1799): while the beginning drifts, dropping it gains more than it costs. Looked at are the
    ensemble means of every parameter and of the log-probability; the worst of them counts. A single
    short chain would say little about its own autocorrelation, so the units of a generation, which
    start from one distribution, are looked at together.

    Parameters
    ----------
    chains : Sequence[SubChain]
        Of one generation, and of one length.
    """
    n = len(chains[0].draws)
    series = np.stack(
        [
            np.concatenate([one.draws.mean(axis=1), one.log_prob.mean(axis=1)[:, None]], axis=1)
            for one in chains
        ]
    )  # (n_chain, n_draw, n_dim + 1)
    places = sorted({int(n * MAX_BURN_IN * k / BURN_IN_STEPS) for k in range(BURN_IN_STEPS + 1)})
    evidence = [_smallest(autocorrelate(series[:, place:]).effective) for place in places]
    enough = GOOD_ENOUGH * max(evidence)
    return next(place for place, size in zip(places, evidence, strict=True) if size >= enough)


def stuck_walkers(chain: SubChain) -> NDArray[np.bool_]:
    """Return which walkers sit where the rest of their ensemble would not go, bool (n_walker,).

    A walker is stuck if even the median of its log-probabilities lies below that of the ensemble by
    more than `log_prob_drop`.
    """
    medians = np.median(chain.log_prob, axis=0)
    n_dim = chain.draws.shape[2]
    return np.asarray(medians < np.median(medians) - log_prob_drop(n_dim))


def log_prob_drop(n_dim: int) -> float:
    """Return by how much log-probability falls below its median with probability `TAIL`.

    For a Gaussian posterior, twice the distance from the peak is chi-square with `n_dim` degrees of
    freedom.
    """
    return 0.5 * float(chi2.isf(TAIL, n_dim) - chi2.median(n_dim))


def _smallest(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.min()) if len(finite) else 0.0
