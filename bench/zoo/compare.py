"""A product beside the reference: widths, tails and evidence.

A product that says *sampled* promises that its numbers are the posterior's. The promise is broken
if a width or a tail is off by more than a tenth, beyond the reference's own error, or the evidence
by more than three of its errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.zoo.reference import Reference
from bench.zoo.runs import Outcome

TOLERANCE = 0.1
SIGMA_OF_REFERENCE = 2.4
"""Errors of the reference that are allowed for: 95 % of Student's t with 7 degrees of freedom,
because its errors are the scatter of eight halves."""
SIGMA_OF_EVIDENCE = 3.0


@dataclass(frozen=True, slots=True)
class Offset:
    """One number of a product beside that of the reference.

    Attributes
    ----------
    system : str
        Kind and seed.
    quantity : str
        Parameter, or "log Z".
    what : str
        Which number of it.
    value : float
        A width over the reference's; a shift of a quantile in 5-95 % widths of the reference; a
        difference of log Z.
    size : float
        How far it is off: 0 if it agrees.
    limit : float
        The largest `size` that keeps the promise.
    own : float
        The product's own error of it; NaN if it states none.
    """

    system: str
    quantity: str
    what: str
    value: float
    size: float
    limit: float
    own: float

    @property
    def broken(self) -> bool:
        """Whether the promise is broken; a number that cannot be had breaks it."""
        return not self.size <= self.limit

    @property
    def beyond_own_error(self) -> bool:
        """Whether it is off by more than what the product states as its own Monte Carlo error."""
        own = 0.0 if math.isnan(self.own) else self.own
        return not self.size <= math.hypot(self.limit - TOLERANCE, 2.0 * own) + TOLERANCE

    def __str__(self) -> str:
        return f"{self.system}: {self.what} of {self.quantity} {self.value:.2f}"


def compare(outcome: Outcome, names: Sequence[str], reference: Reference) -> list[Offset]:
    """Return all numbers of a product that the reference has too, in the order of `names`."""
    system = f"{outcome.kind} {outcome.seed}"
    quantiles, quantile_errors = reference.quantiles(), reference.quantile_errors()
    widths, width_errors = reference.widths_with_errors()
    offsets: list[Offset] = []
    for place, name in enumerate(names):
        ours = np.array(outcome.quantiles[name])
        errors = np.array(outcome.errors[name])
        for row, (low, high, what) in enumerate(((0, 4, "width 5-95 %"), (1, 3, "width 16-84 %"))):
            ratio = float((ours[high] - ours[low]) / widths[row, place])
            limit = TOLERANCE + SIGMA_OF_REFERENCE * float(width_errors[row, place])
            own = float(np.hypot(errors[low], errors[high]) / widths[row, place])
            offsets.append(Offset(system, name, what, ratio, abs(ratio - 1.0), limit, own))
        for row, what in ((0, "tail at 5 %"), (4, "tail at 95 %")):
            shift = float((ours[row] - quantiles[row, place]) / widths[0, place])
            error = float(quantile_errors[row, place] / widths[0, place])
            own = float(errors[row] / widths[0, place])
            limit = TOLERANCE + SIGMA_OF_REFERENCE * error
            offsets.append(Offset(system, name, what, shift, abs(shift), limit, own))
    return offsets + _evidence(system, outcome, reference)


def _evidence(system: str, outcome: Outcome, reference: Reference) -> list[Offset]:
    if outcome.log_z is None or outcome.log_z_error is None:
        return []
    away = outcome.log_z - reference.log_z
    error = math.hypot(outcome.log_z_error, reference.log_z_error)
    limit = SIGMA_OF_EVIDENCE * error
    # A difference of log Z has no tolerance of its own: its stated error is in the limit.
    return [Offset(system, "log Z", "difference", away, abs(away), limit, math.nan)]
