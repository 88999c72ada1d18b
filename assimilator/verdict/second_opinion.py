"""Rows of the second opinion: populations that share no start, map or proposal with the product.

Sub-chains that agree may all have missed the same thing, because they began at one population and
propose from one fit. A second opinion comes from a search and a seed of its own. Its means, widths
and tails are compared with the product's in the coordinates of the prior, with Monte Carlo errors
on both sides. Agreement counts only if the second opinion is fine enough to disagree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.whitening import Whitening
from assimilator.diagnostics import Estimate
from assimilator.verdict.generations import describe, worst
from assimilator.verdict.row import Relation, Row, Word
from assimilator.verdict.shape import Shape, contrast, shape_of
from assimilator.verdict.significance import allowed_errors, student_errors

NOT_BACK = "The second opinion has not come back yet."

COARSEST = 0.1
"""Relative error of its least known width that a second opinion may have, as of a normal
distribution: widths that differ by a half are then told for sure, and by a fifth at two errors."""

MIN_POPULATIONS = 4
"""Fewer populations have no errors worth the name: three degrees of freedom, as of sub-chains."""

MOST_POPULATIONS = 1000
"""No more than this are asked for."""

# The rows that compare: a key, the title, and which numbers of a shape.
_COMPARED = (
    ("second_means", "Second opinion: means", slice(0, 1)),
    ("second_widths", "Second opinion: widths", slice(1, 2)),
    ("second_tails", "Second opinion: tails", slice(2, 4)),
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SecondOpinion:
    """The draws of independent populations of the same posterior.

    Attributes
    ----------
    draws : ndarray
        float64 (n, n_dim), free parameters, equally weighted.
    log_z : Estimate | None
        Logarithm of the evidence, of the likelihood as a density of transit times in days (see
        `assimilator.evidence.log_constant`), with the standard error of the populations' mean; None
        if it cannot be had.
    n_population : int
        Populations.
    groups : ndarray
        int64 (n,), which population each draw is of.
    """

    draws: Floats
    log_z: Estimate | None
    n_population: int
    groups: NDArray[np.int64]


def second_opinion_rows(
    second: SecondOpinion | None, product: Shape, whitening: Whitening, names: Sequence[str]
) -> tuple[Row, ...]:
    """Return the row of the second opinion's own errors, and those that compare it.

    Parameters
    ----------
    second : SecondOpinion | None
        None while it has not come back.
    product : Shape
        Of the product's draws.
    whitening : Whitening
        Of the problem.
    names : Sequence[str]
        Of the free parameters.
    """
    if second is None:
        return (_resolution_row(None, NOT_BACK),)
    if second.n_population < 2:
        more = MIN_POPULATIONS - second.n_population
        text = (
            f"The second opinion has {second.n_population} population and so no errors: "
            f"{more} more populations are needed."
        )
        return (_resolution_row(None, text),)
    other = shape_of(whitening.whiten(second.draws), second.groups)
    return (_resolution(other, second.n_population, names), *_comparisons(product, other, names))


def _comparisons(product: Shape, other: Shape, names: Sequence[str]) -> list[Row]:
    change = contrast((product, other), np.array([-1.0, 1.0]))
    rows = []
    for key, title, kinds in _COMPARED:
        significance = change.significance[kinds]
        limit = allowed_errors(significance.size)
        value, (kind, column) = worst(significance)
        told = describe(change, kinds.start + kind, column, names)
        text = (
            f"They differ by {value:.1f} errors at most, and {limit:.1f} are allowed; the largest: "
            f"{told}."
        )
        if not value <= limit:
            text = (
                f"The second opinion differs from the product in {told}: {value:.1f} errors, and "
                f"{limit:.1f} are allowed. One of both is wrong: more generations tell whether the "
                "product moves; else compare the modes that both know."
            )
        rows.append(Row(key, Word.SAMPLED, title, value, limit, Relation.AT_MOST, text))
    return rows


def _resolution(other: Shape, n_population: int, names: Sequence[str]) -> Row:
    """Return the row of the least known width's error, few degrees of freedom counted in."""
    errors = other.errors[1]
    column = int(np.where(np.isfinite(errors), errors, np.inf).argmax())
    value = _normal_error(float(errors[column]), n_population, len(names))
    text = (
        f"{n_population} populations know every width to {100 * value:.1f} % or better; "
        f"{100 * COARSEST:g} % is asked for."
    )
    if not value <= COARSEST:
        single = float(errors[column]) * math.sqrt(n_population)
        more = populations_needed(single, len(names)) - n_population
        known = f"to {100 * value:.0f} %" if math.isfinite(value) else "not at all"
        text = (
            f"The second opinion knows the width of {names[column]} {known}, and "
            f"{100 * COARSEST:g} % is asked for: {max(more, 1)} more populations are needed to "
            "tell a difference that matters."
        )
    return _resolution_row(value, text)


def _resolution_row(value: float | None, text: str) -> Row:
    title = "Second opinion"
    return Row("second_opinion", Word.SAMPLED, title, value, COARSEST, Relation.AT_MOST, text)


def _normal_error(error: float, n_population: int, n_dim: int) -> float:
    """Return the error of a normal distribution that allows as large a difference as this one."""
    limit = allowed_errors(n_dim)
    return error * student_errors(limit, n_population - 1.0) / limit


def populations_needed(single: float, n_dim: int) -> int:
    """Return how many populations know a width well enough.

    Parameters
    ----------
    single : float
        Relative error of the width that one population has; `MOST_POPULATIONS` are needed if it is
        not known.
    n_dim : int
        Number of parameters.
    """
    for n in range(MIN_POPULATIONS, MOST_POPULATIONS):
        if _normal_error(single / math.sqrt(n), n, n_dim) <= COARSEST:
            return n
    return MOST_POPULATIONS
