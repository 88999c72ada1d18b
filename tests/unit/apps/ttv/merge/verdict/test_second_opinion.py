"""Agreement with independent populations, and when it is worth something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps.ttv.merge.verdict.mcmc import product_shape
from apps.ttv.merge.verdict.row import Row
from apps.ttv.merge.verdict.second_opinion import (
    NOT_BACK,
    SecondOpinion,
    second_opinion_rows,
)
from apps.ttv.merge.verdict.shape import Shape
from tests.unit.apps.ttv.merge.verdict import honest


@pytest.fixture(scope="module")
def product() -> Shape:
    return product_shape(honest.chains(np.random.default_rng(0), 3, 8), honest.WHITENING)


def rows(second: SecondOpinion | None, product: Shape) -> dict[str, Row]:
    by_key = second_opinion_rows(second, product, honest.WHITENING, honest.NAMES)
    return {row.key: row for row in by_key}


def test_none_is_not_met(product: Shape) -> None:
    (row,) = rows(None, product).values()
    assert (row.key, row.value, row.met) == ("second_opinion", None, False)
    assert row.text == NOT_BACK


@pytest.mark.parametrize("seed", range(20))
def test_honest_populations_agree(seed: int, product: Shape) -> None:
    """False-alarm rate below 3e-3: one per thousand and row that compares."""
    by_key = rows(honest.second(np.random.default_rng(seed + 100), 10), product)
    assert set(by_key) == {"second_opinion", "second_means", "second_widths", "second_tails"}
    assert all(row.met for row in by_key.values()), by_key


def test_a_product_that_is_too_narrow_disagrees_in_its_widths(product: Shape) -> None:
    second = honest.second(np.random.default_rng(1), 10)
    draws = second.draws.copy()
    draws[:, 4] *= 1.5
    by_key = rows(replace(second, draws=draws), product)
    assert by_key["second_opinion"].met
    assert not by_key["second_widths"].met
    assert not by_key["second_tails"].met
    assert by_key["second_means"].met
    text = by_key["second_widths"].text
    assert "the width of b.node by" in text
    assert "% more" in text


def test_a_missed_side_disagrees_in_its_mean(product: Shape) -> None:
    second = honest.second(np.random.default_rng(1), 10)
    draws = second.draws.copy()
    draws[:, 0] -= 0.6
    row = rows(replace(second, draws=draws), product)["second_means"]
    assert not row.met
    assert "the mean of b.ecosw by 0.58 widths down" in row.text


def test_a_coarse_second_opinion_says_what_gives_a_finer_one(product: Shape) -> None:
    coarse = honest.second(np.random.default_rng(1), 4, n_independent=60)
    row = rows(coarse, product)["second_opinion"]
    assert not row.met
    assert "larger max_units" in row.text
    single = rows(replace(coarse, n_part=1, groups=np.zeros(4000, np.int64)), product)
    (row,) = single.values()
    assert (row.value, row.met) == (None, False)
    assert "it has no errors" in row.text


def test_a_population_that_knows_nothing_of_a_parameter_is_not_said_to_differ(
    product: Shape,
) -> None:
    second = honest.second(np.random.default_rng(1), 10)
    draws = second.draws.copy()
    draws[:, 4] = draws[0, 4]
    by_key = rows(replace(second, draws=draws), product)
    for key in ("second_means", "second_widths", "second_tails"):
        assert not by_key[key].met
        assert "cannot be compared with the product in the" in by_key[key].text
        assert "nan" not in by_key[key].text
