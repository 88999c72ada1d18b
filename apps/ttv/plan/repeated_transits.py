"""Transits that a table has more than once, and rows whose times contradict their numbers.

Two telescopes may measure the same transit, and both times count. A row that was copied twice is
the commonest mistake of tables, and would count twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NoReturn

from apps.ttv.plan.table_rows import Transit
from boinc_project.errors import InputError

# Part of a planet's period by which two times of one transit may differ: more is another transit.
_APART = 0.25
# Standard errors by which they may differ without a remark: one in a million pairs does.
_DOUBTFUL = 5.0


def check_order(path: Path, rows: Sequence[Transit]) -> None:
    """Check that each planet's times rise with its transit numbers, and that no row comes twice.

    Parameters
    ----------
    path : Path
        The table, for the error.
    rows : Sequence[Transit]
        In the order of the file.

    Raises
    ------
    InputError
        Naming the planet, the transits and the lines.
    """
    for planet in dict.fromkeys(row.planet for row in rows):
        own = [row for row in rows if row.planet == planet]
        own.sort(key=lambda row: (row.epoch, row.line))
        _check_copies(path, own)
        own.sort(key=lambda row: (row.epoch, row.bkjd))
        _check_rise(path, own)


def remark_on_repeated(rows: Sequence[Transit]) -> Iterator[str]:
    """Say which transits were measured several times, and which measurements do not agree."""
    for planet in dict.fromkeys(row.planet for row in rows):
        repeated = _repeated([row for row in rows if row.planet == planet])
        if not repeated:
            continue
        numbers = ", ".join(str(group[0].epoch) for group in repeated[:10])
        more = ", ..." if len(repeated) > 10 else ""
        yield f"All times of transits of {planet} that were measured several times are used: " + (
            f"{numbers}{more}."
        )
        for group in repeated:
            first, last = group[0], group[-1]
            error = math.hypot(first.sigma_days, last.sigma_days)
            if last.bkjd - first.bkjd > _DOUBTFUL * error:
                yield (
                    f"Two times of transit {first.epoch} of {planet} (lines {first.line} and "
                    f"{last.line}) differ by {(last.bkjd - first.bkjd) / error:.1f} standard "
                    "errors."
                )


def _repeated(own: Sequence[Transit]) -> list[list[Transit]]:
    """Return the rows of every transit that has several, by time."""
    groups: dict[int, list[Transit]] = {}
    for row in own:
        groups.setdefault(row.epoch, []).append(row)
    return [sorted(group, key=lambda r: r.bkjd) for group in groups.values() if len(group) > 1]


def _check_copies(path: Path, own: Sequence[Transit]) -> None:
    for place, row in enumerate(own):
        for before in own[:place][::-1]:
            if before.epoch != row.epoch:
                break
            if row.telescope != before.telescope:
                continue
            if row.telescope or row.bkjd == before.bkjd:
                by = f" by {row.telescope}" if row.telescope else ""
                instead = (
                    "leave one of the two rows out"
                    if row.telescope
                    else "leave one of the two rows out, or name both telescopes in a column "
                    "telescope"
                )
                _fail(
                    path,
                    row,
                    f"planet {row.planet} has epoch {row.epoch} twice{by} (first in line "
                    f"{before.line}): {instead}",
                )


def _check_rise(path: Path, own: Sequence[Transit]) -> None:
    pairs = list(pairwise(own))
    periods = [
        (row.bkjd - before.bkjd) / (row.epoch - before.epoch)
        for before, row in pairs
        if row.epoch > before.epoch
    ]
    period = median(periods) if periods else math.inf
    for before, row in pairs:
        lines = f"(lines {before.line} and {row.line})"
        if row.epoch > before.epoch and row.bkjd <= before.bkjd:
            _fail(
                path,
                row,
                f"transit {row.epoch} of planet {row.planet} is not later than transit "
                f"{before.epoch} in line {before.line}: one of the two times is wrong",
            )
        if row.epoch == before.epoch and row.bkjd - before.bkjd > _APART * max(period, 0.0):
            _fail(
                path,
                row,
                f"two times of transit {row.epoch} of planet {row.planet} {lines} are "
                f"{row.bkjd - before.bkjd:.3f} days apart: give one of them another number, or "
                "leave it out",
            )


def _fail(path: Path, row: Transit, message: str) -> NoReturn:
    raise InputError(f"{path}:{row.line}: {message}.", path=path, line=row.line)
