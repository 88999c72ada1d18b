"""Quantities with a unit, as campaign files state them.

There is one way: a number that has a unit stands in a table beside it,
``{ value = 1.02, unit = "Msun" }``, and every quantity has one unit. Other units are refused with
the converted numbers to write instead: nothing is converted behind a scientist's back.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from boinc_project.toml_source import TomlTable

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
    names : Mapping[str, str]
        Other names of the unit and of the others, as `_folded` makes them.
    """

    unit: str
    meaning: str
    others: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def known(self, unit: str) -> str | None:
        """Return a unit's name here, whatever it is called; None if it is no name of any."""
        own = {_folded(name): name for name in (self.unit, *self.others)}
        return {**self.names, **own}.get(_folded(unit))


def _folded(name: str) -> str:
    """Return a unit's name without what people write differently."""
    return name.lower().translate({ord(sign): None for sign in " _.-⊕⊙"})


def _called(**names: str) -> dict[str, str]:
    """Return the unit of each of the names that stand behind it."""
    return {name: unit for unit, called in names.items() for name in called.split()}


_MASSES = _called(
    Mearth="me earth earths earthmass earthmasses mearths mterra",
    Mjup="mj mjupiter jupiter jupiters jup jupitermass jupitermasses",
    Msun="ms msol sun suns solar solarmass solarmasses",
)


STAR_MASS = Quantity(
    "Msun",
    "solar masses",
    {
        "Mearth": (1 / _SUN_PER_EARTH, 0.0),
        "Mjup": (_JUPITER_PER_EARTH / _SUN_PER_EARTH, 0.0),
        "kg": (1 / 1.98841e30, 0.0),
        "g": (1 / 1.98841e33, 0.0),
    },
    _MASSES,
)
PLANET_MASS = Quantity(
    "Mearth",
    "Earth masses",
    {
        "Mjup": (_JUPITER_PER_EARTH, 0.0),
        "Msun": (_SUN_PER_EARTH, 0.0),
        "kg": (1 / 5.9722e24, 0.0),
        "g": (1 / 5.9722e27, 0.0),
    },
    _MASSES,
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
    _called(
        days="d day",
        hours="h hr hrs hour",
        minutes="m min mins minute",
        seconds="s sec secs second",
        years="a y yr yrs year",
    ),
)
TIME = Quantity(
    "BKJD",
    "days, BJD_TDB - 2454833",
    {
        "BJD": (1.0, -2454833.0),
        "BJD_TDB": (1.0, -2454833.0),
        "JD": (1.0, -2454833.0),
        "BTJD": (1.0, 2457000.0 - 2454833.0),
        "MJD": (1.0, 2400000.5 - 2454833.0),
        "RJD": (1.0, 2400000.0 - 2454833.0),
        "BJD-2450000": (1.0, 2450000.0 - 2454833.0),
        "BJD-2454900": (1.0, 2454900.0 - 2454833.0),
    },
    {
        "kbjd": "BKJD",
        "bjd2454833": "BKJD",
        "bjdtdb2454833": "BKJD",
        "tbjd": "BTJD",
        "bjd2457000": "BTJD",
        "bmjd": "MJD",
        "bjd2400000": "RJD",
        "jd2450000": "BJD-2450000",
        "bjdtdb2450000": "BJD-2450000",
    },
)
ANGLE = Quantity(
    "deg",
    "degrees",
    {"rad": (57.29577951308232, 0.0)},
    _called(deg="degree degrees °", rad="radian radians"),
)
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
    name = quantity.known(unit)
    if name == quantity.unit:
        return f'write unit = "{quantity.unit}" ({quantity.meaning})'
    # Mistyped names are near to one name only if they are long.
    near = difflib.get_close_matches(unit, [quantity.unit, *quantity.others], n=1, cutoff=0.8)
    if name is None and near and len(unit) > 4:
        name = near[0]
    other = None if name is None else quantity.others.get(name)
    if other is None:
        numbers_too = "" if name == quantity.unit else ", and the numbers in it"
        return f'write unit = "{quantity.unit}" ({quantity.meaning}){numbers_too}'
    factor, offset = other
    converted = []
    for key in numbers:
        if key in table:
            shift = 0.0 if key == "sigma" else offset
            converted.append(f"{key} = {table.number(key) * factor + shift:.10g}")
    return f"write {', '.join([*converted, f'unit = {chr(34)}{quantity.unit}{chr(34)}'])}"


def read_quantity(parent: TomlTable, key: str, quantity: Quantity, *, example: float) -> float:
    """Return a quantity of a campaign file, in its unit; a time may be negative, nothing else.

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
    if quantity is TIME:
        return table.number("value", example=f"{example:g}")
    return table.positive("value", example=f"{example:g}")
