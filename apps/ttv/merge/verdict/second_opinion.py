"""Rows of the second opinion: a population that shares no start, map or proposal with the product.

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

from apps.ttv.compute.whitening import Whitening
from apps.ttv.merge.diagnostics import Estimate
from apps.ttv.merge.verdict.generations import describe, worst
from apps.ttv.merge.verdict.row import Relation, Row, Word
from apps.ttv.merge.verdict.shape import Shape, contrast, shape_of
from apps.ttv.merge.verdict.significance import allowed_errors, student_errors

NOT_BACK = "The second opinion has not come back yet."

COARSEST = 0.1
"""Relative error of its least known width that a second opinion may have, as of a normal
distribution: widths that differ by a half are then told for sure, and by a fifth at two errors."""

# The rows that compare: a key, the title, and which numbers of a shape.
_COMPARED = (
    ("second_means", "Second opinion: means", slice(0, 1)),
    ("second_widths", "Second opinion: widths", slice(1, 2)),
    ("second_tails", "Second opinion: tails", slice(2, 4)),
)

# A campaign's second opinion has as many points as its units allow.
_FINER = "a campaign of larger max_units or narrower priors has a finer one"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SecondOpinion:
    """The draws of another computation of the same posterior.

    Attributes
    ----------
    draws : ndarray
        float64 (n, n_dim), free parameters, equally weighted.
    log_z : Estimate | None
        Logarithm of the evidence, of the likelihood as a density of transit times in days (see
        `apps.ttv.merge.evidence.log_constant`), with its standard error; None if it cannot be had.
    n_part : int
        Independent parts that the draws consist of.
    groups : ndarray
        int64 (n,), which part each draw is of.
    """

    draws: Floats
    log_z: Estimate | None
    n_part: int
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
    if second.n_part < 2:
        text = (
            "All weight of the second opinion's draws lies in one part of them, so that it has no "
            f"errors: {_FINER}."
        )
        return (_resolution_row(None, text),)
    other = shape_of(whitening.whiten(second.draws), second.groups)
    return (_resolution(other, second.n_part, names), *_comparisons(product, other, names))


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
        if not math.isfinite(value):
            text = (
                f"The second opinion cannot be compared with the product in {told}, because its "
                f"draws do not know it: {_FINER}."
            )
        rows.append(Row(key, Word.SAMPLED, title, value, limit, Relation.AT_MOST, text))
    return rows


def _resolution(other: Shape, n_part: int, names: Sequence[str]) -> Row:
    """Return the row of the least known width's error, few degrees of freedom counted in."""
    errors = other.errors[1]
    column = int(np.where(np.isfinite(errors), errors, np.inf).argmax())
    value = _normal_error(float(errors[column]), n_part, len(names))
    text = (
        f"Its draws know every width to {100 * value:.1f} % or better, by {n_part} independent "
        f"parts; {100 * COARSEST:g} % is asked for."
    )
    if not value <= COARSEST:
        known = f"to {100 * value:.0f} %" if math.isfinite(value) else "not at all"
        text = (
            f"The second opinion knows the width of {names[column]} {known}, and "
            f"{100 * COARSEST:g} % is asked for to tell a difference that matters: {_FINER}."
        )
    return _resolution_row(value, text)


def _resolution_row(value: float | None, text: str) -> Row:
    title = "Second opinion"
    return Row("second_opinion", Word.SAMPLED, title, value, COARSEST, Relation.AT_MOST, text)


def _normal_error(error: float, n_part: int, n_dim: int) -> float:
    """Return the error of a normal distribution that allows as large a difference as this one."""
    limit = allowed_errors(n_dim)
    return error * student_errors(limit, n_part - 1.0) / limit
