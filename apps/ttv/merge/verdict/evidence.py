"""Rows of the evidence by two methods that share nothing but the posterior."""

from __future__ import annotations

import math

from apps.ttv.merge.diagnostics import Estimate
from apps.ttv.merge.verdict.row import Relation, Row, Word
from apps.ttv.merge.verdict.significance import allowed_errors, equivalent_errors

COARSEST = 0.5
"""Error of a difference of log Z that is fine enough: a method that holds less than a seventh of
the posterior is then off by four errors, log 7 = 1.95."""

NOT_MEASURED = "Importance sampling had too few effective draws to measure log Z."


def evidence_rows(
    first: Estimate | None,
    first_words: str,
    second: Estimate | None,
    second_freedom: float,
) -> tuple[Row, ...]:
    """Return the rows of the difference of two evidences and of its error.

    Parameters
    ----------
    first : Estimate | None
        log Z by one method, whose error is known well; None if it cannot be had.
    first_words : str
        What that method is called, at the beginning of a sentence.
    second : Estimate | None
        log Z by the second opinion.
    second_freedom : float
        Degrees of freedom of its error: its independent parts less one.
    """
    if first is None or second is None:
        text = NOT_MEASURED if first is None else "The second opinion has no log Z yet."
        text += " The evidence is not confirmed by a second method."
        return (_row(None, allowed_errors(1), text),)
    error = math.hypot(first.mcse, second.mcse)
    difference = abs(first.value - second.value)
    limit = allowed_errors(1)
    value = float(
        equivalent_errors(_ratio(difference, error), _freedom(second, second_freedom, error))
    )
    told = (
        f"{first_words} says log Z = {first.value:.2f} +- {first.mcse:.2f}, the second opinion "
        f"{second.value:.2f} +- {second.mcse:.2f}"
    )
    text = f"{told}: {value:.1f} errors apart, {limit:.1f} are allowed."
    if not value <= limit:
        text += " One of both misses a part of the posterior: compare the modes that both know."
    fine = f"{told}: the difference is known to {error:.2f}, {COARSEST:g} is asked for."
    if not error <= COARSEST:
        fine += " More max_units give the next campaign a finer second opinion."
    title = "Error of the evidences' difference"
    return (
        _row(value, limit, text),
        Row("evidence_error", Word.SAMPLED, title, error, COARSEST, Relation.AT_MOST, fine),
    )


def _row(value: float | None, limit: float, text: str) -> Row:
    title = "Evidence by a second method"
    return Row("evidence", Word.SAMPLED, title, value, limit, Relation.AT_MOST, text)


def _ratio(difference: float, error: float) -> float:
    return difference / error if error > 0.0 else math.nan


def _freedom(second: Estimate, freedom: float, error: float) -> float:
    """Return the degrees of freedom of the joint error (Satterthwaite 1946)."""
    if not second.mcse > 0.0:
        return math.inf
    return freedom * (error / second.mcse) ** 4
