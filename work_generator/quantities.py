"""Quantities with a unit, as campaign files state them.

There is one way: a number that has a unit stands in a table beside it,
``{ value = 1.02, unit = "Msun" }``, and every quantity has one unit. Other units are refused with
the converted numbers to write instead: nothing is converted behind a scientist's back.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from work_generator.toml_source import TomlTable

# IAU 2015 nominal GM values (Prsa et al. 2016, AJ 152, 41): Sun 1.3271244e20, Earth 3.986004e14,
# Jupiter 1.2668653e17 m^3 s^-2. Only used to tell people what to write.
_SUN_PER_EARTH = 1.3271244e20 / 3.986004e14
_JUPITER_PER_EARTH = 1.2668653e17 / 3.986004e14


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of quantity.

    Attributes
    ----------
    unit : str
        The one unit it is written in.
    meaning : str
        That unit, for people.
    others : Mapping[str, tuple[float, float]]
        Units people write by mistake: factor and offset that turn their numbers into ours.
    """

    unit: str
    meaning: str
    others: Mapping[str, tuple[float, float]] = field(default_factory=dict)


STAR_MASS = Quantity(
    "Msun",
    "solar masses",
    {
        "Mearth": (1 / _SUN_PER_EARTH, 0.0),
        "Mjup": (_JUPITER_PER_EARTH / _SUN_PER_EARTH, 0.0),
        "kg": (1 / 1.98841e30, 0.0),
    },
)
PLANET_MASS = Quantity(
    "Mearth",
    "Earth masses",
    {
        "Mjup": (_JUPITER_PER_EARTH, 0.0),
        "Msun": (_SUN_PER_EARTH, 0.0),
        "kg": (1 / 5.9722e24, 0.0),
    },
)
DURATION = Quantity(
    "days",
    "days",
    {
        "hours": (1 / 24, 0.0),
        "minutes": (1 / 1440, 0.0),
        "seconds": (1 / 86400, 0.0),
        "years": (365.25, 0.0),
    },
)
TIME = Quantity(
    "BKJD",
    "days, BJD_TDB - 2454833",
    {
        "BJD": (1.0, -2454833.0),
        "BJD_TDB": (1.0, -2454833.0),
        "BTJD": (1.0, 2457000.0 - 2454833.0),
        "MJD": (1.0, 2400000.5 - 2454833.0),
    },
)
ANGLE = Quantity("deg", "degrees", {"rad": (57.29577951308232, 0.0)})
PURE = Quantity("", "a pure number")


def check_unit(table: TomlTable, quantity: Quantity, name: str, numbers: tuple[str, ...]) -> None:
    """Refuse a quantity that is not stated in its unit.

    Parameters
    ----------
    table : TomlTable
        The quantity's table.
    quantity : Quantity
        What it should be.
    name : str
        The key it stands under, for the error.
    numbers : tuple[str, ...]
        Its keys that carry the unit; ``sigma`` is a width, so offsets do not apply to it.

    Raises
    ------
    InputError
        If the unit is missing or another one; the message has the numbers to write instead.
    """
    if not quantity.unit:
        if "unit" in table:
            table.fail("unit", f"{name} is {quantity.meaning}: leave the unit out")
        return
    if "unit" not in table:
        table.fail(
            None,
            f'{name} has no unit: write unit = "{quantity.unit}" ({quantity.meaning}) beside it',
        )
    unit = table.text("unit", example=quantity.unit)
    if unit == quantity.unit:
        return
    table.fail("unit", f'{name} is in "{unit}": {_advice(table, quantity, unit, numbers)}')


def _advice(table: TomlTable, quantity: Quantity, unit: str, numbers: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(unit, list(quantity.others), n=1, cutoff=0.75)
    other = quantity.others.get(unit) or (quantity.others[near[0]] if near else None)
    if other is None or unit.lower() == quantity.unit.lower():
        return f'write unit = "{quantity.unit}" ({quantity.meaning})'
    factor, offset = other
    converted = []
    for key in numbers:
        if key in table:
            shift = 0.0 if key == "sigma" else offset
            converted.append(f"{key} = {table.number(key) * factor + shift:.10g}")
    return f"write {', '.join([*converted, f'unit = {chr(34)}{quantity.unit}{chr(34)}'])}"


def read_quantity(parent: TomlTable, key: str, quantity: Quantity, *, example: float) -> float:
    """Return a positive quantity of a campaign file, in its unit.

    Raises
    ------
    InputError
        If it is missing, not written with its unit, or not positive.
    """
    instead = f'{key} = {{ value = {example:g}, unit = "{quantity.unit}" }}'
    if key in parent and not isinstance(parent.values[key], dict):
        given = parent.number(key)
        parent.fail(
            key,
            f'{key} has no unit: write {key} = {{ value = {given:g}, unit = "{quantity.unit}" }}',
        )
    table = parent.table(key, ("value", "unit"), example=instead)
    check_unit(table, quantity, key, ("value",))
    return table.positive("value", example=f"{example:g}")
