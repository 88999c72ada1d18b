"""Two outputs of ``ttv_nested`` beside each other: one run, or two of the same posterior."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.nested.output import NestedOutput, content_digest, read_nested_output
from apps.nested.validate.segments import LOGL_TOLERANCE, RELATIVE_TOLERANCE
from apps.nested.weights import (
    Points,
    Weighted,
    merge_points,
    resampled,
    weigh,
)
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from validator.comparison import open_both

POINT_TOLERANCE = 1e-3
"""Largest difference of corresponding points of two outputs that follow one another, in standard
deviations of the final live points. Rounding differs by 1e-16 of the cube, a final live set may be
as narrow as 1e-9 of it; points of runs that have parted differ by about 1."""

MIN_ESS = 100.0
"""Effective draws that either output must have before two that have parted are compared: errors of
errors are then known to 10 %, so that `MAX_DEVIATION` means what it says."""

MAX_DEVIATION = 5.0
"""Largest deviation between two outputs, in standard errors. For a normal distribution, each of the
1 + 2 n_dim numbers compared exceeds it with probability 6e-7: for 20 parameters, one honest pair in
40,000 is refused. That errors of walks are up to 1.2 times larger makes it one in 900."""

MAX_CALL_RATIO = 1.25
"""Largest ratio of the likelihood calls of two outputs that have parted. A run's length scatters by
sqrt(H / n_live) of H, below 5 % for any that is worth the name; steps out of the cube add less."""

N_RESAMPLED = 60
"""Resampled runs for an error: it is then known to 9 %."""


def compare(unit: Unit, path_a: Path, path_b: Path) -> Verdict:
    """Compare two outputs: by digest, else point by point, else by evidence and moments.

    Raises
    ------
    OutputError
        If one of them cannot be read.
    """
    both = open_both(
        unit,
        (path_a, path_b),
        read=read_nested_output,
        digest=content_digest,
        shape=lambda one: (one.live_u.shape, one.parameter_names),
        is_finite=is_finite,
    )
    if isinstance(both, Verdict):
        return both
    a, b = both
    distance = _distance(a, b)
    if distance <= POINT_TOLERANCE:
        return valid("It follows the other result point by point.", distance=distance)
    return _compare_statistics(a, b)


def is_finite(output: NestedOutput) -> bool:
    """Return whether all numbers of an output are finite."""
    arrays = (
        *(output.dead_u, output.dead_logl, output.live_u, output.live_logl),
        output.scales,
    )
    return all(bool(np.isfinite(one).all()) for one in arrays)


def _distance(a: NestedOutput, b: NestedOutput) -> float:
    """Return the largest difference of corresponding points; infinite if none correspond."""
    if a.dead_u.shape != b.dead_u.shape or a.n_drawn != b.n_drawn:
        return math.inf
    if not (np.array_equal(a.dead_slot, b.dead_slot) and np.array_equal(a.calls, b.calls)):
        return math.inf
    scale = np.minimum(a.live_u.std(axis=0), b.live_u.std(axis=0))
    apart = np.maximum(
        np.abs(a.dead_u - b.dead_u).max(axis=0), np.abs(a.live_u - b.live_u).max(axis=0)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(apart == 0.0, 0.0, apart / scale)
    return max(float(np.max(ratio)), _logl_distance(a, b))


def _logl_distance(a: NestedOutput, b: NestedOutput) -> float:
    """Return the largest difference of corresponding log-likelihoods, over what is tolerated.

    In units of `POINT_TOLERANCE`, so that one limit serves for both.
    """
    left, right = (np.concatenate([one.dead_logl, one.live_logl]) for one in (a, b))
    allowed = LOGL_TOLERANCE + RELATIVE_TOLERANCE * (left.max() - left)
    return POINT_TOLERANCE * float((np.abs(left - right) / allowed).max())


def _compare_statistics(a: NestedOutput, b: NestedOutput) -> Verdict:
    ratio = max(a.n_likelihood, b.n_likelihood) / min(a.n_likelihood, b.n_likelihood)
    if ratio > MAX_CALL_RATIO:
        return invalid("The two outputs count very different likelihood calls.", call_ratio=ratio)
    points = [merge_points([one]) for one in (a, b)]
    weighted = [weigh(one) for one in points]
    ess = min(one.ess for one in weighted)
    if not ess >= MIN_ESS:
        return inconclusive(
            "Too little evidence: the outputs differ, and their statistics rest on "
            f"{ess:.1f} effectively independent draws; {MIN_ESS:.0f} are needed.",
            ess=ess,
        )
    values, errors = zip(
        *(_numbers(one, w) for one, w in zip(points, weighted, strict=True)), strict=True
    )
    z = (values[0] - values[1]) / np.sqrt(np.square(errors).sum(axis=0))
    if not np.isfinite(z).all():
        return inconclusive("The errors of the outputs' statistics cannot be computed.", ess=ess)
    worst = int(np.abs(z).argmax())
    numbers = {"z_max": float(abs(z[worst])), "z_log_z": float(z[0]), "ess": ess}
    if abs(float(z[worst])) > MAX_DEVIATION:
        what = _titles(a.parameter_names)[worst]
        return invalid(
            f"The two outputs disagree: {what} by {abs(z[worst]):.1f} standard errors.", **numbers
        )
    return valid("Its evidence and moments agree with those of the other result.", **numbers)


def _titles(names: tuple[str, ...]) -> list[str]:
    return [
        "log Z",
        *(f"mean of {name}" for name in names),
        *(f"spread of {name}" for name in names),
    ]


def _numbers(points: Points, weighted: Weighted) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log Z, and mean and deviation of every coordinate, with their errors."""
    # The seed is part of the method: equal outputs always get equal verdicts.
    again = resampled(points, np.random.default_rng(1), N_RESAMPLED)
    drawn = np.array([_moments(points, one) for one in again])
    return _moments(points, weighted), drawn.std(axis=0, ddof=1)


def _moments(points: Points, weighted: Weighted) -> NDArray[np.float64]:
    mean = weighted.weights @ points.cube
    spread = np.sqrt(weighted.weights @ np.square(points.cube - mean))
    return np.concatenate([[weighted.logz], mean, spread])
