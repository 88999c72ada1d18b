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
    for one, two in pairs:
        fault = difference(one, two)
        if fault:
            return invalid(fault)
    return valid(f"The results of {len(pairs)} targets agree.")


def difference(one: Result, two: Result) -> str:
    """Return in what two results of a target differ, as a sentence; empty if in nothing."""
    if not same_best(one, two):
        return f"{one.name} has another best frequency."
    for what, a, b in (
        ("peaks", _powers(one.peaks), _powers(two.peaks)),
        ("spectra", one.outline, two.outline),
        ("window functions", _powers(one.window), _powers(two.window)),
        ("resampled light curves", one.bootstrap, two.bootstrap),
    ):
        if not _agree(a, b, TOLERANCE):
            return f"The {what} of {one.name} differ by more than {TOLERANCE}."
    if (one.transits is None) != (two.transits is None):
        return f"Only one output has transits of {one.name}."
    if one.transits and two.transits:
        pairs = zip(one.transits, two.transits, strict=True)
        if not all(abs(a - b) <= TOLERANCE_OF_BOXES * (1.0 + abs(a)) for a, b in pairs):
            return f"The transits of {one.name} differ."
    return ""


def same_best(one: Result, two: Result) -> bool:
    """Tell whether the best peak is the same, or ties with the other's in both results."""
    (place_a, power_a), (place_b, power_b) = one.peaks[0], two.peaks[0]
    if not abs(power_a - power_b) <= TOLERANCE:
        return False
    if place_a == place_b:
        return True
    # The other's best is known to each, and as high as its own.
    return _ties(one, place_b) and _ties(two, place_a)


def _ties(result: Result, place: int) -> bool:
    best = result.peaks[0][1]
    return any(other == place and best - power <= TOLERANCE for other, power in result.peaks)


def _powers(peaks: Sequence[tuple[int, float]]) -> tuple[float, ...]:
    return tuple(power for _, power in peaks)


def _agree(one: Sequence[float], two: Sequence[float], tolerance: float) -> bool:
    if len(one) != len(two):
        return False
    return all(abs(a - b) <= tolerance for a, b in zip(one, two, strict=True))
