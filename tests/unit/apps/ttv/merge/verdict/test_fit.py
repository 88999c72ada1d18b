"""Whether the model describes the data: honest tables, outliers, and errors in another unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, t

from apps.ttv.merge.verdict.fit import (
    IMPROBABLE,
    expected_largest,
    fit_rows,
    largest_probability,
    predictive_probabilities,
)
from apps.ttv.merge.verdict.residuals import Residuals, Transit, residuals_of
from apps.ttv.merge.verdict.row import Row
from tests.unit.apps.ttv.merge.verdict import systems

GAUSSIAN = systems.problem()
N_TABLE = 400


def of_scores(scores: np.ndarray, n_effective: float = 8.0) -> Residuals:
    """Return residuals of 40 transits of b and 20 of c."""
    epochs = [("b", k) for k in range(40)] + [("c", k) for k in range(20)]
    transits = tuple(Transit(planet, epoch, 0.001) for planet, epoch in epochs)
    return Residuals(transits, scores, scores[0], np.median(scores, axis=0), n_effective)


def honest(seed: int) -> Residuals:
    """Return residuals of a linear model of ten parameters with Gaussian noise, 60 transits."""
    rng = np.random.default_rng(seed)
    design = np.linalg.qr(rng.standard_normal((60, 10)))[0]
    noise = rng.standard_normal(60)
    best = noise - design @ (design.T @ noise)
    draws = best - rng.standard_normal((200, 10)) @ design.T
    return replace(of_scores(draws, 10.0), best=best, typical=np.median(draws, axis=0))


def by_key(rows: Sequence[Row]) -> dict[str, Row]:
    return {row.key: row for row in rows}


@pytest.fixture(scope="module")
def tables() -> list[tuple[Row, ...]]:
    return [fit_rows(honest(seed), GAUSSIAN) for seed in range(N_TABLE)]


def test_honest_data_are_described(tables: list[tuple[Row, ...]]) -> None:
    """Of 400 tables at most 6 fail a row: by chance 1.2 do, and more than 6 once in 2000."""
    assert sum(not all(row.met for row in rows) for rows in tables) <= 6


def test_the_chi_square_test_is_uniform_on_honest_data(tables: list[tuple[Row, ...]]) -> None:
    """The smaller side's probability is below x in 2 x of all cases; five errors."""
    values = [rows[0].value for rows in tables]
    below = sum(value is not None and value < 0.1 for value in values)
    assert abs(below - 0.2 * N_TABLE) < 5 * math.sqrt(N_TABLE * 0.2 * 0.8)


@pytest.mark.parametrize("scale", [1.6, 0.5])
def test_errors_that_are_wrong_are_told(scale: float) -> None:
    residuals = honest(1)
    rows = by_key(
        fit_rows(
            replace(residuals, scores=scale * residuals.scores, best=scale * residuals.best),
            GAUSSIAN,
        )
    )
    assert not rows["chi2"].met
    assert ("errors are too large" in rows["chi2"].text) is (scale < 1.0)
    assert ("times as large" in rows["chi2"].text) is (scale > 1.0)
    assert ('kind = "student_t"' in rows["chi2"].text) is (scale > 1.0)


def test_a_table_of_outliers_is_not_described() -> None:
    """Scatter of 5 sigma, and 4 transits of 60 off by 60."""
    draws, best = systems.sampled("outliers.csv")
    residuals = residuals_of(GAUSSIAN, systems.table("outliers.csv"), draws, best)
    rows = by_key(fit_rows(residuals, GAUSSIAN))
    assert not any(rows[key].met for key in ("chi2", "posterior_predictive", "worst_transit"))
    assert "for 60 transits" in rows["chi2"].text
    assert "times as large" in rows["chi2"].text
    assert 'jitter = { prior = "half_normal", sigma = 2' in rows["chi2"].text
    for name in ("transit 4 of c is", "transit 7 of b is", "transit 22 of b is"):
        assert name in rows["worst_transit"].text.lower()
    assert "sigma late" in rows["worst_transit"].text


def test_a_good_table_is_described() -> None:
    draws, best = systems.sampled("good.csv")
    residuals = residuals_of(GAUSSIAN, systems.table("good.csv"), draws, best)
    rows = fit_rows(residuals, GAUSSIAN)
    assert all(row.met for row in rows), rows
    assert {row.key for row in rows} == {
        "chi2", "posterior_predictive", "worst_transit", "fit.b", "fit.c",
    }  # fmt: skip
    assert 4.0 < residuals.n_effective <= 10.0


def test_errors_in_minutes_are_too_large() -> None:
    """The column says 1.44 days for 1.44 minutes: chi2 is 0 for 60 transits."""
    draws, best = systems.from_prior("sig_min.csv")
    residuals = residuals_of(GAUSSIAN, systems.table("sig_min.csv"), draws, best)
    rows = by_key(fit_rows(residuals, GAUSSIAN))
    assert not rows["chi2"].met
    assert not rows["posterior_predictive"].met
    assert "The errors are too large" in rows["chi2"].text
    assert "days" in rows["chi2"].text


def test_five_transits_are_too_few_to_test_a_model() -> None:
    """Ten parameters: nothing is left, and that is told, not held against the model."""
    few = of_scores(np.random.default_rng(1).standard_normal((200, 60)))
    chosen = np.r_[0:3, 40:42]
    five = Residuals(
        tuple(few.transits[place] for place in chosen),
        few.scores[:, chosen],
        1e-3 * few.best[chosen],
        few.typical[chosen],
        4.6,
    )
    rows = by_key(fit_rows(five, GAUSSIAN))
    assert not rows["chi2"].met
    assert not rows["chi2"].counts
    assert "Nothing is left" in rows["chi2"].text
    assert all(row.met for key, row in rows.items() if key != "chi2")


def test_no_more_parameters_count_than_there_are_transits() -> None:
    """Draws of the prior are far worse than the best of them, by more than five parameters can."""
    draws, best = systems.from_prior("sig_min.csv")
    few = residuals_of(GAUSSIAN, systems.table("five.csv"), draws, best)
    assert few.n_effective == 5.0
    assert "Nothing is left" in by_key(fit_rows(few, GAUSSIAN))["chi2"].text


def test_a_draw_without_a_model_is_not_met() -> None:
    scores = honest(1).scores.copy()
    scores[3] = np.nan
    rows = by_key(fit_rows(of_scores(scores), GAUSSIAN))
    assert not rows["posterior_predictive"].met
    assert rows["posterior_predictive"].to_json()["value"] is None
    assert not by_key(fit_rows(of_scores(honest(1).scores, math.nan), GAUSSIAN))["chi2"].met


def test_probabilities_are_those_of_replicated_data() -> None:
    """Simulated tables of 30 transits give the same shares, to five errors of 4000 draws."""
    rng = np.random.default_rng(2)
    scores = rng.standard_normal((1, 30)) * 1.1
    again = rng.standard_normal((4000, 30))
    total, top = np.square(scores).sum(), np.abs(scores).max()
    high, low = predictive_probabilities(scores)
    for value, share in (
        (high, np.mean(np.square(again).sum(axis=1) >= total)),
        (largest_probability(scores), np.mean(np.abs(again).max(axis=1) >= top)),
    ):
        assert abs(value - share) < 5 * math.sqrt(value * (1 - value) / 4000)
    assert high + low == pytest.approx(1.0)


def test_the_largest_of_many_is_expected_where_it_is() -> None:
    largest = np.abs(np.random.default_rng(3).standard_normal((4000, 60))).max(axis=1)
    assert abs(np.mean(largest < expected_largest(60)) - 0.5) < 5 * math.sqrt(0.25 / 4000)


def test_students_noise_expects_outliers() -> None:
    """Residuals of a t distribution of two degrees of freedom, at the best fit of a good table."""
    student = systems.problem(noise={"kind": "student_t", "degrees": 2.0})
    draws, best = systems.sampled("good.csv")
    table = systems.table("good.csv")
    gaussian = residuals_of(GAUSSIAN, table, draws, best)
    residuals = residuals_of(student, table, draws, best)
    expected = t.sf(np.abs(gaussian.best), 2.0)
    np.testing.assert_allclose(chi2.sf(np.square(residuals.best), 1), 2.0 * expected, rtol=1e-9)
    np.testing.assert_array_equal(np.sign(residuals.best), np.sign(gaussian.best))
    np.testing.assert_array_equal(residuals.typical, gaussian.typical)


def test_a_jitter_widens_every_error() -> None:
    prior = {"kind": "half_normal", "sigma": 5.0}
    wide = systems.problem(jitter=prior)
    draws, best = systems.sampled("outliers.csv")
    jitter = 30.0
    draws = np.column_stack([draws, np.full(len(draws), jitter)])
    residuals = residuals_of(wide, systems.table("outliers.csv"), draws, np.append(best, jitter))
    plain = residuals_of(GAUSSIAN, systems.table("outliers.csv"), draws[:, :-1], best)
    factor = math.hypot(1.0, jitter / 1440 / 0.001)
    np.testing.assert_allclose(residuals.best * factor, plain.best, rtol=1e-9)
    rows = by_key(fit_rows(residuals, wide))
    assert rows["posterior_predictive"].value == rows["chi2"].value
    assert "jitter =" not in rows["chi2"].text
    assert rows["chi2"].value is None or rows["chi2"].limit == IMPROBABLE
