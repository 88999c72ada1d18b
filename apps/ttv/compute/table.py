"""The transit-time table as a unit carries it: ``planet,epoch,bkjd,sigma_days``, # for comments.

A transit that several telescopes have timed has a row for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import UnitError

TABLE_FILE = "transits.csv"
COLUMNS = ("planet", "epoch", "bkjd", "sigma_days")
MAX_TABLE_BYTES = 2**22
MAX_EPOCH = 10**6


@dataclass(frozen=True, slots=True, eq=False)
class PlanetTransits:
    """The measured transits of one planet, in the order of time.

    Attributes
    ----------
    planet : str
        Its name.
    epochs : ndarray
        int64 (n,), transit numbers as the source counts them, rising; one that was measured several
        times is repeated.
    times : ndarray
        float64 (n,), mid-transit times, BKJD days (BJD_TDB - 2454833), rising.
    sigmas : ndarray
        float64 (n,), standard errors, days.
    """

    planet: str
    epochs: NDArray[np.int64]
    times: NDArray[np.float64]
    sigmas: NDArray[np.float64]

    def linear_ephemeris(self) -> tuple[float, float] | None:
        """Return (time of transit 0, mean period) of the least-squares line, days.

        None if there are fewer than two different transits.
        """
        if self.epochs[0] == self.epochs[-1]:
            return None
        mean_epoch, mean_time = float(np.mean(self.epochs)), float(np.mean(self.times))
        from_mean = self.epochs - mean_epoch
        slope = float(np.sum(from_mean * (self.times - mean_time)) / np.sum(from_mean**2))
        return mean_time - slope * mean_epoch, slope


@dataclass(frozen=True, slots=True, eq=False)
class TransitTable:
    """All measured transits, by planet in the order of first appearance."""

    planets: tuple[PlanetTransits, ...]

    @property
    def n_transit(self) -> int:
        """Number of measured times of all planets."""
        return sum(len(planet.epochs) for planet in self.planets)

    @property
    def first(self) -> float:
        """Time of the earliest transit, BKJD."""
        return float(min(planet.times[0] for planet in self.planets))

    @property
    def last(self) -> float:
        """Time of the latest transit, BKJD."""
        return float(max(planet.times[-1] for planet in self.planets))

    @property
    def smallest_sigma(self) -> float:
        """The smallest standard error, days."""
        return float(min(planet.sigmas.min() for planet in self.planets))

    def of(self, planet: str) -> PlanetTransits | None:
        """Return the transits of one planet, or None if it has none."""
        return next((found for found in self.planets if found.planet == planet), None)


def parse_table(data: bytes) -> TransitTable:
    """Read a table.

    Raises
    ------
    UnitError
        With the line's number, if anything is not exactly as it must be.
    """
    if len(data) > MAX_TABLE_BYTES:
        raise UnitError(f"{TABLE_FILE} has more than {MAX_TABLE_BYTES} bytes.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnitError(f"{TABLE_FILE} is not UTF-8 text.") from error
    rows: dict[str, list[tuple[int, float, float]]] = {}
    for number, planet, row in _rows(text):
        before = rows.setdefault(planet, [])
        if before and not _follows(row, before[-1]):
            raise _line_error(number, f"epochs and times of planet {planet} do not increase")
        before.append(row)
    if not rows:
        raise UnitError(f"{TABLE_FILE} has no transits.")
    return TransitTable(tuple(_planet(name, found) for name, found in rows.items()))


def _follows(row: tuple[int, float, float], before: tuple[int, float, float]) -> bool:
    """Whether a row is of a later transit, or of the same one measured once more."""
    same = row[0] == before[0] and row[1] >= before[1]
    return same or (row[0] > before[0] and row[1] > before[1])


def _planet(name: str, rows: list[tuple[int, float, float]]) -> PlanetTransits:
    epochs, times, sigmas = zip(*rows, strict=True)
    return PlanetTransits(name, np.array(epochs, dtype=np.int64), np.array(times), np.array(sigmas))


def _rows(text: str) -> Iterator[tuple[int, str, tuple[int, float, float]]]:
    header_seen = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split(",")]
        if not header_seen:
            if cells != list(COLUMNS):
                raise _line_error(number, f"the first row is not {','.join(COLUMNS)}")
            header_seen = True
            continue
        if len(cells) != len(COLUMNS) or not cells[0]:
            raise _line_error(number, f"this is not a row of {','.join(COLUMNS)}")
        yield number, cells[0], _numbers(number, cells)


def _numbers(number: int, cells: list[str]) -> tuple[int, float, float]:
    try:
        epoch, time, sigma = int(cells[1]), float(cells[2]), float(cells[3])
    except ValueError as error:
        raise _line_error(number, "a cell is not a number") from error
    if abs(epoch) > MAX_EPOCH or not math.isfinite(time):
        raise _line_error(number, "epoch or time is out of range")
    if not (math.isfinite(sigma) and sigma > 0):
        raise _line_error(number, f"sigma_days is {cells[3]}, not a positive number")
    return epoch, time, sigma


def _line_error(number: int, what: str) -> UnitError:
    return UnitError(f"{TABLE_FILE}, line {number}: {what}.", line=number)
