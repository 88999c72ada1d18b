"""The period of a best peak with its error: a fit around the best frequency of the grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from openastro_period.curves import Floats, LightCurve

ROUNDS, SHRINK = 6, 4.0
"""Parabolas through three frequencies, each that much narrower than the one before: the last spans
a thousandth of a grid step."""
CURVATURE_STEP = 0.05
"""Part of the peak's width over which chi2 is a parabola to one in a hundred."""
N_PHASE = 2000


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted period.

    Attributes
    ----------
    frequency : float
        1/d.
    frequency_error : float or None
        Standard error: the distance at which chi2 has grown by one, where chi2 is scaled to one
        for each degree of freedom, because errors of light curves are seldom right. None if chi2
        has no minimum there.
    amplitude : float
        Half of the model's range in the band with most points, in the unit of the values.
    t_low, t_high : float
        Times of the model's lowest and highest value there, nearest to the middle of the light
        curve, days.
    band : str
        That band.
    reduced_chi2 : float or None
        Chi2 for each degree of freedom.
    """

    frequency: float
    frequency_error: float | None
    amplitude: float
    t_low: float
    t_high: float
    band: str
    reduced_chi2: float | None

    @property
    def period(self) -> float:
        """Days."""
        return 1.0 / self.frequency

    @property
    def period_error(self) -> float | None:
        """Standard error, days."""
        error = self.frequency_error
        return None if error is None else error / self.frequency**2


def fit_period(curve: LightCurve, best: float, step: float, resolution: float, terms: int) -> Fit:
    """Return the fit around a frequency of the grid.

    Parameters
    ----------
    curve : LightCurve
        The light curve.
    best, step, resolution : float
        The best frequency of the grid, its step, and the width of a peak, 1/d.
    terms : int
        Harmonics.
    """

    def at(frequency: float) -> float:
        return chi2(curve, frequency, terms)

    frequency, width = best, step
    for _ in range(ROUNDS):
        frequency += width * _vertex(at(frequency - width), at(frequency), at(frequency + width))
        width /= SHRINK
    least, h = at(frequency), CURVATURE_STEP * resolution
    curvature = (at(frequency - h) + at(frequency + h) - 2.0 * least) / h**2
    bands = len(set(curve.band.tolist()))
    free = len(curve.time) - bands * (2 * terms + 1) - 1
    reduced = least / free if free > 0 else None
    error = math.sqrt(2.0 * reduced / curvature) if reduced and curvature > 0 else None
    band, places = max(curve.bands(), key=lambda entry: (len(entry[1]), entry[0]))
    phase = np.arange(N_PHASE) / N_PHASE
    model = model_at(curve, places, frequency, terms, phase)
    middle = 0.5 * (curve.time[0] + curve.time[-1])
    low, high = (
        _near(middle, float(curve.time[0]), float(phase[place]), frequency)
        for place in (int(np.argmin(model)), int(np.argmax(model)))
    )
    return Fit(frequency, error, 0.5 * float(np.ptp(model)), low, high, band, reduced)


def chi2(curve: LightCurve, frequency: float, terms: int) -> float:
    """Return the least chi2 of a harmonic model with a floating mean in each band."""
    total = 0.0
    for _, places in curve.bands():
        weight = 1.0 / curve.error[places]
        phase = frequency * (curve.time[places] - curve.time[0])
        matrix = design(phase, terms) * weight[:, np.newaxis]
        value = curve.value[places] * weight
        solution = np.linalg.lstsq(matrix, value, rcond=None)[0]
        total += float(np.sum((value - matrix @ solution) ** 2))
    return total


def model_at(
    curve: LightCurve, places: np.ndarray, frequency: float, terms: int, phase: Floats
) -> Floats:
    """Return the model of the points at `places`, at phases counted from the first time of all."""
    weight = 1.0 / curve.error[places]
    observed = frequency * (curve.time[places] - curve.time[0])
    matrix = design(observed, terms) * weight[:, np.newaxis]
    solution = np.linalg.lstsq(matrix, curve.value[places] * weight, rcond=None)[0]
    return np.asarray(design(phase, terms) @ solution)


def design(phase: Floats, terms: int) -> Floats:
    """Return the columns of the model: one, and cosine and sine of each harmonic."""
    angles = 2.0 * np.pi * phase[:, np.newaxis] * np.arange(1, terms + 1)
    return np.hstack([np.ones((len(phase), 1)), np.cos(angles), np.sin(angles)])


def _vertex(left: float, middle: float, right: float) -> float:
    """Return where a parabola is lowest, in steps from its middle, one at most."""
    bend = left - 2.0 * middle + right
    if bend <= 0.0:
        return 0.0 if middle <= min(left, right) else (-1.0 if left < right else 1.0)
    return min(1.0, max(-1.0, 0.5 * (left - right) / bend))


def _near(middle: float, start: float, phase: float, frequency: float) -> float:
    """Return the time of a phase that is nearest to the middle."""
    return start + (phase + round((middle - start) * frequency - phase)) / frequency
