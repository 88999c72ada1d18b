"""Light curves of tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import InputError
from openastro_period.curves import Floats, LightCurve
from openastro_period.plan.table_file import TableFile


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns, and what is done to them.

    Attributes
    ----------
    time, value : str
        Of times, and of magnitudes or fluxes.
    error : str or float
        Of standard errors, or one error of all points.
    band, target : str
        Of bands and of targets' names; empty: there is none.
    days : float
        Days in a unit of time.
    bands : tuple of str
        Bands to take; empty: all.
    skip : bool
        Whether targets that cannot be searched are left out, rather than refused.
    """

    time: str
    value: str
    error: str | float
    band: str
    target: str
    days: float
    bands: tuple[str, ...]
    skip: bool


@dataclass(frozen=True, slots=True)
class ReadCurves:
    """Light curves as they were read.

    Attributes
    ----------
    curves : list of LightCurve
        Those that can be searched.
    left_out : int
        Points that were left out because they are not finite.
    skipped : list of str
        Targets that were left out.
    """

    curves: list[LightCurve]
    left_out: int
    skipped: list[str]


def read_light_curves(path: Path, columns: Columns, least: int) -> ReadCurves:
    """Return the light curves of a file.

    Parameters
    ----------
    path : Path
        The table.
    columns : Columns
        What to read.
    least : int
        Points that a light curve has to have, in each of its bands.

    Raises
    ------
    InputError
        One sentence with file and row.
    """
    table = TableFile(path)
    time = table.numbers(columns.time) * columns.days
    value = table.numbers(columns.value)
    if isinstance(columns.error, str):
        error = table.numbers(columns.error)
    else:
        error = np.full(len(time), float(columns.error))
    band = table.words(columns.band) if columns.band else np.full(len(time), "")
    name = table.words(columns.target) if columns.target else np.full(len(time), path.stem)
    table.refuse(np.isfinite(error) & (error <= 0), "has an error that is not positive")
    taken = np.isin(band, columns.bands) if columns.bands else np.ones(len(time), bool)
    finite = np.isfinite(time) & np.isfinite(value) & np.isfinite(error)
    read = ReadCurves([], int((taken & ~finite).sum()), [])
    for target, rows in _rows_of_targets(name, time, taken & finite):
        curve = LightCurve(target, time[rows], value[rows], error[rows], band[rows])
        reason = _unfit(curve, least, columns)
        if reason and not columns.skip:
            raise InputError(f"{path}: {reason}.", path=path)
        if reason:
            read.skipped.append(target)
        else:
            read.curves.append(curve)
    return read


def _rows_of_targets(
    name: NDArray[np.str_], time: Floats, taken: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each target with its rows in the order of their times; a target may have none."""
    names, number = np.unique(name, return_inverse=True)
    # Rows of one time stay in the order of the file, because the sort is stable.
    order = np.lexsort((time, number))
    ends = np.searchsorted(number[order], np.arange(len(names) + 1))
    for place, target in enumerate(names.tolist()):
        rows = order[ends[place] : ends[place + 1]]
        yield target, rows[taken[rows]]


def _unfit(curve: LightCurve, least: int, columns: Columns) -> str:
    """Return why a light curve cannot be searched; empty if it can."""
    for band in columns.bands or sorted(set(curve.band.tolist())) or [""]:
        places = np.flatnonzero(curve.band == band)
        where = f" in the band {band}" if band else ""
        if len(places) < least:
            return (
                f"{curve.name} has {len(places)} points{where}, and this search needs {least} at "
                "least: leave it out, or write fewer terms or bands, or skip = true"
            )
        if np.ptp(curve.time[places]) == 0 or np.ptp(curve.value[places]) == 0:
            return (
                f"all times or all values of {curve.name}{where} are the same: leave it out, or "
                "write skip = true"
            )
    return ""
