"""How much of the posterior each mode holds: by importance draws, one by one or all together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.importance import TRUSTED_EFFECTIVE, kish, log_mean, relative_error
from apps.ttv.compute.search.mode import Mode, log_laplace, nearest
from apps.ttv.compute.whitening import Whitening

MATTERS = 1e-2
"""Part of the posterior from which on what is known of a mode decides about all of them."""

# A mode is a peak if no draw that belongs to it is better by more in log density.
_NO_PEAK = 1.0
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weight:
    """A mode's part of the posterior.

    Attributes
    ----------
    weight : float
        Between 0 and 1; all modes' sum to 1.
    error : float | None
        Standard error; None if the weight is Laplace's.
    trusted : bool
        Whether it was measured by importance sampling, with enough effective draws or to be small.
    effective : float
        Kish's effective size of the draws it was measured with.
    """

    weight: float
    error: float | None
    trusted: bool
    effective: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Importance draws of the posterior.

    Attributes
    ----------
    points : ndarray
        float64 (n, n_dim), parameters inside the priors.
    logs : ndarray
        float64 (n,), log weights; -inf where there is no model.
    likelihoods : ndarray
        float64 (n,), log-likelihoods.
    """

    points: Array
    logs: Array
    likelihoods: Array

    @property
    def effective(self) -> float:
        """Kish's effective size."""
        return kish(self.logs)


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """The parts of all modes, and the evidence of all of them together.

    Attributes
    ----------
    weights : tuple[Weight, ...]
        Of each mode.
    log_z : float
        Without the likelihood's constant.
    log_z_error : float | None
        None where it is Laplace's approximation for any mode that matters.
    """

    weights: tuple[Weight, ...]
    log_z: float
    log_z_error: float | None


def parts_of(logs: Sequence[float]) -> Array:
    """Return the parts of log evidences, which sum to 1."""
    parts = np.exp(np.array(logs) - max(logs))
    return np.asarray(parts / math.fsum(parts))


def by_laplace(logs: Sequence[float]) -> Weighed:
    """Weigh modes by Laplace's approximation to the evidence of each; nothing is measured."""
    parts = parts_of(logs)
    weights = tuple(Weight(float(part), None, False, 0.0) for part in parts)
    log_z = max(logs) + math.log(math.fsum(math.exp(log - max(logs)) for log in logs))
    return Weighed(weights, log_z, None)


def together(posterior: Posterior, modes: Sequence[Mode], look: Look) -> Weighed:
    """Weigh modes by draws of one proposal for all, each of which is its nearest mode's.

    A mode is trusted if enough draws are its own, and none of them is better than its peak in the
    coordinates of the search: else it is none. A mode without draws is negligible only if Laplace's
    approximation says so.
    """
    w = Whitening(posterior.problem).whiten(look.points)
    places = nearest(modes, w)
    heights = look.likelihoods - 0.5 * np.sum(w * w, axis=1)
    shares = np.exp(look.logs - look.logs.max())
    shares /= math.fsum(shares)
    laplace = parts_of([log_laplace(mode, posterior) for mode in modes])
    weights, doubtful = [], False
    for place, mode in enumerate(modes):
        own = places == place
        part = float(shares[own].sum())
        effective = kish(np.where(own, look.logs, -math.inf))
        peak = -0.5 * mode.chi2 - 0.5 * float(np.sum(mode.coords * mode.coords))
        is_peak = bool(own.any()) and float(heights[own].max()) < peak + _NO_PEAK
        error = float(np.sqrt(np.sum((shares * (own - part)) ** 2)))
        # A small part need not be known well, if the approximation does not contradict it.
        unmet = effective == 0.0 and laplace[place] > MATTERS
        is_small = part + 3.0 * error < MATTERS and not unmet
        trusted = is_small or (is_peak and effective >= TRUSTED_EFFECTIVE)
        weights.append(Weight(part, error if trusted else None, trusted, effective))
        doubtful |= not trusted
    log_z_error = None if doubtful else relative_error(look.logs)
    return Weighed(tuple(weights), log_mean(look.logs), log_z_error)
