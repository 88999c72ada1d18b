"""Floating-mean periodograms of many light curves at once, by non-uniform FFTs.

The sums over points are those of Press & Rybicki (1989), ApJ 338, 277, taken by FINUFFT (Barnett
et al. 2019), and the C++ kernels of nifty-ls (Garrison et al. 2024, RNAAS 8, 250) make powers of
them: those of Zechmeister & Kuerster (2009), A&A 496, 577, equation 5, between 0 and 1. Here plans
of transforms are kept, because making them takes as long as a transform of a few hundred points.

Several bands have each its own sinusoid and mean; powers are added by their chi2 about the mean:
the model of no base and one term a band of VanderPlas & Ivezic (2015), ApJ 812, 18.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import finufft
import numpy as np
from nifty_ls import cpu_helpers
from nifty_ls.finufft_chi2 import lombscargle as of_several_terms
from numpy.typing import NDArray

from openastro_period.curves import Floats, LightCurve
from openastro_period.grid import Grid

CELLS = 2**19
"""Powers of one call: it takes some 40 ms, so the client is looked at twenty times a second, and
its arrays fill some 60 MB."""
ACCURACY, UPSAMPLING = 1e-12, 2.0
"""Of the transforms. At an upsampling of 1.25 they are a quarter faster, and err by 1e-10."""
LEAST_EIGENVALUE = 1e-4
"""Below this variance of a sinusoid of any phase over the points, which is 1/2 where sampling is
good, the sampling does not tell it from a constant: there is no power. Errors of the transforms
grow by the inverse, to 1e-8."""
_ESTIMATE = 64
"""FFTW's planner, without measurements: they would make other plans each time."""

Poll = Callable[[], None]


class Engine:
    """Periodograms on one grid.

    Parameters
    ----------
    grid : Grid
        The frequencies.
    n_terms : int
        Harmonics of the model.
    poll : Callable
        Called between any two calls of some ten milliseconds.
    """

    def __init__(self, grid: Grid, n_terms: int, poll: Poll) -> None:
        self.grid, self.n_terms, self.poll = grid, n_terms, poll
        self._plans: dict[tuple[int, int], Any] = {}
        self._sampling: bytes = b""
        self._dead: dict[str, NDArray[np.bool_]] = {}
        self.window: Floats = np.zeros(0)
        """Power of the window function of the points that were looked at last, shape (n,)."""

    @property
    def batch(self) -> int:
        """Light curves of one sampling that are best given together."""
        per_curve = self.grid.n * (1 if self.n_terms == 1 else 2 * self.n_terms + 1)
        return min(16, max(1, CELLS // per_curve))

    def look_at(self, curve: LightCurve) -> None:
        """Find out what the times of a light curve can tell; needed before `powers`."""
        if curve.sampling == self._sampling:
            return
        self._sampling = curve.sampling
        self.window = np.abs(self._mean_phases(curve.time, 1)) ** 2
        self._dead = {}
        for name, places in curve.bands():
            time = curve.time[places]
            one, two = self._mean_phases(time, 1), self._mean_phases(time, 2)
            # The smaller eigenvalue of the covariance of cosine and sine over the points.
            least = 0.5 * (1.0 - np.abs(one) ** 2 - np.abs(two - one**2))
            self._dead[name] = least < LEAST_EIGENVALUE

    def powers(self, curve: LightCurve, values: Floats, errors: Floats) -> Floats:
        """Return the powers of light curves of one sampling.

        Parameters
        ----------
        curve : LightCurve
            Its times and bands are those of all.
        values, errors : ndarray
            Shape (n_curve, n_point).

        Returns
        -------
        ndarray
            Shape (n_curve, n_frequency).
        """
        self.look_at(curve)
        total = np.zeros((len(values), self.grid.n))
        weights = np.zeros(len(values))
        for name, places in curve.bands():
            value, error = (
                np.ascontiguousarray(part[:, places], np.float64) for part in (values, errors)
            )
            weight = chi2_of_mean(value, error)
            power = self._of_one_band(curve.time[places], value, error)
            power[:, self._dead[name]] = 0.0
            total += weight[:, np.newaxis] * power
            weights += weight
        # A light curve without any variance has no power.
        weights[weights == 0.0] = 1.0
        return np.asarray(total / weights[:, np.newaxis])

    def _of_one_band(self, time: Floats, value: Floats, error: Floats) -> Floats:
        """Return powers, piece by piece of the grid; NaN, where all values are equal, is none."""
        power = np.empty((len(value), self.grid.n))
        shifted = time - time[0]
        for start, size in self._pieces():
            self.poll()
            first = float(self.grid.at(start))
            of_piece = self._one_term if self.n_terms == 1 else self._several_terms
            power[:, start : start + size] = of_piece(shifted, value, error, first, size)
        self.poll()
        return np.nan_to_num(np.clip(power, 0.0, 1.0), nan=0.0)

    def _pieces(self) -> list[tuple[int, int]]:
        most = CELLS if self.n_terms == 1 else CELLS // (2 * self.n_terms + 1)
        return [(start, min(most, self.grid.n - start)) for start in range(0, self.grid.n, most)]

    def _one_term(
        self, time: Floats, value: Floats, error: Floats, first: float, size: int
    ) -> Floats:
        count, n = value.shape
        step = self.grid.step
        weighted = np.empty((2 * count, n), np.complex128)
        doubled = np.empty((count, n), np.complex128)
        phase, double_phase, norm = np.empty(n), np.empty(n), np.empty(count)
        cpu_helpers.process_finufft_inputs(
            phase, double_phase, weighted[:count], weighted[count:], doubled, norm,
            time, value, error, first, step, size, True, True, False, 1,
        )  # fmt: skip
        sums = self._transform(phase, weighted, size)
        double_sums = self._transform(double_phase, doubled, size)
        power = np.empty((count, size))
        cpu_helpers.process_finufft_outputs(
            power, sums[:count], sums[count:], double_sums, norm,
            cpu_helpers.NormKind.Standard, True, 1,
        )  # fmt: skip
        return power

    def _several_terms(
        self, time: Floats, value: Floats, error: Floats, first: float, size: int
    ) -> Floats:
        power: Floats = of_several_terms(
            time, value, first, self.grid.step, size, dy=error, nthreads=1, nterms=self.n_terms,
            finufft_kwargs={"eps": ACCURACY, "upsampfac": UPSAMPLING, "fftw": _ESTIMATE},
        )  # fmt: skip
        return power

    def _mean_phases(self, time: Floats, times: int) -> NDArray[np.complex128]:
        """Return the means of exp(2 pi i f t) over the points, at `times` times all frequencies."""
        mean = np.empty(self.grid.n, np.complex128)
        shifted = time - time[0]
        for start, size in self._pieces():
            self.poll()
            middle = times * (self.grid.at(start) + self.grid.step * (size // 2))
            turned = np.exp(2j * np.pi * middle * shifted)[np.newaxis] / len(time)
            points = 2.0 * np.pi * times * self.grid.step * shifted
            mean[start : start + size] = self._transform(points, turned, size)
        return mean

    def _transform(
        self, points: Floats, strengths: NDArray[np.complex128], size: int
    ) -> NDArray[np.complex128]:
        """Return sums of ``strengths exp(i k points)``, k from ``-size // 2`` on."""
        count = len(strengths)
        key = (size, count)
        if key not in self._plans:
            self._plans[key] = finufft.Plan(
                1, (size,), n_trans=count, eps=ACCURACY, isign=1, dtype="complex128", nthreads=1,
                upsampfac=UPSAMPLING, fftw=_ESTIMATE,
            )  # fmt: skip
        self._plans[key].setpts(np.ascontiguousarray(points))
        return np.reshape(self._plans[key].execute(np.ascontiguousarray(strengths)), (count, size))


def chi2_of_mean(value: Floats, error: Floats) -> Floats:
    """Return chi2 about the weighted mean, along the last axis."""
    weight = error**-2.0
    mean = (weight * value).sum(-1, keepdims=True) / weight.sum(-1, keepdims=True)
    return np.asarray((weight * (value - mean) ** 2).sum(-1))
