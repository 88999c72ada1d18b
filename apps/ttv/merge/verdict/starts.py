"""The row of where the chains began: wider than the product, or R-hat tells nothing.

Chains that begin inside of the posterior look alike from the start, whether they reach its ends or
not. So the widths of all starting points of the first generation are compared with those of the
product, parameter by parameter, in the coordinates of the prior. Where the data say nothing both
are the prior's, and the ratio is 1 within its error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.ttv.merge.verdict.row import Relation, Row, Word
from apps.ttv.merge.verdict.shape import Shape, statistics
from apps.ttv.merge.verdict.significance import allowed_errors

POPULATION_ERROR = 0.1
"""Relative error of the starting points' width that their own scatter does not tell. They are drawn
from one annealed population of some hundred independent draws: 0.96 / sqrt(100)."""

COARSEST = math.log(3.0)
"""Of what is allowed to the ratio's logarithm: starts of a third of the width must be told."""

N_RESAMPLED = 200
"""Bootstrap samples of the starting points: an error is then known to 5 %."""

_SEED = 20180101
"""Of the resampling: part of the method, so that equal outputs give equal products."""

Floats = NDArray[np.float64]


def start_row(starts: Floats, product: Shape, names: Sequence[str]) -> Row:
    """Return the row of the starts' widths over the product's.

    Parameters
    ----------
    starts : ndarray
        float64 (n, n_dim), starting points of the first generation's merged sub-chains in the
        coordinates of the prior; may be empty.
    product : Shape
        Of the product.
    names : Sequence[str]
        Of the free parameters.
    """
    title, key = "Start wider than the product", "starts"
    if len(starts) < 2:
        text = "No sub-chain of the first generation is merged: where chains began is not known."
        return Row(key, Word.SAMPLED, title, None, 1.0, Relation.AT_LEAST, text)
    widths, errors = _log_widths(starts)
    ratio = widths - product.values[1]
    error = np.sqrt(errors**2 + product.errors[1] ** 2 + POPULATION_ERROR**2)
    allowed = allowed_errors(len(names)) * error
    slack = np.where(np.isfinite(ratio + allowed), ratio + allowed, -np.inf)
    place = int(slack.argmin())
    value, limit = math.exp(ratio[place]), math.exp(-allowed[place])
    if not allowed[place] <= COARSEST:
        text = (
            f"The widths of start and product in {names[place]} are not known well enough to be "
            "compared: more sub-chains, or more walkers."
        )
        return Row(key, Word.SAMPLED, title, None, 1.0, Relation.AT_LEAST, text)
    text = (
        f"Chains began {value:.2f} times as wide as the product in {names[place]}, the least of "
        f"all parameters; {limit:.2f} would be 1 within its error."
    )
    if not value >= limit:
        text = (
            f"Chains began narrower than the product: {value:.2f} times as wide in {names[place]}, "
            f"and {limit:.2f} would be 1 within its error. That they agree then says little: "
            "prepare the campaign again with more starts or another seed."
        )
    return Row(key, Word.SAMPLED, title, value, limit, Relation.AT_LEAST, text)


def _log_widths(starts: Floats) -> tuple[Floats, Floats]:
    """Return logarithms of widths and their errors by the bootstrap, (n_dim,) each."""
    rng = np.random.default_rng(_SEED)
    n = len(starts)
    again = [statistics(starts[rng.integers(0, n, n)])[1] for _ in range(N_RESAMPLED)]
    return statistics(starts)[1], np.std(again, axis=0, ddof=1)
