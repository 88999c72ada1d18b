"""Convergence diagnostics of ensembles: R-hat over sub-chains, effective sizes, errors.

Only sub-chains are independent; the walkers of one ensemble are not, so that treating them as
chains would make every number too good. Therefore:

- R-hat (rank-normalised and split, Vehtari et al. 2021, Bayesian Analysis 16, 667) takes each
  sub-chain's walkers together as one chain, in the order of time: it only asks for means and
  variances, which no dependence inside a chain can spoil.
- Monte Carlo errors and effective sizes come from the series of *ensemble means*: the variance of
  such a series' mean holds all dependence between walkers and over time. The effective size is the
  number of independent draws that would give the same error.

R-hat and the effective sizes of series are arviz-stats'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from scipy.stats import beta, norm, rankdata

QUANTILES = {"q05": 0.05, "q16": 0.158655, "median": 0.5, "q84": 0.841345, "q95": 0.95}
"""Quantiles of a summary; 16 and 84 % are those of one standard deviation of a Gaussian."""

TAILS = (0.05, 0.95)
"""Where the tail effective size is measured, as in Vehtari et al. 2021."""

MIN_DRAWS = 4
"""Fewer draws of a sub-chain have no split diagnostics."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its Monte Carlo standard error; both NaN if they cannot be had."""

    value: float
    mcse: float


@dataclass(frozen=True, slots=True)
class Marginal:
    """One quantity's marginal posterior and how well it is known.

    Attributes
    ----------
    mean, sd : Estimate
        Of the posterior.
    quantiles : dict[str, Estimate]
        By the names of `QUANTILES`.
    rhat, ess_bulk, ess_tail : float
        NaN if there are too few draws.
    """

    mean: Estimate
    sd: Estimate
    quantiles: dict[str, Estimate]
    rhat: float
    ess_bulk: float
    ess_tail: float


def marginal(values: Floats) -> Marginal:
    """Summarise one quantity, float64 (n_chain, n_draw, n_walker)."""
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    squares = (values - mean) ** 2
    return Marginal(
        mean=Estimate(mean, mcse_of_mean(values)),
        # To first order the error of a square root is that of its square over twice itself.
        sd=Estimate(sd, mcse_of_mean(squares) / (2 * sd) if sd > 0 else math.nan),
        quantiles={name: _quantile(values, prob) for name, prob in QUANTILES.items()},
        rhat=rhat(values),
        ess_bulk=ess_bulk(values),
        ess_tail=ess_tail(values),
    )


def rhat(values: Floats) -> float:
    """Return the rank-normalised split R-hat over sub-chains; NaN if there are too few draws.

    With one sub-chain, its two halves take the place of sub-chains.
    """
    n_chain, n_draw = values.shape[:2]
    if n_chain == 1:
        half = n_draw // 2
        values = np.concatenate([values[:, :half], values[:, n_draw - half :]])
    if values.shape[1] < MIN_DRAWS or not values.std() > 0:
        return math.nan
    in_time = values.reshape(len(values), -1)  # draws of one time stand together
    return float(array_stats.rhat(in_time, chain_axis=0, draw_axis=1, method="rank"))


def ess_bulk(values: Floats) -> float:
    """Return the effective size of the rank-normalised draws."""
    ranks = (rankdata(values) - 0.375) / (values.size + 0.25)  # Blom 1958
    return effective_size(norm.ppf(ranks).reshape(values.shape))


def ess_tail(values: Floats) -> float:
    """Return the smaller of the effective sizes of the 5 % and 95 % quantiles."""
    return min(_indicator_size(values, float(np.quantile(values, tail))) for tail in TAILS)


def effective_size(values: Floats) -> float:
    """Return how many independent draws would give the mean's error; NaN if unknown."""
    error = mcse_of_mean(values)
    variance = float(values.var(ddof=1))
    if not (error > 0 and variance > 0):
        return math.nan
    # Antithetic chains can beat independent draws, but not without limit (Vehtari et al. 2021).
    return min(variance / error**2, values.size * math.log10(values.size))


def mcse_of_mean(values: Floats) -> float:
    """Return the Monte Carlo standard error of the mean, from the series of ensemble means."""
    series = values.mean(axis=2)  # (n_chain, n_draw)
    if series.shape[1] < MIN_DRAWS or not series.std() > 0:
        return math.nan
    size = float(array_stats.ess(series, chain_axis=0, draw_axis=1, method="mean"))
    return float(series.std(ddof=1)) / math.sqrt(size) if size > 0 else math.nan


def _indicator_size(values: Floats, level: float) -> float:
    return effective_size((values <= level).astype(np.float64))


def _quantile(values: Floats, prob: float) -> Estimate:
    """Return a quantile with its error (Vehtari et al. 2021, section 4.4)."""
    level = float(np.quantile(values, prob))
    size = _indicator_size(values, level)
    if not math.isfinite(size):
        return Estimate(level, math.nan)
    low, high = (
        float(np.quantile(values, beta.ppf(norm.cdf(z), size * prob + 1, size * (1 - prob) + 1)))
        for z in (-1.0, 1.0)
    )
    return Estimate(level, (high - low) / 2)
