"""The row of the integration step: how far it moves the transits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.ttv.merge.verdict.row import Relation, Row, Word

TOLERANCE = 0.1
"""Largest shift of any transit that a step may cause, in the table's smallest sigma. A shift of all
transits together by that much would move the posterior by a tenth of its width."""


def step_row(settings: Mapping[str, Any]) -> Row:
    """Return the row of the step's error.

    Parameters
    ----------
    settings : Mapping
        Of a prepared campaign; ``dt_error`` is what its step was measured to do.
    """
    sigma = settings.get("dt_error", {}).get("sigma")
    if sigma is None:
        text = "The error of the step was not measured: prepare the campaign again."
    elif sigma <= TOLERANCE:
        text = f"The step moves no transit by more than {sigma:.2g} of the smallest sigma."
    else:
        text = (
            f"The step moves a transit by {sigma:.2g} of the smallest sigma, and {TOLERANCE:g} is "
            'the most: write dt = "auto" below [model], or a smaller dt.'
        )
    return Row("step", Word.SAMPLED, "Integration step", sigma, TOLERANCE, Relation.AT_MOST, text)
