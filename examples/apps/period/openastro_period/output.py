"""The output of a unit: JSON, with what was found of each target."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boinc_project.errors import OutputError, UnitError
from boinc_project.unit import Unit, canonical_json

OUTPUT_FILE = "periods.json"
MAX_BYTES = 2**28
"""Of a unit of 200 targets with 100,000 resampled light curves each."""
ENTRIES = {"unit", "app_version", "platform", "targets"}
OF_TARGET = {"name", "peaks", "outline", "window", "bootstrap", "transits"}


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one target.

    Attributes
    ----------
    name : str
        The target.
    peaks, window : tuple of (int, float)
        Places on the grid and powers of the highest peaks, the highest first: of the light curve,
        and of its window function.
    outline : tuple of float
        Highest powers of even parts of the grid.
    bootstrap : tuple of float
        Highest power of each resampled light curve.
    transits : tuple of float, optional
        See `openastro_period.compute.transits.best_of_block`.
    """

    name: str
    peaks: tuple[tuple[int, float], ...]
    window: tuple[tuple[int, float], ...]
    outline: tuple[float, ...]
    bootstrap: tuple[float, ...]
    transits: tuple[float, ...] | None

    @property
    def exceeding(self) -> int:
        """Resampled light curves with as high a power as the best peak."""
        return sum(power >= self.peaks[0][1] for power in self.bootstrap)


def output_bytes(
    unit: Unit, version: int, platform: str, targets: Sequence[Mapping[str, Any]]
) -> bytes:
    """Return the output of a unit."""
    return canonical_json(
        {
            "unit": unit.digest,
            "app_version": version,
            "platform": platform,
            "targets": list(targets),
        }
    )


def read_output(unit: Unit, path: Path) -> list[Result]:
    """Return the results of a unit's targets.

    Raises
    ------
    OutputError
        If the file has not, byte for byte, the form that the app writes of this unit.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        value = json.loads(data) if len(data) <= MAX_BYTES else None
        canonical = canonical_json(value)
    except (OSError, ValueError, RecursionError, UnitError):
        raise OutputError("The output is no JSON that the app writes.") from None
    if not isinstance(value, dict) or set(value) != ENTRIES or canonical != data:
        raise OutputError("The output has not the form that the app writes.")
    if value["unit"] != unit.digest:
        raise OutputError("The output belongs to another unit.")
    if type(value["app_version"]) is not int or type(value["platform"]) is not str:
        raise OutputError("The output does not say what it was computed with.")
    names = unit.settings["targets"]
    if not isinstance(value["targets"], list) or len(value["targets"]) != len(names):
        raise OutputError("The output has not as many targets as the unit.")
    return [_result(unit, name, entry) for name, entry in zip(names, value["targets"], strict=True)]


def _result(unit: Unit, name: str, entry: Any) -> Result:
    if not isinstance(entry, dict) or set(entry) != OF_TARGET or entry["name"] != name:
        raise OutputError("A target of the output has not the entries that the app writes.")
    transits = entry["transits"]
    if (transits is None) != (unit.settings["transits"] is None):
        raise OutputError(f"{name} has transits, or has none, against the unit.")
    if transits is not None and (len(_numbers(transits)) != 6):
        raise OutputError(f"{name} has transits of another form.")
    bootstrap, outline = _powers(entry["bootstrap"]), _powers(entry["outline"])
    if len(bootstrap) != unit.settings["bootstrap"]:
        raise OutputError(f"{name} has not as many resampled light curves as the unit asks for.")
    n = unit.settings["grid"]["n"]
    peaks, window = _places(entry["peaks"], n), _places(entry["window"], n)
    if not peaks or not outline or max(outline) != peaks[0][1]:
        raise OutputError(f"The spectrum of {name} has another peak than the best one.")
    return Result(name, peaks, window, outline, bootstrap, transits and tuple(map(float, transits)))


def _places(value: Any, n: int) -> tuple[tuple[int, float], ...]:
    if not isinstance(value, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in value
    ):
        raise OutputError("Peaks of the output have another form.")
    if not all(type(place) is int and 0 <= place < n for place, _ in value):
        raise OutputError("A peak of the output is not on the grid.")
    powers = _powers([power for _, power in value])
    if list(powers) != sorted(powers, reverse=True):
        raise OutputError("Peaks of the output are not sorted.")
    return tuple((place, power) for (place, _), power in zip(value, powers, strict=True))


def _powers(value: Any) -> tuple[float, ...]:
    powers = _numbers(value)
    if not all(0.0 <= power <= 1.0 for power in powers):
        raise OutputError("A power of the output is not between 0 and 1.")
    return powers


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(type(entry) in (int, float) for entry in value):
        raise OutputError("The output has something else in place of numbers.")
    try:
        numbers = tuple(float(entry) for entry in value)
    except OverflowError:
        raise OutputError("The output has a number that is too large.") from None
    if not all(math.isfinite(number) for number in numbers):
        raise OutputError("The output has numbers that are not finite.")
    return numbers
