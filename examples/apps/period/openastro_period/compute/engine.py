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
Complexes = NDArray[np.complex128]


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
        self._plans: dict[tuple[int, int], tuple[Any, Complexes]] = {}

    @property
    def batch(self) -> int:
        """Light curves of one sampling that are best given together."""
        per_curve = self.grid.n * (1 if self.n_terms == 1 else 2 * self.n_terms + 1)
        return min(16, max(1, CELLS // per_curve))

    def powers(self, curve: LightCurve, values: Floats, errors: Floats) -> Floats:
        """Return the powers of light curves of one sampling; see `spectra`."""
        return self.spectra(curve, values, errors)[0]

    def spectra(
        self, curve: LightCurve, values: Floats, errors: Floats, *, window: bool = False
    ) -> tuple[Floats, Floats]:
        """Return the powers of light curves of one sampling, and those of their windows.

        Parameters
        ----------
        curve : LightCurve
            Its times and bands are those of all.
        values, errors : ndarray
            Shape (n_curve, n_point).
        window : bool
            Whether the window functions are wanted: the powers of the points' weights.

        Returns
        -------
        powers : ndarray
            Shape (n_curve, n_frequency); 0 where the sampling tells no sinusoid from a constant.
        windows : ndarray
            Of the same shape; without any frequency if they are not wanted.
        """
        shape = (len(values), self.grid.n)
        total, weights = np.zeros(shape), np.zeros((len(values), 1))
        sums, of_sums = np.zeros(shape if window else 0, np.complex128), np.zeros((len(values), 1))
        for _, places in curve.bands():
            value, error = (
                np.ascontiguousarray(part[:, places], np.float64) for part in (values, errors)
            )
            time = curve.time[places] - curve.time[0]
            power, sum_of_band = self._of_one_band(time, value, error, window=window)
            weight = chi2_of_mean(value, error)[:, np.newaxis]
            power *= weight
            total += power
            weights += weight
            if window:
                share = (error**-2.0).sum(axis=1, keepdims=True)
                sums += share * sum_of_band
                of_sums += share
        # A light curve without any variance has no power.
        weights[weights == 0.0] = 1.0
        total /= weights
        return total, _squared(sums / of_sums) if window else np.zeros((len(values), 0))

    def _of_one_band(
        self, time: Floats, value: Floats, error: Floats, *, window: bool
    ) -> tuple[Floats, Complexes]:
        """Return powers, and weighted means of exp(2 pi i f t), piece by piece of the grid."""
        shape = (len(value), self.grid.n)
        power, means = np.empty(shape), np.empty(shape if window else (0, 0), np.complex128)
        for start, size in self._pieces():
            self.poll()
            first = float(self.grid.at(start))
            of_piece = self._one_term if self.n_terms == 1 else self._several_terms
            made, one, two = of_piece(time, value, error, first, size)
            np.minimum(made, 1.0, out=made)
            made[~(made >= 0.0)] = 0.0  # NaN is where all values are equal
            _blank(made, one, two)
            power[:, start : start + size] = made
            if window:
                means[:, start : start + size] = one
        self.poll()
        return power, means

    def _pieces(self) -> list[tuple[int, int]]:
        most = CELLS if self.n_terms == 1 else CELLS // (2 * self.n_terms + 1)
        return [(start, min(most, self.grid.n - start)) for start in range(0, self.grid.n, most)]

    def _one_term(
        self, time: Floats, value: Floats, error: Floats, first: float, size: int
    ) -> tuple[Floats, Complexes, Complexes]:
        """Return powers, and weighted means of exp(2 pi i f t) and exp(4 pi i f t)."""
        count, n = value.shape
        weighted = np.empty((2 * count, n), np.complex128)
        doubled = np.empty((count, n), np.complex128)
        phase, double_phase, norm = np.empty(n), np.empty(n), np.empty(count)
        cpu_helpers.process_finufft_inputs(
            phase, double_phase, weighted[:count], weighted[count:], doubled, norm,
            time, value, error, first, self.grid.step, size, True, True, False, 1,
        )  # fmt: skip
        sums = self._transform(phase, weighted, size)
        double_sums = self._transform(double_phase, doubled, size)
        power = np.empty((count, size))
        cpu_helpers.process_finufft_outputs(
            power, sums[:count], sums[count:], double_sums, norm,
            cpu_helpers.NormKind.Standard, True, 1,
        )  # fmt: skip
        return power, sums[count:], double_sums

    def _several_terms(
        self, time: Floats, value: Floats, error: Floats, first: float, size: int
    ) -> tuple[Floats, Complexes, Complexes]:
        """Return the same for several harmonics."""
        power: Floats = of_several_terms(
            time, value, first, self.grid.step, size, dy=error, nthreads=1, nterms=self.n_terms,
            finufft_kwargs={"eps": ACCURACY, "upsampfac": UPSAMPLING, "fftw": _ESTIMATE},
        )  # fmt: skip
        weight = error**-2.0
        weight /= weight.sum(axis=1, keepdims=True)
        middle = first + self.grid.step * (size // 2)
        one, two = (
            self._transform(
                2.0 * np.pi * times * self.grid.step * time,
                weight * np.exp(2j * np.pi * times * middle * time),
                size,
            ).copy()
            for times in (1, 2)
        )
        return power, one, two

    def _transform(self, points: Floats, strengths: Complexes, size: int) -> Complexes:
        """Return sums of ``strengths exp(i k points)``, k from ``-size // 2`` on.

        The next transform of this shape overwrites them: new memory each time would take a tenth
        longer.
        """
        count = len(strengths)
        key = (size, count)
        if key not in self._plans:
            plan = finufft.Plan(
                1, (size,), n_trans=count, eps=ACCURACY, isign=1, dtype="complex128", nthreads=1,
                upsampfac=UPSAMPLING, fftw=_ESTIMATE,
            )  # fmt: skip
            self._plans[key] = plan, np.empty((count, size), np.complex128)
        plan, sums = self._plans[key]
        plan.setpts(np.ascontiguousarray(points))
        # A single transform has a result without the first axis.
        plan.execute(np.ascontiguousarray(strengths), out=sums if count > 1 else sums[0])
        return sums


def _blank(power: Floats, one: Complexes, two: Complexes) -> None:
    """Set powers to 0 where the sampling does not tell a sinusoid from a constant.

    The smaller eigenvalue of the covariance of cosine and sine over the points is
    ``(1 - |one|^2 - |two - one^2|) / 2``, of the means of exp(2 pi i f t) and exp(4 pi i f t).
    """
    most = 1.0 - 2.0 * LEAST_EIGENVALUE
    of_one = _squared(one)
    # Sampling that is nowhere near as bad is looked at no further: that takes half of the time.
    if 2.0 * of_one.max() + np.sqrt(_squared(two).max()) < most:
        return
    rest = most - of_one
    power[(rest < 0.0) | (_squared(two - one * one) > rest * rest)] = 0.0


def _squared(numbers: Complexes) -> Floats:
    """Return squared absolute values, in one pass."""
    parts = np.ascontiguousarray(numbers).view(np.float64).reshape(*numbers.shape, 2)
    return np.asarray(np.einsum("...i,...i", parts, parts))


def chi2_of_mean(value: Floats, error: Floats) -> Floats:
    """Return chi2 about the weighted mean, along the last axis."""
    weight = error**-2.0
    mean = (weight * value).sum(-1, keepdims=True) / weight.sum(-1, keepdims=True)
    return np.asarray((weight * (value - mean) ** 2).sum(-1))
