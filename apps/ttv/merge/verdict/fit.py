"""Rows of the goodness of fit: whether the data look as if the model had made them.

Two numbers are checked against the noise model: the sum of the squared scores of
`apps.ttv.merge.verdict.residuals`, and the largest of them. The posterior predictive check asks,
for every draw of the posterior, how probable it is that data which that draw had made give as
large a number (Gelman, Meng & Stern 1996, Statistica Sinica 6, 733). Scores of such data are
independent and standard normal whatever the draw, so that the probability is a chi-square's, and
nothing has to be simulated. It is a probability for each draw, and the check's is their average.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from apps.ttv.compute.settings import Problem
from apps.ttv.merge.verdict.fit_words import large_errors, odd_transits, probability, small_errors
from apps.ttv.merge.verdict.residuals import Residuals
from apps.ttv.merge.verdict.row import Relation, Row, Word

IMPROBABLE = 1e-3
"""Probability below which the model does not describe the data. Of honest campaigns, 2 in 1000 fail
the chi-square test, which looks at both sides, and fewer the checks that average over the
posterior, because its parameters follow the data."""

Floats = NDArray[np.float64]


def fit_rows(residuals: Residuals, problem: Problem) -> tuple[Row, ...]:
    """Return the rows of the goodness of fit.

    Parameters
    ----------
    residuals : Residuals
        Of the posterior's draws.
    problem : Problem
        The posterior's definition.
    """
    planets = [planet.name for planet in problem.model.planets if residuals.of(planet.name).any()]
    rows = [_chi2(residuals, problem), _predictive(residuals), _largest(residuals, problem)]
    if len(planets) > 1:
        limit = IMPROBABLE / len(planets)
        rows += [_planet(residuals, planet, limit) for planet in planets]
    return tuple(rows)


def predictive_probabilities(scores: Floats) -> tuple[float, float]:
    """Return the probabilities of sums of squares as large as these and as small as these.

    Parameters
    ----------
    scores : ndarray
        float64 (n_draw, n_transit).
    """
    sums = np.square(scores).sum(axis=1)
    n = scores.shape[1]
    return float(chi2.sf(sums, n).mean()), float(chi2.cdf(sums, n).mean())


def largest_probability(scores: Floats) -> float:
    """Return the probability of a largest score as large as these."""
    tails = 2.0 * norm.sf(np.abs(scores).max(axis=1))
    return float(np.abs(np.expm1(scores.shape[1] * np.log1p(-tails))).mean())


def expected_largest(n: int) -> float:
    """Return the median of the largest of `n` absolute normal scores."""
    return float(norm.isf(0.5 * -math.expm1(math.log(0.5) / n)))


def _chi2(residuals: Residuals, problem: Problem) -> Row:
    n = len(residuals.transits)
    total, freedom = float(np.square(residuals.best).sum()), n - residuals.n_effective
    if freedom < 1.0:
        text = (
            f"Nothing is left to test the model with: {n} transits for "
            f"{residuals.n_effective:.1f} effective parameters."
        )
        return _row("chi2", "chi2 of the best draw", None, text, counts=False)
    high, low = _tails(residuals, problem, total, freedom)
    value = min(high, low)
    told = (
        f"chi2 is {total:.1f} for {n} transits and {residuals.n_effective:.1f} effective "
        f"parameters, {total / freedom:.2f} per degree of freedom: {probability(value)}."
    )
    if value >= IMPROBABLE:
        text = told
    elif high < low:
        text = f"{told} {small_errors(residuals, problem, total / freedom)}"
    else:
        text = f"{told} {large_errors(total / freedom)}"
    return _row("chi2", "chi2 of the best draw", value, text)


def _tails(
    residuals: Residuals, problem: Problem, total: float, freedom: float
) -> tuple[float, float]:
    """Return the probabilities of a chi2 as large as this and as small as this.

    Where the noise model has a free jitter, or is not Gaussian, the best draw's chi2 is none. For
    the lower side all parameters count: a parameter that the data do not constrain is no reason to
    suspect that the fit is too good.
    """
    jitter = problem.jitter
    if problem.noise.kind != "gaussian" or (jitter is not None and jitter.is_free):
        return predictive_probabilities(residuals.scores)
    left = len(residuals.transits) - problem.n_dim
    low = float(chi2.cdf(total, left)) if left >= 1 else 1.0
    return float(chi2.sf(total, freedom)), low


def _predictive(residuals: Residuals) -> Row:
    high, low = predictive_probabilities(residuals.scores)
    value = min(high, low)
    side = "larger" if high < low else "smaller"
    text = f"Data that the posterior predicts scatter as these do: {probability(value)}."
    if not value >= IMPROBABLE:
        text = (
            f"Data that the posterior predicts do not look like these, whose scatter is {side}: "
            f"{probability(value)}."
        )
    return _row("posterior_predictive", "Scatter against the predicted one", value, text)


def _largest(residuals: Residuals, problem: Problem) -> Row:
    value = largest_probability(residuals.scores)
    n = len(residuals.transits)
    expected = expected_largest(n)
    text = (
        f"{odd_transits(residuals, 1)}; the largest of {n} is {expected:.1f} sigma as a rule: "
        f"{probability(value)}."
    )
    if not value >= IMPROBABLE:
        worst = odd_transits(residuals, 5, least=expected)
        text = (
            f"{worst}; the largest of {n} should be {expected:.1f} sigma ({probability(value)}). "
            "Look at these times before the planets are believed."
        )
        if problem.noise.kind == "gaussian":
            text += ' kind = "student_t" below [noise] keeps a few bad times from pulling them.'
    return _row("worst_transit", "Largest residual", value, text)


def _planet(residuals: Residuals, planet: str, limit: float) -> Row:
    mine = residuals.of(planet)
    high, low = predictive_probabilities(residuals.scores[:, mine])
    value = min(high, low)
    scatter = float(np.sqrt(np.square(residuals.scores[:, mine]).mean()))
    text = (
        f"The {mine.sum()} transits of {planet} scatter by {scatter:.2g} times their errors: "
        f"{probability(value)}."
    )
    return _row(f"fit.{planet}", f"Scatter of {planet}", value, text, limit=limit)


def _row(
    key: str,
    title: str,
    value: float | None,
    text: str,
    *,
    limit: float = IMPROBABLE,
    counts: bool = True,
) -> Row:
    return Row(key, Word.DESCRIBED, title, value, limit, Relation.AT_LEAST, text, counts)
