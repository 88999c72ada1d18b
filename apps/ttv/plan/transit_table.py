"""The transit-time table of a campaign: columns ``planet,epoch,bkjd,sigma_days``.

The app reads one strict form of it on the volunteer's computer; whatever could go wrong there is
refused here, with file and line, before anything is issued. Other forms of the same columns are
read, and written for the app in that form; see `apps.ttv.plan.table_columns`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from apps.ttv.compute.table import COLUMNS, MAX_EPOCH
from apps.ttv.plan.repeated_transits import check_order, remark_on_repeated
from apps.ttv.plan.table_columns import HALVES, TELESCOPES, Columns, UnknownColumns
from apps.ttv.plan.table_rows import Transit
from boinc_project.errors import InputError
from boinc_project.toml_source import read_text

__all__ = ["MAX_BKJD", "MIN_BKJD", "Transit", "TransitTable", "read_transit_table"]

MAX_SIGMA = 10.0
"""Days; a transit known worse than this is a mistaken unit."""
MIN_SIGMA = 1e-6
"""Days; a tenth of a second. The best times of any telescope have errors of one second."""
MIN_BKJD, MAX_BKJD = -50000.0, 100000.0
"""1872 to 2283; anything outside is not BJD_TDB - 2454833."""


@dataclass(frozen=True, slots=True)
class TransitTable:
    """A checked table.

    Attributes
    ----------
    transits : tuple[Transit, ...]
        Rows in the order of the file, but those of each planet by transit number and time.
    text : str
        What the app gets: the file itself where the app can read it, without the rows of planets
        that are not used.
    remarks : tuple[str, ...]
        What a person should know of how the table was read.
    """

    transits: tuple[Transit, ...]
    text: str
    remarks: tuple[str, ...] = ()

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
    lines = read_text(path, "a transit-time table").splitlines()
    header, columns = _header(path, lines)
    rows = list(_rows(path, lines, header, columns))
    if not rows:
        _fail(path, header, "the table has no transits below its header")
    check_order(path, rows)
    known = planets if use is None else use
    _check_planets(path, header, rows, planets, known, every=use is None)
    dropped = {row.line for row in rows if row.planet not in known}
    ordered = _ordered([row for row in rows if row.planet in known])
    text = _text(lines, header, columns, ordered, dropped)
    taken = tuple(ordered.values())
    return TransitTable(taken, text, tuple(_remarks(columns, taken)))


def _fail(path: Path, line: int, message: str) -> NoReturn:
    raise InputError(f"{path}:{line}: {message}.", path=path, line=line)


def _is_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _header(path: Path, lines: Sequence[str]) -> tuple[int, Columns]:
    """Return the line number of the header, and what it says."""
    for number, line in enumerate(lines, 1):
        if _is_comment(line):
            continue
        try:
            return number, Columns.read(line)
        except UnknownColumns as error:
            hidden = _hidden_header(lines[: number - 1])
            if hidden:
                _fail(path, hidden, "the names of the columns are a comment here: remove its #")
            _fail(path, number, str(error))
    _fail(
        path, max(1, len(lines)), f"the table is empty: its first row must be {','.join(COLUMNS)}"
    )


def _hidden_header(comments: Sequence[str]) -> int:
    """Return the line of a comment that is a header; 0 if there is none."""
    for number, line in enumerate(comments, 1):
        try:
            Columns.read(line.strip().lstrip("# "))
        except UnknownColumns:
            continue
        return number
    return 0


def _rows(path: Path, lines: Sequence[str], header: int, columns: Columns) -> Iterator[Transit]:
    for number, line in enumerate(lines[header:], header + 1):
        if _is_comment(line):
            continue
        cells = columns.cells(line)
        if cells is None:
            count = len(line.split(columns.separator))
            _fail(
                path,
                number,
                f"this row has {count} columns; the {len(columns.names)} columns are "
                f"{','.join(columns.names)}",
            )
        yield _transit(path, number, cells)


def _transit(path: Path, line: int, cells: Mapping[str, str]) -> Transit:
    planet = cells["planet"]
    if not planet:
        _fail(path, line, "the planet has no name")
    epoch = _epoch(path, line, cells["epoch"])
    bkjd = _finite(path, line, "bkjd", cells["bkjd"])
    if not MIN_BKJD <= bkjd <= MAX_BKJD:
        hint = f": write {bkjd - 2454833.0:.6f}" if 2400000 < bkjd < 2560000 else ""
        _fail(path, line, f"bkjd is {cells['bkjd']}, but BKJD is BJD_TDB - 2454833{hint}")
    telescope = next((cells[name] for name in TELESCOPES if name in cells), "")
    if "sigma_days" in cells:
        sigma = _sigma(path, line, "sigma_days", cells["sigma_days"])
        return Transit(planet, epoch, bkjd, sigma, line, telescope=telescope)
    plus = _sigma(path, line, HALVES[0], cells[HALVES[0]])
    # Many tables give the lower error its sign.
    minus = _sigma(path, line, HALVES[1], cells[HALVES[1]].removeprefix("-"))
    halves = (plus, minus)
    return Transit(planet, epoch, bkjd, both_halves(*halves), line, telescope, halves)


def both_halves(plus: float, minus: float) -> float:
    """Return the one standard error that stands for an upper and a lower one.

    The root mean square distance of a split normal distribution from its mode, sqrt(p^2 - p m +
    m^2): a true model, whose transits scatter about the measured modes by that distribution, then
    has a chi^2 of 1 for each transit. It lies between the mean of the two and the larger one.
    Six digits of it are kept.
    """
    return float(f"{math.sqrt(plus * plus - plus * minus + minus * minus):.6g}")


def _epoch(path: Path, line: int, text: str) -> int:
    try:
        # Programs that know missing numbers write whole ones as 12.0.
        epoch = int(re.sub(r"\.0*$", "", text))
    except ValueError:
        _fail(path, line, f"epoch is {text!r}: write the transit's number, a whole number")
    if abs(epoch) > MAX_EPOCH:
        _fail(path, line, f"epoch {epoch} is out of range: write a transit number")
    return epoch


def _sigma(path: Path, line: int, column: str, text: str) -> float:
    sigma = _finite(path, line, column, text)
    if sigma <= 0:
        kind = "zero" if sigma == 0 else "negative"
        _fail(path, line, f"{column} is {kind} ({text}): write a standard error in days")
    if sigma > MAX_SIGMA:
        _fail(
            path,
            line,
            f"{column} is {text}: write a standard error in days, {sigma / 86400:.6f} if these "
            f"are seconds, {sigma / 1440:.6f} if they are minutes",
        )
    if sigma < MIN_SIGMA:
        _fail(
            path,
            line,
            f"{column} is {text}, less than a tenth of a second: write a standard error in days, "
            f"{MIN_SIGMA:g} or more",
        )
    return sigma


def _finite(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        if re.fullmatch(r"[-+]?\d+,\d+", text):
            _fail(path, line, f"{column} is {text!r}: write {text.replace(',', '.')}")
        _fail(path, line, f"{column} is {text!r}: write a number of days, or leave the row out")
    if not math.isfinite(value):
        _fail(path, line, f"{column} is {text}: write a number of days, or leave the row out")
    return value


def _check_planets(
    path: Path,
    header: int,
    rows: Sequence[Transit],
    planets: Collection[str],
    known: Collection[str],
    *,
    every: bool,
) -> None:
    """Refuse rows of planets that nobody knows, and planets without rows."""
    for row in rows:
        if every and row.planet not in planets:
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


def _ordered(rows: Sequence[Transit]) -> dict[int, Transit]:
    """Return which row takes which line's place, so that each planet's are sorted."""
    places: dict[int, Transit] = {}
    for planet in {row.planet for row in rows}:
        own = [row for row in rows if row.planet == planet]
        ranked = sorted(own, key=lambda row: (row.epoch, row.bkjd))
        places.update(zip((row.line for row in own), ranked, strict=True))
    return dict(sorted(places.items()))


def _text(
    lines: Sequence[str],
    header: int,
    columns: Columns,
    ordered: Mapping[int, Transit],
    dropped: Collection[int],
) -> str:
    """Return the table as the app reads it: what it can read stays as it is."""
    out = []
    for number, line in enumerate(lines, 1):
        if number in ordered:
            row = ordered[number]
            out.append(_row_text(lines[row.line - 1], columns, row))
        elif number == header:
            out.append(line if _cells(line) == list(COLUMNS) else ",".join(COLUMNS))
        elif number not in dropped:
            out.append(line if line.startswith("#") else line.strip())
    return "\n".join(out) + "\n"


def _row_text(line: str, columns: Columns, row: Transit) -> str:
    cells = columns.cells(line) or {}
    sigma = cells.get("sigma_days", repr(row.sigma_days))
    written = [row.planet, str(row.epoch), cells["bkjd"], sigma]
    return line if columns.is_plain and _cells(line) == written else ",".join(written)


def _cells(line: str) -> list[str]:
    """Return a line's cells as the app splits it."""
    return [cell.strip() for cell in line.split(",")]


def _remarks(columns: Columns, rows: Sequence[Transit]) -> Iterator[str]:
    if columns.unused:
        many = len(columns.unused) > 1
        yield (
            f"The {'columns' if many else 'column'} {', '.join(columns.unused)} of the table "
            f"{'are' if many else 'is'} not used."
        )
    if columns.telescope is not None:
        yield (
            f"The column {columns.telescope} of the table tells several measurements of one "
            "transit apart, and is used for nothing else."
        )
    if columns.has_halves:
        worst = max(rows, key=lambda row: row.asymmetry)
        yield (
            "Each transit has one sigma, sqrt(p^2 - p m + m^2), in place of sigma_plus p and "
            f"sigma_minus m, which differ by a factor of up to {worst.asymmetry:.3g} (transit "
            f"{worst.epoch} of {worst.planet})."
        )
    yield from remark_on_repeated(rows)
