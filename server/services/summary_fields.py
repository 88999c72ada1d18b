"""Fields of a product's summary.json, whatever stands there: nothing in them is an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def sentences(found: Any) -> tuple[str, ...]:
    """Return a list of texts; empty if it is none."""
    return tuple(str(line) for line in found) if isinstance(found, list) else ()


def entries(item: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the objects of a list; empty if it is none."""
    found = item.get(key)
    if not isinstance(found, list):
        return []
    return [one for one in found if isinstance(one, Mapping)]


def mapping(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object; empty if it is none."""
    found = item.get(key)
    return found if isinstance(found, Mapping) else {}


def number(value: Any) -> float:
    """Return a number; NaN if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # JSON knows integers that no double holds
        return math.nan


def optional(value: Any) -> float | None:
    """Return a finite number, or None."""
    found = number(value)
    return found if math.isfinite(found) else None


def whole(value: Any) -> int:
    """Return a whole number; 0 if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
