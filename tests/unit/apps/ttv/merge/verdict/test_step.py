"""The row of the integration step."""

from __future__ import annotations

import math

import pytest

from apps.ttv.merge.verdict.step import step_row


@pytest.mark.parametrize(
    ("sigma", "met"), [(0.03, True), (0.1, True), (0.2, False), (math.inf, False), (None, False)]
)
def test_a_tenth_of_the_smallest_sigma_is_the_most(sigma: float | None, met: bool) -> None:
    row = step_row({"dt_error": {"seconds": 1.0, "sigma": sigma}})
    assert row.met is met
    assert ("prepare the campaign again" in row.text) is (sigma is None)


def test_a_step_that_was_not_measured_is_not_met() -> None:
    assert not step_row({}).met
