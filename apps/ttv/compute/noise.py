"""How measured transit times scatter about the model's.

``gaussian``
    By their sigmas.
``student_t``
    By a Student t distribution of their sigmas and a stated number of degrees of freedom: a few
    bad times then do not pull the planets (Jontof-Hutter et al. 2016, ApJ 820, 39, use 4).

Either may have a jitter, a free parameter that is added to every sigma in quadrature. Constants
that depend on no parameter are left out: a Gaussian log-likelihood without jitter is -chi^2 / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import exact
from apps.ttv.compute.built import load_kernel

KINDS = ("gaussian", "student_t")
DEFAULT_DEGREES = 4.0
MINUTE = 1.0 / 1440.0
"""Days; a jitter is stated in minutes."""

_kernel = load_kernel()

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Noise:
    """A noise model.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    degrees : float
        Degrees of freedom of ``student_t``.
    """

    kind: str = "gaussian"
    degrees: float = DEFAULT_DEGREES

    def log_likelihoods(
        self, times: Array, observed: Array, sigmas: Array, jitters: Array
    ) -> Array:
        """Return the log-likelihood of each row of model times, (n,).

        Parameters
        ----------
        times : ndarray
            float64 (n, n_transit), days.
        observed, sigmas : ndarray
            float64 (n_transit,), days.
        jitters : ndarray
            float64 (n,), minutes.
        """
        degrees = self.degrees if self.kind == "student_t" else 0.0
        jitter_days = jitters * MINUTE
        if _kernel is None:
            return _log_likelihoods(times, observed, sigmas, jitter_days, degrees)
        out = np.empty(len(times))
        _kernel.log_likelihoods(
            np.ascontiguousarray(times), observed, sigmas, jitter_days, degrees, out
        )
        return out


def _log_likelihoods(
    times: Array, observed: Array, sigmas: Array, jitters: Array, degrees: float
) -> Array:
    """Do in numpy what ``log_likelihood`` in ``kernel/module.c`` does."""
    variance = sigmas**2
    wider = variance + (jitters**2)[:, np.newaxis]
    chi2 = (observed - times) ** 2 / wider
    terms = 0.5 * (degrees + 1.0) * exact.log1p(chi2 / degrees) if degrees else 0.5 * chi2
    return np.asarray(-np.sum(terms + 0.5 * exact.log(wider / variance), axis=1))
