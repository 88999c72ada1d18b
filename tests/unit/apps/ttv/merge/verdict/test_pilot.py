"""The pilot's health and the step's error, as the prepared settings state them."""

from __future__ import annotations

import math

import pytest

from apps.ttv.merge.verdict.pilot import pilot_rows


@pytest.mark.parametrize(
    ("effective", "settled", "met"),
    [
        (100.0, True, (True, True)),
        (24.6, False, (False, False)),
        (5000.0, False, (True, False)),
        (math.nan, True, (False, True)),
        (None, None, (False, False)),
    ],
)
def test_effective_draws_and_settling(
    effective: float | None, settled: bool | None, met: tuple[bool, bool]
) -> None:
    pilot = {"effective": effective, "n_call": 2000, "settled": settled}
    rows = pilot_rows({"pilot": pilot})
    assert tuple(row.met for row in rows) == met


def test_a_campaign_without_a_pilot_is_not_met() -> None:
    effective, settled = pilot_rows({})
    assert (effective.value, settled.value) == (None, None)
    assert "prepare the campaign again" in effective.text


def test_a_poor_pilot_is_said_in_numbers() -> None:
    effective, _ = pilot_rows({"pilot": {"effective": 24.6, "n_call": 2000, "settled": True}})
    assert effective.text.startswith("2000 draws of the pilot are worth 25 of the posterior, and")
