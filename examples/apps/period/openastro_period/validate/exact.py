"""Exact powers by astropy: slow, and independent of what is judged."""

from __future__ import annotations

import numpy as np
from astropy.timeseries import LombScargle
from numpy.typing import NDArray

from openastro_period.compute.engine import LEAST_EIGENVALUE, chi2_of_mean
from openastro_period.curves import Floats, LightCurve


def exact_powers(curve: LightCurve, frequencies: Floats, n_terms: int) -> Floats:
    """Return floating-mean powers without any fast transform, where the engine has some.

    Powers of bands are added by their chi2 about the mean, as VanderPlas & Ivezic (2015).

    Parameters
    ----------
    curve : LightCurve
        The light curve.
    frequencies : ndarray
        In 1/d, shape (n,).
    n_terms : int
        Harmonics.
    """
    total, weights = np.zeros(len(frequencies)), 0.0
    method = "slow" if n_terms == 1 else "chi2"
    for _, places in curve.bands():
        time = curve.time[places] - curve.time[places[0]]
        value, error = curve.value[places], curve.error[places]
        weight = float(chi2_of_mean(value, error))
        judge = LombScargle(time, value, error, nterms=n_terms, fit_mean=True)
        power = np.array(judge.power(frequencies, method=method, assume_regular_frequency=False))
        power[_is_blind(time, error, frequencies)] = 0.0
        total += weight * power
        weights += weight
    return np.asarray(total / weights)


def _is_blind(time: Floats, error: Floats, frequencies: Floats) -> NDArray[np.bool_]:
    """Tell where a sinusoid of some phase hardly varies over the points."""
    weight = error**-2.0 / np.sum(error**-2.0)
    angle = 2.0 * np.pi * np.outer(frequencies, time)
    columns = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    columns -= (columns @ weight)[..., np.newaxis]
    covariance = np.einsum("fin,fjn,n->fij", columns, columns, weight)
    return np.asarray(np.linalg.eigvalsh(covariance)[:, 0] < LEAST_EIGENVALUE)
