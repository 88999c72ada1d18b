"""Integrated autocorrelation times of series, for the rooms that judge and merge chains.

Notes
-----
Sokal's self-consistent window (A. Sokal 1997, "Monte Carlo Methods in Statistical Mechanics",
section 3): the sum over lags stops at the smallest window M with ``M >= WINDOW * tau(M)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW = 5.0
"""Window in units of tau. Sokal's advice for roughly exponential correlation: the part cut off is
exp(-5), below 1 % of tau, while the noise still averages down."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """What the autocorrelation of k series tells.

    Attributes
    ----------
    time : ndarray
        Integrated autocorrelation times, float64 (k,), in points and at least 1: a series that is
        anticorrelated by chance must not claim more evidence than it has points.
    variance : ndarray
        Variances of the points, float64 (k,).
    n : int
        Points of each series, those of all replicas together.
    freedom : ndarray
        Degrees of freedom of the variance of the mean, float64 (k,): ``n / (2 M + 1)``, because
        Sokal's relative variance of tau is ``2 (2 M + 1) / n`` and that of a chi-square over its
        mean is ``2 / freedom``.
    """

    time: Floats
    variance: Floats
    freedom: Floats
    n: int

    @property
    def effective(self) -> Floats:
        """Numbers of effectively independent points, float64 (k,)."""
        return self.n / self.time

    @property
    def mean_error(self) -> Floats:
        """Monte Carlo standard errors of the means, float64 (k,)."""
        return np.sqrt(self.variance * self.time / self.n)


def autocorrelate(series: Floats) -> Autocorrelation:
    """Measure the autocorrelation of series.

    Parameters
    ----------
    series : ndarray
        float64 (n, k), each column a series; or (n_replica, n, k), independent replicas of k
        series, whose autocovariances are averaged, each about its own mean.

    Returns
    -------
    Autocorrelation
        A series without variance, or with a value that is not finite, has time NaN.
    """
    replicas = series[None] if series.ndim == 2 else series
    n_replica, n = replicas.shape[:2]
    centred = replicas - replicas.mean(axis=1, keepdims=True)
    size = 1 << (2 * n - 1).bit_length()  # zero padding: no lag wraps around
    spectrum = np.fft.rfft(centred, size, axis=1)
    power = (np.abs(spectrum) ** 2).mean(axis=0)
    covariance = np.fft.irfft(power, size, axis=0)[:n] / n
    variance = covariance[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        times = 2.0 * np.cumsum(covariance / variance, axis=0) - 1.0  # tau(M), (n, k)
    enough = np.arange(n)[:, None] >= WINDOW * times
    window = np.where(enough.any(axis=0), enough.argmax(axis=0), n - 1)
    time = np.take_along_axis(times, window[None], axis=0)[0]
    usable = np.isfinite(variance) & (np.ptp(replicas, axis=1) > 0).any(axis=0)
    return Autocorrelation(
        time=np.where(usable, np.maximum(time, 1.0), np.nan),
        variance=np.where(usable, variance, np.nan),
        freedom=n_replica * n / (2.0 * window + 1.0),
        n=n_replica * n,
    )
