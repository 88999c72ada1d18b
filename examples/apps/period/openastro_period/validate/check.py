"""Whether an output is right, as far as a moment of computing tells.

Two judges look at it. astropy's exact method computes the power of a few peaks of every target. And
the engine computes a whole spectrum again, and some resampled light curves: the output itself says
which, so that nobody knows it before all of it is written.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from boinc_project.errors import OutputError
from boinc_project.unit import Unit, file_digest
from boinc_project.verdict import Verdict, invalid, valid
from openastro_period.compute.app import table_of
from openastro_period.compute.transits import best_of_block
from openastro_period.compute.work import PeriodWork, Step
from openastro_period.curves import LightCurve, read_curves
from openastro_period.output import Result, read_output
from openastro_period.settings import Search, read_search
from openastro_period.validate.compare import TOLERANCE, TOLERANCE_OF_BOXES
from openastro_period.validate.exact import exact_powers

N_EXACT = 3
"""Peaks of each target that are computed exactly: some milliseconds for a thousand points."""


def check(unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
    """Tell whether an output is well formed, and right where it is computed again."""
    try:
        results = read_output(unit, path)
    except OutputError as error:
        return invalid(error.message)
    curves = read_curves(inputs[table_of(unit)].read_bytes())
    search = read_search(unit.settings)
    rng = random.Random(file_digest(path))
    worst = 0.0
    for curve, result in zip(curves, results, strict=True):
        off = _exact_difference(curve, result, search, rng)
        if not off <= TOLERANCE:
            return invalid(f"A power of {curve.name} is off by {off:.1e}.", difference=off)
        worst = max(worst, off)
    chosen = rng.randrange(len(curves))
    fault = _computed_again(unit, curves, results, search, chosen, rng)
    if fault:
        return invalid(fault)
    return valid(
        f"Powers of {len(curves)} targets are exact, and {curves[chosen].name} is right.",
        difference=worst,
    )


def _exact_difference(
    curve: LightCurve, result: Result, search: Search, rng: random.Random
) -> float:
    """Return the largest difference of the best peak and of some others; NaN is none allowed."""
    others = result.peaks[1:]
    peaks = [result.peaks[0], *rng.sample(others, min(N_EXACT - 1, len(others)))]
    frequencies = np.array([search.grid.at(place) for place, _ in peaks])
    exact = exact_powers(curve, frequencies, search.n_terms)
    return float(np.max(np.abs(exact - [power for _, power in peaks])))


def _computed_again(
    unit: Unit,
    curves: Sequence[LightCurve],
    results: Sequence[Result],
    search: Search,
    chosen: int,
    rng: random.Random,
) -> str:
    """Return what is wrong with a target; empty if nothing is."""
    work = PeriodWork(curves, search, unit.seed, lambda: None)
    result, name = results[chosen], curves[chosen].name
    entry = work.spectra(Step("spectra", (chosen,)))[0]
    if not _close([power for _, power in entry["peaks"]], [power for _, power in result.peaks]):
        return f"The peaks of {name} are others."
    if not _close(entry["outline"], result.outline):
        return f"The spectrum of {name} is another."
    if not _close([power for _, power in entry["window"]], [power for _, power in result.window]):
        return f"The window function of {name} is another."
    if search.bootstrap:
        first = rng.randrange(search.bootstrap)
        again = work.bootstrap(Step("bootstrap", (chosen,), first, 1))[0]
        if not _close(again, result.bootstrap[first : first + 1]):
            return f"Resampled light curve {first} of {name} has another power."
    if search.transits and result.transits:
        return _boxes_again(curves[chosen], search, result.transits, rng)
    return ""


def _boxes_again(
    curve: LightCurve, search: Search, stated: Sequence[float], rng: random.Random
) -> str:
    """Look at the block of the best box, and at another, which may hold none that is better."""
    transits = search.transits
    if transits is None:
        return ""
    place = (1.0 / stated[1] - transits.grid.first) / transits.grid.step if stated[1] > 0 else -1.0
    if not -0.5 <= place < transits.grid.n:
        return f"The period of the transits of {curve.name} is not one of those searched."
    best = best_of_block(curve, transits, round(place) // transits.per_block(curve))
    if not np.allclose(best, stated, rtol=TOLERANCE_OF_BOXES, atol=TOLERANCE_OF_BOXES):
        return f"The transits of {curve.name} are others."
    other = best_of_block(curve, transits, rng.randrange(transits.blocks(curve)))
    if other[0] > stated[0] * (1 + TOLERANCE_OF_BOXES):
        return f"{curve.name} has better transits than those of the output."
    return ""


def _close(one: Sequence[float], two: Sequence[float]) -> bool:
    same = len(one) == len(two)
    return same and all(abs(a - b) <= TOLERANCE for a, b in zip(one, two, strict=True))
