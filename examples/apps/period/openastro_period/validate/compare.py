"""Whether two outputs of one unit say the same.

Transforms are the same bytes on one kind of processor only, so powers may differ by a tolerance.
Best frequencies may not, unless the two peaks tie: then each output has to know both of them, as
high as each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boinc_project.errors import OutputError
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from openastro_period.output import Result, read_output

TOLERANCE = 1e-7
"""Of powers. Transforms have errors of 1e-12, which grow by `LEAST_EIGENVALUE` to 1e-8 at most."""
TOLERANCE_OF_BOXES = 1e-6
"""Relative, of likelihoods, depths and times of transits, which are not transformed."""


def compare(unit: Unit, path_a: Path, path_b: Path) -> Verdict:
    """Tell whether two outputs say the same."""
    try:
        pairs = list(zip(read_output(unit, path_a), read_output(unit, path_b), strict=True))
    except OutputError as error:
        return inconclusive(f"One of the two cannot be read: {error.message}")
    for first, second in pairs:
        fault = difference(first, second)
        if fault:
            return invalid(fault)
    return valid(f"The results of {len(pairs)} targets agree.")


def difference(first: Result, second: Result) -> str:
    """Return in what two results of a target differ, as a sentence; empty if in nothing."""
    if not same_best(first, second):
        return f"{first.name} has another best frequency."
    for what, a, b in (
        ("peaks", _powers(first.peaks), _powers(second.peaks)),
        ("spectra", first.outline, second.outline),
        ("window functions", _powers(first.window), _powers(second.window)),
        ("resampled light curves", first.bootstrap, second.bootstrap),
    ):
        if not _agree(a, b, TOLERANCE):
            return f"The {what} of {first.name} differ by more than {TOLERANCE}."
    if (first.transits is None) != (second.transits is None):
        return f"Only one output has transits of {first.name}."
    if first.transits and second.transits:
        pairs = zip(first.transits, second.transits, strict=True)
        if not all(abs(a - b) <= TOLERANCE_OF_BOXES * (1.0 + abs(a)) for a, b in pairs):
            return f"The transits of {first.name} differ."
    return ""


def same_best(first: Result, second: Result) -> bool:
    """Tell whether the best peak is the same, or ties with the other's in both results."""
    (place_a, power_a), (place_b, power_b) = first.peaks[0], second.peaks[0]
    if not abs(power_a - power_b) <= TOLERANCE:
        return False
    if place_a == place_b:
        return True
    # The other's best is known to each, and as high as its own.
    return _ties(first, place_b) and _ties(second, place_a)


def _ties(result: Result, place: int) -> bool:
    best = result.peaks[0][1]
    return any(other == place and best - power <= TOLERANCE for other, power in result.peaks)


def _powers(peaks: Sequence[tuple[int, float]]) -> tuple[float, ...]:
    return tuple(power for _, power in peaks)


def _agree(first: Sequence[float], second: Sequence[float], tolerance: float) -> bool:
    if len(first) != len(second):
        return False
    return all(abs(a - b) <= tolerance for a, b in zip(first, second, strict=True))
