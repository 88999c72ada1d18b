"""What computing costs, read from a TOML file; ``prices.toml`` beside this module is an example."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path

from boinc_project.toml_source import TomlSource, TomlTable, read_text

PACKAGED = "prices.toml"
_CURRENCY = re.compile(r"[A-Z]{3}")
_HEAD = ("currency", "date", "source")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a section's numbers come from.

    Attributes
    ----------
    currency : str
        Three letters, ISO 4217.
    rate : float
        What one unit of it costs in the currency of the totals; 1 if it is the same.
    date : str
        The day they were looked up, ISO 8601.
    source : str
        For people.
    """

    currency: str
    rate: float
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """Cores by the hour."""

    origin: Origin
    per_core_hour: float
    speed: float
    lost: float
    egress_per_gb: float
    admin_hours: float


@dataclass(frozen=True, slots=True)
class Rented:
    """Servers by the month."""

    origin: Origin
    per_month: float
    cores: int
    speed: float
    utilisation: float
    admin_hours: float


@dataclass(frozen=True, slots=True)
class Owned:
    """Machines of one's own; `machines` are there already."""

    origin: Origin
    purchase: float
    years: float
    watts: float
    per_kwh: float
    machines: int
    cores: int
    speed: float
    utilisation: float
    admin_hours_per_year: float


@dataclass(frozen=True, slots=True)
class Volunteers:
    """A BOINC project, and the fleet to expect where none can be looked at."""

    origin: Origin
    server_per_month: float
    egress_per_gb: float
    setup_hours: float
    admin_hours_per_month: float
    watts_per_core: float
    per_kwh: float
    hosts: int
    cores_per_host: float
    speed: float
    availability: float
    lost: float


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices.

    Attributes
    ----------
    currency : str
        Of the totals.
    admin_per_hour : float
        An hour of work, in it.
    local_hours : float
        A run on this machine that ends within this many hours is preferred to all else.
    wanted_days : float
        What takes longer is not advised.
    cloud_spot, cloud_on_demand, rented, owned, volunteers
        See their classes.
    """

    currency: str
    admin_per_hour: float
    local_hours: float
    wanted_days: float
    cloud_spot: Cloud
    cloud_on_demand: Cloud
    rented: Rented
    owned: Owned
    volunteers: Volunteers


def packaged_text() -> str:
    """Return the text of the example, comments and all."""
    return resources.files("work_generator").joinpath(PACKAGED).read_text(encoding="utf-8")


def load_prices(path: Path | None = None) -> Prices:
    """Read a price file; without `path`, the example.

    Raises
    ------
    InputError
        If anything in it is missing, unknown, mistyped or out of range; one sentence with file and
        line.
    """
    if path is None:
        source = TomlSource(Path(PACKAGED), packaged_text())
    else:
        source = TomlSource(path, read_text(path, "a price file"))
    sections = ("cloud_spot", "cloud_on_demand", "rented", "owned", "volunteers")
    root = source.root(
        ("currency", "admin_per_hour", "local_hours", "wanted_days", "rates", *sections)
    )
    currency = _currency(root)
    rates = _rates(root, currency)
    return Prices(
        currency=currency,
        admin_per_hour=_amount(root, "admin_per_hour"),
        local_hours=_amount(root, "local_hours"),
        wanted_days=_within(root, "wanted_days", 0.1, 36525.0),
        cloud_spot=_cloud(root, "cloud_spot", rates),
        cloud_on_demand=_cloud(root, "cloud_on_demand", rates),
        rented=_rented(root, rates),
        owned=_owned(root, rates),
        volunteers=_volunteers(root, rates),
    )


def _cloud(root: TomlTable, name: str, rates: dict[str, float]) -> Cloud:
    table, origin = _section(root, name, Cloud, rates)
    return Cloud(
        origin,
        per_core_hour=_amount(table, "per_core_hour"),
        speed=_speed(table),
        lost=_part(table, "lost", high=0.9),
        egress_per_gb=_amount(table, "egress_per_gb"),
        admin_hours=_amount(table, "admin_hours"),
    )


def _rented(root: TomlTable, rates: dict[str, float]) -> Rented:
    table, origin = _section(root, "rented", Rented, rates)
    return Rented(
        origin,
        per_month=_amount(table, "per_month"),
        cores=table.integer("cores", low=1, high=100_000),
        speed=_speed(table),
        utilisation=_part(table, "utilisation", low=0.01),
        admin_hours=_amount(table, "admin_hours"),
    )


def _owned(root: TomlTable, rates: dict[str, float]) -> Owned:
    table, origin = _section(root, "owned", Owned, rates)
    return Owned(
        origin,
        purchase=_amount(table, "purchase"),
        years=_within(table, "years", 0.1, 50.0),
        watts=_within(table, "watts", 0.1, 1e6),
        per_kwh=_amount(table, "per_kwh"),
        machines=table.integer("machines", low=0, high=100_000),
        cores=table.integer("cores", low=1, high=100_000),
        speed=_speed(table),
        utilisation=_part(table, "utilisation", low=0.01),
        admin_hours_per_year=_amount(table, "admin_hours_per_year"),
    )


def _volunteers(root: TomlTable, rates: dict[str, float]) -> Volunteers:
    table, origin = _section(root, "volunteers", Volunteers, rates)
    return Volunteers(
        origin,
        server_per_month=_amount(table, "server_per_month"),
        egress_per_gb=_amount(table, "egress_per_gb"),
        setup_hours=_amount(table, "setup_hours"),
        admin_hours_per_month=_amount(table, "admin_hours_per_month"),
        watts_per_core=_within(table, "watts_per_core", 0.1, 1000.0),
        per_kwh=_amount(table, "per_kwh"),
        hosts=table.integer("hosts", low=1, high=100_000_000),
        cores_per_host=_within(table, "cores_per_host", 0.1, 10_000.0),
        speed=_speed(table),
        availability=_part(table, "availability", low=0.01),
        lost=_part(table, "lost", high=0.9),
    )


def _section(
    root: TomlTable, name: str, kind: type, rates: dict[str, float]
) -> tuple[TomlTable, Origin]:
    keys = [key for key in kind.__slots__ if key != "origin"]  # type: ignore[attr-defined]
    table = root.table(name, (*_HEAD, *keys), example=f"[{name}], as the packaged example has it")
    currency = _currency(table)
    if currency not in rates:
        table.fail(
            "currency",
            f'currency = "{currency}" has no rate: write what one costs, {currency} = 1.0 or so, '
            "below [rates]",
        )
    day = table.text("date", example="2026-11-25")
    try:
        date.fromisoformat(day)
    except ValueError:
        table.fail("date", f'date = "{day}" is not a day: write for example "2026-11-25"')
    origin = Origin(currency, rates[currency], day, table.text("source", example="a price list"))
    return table, origin


def _rates(root: TomlTable, currency: str) -> dict[str, float]:
    keys = root.values.get("rates", {})
    table = root.optional_table("rates", keys if isinstance(keys, dict) else ())
    for key in table.values:
        if not _CURRENCY.fullmatch(key):
            table.fail(key, f'{key} is not a currency: write three capital letters such as "USD"')
    return {key: _within(table, key, 1e-6, 1e6) for key in table.values} | {currency: 1.0}


def _currency(table: TomlTable) -> str:
    value = table.text("currency", example="EUR")
    if not _CURRENCY.fullmatch(value):
        table.fail("currency", f'currency = "{value}" must be three capital letters such as "EUR"')
    return value


def _amount(table: TomlTable, key: str) -> float:
    """Return a price, or an amount of work: free is possible, a gift on top is not."""
    value = table.number(key)
    if not 0 <= value <= 1e12:
        table.fail(key, f"{key} = {value:g} is out of range: write 0 to 1e12")
    return value


def _speed(table: TomlTable) -> float:
    return _within(table, "speed", 0.01, 100.0)


def _part(table: TomlTable, key: str, *, low: float = 0.0, high: float = 1.0) -> float:
    return _within(table, key, low, high)


def _within(table: TomlTable, key: str, low: float, high: float) -> float:
    value = table.number(key)
    if not (math.isfinite(value) and low <= value <= high):
        table.fail(key, f"{key} = {value:g} is out of range: write {low:g} to {high:g}")
    return value
