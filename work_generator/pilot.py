"""The pilot: how much of the posterior each mode holds, and what to propose from.

Population Monte Carlo (Cappe et al. 2004, J. Comput. Graph. Stat. 13, 907), for each mode by
itself: draw from its proposal so far, weight by the posterior, fit the next proposal. While the
weights are poor they are tempered, to the power that leaves a stated number of effective draws, so
that a fit never follows two or three points of huge weight. The last draws, which nothing is fitted
to, tell the mode's evidence and its error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.likelihood import Posterior
from apps.ttv.moves import log_mixture, sample_mixture
from apps.ttv.settings import Mixture
from boinc_project.errors import InputError
from work_generator.modes import Mode, distances
from work_generator.proposals import fitted_part, joined, mixture_of, normal_part
from work_generator.ridge import Components

TRUSTED_EFFECTIVE = 100.0
"""Effective draws (Kish) below which a mode's evidence is not trusted: with 100 its error is about
10 %, if the proposal has been everywhere; with few it often has not."""
LEAST_PART = 0.02
"""Part of the proposals that every mode gets, however little of the posterior it holds: what a
pilot has misjudged stays reachable for the chains."""

# Draws of each round and of the last look. A likelihood takes some 50 us: a round is a second.
_ROUND, _LAST = 8_000, 20_000
_ROUNDS = 8
# Rounds end when a draw of the proposal is worth so much of one of the posterior.
_GOOD = 0.5
# Or when so many rounds in a row were no better than the best one by this factor.
_PATIENCE, _GAIN = 3, 1.1
# Effective draws per parameter that a fit needs, and to which weights are tempered.
_LEAST_EFFECTIVE = 30.0
_RESAMPLED = 10_000

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


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a pilot found.

    Attributes
    ----------
    weights : tuple[Weight, ...]
        Of each mode, in the order given.
    proposal : dict
        ``settings["sampler"]["mixture"]``.
    effective : float
        Kish's effective size of `n_call` draws of the proposal.
    n_call : int
        How many draws that was measured with.
    """

    weights: tuple[Weight, ...]
    proposal: dict[str, Any]
    effective: float
    n_call: int


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """Importance draws of one mode: the points, and log weights that are -inf beyond the mode."""

    points: Array
    logs: Array

    @property
    def effective(self) -> float:
        return kish(self.logs)


def fly(posterior: Posterior, modes: Sequence[Mode], rng: np.random.Generator) -> Pilot:
    """Weigh modes and fit the first generation's proposal.

    Parameters
    ----------
    posterior : Posterior
        With the campaign's step and engine.
    modes : Sequence[Mode]
        All that were kept.
    rng : Generator
        Decides the result.

    Raises
    ------
    InputError
        If no mode lies inside the priors.
    """
    random = np.random.RandomState(rng.bit_generator)
    laplace = [log_laplace(mode, posterior) for mode in modes]
    if not math.isfinite(max(laplace)):
        raise InputError("The best fit lies outside of the priors: widen them.")
    fits: list[Components] = []
    logs: list[float] = []
    errors: list[float | None] = []
    sizes: list[float] = []
    for place in range(len(modes)):
        fit, look = _explore(posterior, modes, place, random, rng)
        trusted = look.effective >= TRUSTED_EFFECTIVE
        fits.append(fit)
        sizes.append(look.effective)
        logs.append(_log_mean(look.logs) if trusted else laplace[place])
        errors.append(_relative_error(look.logs) if trusted else None)
    raw = joined(fits, np.maximum(_parts(logs), LEAST_PART))
    last = kish(_draw(posterior, mixture_of(raw), _LAST, random).logs)
    if last < TRUSTED_EFFECTIVE:
        # New draws have met what those before had missed: their sizes meant nothing.
        logs, errors = laplace, [None] * len(modes)
    parts = _parts(logs)
    weights = tuple(
        Weight(float(part), _error_of(part, parts, errors, place), errors[place] is not None, size)
        for place, (part, size) in enumerate(zip(parts, sizes, strict=True))
    )
    return Pilot(weights, raw, last, _LAST)


def _parts(logs: Sequence[float]) -> Array:
    parts = np.exp(np.array(logs) - max(logs))
    return np.asarray(parts / math.fsum(parts))


def log_laplace(mode: Mode, posterior: Posterior) -> float:
    """Return the log evidence of a mode by Laplace's approximation (MacKay 2003, chapter 27).

    Up to the likelihood's constant: the density at the peak times the volume of its normal.
    """
    _, log_determinant = np.linalg.slogdet(mode.covariance)
    peak = -0.5 * mode.chi2 + posterior.log_prior(mode.params.tolist())
    return peak + 0.5 * (len(mode.params) * math.log(2.0 * math.pi) + float(log_determinant))


def kish(logs: Array) -> float:
    """Return the effective size of weights given by their logarithms (Kish 1965); 0 if none."""
    if not np.isfinite(logs).any():
        return 0.0
    weights = np.exp(logs - logs.max())
    return float(weights.sum() ** 2 / np.sum(weights**2))


def _explore(
    posterior: Posterior,
    modes: Sequence[Mode],
    place: int,
    random: np.random.RandomState,
    rng: np.random.Generator,
) -> tuple[Components, _Look]:
    """Return a mode's fit and the last, independent look through it."""
    mode = modes[place]
    best, best_size = normal_part(mode), 0.0
    fit, idle = best, 0
    for _ in range(_ROUNDS):
        look = _of_mode(_draw(posterior, _alone(fit), _ROUND, random), modes, place)
        idle = 0 if look.effective > _GAIN * best_size else idle + 1
        if look.effective > best_size:
            best, best_size = fit, look.effective
        draws = _resampled(look, rng)
        if look.effective >= _GOOD * _ROUND or idle == _PATIENCE or draws is None:
            break
        fit = fitted_part(mode, draws)
    return best, _of_mode(_draw(posterior, _alone(best), _LAST, random), modes, place)


def _alone(fit: Components) -> Mixture:
    return mixture_of(joined([fit], np.ones(1)))


def _draw(posterior: Posterior, mixture: Mixture, n: int, random: np.random.RandomState) -> _Look:
    points = sample_mixture(mixture, n, random)
    return _Look(points, posterior.log_densities(points) - log_mixture(mixture, points))


def _of_mode(look: _Look, modes: Sequence[Mode], place: int) -> _Look:
    """Leave to a mode the points that are nearer to it than to others: none counts twice."""
    if len(modes) == 1:
        return look
    nearest = np.stack([distances(mode, look.points) for mode in modes]).argmin(axis=0)
    return _Look(look.points, np.where(nearest == place, look.logs, -math.inf))


def _resampled(look: _Look, rng: np.random.Generator) -> Array | None:
    """Return draws by the tempered weights, with repetitions; None if there are too few points."""
    target = _LEAST_EFFECTIVE * look.points.shape[1]
    if np.isfinite(look.logs).sum() < target:
        return None
    logs = look.logs - look.logs.max()
    low, high = 0.0, 1.0
    if kish(logs) < target:
        for _ in range(40):
            power = 0.5 * (low + high)
            low, high = (power, high) if kish(power * logs) >= target else (low, power)
        logs = np.where(np.isfinite(logs), low * logs, -math.inf)
    weights = np.exp(logs)
    chosen = rng.choice(len(weights), size=_RESAMPLED, p=weights / weights.sum())
    return np.asarray(look.points[chosen])


def _log_mean(logs: Array) -> float:
    peak = float(logs.max())
    return peak + math.log(float(np.exp(logs - peak).mean()))


def _relative_error(logs: Array) -> float:
    """Return the standard error of the mean weight, relative to it."""
    weights = np.exp(logs - logs.max())
    return float(weights.std() / (weights.mean() * math.sqrt(len(weights))))


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
