from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boinc_project.campaign import Campaign
from work_generator.campaign_file import load_campaign
from work_generator.expectation import expect, generations


@pytest.fixture
def campaign(write: Callable[..., Path]) -> Campaign:
    """Three units a generation, eight at most, 400 effective draws wanted."""
    return load_campaign(write())


def with_pilot(campaign: Campaign, pilot: Mapping[str, Any]) -> Campaign:
    return replace(campaign, settings={**campaign.settings, "pilot": pilot})


def test_without_a_pilot_nothing_is_claimed(campaign: Campaign) -> None:
    found = expect(campaign, 1000)
    assert (found.first, found.most, found.likely) == (3, 8, None)
    assert "3 to 8" in found.text


@pytest.mark.parametrize(
    ("effective", "likely"),
    # 500 calls; a unit has 1000, so it is worth twice as much as the pilot.
    [(200.0, 3), (67.0, 3), (66.0, 6), (34.0, 6), (26.0, 8), (24.0, None)],
)
def test_whole_generations_that_meet_the_stop_rule(
    campaign: Campaign, effective: float, likely: int | None
) -> None:
    found = expect(with_pilot(campaign, {"effective": effective, "n_call": 500}), 1000)
    assert found.likely == likely
    if likely is None:
        assert "9 units are probably needed, but 8 are allowed" in found.text


@pytest.mark.parametrize(
    "pilot",
    [{}, {"effective": 0.0, "n_call": 5}, {"effective": 5.0}, {"effective": 1.0, "n_call": 0}],
)
def test_a_pilot_that_says_nothing(campaign: Campaign, pilot: dict[str, float]) -> None:
    assert expect(with_pilot(campaign, pilot), 1000).likely is None


def test_the_sizes_of_generations(campaign: Campaign) -> None:
    assert generations(campaign, 3) == (3,)
    assert generations(campaign, 6) == (3, 3)
    assert generations(campaign, 8) == (3, 3, 2)
    assert generations(campaign, 2) == (2,)
