"""The report of a product: all that people are shown of it, in the application's own words.

An application fills a report, and pages, API and command line show it without knowing the science.
So nobody but the application judges, and no page can contradict a product. Its plain form is the
key ``report`` of ``summary.json``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Cell = str | float | int | None
"""An entry of a table; None where there is no value."""

REPORT = "report"
"""Key of a summary."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition that a product is judged by.

    Attributes
    ----------
    name : str
        For people.
    met : bool
        The application's word. A value that cannot be had is a criterion not met.
    value, wanted : float or None
        The number and its limit; None if there is none.
    relation : str
        ``at most`` or ``at least``; empty without a limit.
    sentence : str
        The reason, or what would help.
    """

    name: str
    met: bool
    value: float | None = None
    wanted: float | None = None
    relation: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One number or word about a product.

    Attributes
    ----------
    label : str
        For people.
    value : Cell
        Of it.
    unit : str
        Of the value; empty if it has none.
    error : float or None
        Standard error, in the same unit.
    """

    label: str
    value: Cell
    unit: str = ""
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes
    ----------
    caption : str
        One line about it.
    columns : tuple of str
        Headings, with units.
    rows : tuple of tuple of Cell
        As many entries each as there are columns.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture among a product's files, and the line below it."""

    file: str
    caption: str


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a product.

    Attributes
    ----------
    outcome : str
        Sentences: whether it is what the campaign wanted, and what is missing.
    size : str
        How much is in it, e.g. ``1,000 targets``.
    criteria, facts, tables, pictures : tuple
        In the order in which they are shown.
    remarks : tuple of str
        Sentences about what is odd.
    """

    outcome: str
    size: str
    criteria: tuple[Criterion, ...] = ()
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        """Whether all criteria are met."""
        return all(criterion.met for criterion in self.criteria)

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain JSON values; numbers that are not finite become None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def read_report(summary: Mapping[str, Any]) -> Report | None:
    """Return the report of a parsed ``summary.json``; None if it has none.

    Fields that are missing or of another type are left out, and a criterion that does not say that
    it is met is not met: a summary that was edited by hand gives a poorer page, not an error.
    """
    plain = summary.get(REPORT)
    if not isinstance(plain, Mapping):
        return None
    return Report(
        outcome=_text(plain, "outcome"),
        size=_text(plain, "size"),
        criteria=tuple(
            Criterion(
                name=_text(entry, "name"),
                met=entry.get("met") is True,
                value=_number(entry.get("value")),
                wanted=_number(entry.get("wanted")),
                relation=_text(entry, "relation"),
                sentence=_text(entry, "sentence"),
            )
            for entry in _entries(plain, "criteria")
        ),
        facts=tuple(
            Fact(
                label=_text(entry, "label"),
                value=_cell(entry.get("value")),
                unit=_text(entry, "unit"),
                error=_number(entry.get("error")),
            )
            for entry in _entries(plain, "facts")
        ),
        tables=tuple(_table(entry) for entry in _entries(plain, "tables")),
        pictures=tuple(
            Picture(_text(entry, "file"), _text(entry, "caption"))
            for entry in _entries(plain, "pictures")
        ),
        remarks=tuple(
            line for line in _sequence(plain.get("remarks")) if isinstance(line, str) and line
        ),
    )


def _table(entry: Mapping[str, Any]) -> Table:
    columns = tuple(str(name) for name in _sequence(entry.get("columns")))
    rows = (tuple(_cell(cell) for cell in _sequence(row)) for row in _sequence(entry.get("rows")))
    return Table(
        caption=_text(entry, "caption"),
        columns=columns,
        rows=tuple(row for row in rows if len(row) == len(columns)),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _cell(value: object) -> Cell:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return value if isinstance(value, str | int) or math.isfinite(value) else None


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _entries(plain: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [entry for entry in _sequence(plain.get(key)) if isinstance(entry, Mapping)]
