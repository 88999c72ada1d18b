"""A target with all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from openastro_period.curves import LightCurve
from openastro_period.merge.aliases import Alias, named, of_the_day
from openastro_period.merge.false_alarm import FalseAlarm, false_alarm
from openastro_period.merge.fit import Fit, fit_period
from openastro_period.output import Result
from openastro_period.settings import Search


@dataclass(frozen=True, slots=True)
class Target:
    """A target with its light curve, its result, and what follows from them.

    Attributes
    ----------
    curve, result, fit, false_alarm
        See their classes.
    aliases : tuple of Alias
        Peaks that are images of the best one.
    remark : str
        What is suspicious; empty if nothing is.
    window : tuple of (float, float)
        Frequencies, 1/d, and powers of the highest peaks of the window function.
    """

    curve: LightCurve
    result: Result
    fit: Fit
    false_alarm: FalseAlarm
    aliases: tuple[Alias, ...]
    remark: str
    window: tuple[tuple[float, float], ...]

    @property
    def name(self) -> str:
        """The target's name."""
        return self.curve.name

    @property
    def power(self) -> float:
        """Power of the best peak."""
        return self.result.peaks[0][1]

    @property
    def alias_text(self) -> str:
        """The images of the best peak, and their powers as parts of its own."""
        return "; ".join(f"{entry.name} ({entry.share:.2f})" for entry in self.aliases)

    @property
    def window_text(self) -> str:
        """Frequencies where the window function is highest, 1/d, and its powers."""
        return "; ".join(f"{frequency:.5g} ({power:.2f})" for frequency, power in self.window)


def read_target(curve: LightCurve, result: Result, search: Search) -> Target:
    """Return what follows from a target's result."""
    grid = search.grid
    place, power = result.peaks[0]
    # A light curve that is shorter than the longest one tells less frequencies apart.
    apart = 1.0 / curve.span
    fit = fit_period(curve, grid.at(place), grid.step, apart, search.n_terms)
    others = [(float(grid.at(other)), height) for other, height in result.peaks[1:]]
    return Target(
        curve,
        result,
        fit,
        false_alarm(curve, result, grid.last - grid.first, search.n_terms),
        tuple(named(fit.frequency, others, power, apart)),
        of_the_day(fit.frequency, apart),
        tuple((float(grid.at(spot)), height) for spot, height in result.window),
    )
