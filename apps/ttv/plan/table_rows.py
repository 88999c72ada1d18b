"""A row of a transit-time table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transit:
    """One measured mid-transit time.

    Attributes
    ----------
    planet : str
        Name of the planet.
    epoch : int
        Transit number of that planet, as numbered by the source.
    bkjd : float
        Mid-transit time, BJD_TDB - 2454833, days.
    sigma_days : float
        Its standard error, days.
    line : int
        Where it stands in the table.
    telescope : str
        Who measured it; empty if the table does not say.
    halves : tuple[float, float] or None
        Upper and lower standard error, days, where the table has both.
    """

    planet: str
    epoch: int
    bkjd: float
    sigma_days: float
    line: int
    telescope: str = ""
    halves: tuple[float, float] | None = None

    @property
    def asymmetry(self) -> float:
        """The larger of the upper and the lower standard error in units of the smaller one."""
        return 1.0 if self.halves is None else max(self.halves) / min(self.halves)
