"""Light curves of tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boinc_project.errors import InputError
from openastro_period.curves import LightCurve
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
    """

    time: str
    value: str
    error: str | float
    band: str
    target: str
    days: float
    bands: tuple[str, ...]


def read_light_curves(path: Path, columns: Columns, least: int) -> tuple[list[LightCurve], int]:
    """Return the light curves of a file, and how many points were left out as not finite.

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
    curves = []
    for target in dict.fromkeys(name.tolist()):
        rows = np.flatnonzero((name == target) & taken & finite)
        rows = rows[np.argsort(time[rows], kind="stable")]
        curve = LightCurve(str(target), time[rows], value[rows], error[rows], band[rows])
        _check(path, curve, least, columns)
        curves.append(curve)
    return curves, int((taken & ~finite).sum())


def _check(path: Path, curve: LightCurve, least: int, columns: Columns) -> None:
    """Refuse what cannot be searched."""
    counts = {band: int((curve.band == band).sum()) for band in columns.bands or {""}}
    if not columns.bands:
        counts = {band: len(places) for band, places in curve.bands()} or {"": 0}
    for band, count in counts.items():
        if count < least:
            where = f" in the band {band}" if band else ""
            raise InputError(
                f"{path}: {curve.name} has {count} points{where}; this search needs {least} at "
                "least: leave it out, or write fewer terms or bands.",
                path=path,
            )
    for band, places in curve.bands():
        if np.ptp(curve.time[places]) == 0 or np.ptp(curve.value[places]) == 0:
            words = f" in the band {band}" if band else ""
            raise InputError(
                f"{path}: all times or all values of {curve.name}{words} are the same: leave it "
                "out.",
                path=path,
            )
