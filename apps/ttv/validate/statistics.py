"""Do two ensembles sample one distribution? Their statistics, against their Monte Carlo errors.

The two outputs to be compared are runs of one ensemble sampler on one posterior. The walkers of an
ensemble depend on each other, so errors are taken from series over time of ensemble means, which
hold that dependence whatever it is. For each of several quantities three statistics are compared:

- the mean: the mean of ``m_t = mean_w x_tw``;
- the variance: the mean of ``v_t = mean_w (x_tw - mean)^2``;
- the autocorrelation of a walker between one stored draw and the next. It is taken of the ranks in
  both outputs together: ranks are bounded, while the sample autocorrelation of a heavy-tailed
  quantity has no useful error.

The quantities are the parameters, the log-probability, and the principal axes of both outputs
together. A shift along a narrow valley, invisible in every single parameter, is plain along the
axis across it.

Each difference is divided by its own Monte Carlo error (see `apps.ttv.autocorrelation`) and
referred to Student's t distribution with the degrees of freedom of those errors (Welch 1947).

One test is of all parameters together: Hotelling's T^2 of the difference of the means, with the
covariance of batch means (Vats, Flegal & Jones 2019, Biometrika 106, 321). It sees small shifts of
many parameters at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f, norm, rankdata, t

from apps.ttv.autocorrelation import Autocorrelation, autocorrelate

FALSE_REJECTION_RATE = 1e-4
"""Probability that two honest outputs are found to disagree (family-wise).

Derivation: a false rejection costs the volunteers one more result; a campaign of design size has
some 10,000 workunits, of which the unlike-platform part is compared statistically, so 1e-4 is about
one needless recomputation a campaign. The rate is shared out by Bonferroni's inequality, which
holds under any dependence of the tests: each of the K tests gets 1e-4 / K, the multivariate one
among them, whether or not there are batches enough for it. Sidak's share for
independent tests, 1 - (1 - 1e-4)^(1/K), is larger by less than 0.01 %, so nothing is lost."""

MIN_EFFECTIVE = 50.0
"""Effectively independent ensemble means that each series must have, else nothing is said.

It is the length, in autocorrelation times, from which emcee's documentation calls an estimate of
the autocorrelation time usable; shorter series give errors too unsure to divide by."""

MIN_DRAWS = 8
"""Fewer stored draws have no autocorrelation worth the name."""

DISCARDS = (0.0, 0.25, 0.5)
"""Shares of the draws that may be left out at the beginning. Replicas start from the same points,
so the beginning agrees whatever follows, and its drift makes errors large. The share is chosen for
the most evidence, which says nothing of whether the outputs agree."""

BATCH_TIMES = 10.0
"""Length of a batch for the multivariate test, in the longest autocorrelation time of a parameter.
Means of neighbouring batches are then correlated by some 5 %, and their covariance is too small by
as much; with shorter ones T^2 would be too large, with longer ones too few would be left."""

MIN_FREEDOM = 4
"""Degrees of freedom that the denominator of the multivariate test must have; with fewer, its
distribution is so wide that it finds nothing, and it is not made."""

Floats = NDArray[np.float64]
STATISTICS = ("mean", "variance", "autocorrelation")


@dataclass(frozen=True, slots=True)
class Comparison:
    """All tests between two outputs.

    Attributes
    ----------
    names : tuple[str, ...]
        The quantities.
    z : ndarray
        Differences (first minus second output) in units of their Monte Carlo errors, float64
        (3, n_quantity), in the order of `STATISTICS`.
    p : ndarray
        Two-sided probabilities of a |z| this large under agreement, float64 (3, n_quantity).
    effective : float
        The smallest number of effectively independent ensemble means of any series.
    p_together : float
        The same probability of the multivariate test of the means; 1 if it was not made.
    """

    names: tuple[str, ...]
    z: Floats
    p: Floats
    effective: float
    p_together: float = 1.0

    @property
    def has_evidence(self) -> bool:
        """Whether every series is long enough to be judged; False for NaN."""
        return self.effective >= MIN_EFFECTIVE

    @property
    def threshold(self) -> float:
        """The probability below which one test rejects."""
        return FALSE_REJECTION_RATE / self.n_test

    @property
    def n_test(self) -> int:
        """How many tests the false-rejection rate is shared among."""
        return self.p.size + 1

    @property
    def p_min(self) -> float:
        """The smallest probability of any test; NaN if any is."""
        return float(np.min([np.min(self.p), self.p_together]))

    @property
    def agrees(self) -> bool:
        """Whether no test rejects; False if any probability is NaN."""
        return self.p_min >= self.threshold

    @property
    def worst(self) -> tuple[str, str, float]:
        """Statistic, quantity and z of the test with the smallest probability.

        For the multivariate test, z is that of a single test of its probability.
        """
        if self.p_together < np.min(self.p):
            return "mean", "all parameters together", float(norm.isf(0.5 * self.p_together))
        p = np.where(np.isfinite(self.p), self.p, -1.0)
        row, column = np.unravel_index(int(p.argmin()), p.shape)
        return STATISTICS[int(row)], self.names[int(column)], float(self.z[row, column])

    def numbers(self) -> Mapping[str, float]:
        """Return what belongs into a verdict."""
        return {
            "n_test": float(self.n_test),
            "effective": self.effective,
            "z_max": float(np.max(np.abs(self.z))),
            "p_min": self.p_min,
            "p_together": self.p_together,
            "p_threshold": self.threshold,
        }


def compare_runs(
    names: tuple[str, ...], draws: tuple[Floats, Floats], log_prob: tuple[Floats, Floats]
) -> Comparison:
    """Compare two runs, leaving out that share of their beginnings that gives most evidence.

    Parameters
    ----------
    names, draws, log_prob
        See `compare_ensembles`; both runs have the same length.
    """
    n = len(draws[0])
    found = [
        compare_ensembles(
            names,
            (draws[0][skip:], draws[1][skip:]),
            (log_prob[0][skip:], log_prob[1][skip:]),
        )
        for skip in (int(n * share) for share in DISCARDS)
        if n - skip >= MIN_DRAWS
    ]
    if not found:
        nothing = np.full((len(STATISTICS), 1), np.nan)
        return Comparison(names[:1], nothing, nothing, effective=0.0)
    return max(found, key=lambda one: one.effective if np.isfinite(one.effective) else -1.0)


def compare_ensembles(
    names: tuple[str, ...], draws: tuple[Floats, Floats], log_prob: tuple[Floats, Floats]
) -> Comparison:
    """Compare two runs of an ensemble sampler.

    Parameters
    ----------
    names : tuple[str, ...]
        The parameters.
    draws : tuple[ndarray, ndarray]
        Two arrays float64 (n_draw, n_walker, n_dim).
    log_prob : tuple[ndarray, ndarray]
        Two arrays float64 (n_draw, n_walker).
    """
    first, second = _quantities(draws, log_prob)
    ranks = _ranks(first, second)
    estimates = [
        [_mean_series(values), _variance_series(values), _autocorrelation_series(rank)]
        for values, rank in zip((first, second), ranks, strict=True)
    ]
    tests = [_test(a, b) for a, b in zip(*estimates, strict=True)]
    return Comparison(
        names=(*names, "log_prob", *(f"axis {k}" for k in range(len(names)))),
        z=np.array([z for z, _, _ in tests]),
        p=np.array([p for _, p, _ in tests]),
        # np.min passes NaN on: a series without variance is no evidence.
        effective=float(np.min([effective for _, _, effective in tests])),
        p_together=_together(draws[0].mean(axis=1), draws[1].mean(axis=1)),
    )


def _quantities(
    draws: tuple[Floats, Floats], log_prob: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Return parameters, log-probability and principal axes, (n_draw, n_walker, n_quantity)."""
    n_dim = draws[0].shape[2]
    pooled = np.concatenate([one.reshape(-1, n_dim) for one in draws])
    mean, scale = pooled.mean(axis=0), pooled.std(axis=0)
    # Parameters have unlike units: axes are those of the correlation matrix.
    standard = (pooled - mean) / np.where(scale > 0, scale, 1.0)
    _, axes = np.linalg.eigh(standard.T @ standard / len(standard))
    first, second = (
        np.concatenate(
            [one, lp[:, :, None], ((one - mean) / np.where(scale > 0, scale, 1.0)) @ axes], axis=2
        )
        for one, lp in zip(draws, log_prob, strict=True)
    )
    return first, second


def _ranks(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Return the ranks of all values in both arrays together, by quantity."""
    n = first.shape[0] * first.shape[1]
    flat = np.concatenate([one.reshape(-1, one.shape[2]) for one in (first, second)])
    ranks = rankdata(flat, axis=0)
    return ranks[:n].reshape(first.shape), ranks[n:].reshape(second.shape)


def _mean_series(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=1))


def _variance_series(values: Floats) -> Floats:
    return np.asarray(((values - values.mean(axis=(0, 1))) ** 2).mean(axis=1))


def _autocorrelation_series(values: Floats) -> Floats:
    """Return a series whose mean is the lag-1 autocorrelation, with the ratio's own error.

    A ratio r = a / v of means has, to first order, the error of the mean of (a_t - r v_t) / v.
    """
    centred = values - values.mean(axis=(0, 1))
    before, after = centred[:-1], centred[1:]
    products = (before * after).mean(axis=1)
    squares = 0.5 * (before**2 + after**2).mean(axis=1)
    variance = squares.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = products.mean(axis=0) / variance
        return np.asarray((products - ratio * squares) / variance + ratio)


def _test(first: Floats, second: Floats) -> tuple[Floats, Floats, Floats]:
    """Return z, p and the smaller effective length, each (n_quantity,), of two series' means."""
    a, b = autocorrelate(first), autocorrelate(second)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = a.mean_error**2 + b.mean_error**2
        z = (first.mean(axis=0) - second.mean(axis=0)) / np.sqrt(variance)
        freedom = variance**2 / (_welch(a) + _welch(b))
    p = 2.0 * t.sf(np.abs(z), freedom)  # (n_quantity,)
    return z, np.asarray(p), np.minimum(a.effective, b.effective)


def _welch(one: Autocorrelation) -> Floats:
    return one.mean_error**4 / one.freedom


def _together(first: Floats, second: Floats) -> float:
    """Return the probability of so large a difference of two series' mean vectors, (n_draw, d).

    Two-sample Hotelling's T^2 over batch means. 1 if there are too few batches.
    """
    n_dim = first.shape[1]
    batches = [_batch_means(one) for one in (first, second)]
    counts = [len(one) for one in batches]
    freedom = sum(counts) - 2
    if min(counts) < 2 or freedom - n_dim + 1 < MIN_FREEDOM:
        return 1.0
    apart = first.mean(axis=0) - second.mean(axis=0)
    spread = [(one - one.mean(axis=0)).T @ (one - one.mean(axis=0)) for one in batches]
    pooled = (spread[0] + spread[1]) / freedom
    # In units of each parameter's own error: periods and masses differ by many orders.
    scale = np.sqrt(np.diag(pooled))
    with np.errstate(invalid="ignore", divide="ignore"):
        apart, pooled = apart / scale, pooled / np.outer(scale, scale)
    if not (np.isfinite(pooled).all() and np.isfinite(apart).all()):
        return float("nan")
    weight = counts[0] * counts[1] / (counts[0] + counts[1])
    t2 = weight * float(apart @ np.linalg.pinv(pooled, hermitian=True) @ apart)
    rest = freedom - n_dim + 1
    return float(f.sf(t2 * rest / (n_dim * freedom), n_dim, rest))


def _batch_means(series: Floats) -> Floats:
    """Return the means of a series' batches, (n_batch, d); what is left over is left out."""
    time = float(np.max(autocorrelate(series).time))
    if not np.isfinite(time):
        return np.full((2, series.shape[1]), np.nan)
    length = int(np.ceil(BATCH_TIMES * time))
    n_batch = len(series) // length
    whole = series[len(series) - n_batch * length :]
    return np.asarray(whole.reshape(n_batch, length, series.shape[1]).mean(axis=1))
