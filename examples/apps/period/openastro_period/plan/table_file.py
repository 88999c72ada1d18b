"""One table: CSV, ECSV or FITS, read by astropy, with errors that name file and line."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import InputError
from openastro_period.curves import Floats

FORMATS = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".fit": "fits",
}
"""astropy's format, by the end of a file's name."""
TEXT = (".csv", ".ecsv")
MAX_TABLE_BYTES = 2**30


class TableFile:
    """A table with its file's name for errors.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InputError
        If it cannot be read; so do all questions that it cannot answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: Mapping[str, Any] = _read(path)

    def column(self, name: str) -> Any:
        """Return a column as it is in the file."""
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
