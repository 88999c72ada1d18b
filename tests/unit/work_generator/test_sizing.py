from __future__ import annotations

import pytest

from work_generator.sizing import (
    LEAST_SECONDS,
    MAX_OUTPUT,
    MOST_SECONDS,
    fit,
    preferred,
    remark,
)

MOST_STEPS = 10_000_000


@pytest.mark.parametrize("microseconds", [1, 37, 50, 800, 1234, 2000, 17_000])
@pytest.mark.parametrize("n_walker", [8, 24, 100])
def test_a_unit_is_within_half_an_hour_to_an_hour(microseconds: int, n_walker: int) -> None:
    per_step, per_draw = n_walker * microseconds * 1e-6, 8 * n_walker * 11
    size = fit(per_step, per_draw, thin=10, most_steps=10**9)
    assert LEAST_SECONDS < size.n_step * per_step < MOST_SECONDS
    assert size.n_step % size.thin == 0
    assert size.thin % 10 == 0
    assert size.n_step // size.thin * per_draw <= MAX_OUTPUT


def test_thin_grows_only_where_the_output_would_be_too_large() -> None:
    assert fit(0.1, 2000, thin=10, most_steps=MOST_STEPS).thin == 10
    size = fit(0.0012, 2112, thin=10, most_steps=MOST_STEPS)
    assert size.n_step // size.thin * 2112 <= MAX_OUTPUT
    assert size.n_step // (size.thin - 20) * 2112 > MAX_OUTPUT


def test_a_chain_ends_at_the_longest_and_keeps_a_draw_at_least() -> None:
    assert fit(1e-9, 8, thin=1, most_steps=5000).n_step == 5000
    slow = fit(10_000.0, 8, thin=10, most_steps=MOST_STEPS)
    assert (slow.n_step, slow.thin) == (10, 10)


def test_neighbouring_measurements_give_one_number() -> None:
    assert {preferred(value) for value in (11_500, 12_000, 12_500, 13_500)} == {12_500}
    assert [preferred(value) for value in (0.2, 1.0, 9.5, 99.0, 29_000.0)] == [
        1,
        1,
        10,
        100,
        31_500,
    ]


def test_the_remark_names_minutes_and_what_fits() -> None:
    assert remark(LEAST_SECONDS, "n_step = 1") == remark(MOST_SECONDS, "n_step = 1") == ""
    assert remark(120.0, "n_step = 900 with thin = 10") == (
        "A unit takes 2 CPU minutes on the reference host, which is short: 30 to 60 are good. "
        "n_step = 900 with thin = 10 would take about 45."
    )
    assert "6000 CPU minutes on the reference host, which is long" in remark(360_000.0, "x")
