"""The columns of a transit-time table, as people and programs write them.

The app reads one form: ``planet,epoch,bkjd,sigma_days``. Here a table may have its columns in any
order, with commas, semicolons, tabs or spaces between them, and with others beside them. What a
column *means* is never guessed: times are BKJD and errors are days, or the table is refused with
what to change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from apps.ttv.compute.table import COLUMNS

HALVES = ("sigma_plus", "sigma_minus")
"""The columns that may stand in place of ``sigma_days``: upper and lower standard error, days."""
TELESCOPES = ("telescope", "instrument", "observatory", "facility")
"""Names of a column that tells measurements of one transit apart."""

_SEPARATORS = ("\t", ";", ",")
_ALIASES = {
    "sigma_plus_days": "sigma_plus",
    "sigma_minus_days": "sigma_minus",
    "sigma_upper": "sigma_plus",
    "sigma_lower": "sigma_minus",
}
# Names that other tables have for our columns, and what is to be done besides calling them ours.
_FOREIGN = (
    (re.compile(r"^(pl|planet_?name|name|body|koi|toi|candidate)$"), "planet", ""),
    (re.compile(r"^(n|number|transit|transit_?number|tn|cycle|e)$"), "epoch", ""),
    (re.compile(r"^btjd"), "bkjd", "add 2167 to its times"),
    (re.compile(r"^mjd"), "bkjd", "subtract 54832.5 from its times, if they are TDB"),
    (re.compile(r"^(bjd|jd|hjd)"), "bkjd", "subtract 2454833 from its times, if they are TDB"),
    (
        re.compile(r"(time|^t0?$|^tc|^tmid|^t_|^ttv)"),
        "bkjd",
        "make its times BJD_TDB - 2454833",
    ),
    (re.compile(r"(sig|err|unc|^e).*_s(ec(onds?)?)?$"), "sigma_days", "divide it by 86400"),
    (re.compile(r"(sig|err|unc|^e).*_m(in(utes?)?)?$"), "sigma_days", "divide it by 1440"),
    (re.compile(r"(sig|err|unc|^e).*_h(r|ours?)?$"), "sigma_days", "divide it by 24"),
    (re.compile(r"(sig|err|unc|^e_)"), "sigma_days", "make it standard errors in days"),
)


class UnknownColumns(ValueError):
    """The first row does not name the columns of a table; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The first row of a table.

    Attributes
    ----------
    separator : str or None
        What stands between cells; None: any number of spaces.
    names : tuple[str, ...]
        Names in lower case, with ours for those that mean the same.
    """

    separator: str | None
    names: tuple[str, ...]

    @classmethod
    def read(cls, line: str) -> Columns:
        """Read the first row.

        Raises
        ------
        UnknownColumns
            If a column is missing or comes twice.
        """
        separator = next((sign for sign in _SEPARATORS if sign in line), None)
        cells = [cell.lower() for cell in split(line, separator)]
        while cells and not cells[-1]:
            cells.pop()  # a program that ends every line with a comma
        names = tuple(_ALIASES.get(cell, cell) for cell in cells)
        _check(names, line)
        return cls(separator, names)

    @property
    def is_plain(self) -> bool:
        """Whether the app reads rows of these columns as they are."""
        return self.separator == "," and self.names == COLUMNS

    @property
    def has_halves(self) -> bool:
        """Whether errors are upper and lower ones."""
        return COLUMNS[3] not in self.names

    @property
    def telescope(self) -> str | None:
        """The column that names telescopes, if there is one."""
        return next((name for name in TELESCOPES if name in self.names), None)

    @property
    def unused(self) -> tuple[str, ...]:
        """Columns that nothing is read from."""
        read = {*COLUMNS, *(HALVES if self.has_halves else ()), self.telescope}
        return tuple(name for name in self.names if name not in read)

    def cells(self, line: str) -> dict[str, str] | None:
        """Return a row's cells by column; None if it has more or fewer than the first row."""
        cells = split(line, self.separator)
        while len(cells) > len(self.names) and not cells[-1]:
            cells.pop()
        return dict(zip(self.names, cells, strict=True)) if len(cells) == len(self.names) else None


def split(line: str, separator: str | None) -> list[str]:
    """Return a line's cells without the spaces and the quotes around them."""
    return [_unquoted(cell.strip()) for cell in line.split(separator)]


def _unquoted(cell: str) -> str:
    return (
        cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "\"'" else cell
    )


def _check(names: Sequence[str], line: str) -> None:
    wanted = ",".join(COLUMNS)
    for name in names:
        if names.count(name) == 2 and re.match(r"e_", name) and "sigma_days" not in names:
            raise UnknownColumns(
                f"the columns {name.replace('e_', 'E_', 1)} and {name} are upper and lower "
                "errors: call them sigma_plus and sigma_minus"
            )
        if names.count(name) > 1:
            raise UnknownColumns(f"there are two columns {name!r}: leave one out")
    halves = [name for name in HALVES if name in names]
    if COLUMNS[3] not in names and len(halves) == 1:
        raise UnknownColumns(
            f"there is a column {halves[0]}, but no {_other(halves[0])}: write both, or sigma_days"
        )
    missing = [name for name in COLUMNS if name not in names]
    if missing == [COLUMNS[3]] and len(halves) == 2:
        return
    if missing:
        told = f"the first row must be {wanted}, not {line.strip()[:80]}"
        raise UnknownColumns(told + _advice(names, missing))


def _other(half: str) -> str:
    return HALVES[1 - HALVES.index(half)]


def _advice(names: Sequence[str], missing: Sequence[str]) -> str:
    """Say which columns are to be called what, and what to do with their numbers."""
    if any(re.fullmatch(r"[-+]?\d+(\.\d*)?", name) for name in names):
        return ": write it above the rows"
    steps = []
    for name in names:
        for pattern, ours, what in _FOREIGN:
            if ours in missing and name not in COLUMNS and pattern.search(name):
                steps.append(f"call {name} {ours}" + (f" and {what}" if what else ""))
                break
    return f": {'; '.join(steps)}" if steps else ""
