"""Transit times that a posterior predicts, beside the measured ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.failures import IntegrationFailed
from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import PlanetTransits, TransitTable

N_PREDICTED = 160
"""Draws whose transit times are computed: the 2.5 % quantile then lies between the 4th and 5th of
them, and at 1 to 2 ms each it takes a quarter of a second."""

BANDS = (0.025, 0.16, 0.5, 0.84, 0.975)
"""Edges of the 95 % and 68 % bands, and the median."""

MINUTES = 1440.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TimingCurve:
    """Observed and predicted times of one planet, against a linear ephemeris.

    Attributes
    ----------
    planet : str
        Its name.
    reference, period : float
        The least-squares linear ephemeris of the observed times: BKJD of transit 0, days.
    epochs, times, observed, errors : ndarray
        Of the measured transits, float64 (n,): numbers, BKJD days, observed minus calculated and
        standard errors in minutes.
    model_epochs, model_times : ndarray
        Of the predicted transits, float64 (m,).
    bands : ndarray
        Predicted minus calculated, minutes, float64 (5, m), at the quantiles `BANDS`.
    """

    planet: str
    reference: float
    period: float
    epochs: Floats
    times: Floats
    observed: Floats
    errors: Floats
    model_epochs: Floats
    model_times: Floats
    bands: Floats

    @property
    def residuals(self) -> Floats:
        """Observed minus the posterior's median, minutes, (n,)."""
        return self.observed - np.interp(self.epochs, self.model_epochs, self.bands[2])


def timing_curves(problem: Problem, table: TransitTable, draws: Floats) -> tuple[TimingCurve, ...]:
    """Return the curves of all observed planets with at least two transits.

    Parameters
    ----------
    problem, table
        The posterior's definition and its data.
    draws : ndarray
        float64 (n_draw, n_dim); evenly spaced ones are evaluated.
    """
    model = TimingModel(problem)
    chosen = np.unique(np.linspace(0, len(draws) - 1, N_PREDICTED).astype(int))
    predicted: dict[str, list[tuple[int, Floats]]] = {planet: [] for planet in model.planets}
    for values in draws[chosen].tolist():
        orbits = model.orbits(values)
        try:
            all_times = model.times_of(orbits)
        except IntegrationFailed:
            continue  # cannot happen for draws with a finite log-probability
        for planet, orbit, times in zip(model.planets, orbits, all_times, strict=True):
            transits = table.of(planet)
            if transits is not None and len(times):
                predicted[planet].append((_first_epoch(transits, times, orbit.t0), times))
    curves = (_curve(table.of(planet), found) for planet, found in predicted.items())
    return tuple(curve for curve in curves if curve is not None)


def _first_epoch(transits: PlanetTransits, times: Floats, t0: float) -> int:
    """Return the number of the model's first transit, counted as the likelihood counts them."""
    ephemeris = transits.linear_ephemeris()
    if ephemeris is None:
        return 0
    reference, period = ephemeris
    return round((t0 - reference) / period) - int(np.abs(times - t0).argmin())


def _curve(
    transits: PlanetTransits | None, predicted: list[tuple[int, Floats]]
) -> TimingCurve | None:
    ephemeris = None if transits is None else transits.linear_ephemeris()
    if transits is None or ephemeris is None or not predicted:
        return None
    reference, period = ephemeris
    first = max(start for start, _ in predicted)
    last = min(start + len(times) for start, times in predicted)
    epochs = np.arange(first, last, dtype=np.float64)
    line = reference + period * epochs
    times = np.stack([times[first - start : last - start] for start, times in predicted])
    bands = np.quantile((times - line) * MINUTES, BANDS, axis=0)
    return TimingCurve(
        planet=transits.planet,
        reference=reference,
        period=period,
        epochs=transits.epochs.astype(np.float64),
        times=transits.times,
        observed=(transits.times - reference - period * transits.epochs) * MINUTES,
        errors=transits.sigmas * MINUTES,
        model_epochs=epochs,
        model_times=line + bands[2] / MINUTES,
        bands=np.asarray(bands),
    )
