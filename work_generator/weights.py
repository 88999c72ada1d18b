"""How much of the posterior each mode holds: by importance draws, one by one or all together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from apps.ttv.likelihood import Posterior
from apps.ttv.population.importance import (
    TRUSTED_EFFECTIVE,
    kish,
    log_mean,
    picked,
    relative_error,
)
from work_generator.anneal import HALF
from work_generator.modes import Mode, nearest

MATTERS = 1e-2
"""Part of the posterior from which on what is known of a mode decides about all of them."""

# A mode is a peak if no draw that belongs to it is better by more in log density.
_NO_PEAK = 1.0
# Part of a normal posterior, spread by sqrt(2), that the points to begin at are taken from.
_BEGIN = 0.999
# Powers of the likelihood that they are tried with.
_POWERS = (HALF, 0.75, 1.0)

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
        Whether it was measured by importance sampling with enough effective draws.
    effective : float
        Kish's effective size of the draws it was measured with.
    """

    weight: float
    error: float | None
    trusted: bool
    effective: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Importance draws of the posterior, or of one mode.

    Attributes
    ----------
    points : ndarray
        float64 (n, n_dim).
    logs : ndarray
        float64 (n,), log weights; -inf beyond the mode.
    densities : ndarray
        float64 (n,), log densities of the posterior.
    """

    points: Array
    logs: Array
    densities: Array

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


def one_by_one(
    logs: Sequence[float], errors: Sequence[float | None], looks: Sequence[Look | None]
) -> Weighed:
    """Weigh modes by the evidence of each, and its relative error where it was measured."""
    parts = parts_of(logs)
    weights = tuple(
        Weight(
            float(part),
            _error_of(part, parts, errors, place),
            errors[place] is not None,
            look.effective if look is not None else 0.0,
        )
        for place, (part, look) in enumerate(zip(parts, looks, strict=True))
    )
    log_z = max(logs) + math.log(math.fsum(math.exp(log - max(logs)) for log in logs))
    return Weighed(weights, log_z, _log_z_error(parts, errors))


def together(posterior: Posterior, modes: Sequence[Mode], look: Look) -> Weighed:
    """Weigh modes by draws of one proposal for all, each of which is its nearest mode's.

    A mode is trusted if enough draws are its own, and none of them is better than its peak: else it
    is none.
    """
    places = nearest(modes, look.points)
    shares = np.exp(look.logs - look.logs.max())
    shares /= math.fsum(shares)
    weights = []
    for place, mode in enumerate(modes):
        own = places == place
        part = float(shares[own].sum())
        effective = kish(np.where(own, look.logs, -math.inf))
        peak = posterior(mode.params.tolist())
        is_peak = bool(own.any()) and float(look.densities[own].max()) < peak + _NO_PEAK
        trusted = is_peak and effective >= TRUSTED_EFFECTIVE
        error = float(np.sqrt(np.sum((shares * (own - part)) ** 2))) if trusted else None
        weights.append(Weight(part, error, trusted, effective))
    # Of a mode that no draw has met nothing is known, least of all that it is negligible.
    doubtful = any(
        not one.trusted and (one.weight > MATTERS or one.effective == 0.0) for one in weights
    )
    error = None if doubtful else relative_error(look.logs)
    return Weighed(tuple(weights), log_mean(look.logs), error)


def begin_at(
    posterior: Posterior,
    modes: Sequence[Mode],
    place: int,
    look: Look,
    n: int,
    rng: np.random.Generator,
) -> Array | None:
    """Return points to begin a mode's chains at, (n, n_dim) with repetitions; None if too few.

    Draws of the posterior with the likelihood to the power 1/2, as far from the peak as nearly all
    of these would be if it were normal. Beyond that, a part of the prior that is large but explains
    the data badly may outweigh the peak at this power. So may single draws within, of a proposal
    that was fitted to the posterior: then it is a larger power, the posterior's own at last.
    """
    peak = posterior(modes[place].params.tolist())
    within = 2.0 * (peak - look.densities) < 2.0 * chi2(look.points.shape[1]).ppf(_BEGIN)
    within &= nearest(modes, look.points) == place
    likelihoods = look.densities[within] - posterior.log_priors(look.points[within])
    for power in _POWERS:
        logs = look.logs[within] - (1.0 - power) * likelihoods
        if kish(logs) >= TRUSTED_EFFECTIVE:
            return picked(look.points[within], logs, n, rng)
    return None


def _log_z_error(parts: Array, errors: Sequence[float | None]) -> float | None:
    """Return the relative error of the sum of all modes' evidences."""
    if any(error is None and part > MATTERS for part, error in zip(parts, errors, strict=True)):
        return None
    known = np.array([error or 0.0 for error in errors])
    return float(np.sqrt(np.sum((parts * known) ** 2)))


def _error_of(
    part: float, parts: Array, errors: Sequence[float | None], place: int
) -> float | None:
    """Propagate the evidences' relative errors to a part p: dp = p ((1 - p) d_i - sum p_j d_j)."""
    own = errors[place]
    if own is None:
        return None
    known = np.array([error or 0.0 for error in errors])
    known[place] = 0.0
    others = float(np.sum((parts * known) ** 2))
    return float(part * math.sqrt(((1.0 - part) * own) ** 2 + others))
