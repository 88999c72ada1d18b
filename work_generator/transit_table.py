"""The transit-time table of a campaign: columns ``planet,epoch,bkjd,sigma_days``.

The app reads the same bytes on the volunteer's computer; whatever could go wrong there is refused
here, with file and line, before anything is issued.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from boinc_project.errors import InputError
from work_generator.toml_source import read_text

COLUMNS = ("planet", "epoch", "bkjd", "sigma_days")
MAX_SIGMA = 10.0
"""Days; a transit known worse than this is a mistaken unit."""
MIN_BKJD, MAX_BKJD = -50000.0, 100000.0
"""1872 to 2283; anything outside is not BJD_TDB - 2454833."""
MAX_EPOCH = 10**6


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
    """

    planet: str
    epoch: int
    bkjd: float
    sigma_days: float
    line: int


@dataclass(frozen=True, slots=True)
class TransitTable:
    """A checked table.

    Attributes
    ----------
    transits : tuple[Transit, ...]
        Rows in the order of the file; epochs and times rise for every planet.
    text : str
        What the app gets: the file itself, without the rows of planets that are not used.
    """

    transits: tuple[Transit, ...]
    text: str

    def of(self, planet: str) -> tuple[Transit, ...]:
        """Return the transits of one planet."""
        return tuple(row for row in self.transits if row.planet == planet)


def read_transit_table(
    path: Path, *, planets: Collection[str], use: Collection[str] | None = None
) -> TransitTable:
    """Read and check a table.

    Parameters
    ----------
    path : Path
        CSV file; lines that start with # are comments.
    planets : Collection[str]
        Planets of the campaign that may have transits.
    use : Collection[str], optional
        Only take the rows of these planets; all rows are still checked. None: take every row.

    Raises
    ------
    InputError
        If anything in it is not usable; the message starts with file and line.
    """
    text = read_text(path, "a transit-time table")
    lines = text.splitlines()
    header = _header(path, lines)
    rows = list(_rows(path, lines, header))
    if not rows:
        _fail(path, header, "the table has no transits below its header")
    _check_order(path, rows)
    known = planets if use is None else use
    if use is None:
        for row in rows:
            if row.planet not in planets:
                _fail(
                    path,
                    row.line,
                    f"planet {row.planet!r} is not an observed planet of the campaign file "
                    f"({', '.join(sorted(planets))}): add it there, or name the planets to take "
                    "as [data] planets",
                )
    for planet in known:
        if not any(row.planet == planet for row in rows):
            _fail(
                path,
                header,
                f"the table has no transits of planet {planet!r}: set observed = false for it, "
                "or add its transits",
            )
    taken = tuple(row for row in rows if row.planet in known)
    dropped = {row.line for row in rows} - {row.line for row in taken}
    kept = [line for number, line in enumerate(lines, 1) if number not in dropped]
    return TransitTable(taken, "\n".join(kept) + "\n")


def _fail(path: Path, line: int, message: str) -> NoReturn:
    raise InputError(f"{path}:{line}: {message}.", path=path, line=line)


def _header(path: Path, lines: Sequence[str]) -> int:
    """Return the line number of the header."""
    wanted = ",".join(COLUMNS)
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = [name.strip() for name in line.split(",")]
        if found != list(COLUMNS):
            _fail(path, number, f"the first row must be {wanted}, not {line.strip()[:80]}")
        return number
    _fail(path, max(1, len(lines)), f"the table is empty: its first row must be {wanted}")


def _rows(path: Path, lines: Sequence[str], header: int) -> Iterator[Transit]:
    for number, line in enumerate(lines[header:], header + 1):
        if not line.strip() or line.startswith("#"):
            continue
        # No quoting: names are plain words and all else is numbers.
        cells = line.split(",")
        if len(cells) != len(COLUMNS):
            _fail(
                path,
                number,
                f"this row has {len(cells)} columns; the {len(COLUMNS)} columns are "
                f"{','.join(COLUMNS)}",
            )
        yield _transit(path, number, [cell.strip() for cell in cells])


def _transit(path: Path, line: int, cells: Sequence[str]) -> Transit:
    planet, epoch_text, bkjd_text, sigma_text = cells
    if not planet:
        _fail(path, line, "the planet has no name")
    try:
        epoch = int(epoch_text)
    except ValueError:
        _fail(path, line, f"epoch is {epoch_text!r}: write the transit's number, a whole number")
    if abs(epoch) > MAX_EPOCH:
        _fail(path, line, f"epoch {epoch} is out of range: write a transit number")
    bkjd = _finite(path, line, "bkjd", bkjd_text)
    sigma = _finite(path, line, "sigma_days", sigma_text)
    if not MIN_BKJD <= bkjd <= MAX_BKJD:
        hint = f": write {bkjd - 2454833.0:.6f}" if 2400000 < bkjd < 2560000 else ""
        _fail(path, line, f"bkjd is {bkjd_text}, but BKJD is BJD_TDB - 2454833{hint}")
    if sigma <= 0:
        kind = "zero" if sigma == 0 else "negative"
        _fail(path, line, f"sigma_days is {kind} ({sigma_text}): write a standard error in days")
    if sigma > MAX_SIGMA:
        _fail(path, line, f"sigma_days is {sigma_text}: write a standard error in days")
    return Transit(planet, epoch, bkjd, sigma, line)


def _finite(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        _fail(path, line, f"{column} is {text!r}: write a number of days")
    if not math.isfinite(value):
        _fail(path, line, f"{column} is {text}: write a number of days, or leave the row out")
    return value


def _check_order(path: Path, rows: Sequence[Transit]) -> None:
    """Epochs and times of every planet must rise; a repeated row is the commonest mistake."""
    last: dict[str, Transit] = {}
    for row in rows:
        before = last.get(row.planet)
        if before is not None and row.epoch == before.epoch:
            _fail(
                path,
                row.line,
                f"planet {row.planet} has epoch {row.epoch} twice (first in line {before.line}): "
                "leave one of the two rows out",
            )
        if before is not None and row.epoch < before.epoch:
            seen = [r for r in rows if r.planet == row.planet and r.epoch == row.epoch]
            if seen[0].line < row.line:
                _fail(
                    path,
                    row.line,
                    f"planet {row.planet} has epoch {row.epoch} twice (first in line "
                    f"{seen[0].line}): leave one of the two rows out",
                )
            _fail(
                path,
                row.line,
                f"epoch {row.epoch} of planet {row.planet} comes after epoch {before.epoch}: "
                "sort each planet's rows by epoch",
            )
        if before is not None and row.bkjd <= before.bkjd:
            _fail(
                path,
                row.line,
                f"transit {row.epoch} of planet {row.planet} is not later than transit "
                f"{before.epoch} in line {before.line}: one of the two times is wrong",
            )
        last[row.planet] = row
