"""Typed values from plain JSON: the right type, or a sentence that names the key.

Every function raises `boinc_project.errors.UnitError` if the value is missing or not what its name
says; `where` is the table's place in the unit, for that sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import UnitError


def table_of(raw: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    """Return a table."""
    value = raw.get(key)
    if not isinstance(value, Mapping):
        raise UnitError(f"{where}.{key} is missing or not a table.", key=key)
    return value


def list_of(raw: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    """Return a list."""
    value = raw.get(key)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise UnitError(f"{where}.{key} is missing or not a list.", key=key)
    return value


def only_keys(raw: Mapping[str, Any], allowed: set[str], where: str) -> None:
    """Refuse keys that are not known."""
    for key in raw:
        if key not in allowed:
            raise UnitError(f"{where} has an unknown key {key!r}.", key=key)


def number_of(raw: Mapping[str, Any], key: str, where: str) -> float:
    """Return a finite number."""
    value = raw.get(key)
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise UnitError(f"{where}.{key} is missing or not a finite number.", key=key)
    return float(value)  # type: ignore[arg-type]


def positive_of(raw: Mapping[str, Any], key: str, where: str) -> float:
    """Return a positive number."""
    value = number_of(raw, key, where)
    if value <= 0.0:
        raise UnitError(f"{where}.{key} is not positive.", key=key)
    return value


def integer_of(raw: Mapping[str, Any], key: str, where: str, low: int, high: int) -> int:
    """Return a whole number in a range."""
    value = raw.get(key)
    if type(value) is not int or not low <= value <= high:
        raise UnitError(f"{where}.{key} is not a whole number from {low} to {high}.", key=key)
    return value


def array_of(
    raw: Mapping[str, Any], key: str, where: str, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return an array of finite numbers of a known shape."""
    try:
        array = np.array(list_of(raw, key, where))
    except ValueError as error:
        raise UnitError(f"{where}.{key} is not an array of numbers.", key=key) from error
    if array.shape != shape or array.dtype.kind not in "if":
        wanted = " x ".join(map(str, shape))
        raise UnitError(f"{where}.{key} is not an array of {wanted} numbers.", key=key)
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise UnitError(f"{where}.{key} has a number that is not finite.", key=key)
    return array
