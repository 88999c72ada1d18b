"""The words of the goodness of fit: transits by name, probabilities, and what to write."""

from __future__ import annotations

import math

import numpy as np

from apps.ttv.compute.noise import MINUTE
from apps.ttv.compute.settings import Problem
from apps.ttv.merge.verdict.residuals import Residuals


def odd_transits(residuals: Residuals, n: int, least: float = 0.0) -> str:
    """Name the transits that lie farthest from the model, the farthest first.

    Parameters
    ----------
    residuals : Residuals
        Of the posterior's draws.
    n : int
        How many at most.
    least : float
        Only those that are off by more, sigma; the farthest is named in any case.
    """
    sizes = np.abs(residuals.typical)
    order = np.argsort(-sizes, kind="stable")[:n].tolist()
    named = [place for k, place in enumerate(order) if k == 0 or sizes[place] > least]
    told = [_transit(residuals, place) for place in named]
    joint = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    return joint[0].upper() + joint[1:]


def probability(value: float) -> str:
    """Say a probability, however small."""
    if not math.isfinite(value):
        return "a probability that cannot be had"
    return f"probability {value:.2g}" if value > 1e-99 else "probability below 1e-99"


def small_errors(residuals: Residuals, problem: Problem, per_freedom: float) -> str:
    """Say that the table's errors are too small, and which noise model allows for that.

    Parameters
    ----------
    residuals : Residuals
        Of the posterior's draws.
    problem : Problem
        Whose noise model is in use.
    per_freedom : float
        chi2 per degree of freedom, above 1.
    """
    factor = _digits(math.sqrt(per_freedom))
    told = f"Do not believe it: the table's errors would have to be {factor} times as large."
    lines = []
    if problem.noise.kind == "gaussian":
        lines.append('kind = "student_t" if a few times are bad')
    if problem.jitter is None:
        sigma = float(np.median([transit.sigma for transit in residuals.transits]))
        minutes = sigma / MINUTE * math.sqrt(max(per_freedom - 1.0, 0.0))
        line = f'jitter = {{ prior = "half_normal", sigma = {_digits(minutes)}, unit = "min" }}'
        lines.append(f"{line} if all scatter more than their errors")
    if not lines:
        return f"{told} The noise model allows for that already: look for a planet that is missing."
    return f"{told} Below [noise] write {', or '.join(lines)}; or a planet is missing."


def large_errors(per_freedom: float) -> str:
    """Say that the table's errors are too large.

    Parameters
    ----------
    per_freedom : float
        chi2 per degree of freedom, below 1.
    """
    factor = 1.0 / math.sqrt(max(per_freedom, 1e-12))
    return (
        f"The errors are too large, by a factor of {_digits(factor)} or more: look at the unit of "
        "the table's column of errors, which is days."
    )


def _transit(residuals: Residuals, place: int) -> str:
    transit, residual = residuals.transits[place], float(residuals.typical[place])
    way = "late" if residual > 0 else "early"
    return f"transit {transit.epoch} of {transit.planet} is {_digits(abs(residual))} sigma {way}"


def _digits(value: float) -> str:
    """Return a positive number with two digits, or all that are before the point."""
    return f"{value:.0f}" if value >= 100.0 else f"{value:.2g}"
