from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from work_generator.campaign_file import load_campaign
from work_generator.estimate import Cost, duration, estimate, measure, volume

COST = Cost(
    n_call=1000,
    fpops=2e12,
    bytes_down=5000,
    bytes_shared=300,
    bytes_up=80_000,
    memory=1e8,
    disk=1e8,
)


def test_a_campaign_costs_its_units_times_its_quorum(write: Callable[..., Path]) -> None:
    told = estimate(load_campaign(write()), COST, 0.002)
    assert (told.first_units, told.max_units, told.results_per_unit) == (3, 8, 2)
    assert told.unit_seconds == pytest.approx(2.0)
    assert told.cpu_seconds(3, replicated=True) == pytest.approx(12.0)
    assert told.cpu_seconds(3, replicated=False) == pytest.approx(6.0)


def test_the_bound_is_far_above_the_estimate_and_never_small() -> None:
    assert COST.fpops_bound == pytest.approx(3.6e14)
    large = Cost(1, 1e15, 0, 0, 0, 0.0, 0.0)
    assert large.fpops_bound == pytest.approx(1e17)
    assert COST.max_nbytes > COST.bytes_up


def test_measure_takes_the_median_and_warms_up() -> None:
    ticks = iter([0.0, 5.0, 5.0, 5.1, 6.0, 6.2])
    calls = []
    assert measure(lambda: calls.append(1), n_call=3, clock=lambda: next(ticks)) == pytest.approx(
        0.2
    )
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.34, "0.34 s"),
        (45.2, "45 s"),
        (119.0, "119 s"),
        (150.0, "2.5 min"),
        (7000.0, "117 min"),
        (9000.0, "2.5 h"),
        (200_000.0, "2.3 days"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("nbytes", "text"), [(12, "12 bytes"), (2340, "2.3 kB"), (45e6, "45 MB"), (7.2e9, "7.2 GB")]
)
def test_volumes_for_people(nbytes: float, text: str) -> None:
    assert volume(nbytes) == text
