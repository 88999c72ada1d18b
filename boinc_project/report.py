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

REPORT = "report"
"""Key of a summary."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its errors.

    Attributes
    ----------
    value : float or None
        The value; None if it is not known.
    plus, minus : float or None
        Distances to the ends of its interval, both positive; None or 0 if they are not known.
    source : str
        Where it is from, if it is not the product's own.
    """

    value: float | None
    plus: float | None = None
    minus: float | None = None
    source: str = ""


Cell = str | float | int | Measured | tuple[Measured, ...] | None
"""An entry of a table; None where there is no value."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word that an application judges its product by.

    Attributes
    ----------
    name : str
        Such that "not" can stand before it: ``sampled``.
    holds : bool
        The application's word on it.
    meaning : str
        One sentence for people, of what holds or does not.
    """

    name: str
    holds: bool
    meaning: str = ""


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
    group : str
        The name of the word that it belongs to, if the report has words.
    counts : bool
        Whether the product needs it; one that does not count only tells something.
    """

    name: str
    met: bool
    value: float | None = None
    wanted: float | None = None
    relation: str = ""
    sentence: str = ""
    group: str = ""
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Fact:
    """One number or word about a product.

    Attributes
    ----------
    label : str
        For people.
    value : str, float, int or None
        Of it.
    unit : str
        Of the value; empty if it has none.
    error : float or None
        Standard error, in the same unit.
    """

    label: str
    value: str | float | int | None
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
    headlines : tuple of int
        Places of the rows that a short display shows, in its order; empty: all.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    headlines: tuple[int, ...] = ()

    def is_number(self, column: int) -> bool:
        """Tell whether a column has numbers, which are written below each other by their ends."""
        entries = [row[column] for row in self.rows if row[column] not in (None, ())]
        return bool(entries) and not any(isinstance(entry, str) for entry in entries)


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
    words : tuple of Word
        The words that the criteria are grouped by; empty if all of them are of one kind.
    """

    outcome: str
    size: str
    criteria: tuple[Criterion, ...] = ()
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    remarks: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()

    @property
    def met(self) -> bool:
        """Whether all words hold, and all criteria that count are met."""
        criteria = all(criterion.met or not criterion.counts for criterion in self.criteria)
        return criteria and all(word.holds for word in self.words)

    @property
    def unmet(self) -> tuple[Criterion, ...]:
        """The criteria that are not met, those of one word beside each other."""
        return tuple(entry for entry in self._grouped() if not entry.met)

    @property
    def fulfilled(self) -> tuple[Criterion, ...]:
        """The criteria that are met, those of one word beside each other."""
        return tuple(entry for entry in self._grouped() if entry.met)

    def _grouped(self) -> list[Criterion]:
        order = {word.name: place for place, word in enumerate(self.words)}
        # Sorting is stable, so criteria of one word stay in the application's order.
        return sorted(self.criteria, key=lambda entry: order.get(entry.group, len(order)))

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
                group=_text(entry, "group"),
                counts=entry.get("counts") is not False,
            )
            for entry in _entries(plain, "criteria")
        ),
        facts=tuple(
            Fact(
                label=_text(entry, "label"),
                value=_plain_cell(entry.get("value")),
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
        remarks=_lines(plain.get("remarks")),
        words=tuple(
            Word(_text(entry, "name"), entry.get("holds") is True, _text(entry, "meaning"))
            for entry in _entries(plain, "words")
        ),
    )


def one_line(value: str) -> str:
    """Return a text in one line; without control characters, because it may go to a terminal."""
    return "".join(character for character in " ".join(value.split()) if character.isprintable())


def _table(entry: Mapping[str, Any]) -> Table:
    columns = tuple(one_line(str(name)) for name in _sequence(entry.get("columns")))
    cells = [tuple(_cell(cell) for cell in _sequence(row)) for row in _sequence(entry.get("rows"))]
    rows = tuple(row for row in cells if len(row) == len(columns))
    is_whole = len(rows) == len(cells)  # else places are not those of the rows that are left
    places = (place for place in _sequence(entry.get("headlines")) if type(place) is int)
    return Table(
        caption=_text(entry, "caption"),
        columns=columns,
        rows=rows,
        headlines=tuple(place for place in places if is_whole and 0 <= place < len(rows)),
    )


def _lines(value: object) -> tuple[str, ...]:
    lines = (one_line(line) for line in _sequence(value) if isinstance(line, str))
    return tuple(line for line in lines if line)


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
    return one_line(value) if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON knows integers that no double holds
        return None
    return number if math.isfinite(number) else None


def _cell(value: object) -> Cell:
    if isinstance(value, Mapping):
        return _measured(value)
    if isinstance(value, list | tuple):
        return tuple(_measured(each) for each in value if isinstance(each, Mapping)) or None
    return _plain_cell(value)


def _measured(value: Mapping[str, Any]) -> Measured:
    return Measured(
        _number(value.get("value")),
        _number(value.get("plus")),
        _number(value.get("minus")),
        _text(value, "source"),
    )


def _plain_cell(value: object) -> str | float | int | None:
    if isinstance(value, str):
        return one_line(value)
    # A whole number stays one, because it is a count and is written as such.
    return value if isinstance(value, int) and _number(value) is not None else _number(value)


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _entries(plain: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [entry for entry in _sequence(plain.get(key)) if isinstance(entry, Mapping)]
