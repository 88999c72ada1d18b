"""Tables of light curves: CSV, ECSV and FITS, read by astropy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import InputError
from openastro_period.curves import Floats, LightCurve

FORMATS = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".fit": "fits",
}
"""astropy's format, by the end of a file's name."""
TEXT = (".csv", ".ecsv")
MAX_TABLE_BYTES = 2**30


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
    table = _Table(path, _read(path))
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


class _Table:
    """A table with its file's name for errors."""

    def __init__(self, path: Path, columns: Mapping[str, Any]) -> None:
        self.path, self.columns = path, columns

    def column(self, name: str) -> Any:
        if name not in self.columns:
            there = ", ".join(self.columns)
            if not there:
                raise InputError(f"{self.path} has no columns.", path=self.path)
            raise InputError(
                f"{self.path}: there is no column {name}; there are {there}.", path=self.path
            )
        return self.columns[name]

    def numbers(self, name: str) -> Floats:
        """Return a column of numbers; what is masked is NaN."""
        column = self.column(name)
        try:
            masked = np.ma.asarray(column).astype(np.float64)
        except (ValueError, TypeError):
            self._fail(_first_word(column), f"has something else than a number in {name}")
        values: Floats = np.array(np.ma.filled(masked, np.nan))
        if values.ndim != 1:
            raise InputError(f"{self.path}: {name} has several numbers a row.", path=self.path)
        return values

    def words(self, name: str) -> NDArray[np.str_]:
        """Return a column of words."""
        column = np.ma.asarray(self.column(name))
        if np.ma.getmaskarray(column).any():
            self._fail(int(np.flatnonzero(np.ma.getmaskarray(column))[0]), f"has no {name}")
        kind = column.data
        texts = np.char.decode(kind) if kind.dtype.kind == "S" else kind.astype(np.str_)
        return np.array(np.char.strip(texts))

    def refuse(self, bad: NDArray[np.bool_], what: str) -> None:
        """Refuse the table if any row is bad."""
        if bad.any():
            self._fail(int(np.flatnonzero(bad)[0]), what)

    def _fail(self, row: int, what: str) -> NoReturn:
        line = _line_of(self.path, row)
        where = f"{self.path}:{line}: this line" if line else f"{self.path}: row {row + 1}"
        raise InputError(f"{where} {what}.", path=self.path, line=line)


def _read(path: Path) -> dict[str, Any]:
    from astropy.table import Table

    if path.suffix.lower() not in FORMATS:
        ends = ", ".join(sorted(FORMATS))
        raise InputError(f"{path} ends with none of {ends}.", path=path)
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise InputError(f"{path} is larger than {MAX_TABLE_BYTES} bytes.", path=path)
        with warnings.catch_warnings():
            # Units that astropy does not know are of no concern here.
            warnings.simplefilter("ignore")
            table = Table.read(path, format=FORMATS[path.suffix.lower()])
    except InputError:
        raise
    except Exception as error:  # any of many: astropy's readers raise what they like
        words = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(f"{path} cannot be read as a table: {words}.", path=path) from error
    return {str(name): _plain(table[name]) for name in table.colnames}


def _plain(column: Any) -> Any:
    """Return the numbers of a column; quantities and times without their units."""
    values = getattr(column, "value", column)
    return np.ma.asarray(values)


def _first_word(column: Any) -> int:
    """Return the place of the first entry that is no number."""
    for place, entry in enumerate(np.ma.asarray(column).tolist()):
        try:
            float(entry) if entry is not None else None
        except (TypeError, ValueError):
            return place
    return 0


def _line_of(path: Path, row: int) -> int:
    """Return the line of a row of a text file; 0 if it cannot be told."""
    if path.suffix.lower() not in TEXT:
        return 0
    with path.open(encoding="utf-8", errors="replace") as stream:
        lines = [number for number, text in enumerate(stream, 1) if text.strip()]
    if path.suffix.lower() == ".ecsv":
        with path.open(encoding="utf-8", errors="replace") as stream:
            lines = [n for n, text in enumerate(stream, 1) if text.strip() and text[0] != "#"]
    return lines[row + 1] if row + 1 < len(lines) else 0
