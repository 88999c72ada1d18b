"""False-alarm probabilities: counted in resampled light curves, and Baluev's beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from openastro_period.curves import LightCurve
from openastro_period.output import Result


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """The probability that chance alone has a peak as high as the best one.

    Attributes
    ----------
    exceeding, n : int
        Resampled light curves with such a peak, and all of them.
    baluev : float or None
        The analytic one; None where it is not defined, as for several terms or bands.
    """

    exceeding: int
    n: int
    baluev: float | None

    @property
    def counted(self) -> float | None:
        """The part that was counted; None if none was resampled, and never below 1/n."""
        return max(1, self.exceeding) / self.n if self.n else None

    @property
    def is_bound(self) -> bool:
        """Whether it is only known to be below 1/n."""
        return bool(self.n) and self.exceeding == 0

    @property
    def text(self) -> str:
        """The counted one for people, e.g. ``< 0.001``; empty if there is none."""
        if self.counted is None:
            return ""
        return f"{'< ' if self.is_bound else ''}{self.counted:.3g}"

    def below(self, limit: float) -> bool:
        """Tell whether it is at most `limit`, by the counted one if there is one."""
        value = self.counted if self.counted is not None else self.baluev
        return value is not None and value <= limit


def false_alarm(curve: LightCurve, result: Result, band_width: float, terms: int) -> FalseAlarm:
    """Return the false-alarm probabilities of a target's best peak.

    Parameters
    ----------
    curve, result
        The target.
    band_width : float
        Highest frequency less the lowest, 1/d.
    terms : int
        Harmonics.
    """
    one_band = len(set(curve.band.tolist())) == 1
    power = result.peaks[0][1]
    analytic = baluev(curve, power, band_width) if one_band and terms == 1 else None
    return FalseAlarm(result.exceeding, len(result.bootstrap), analytic)


def baluev(curve: LightCurve, power: float, band_width: float) -> float:
    """Return the bound of Baluev (2008), MNRAS 385, 1279, equations 5 and 6 and its table 1.

    For powers between 0 and 1, a sinusoid and a floating mean.
    """
    n = len(curve.time)
    weight = curve.error**-2.0
    mean = np.average(curve.time, weights=weight)
    variance = float(np.average((curve.time - mean) ** 2, weights=weight))
    cycles = band_width * math.sqrt(4.0 * math.pi * variance)
    of_mean, of_model = n - 1, n - 3
    gamma = math.sqrt(2.0 / of_mean) * math.exp(
        math.lgamma(0.5 * of_mean) - math.lgamma(0.5 * (of_mean - 1))
    )
    rest = 1.0 - power
    if rest <= 0.0:
        return 0.0
    tau = gamma * cycles * rest ** (0.5 * (of_model - 1)) * math.sqrt(0.5 * of_mean * power)
    single = rest ** (0.5 * of_model)
    return single - (1.0 - single) * math.expm1(-tau)
