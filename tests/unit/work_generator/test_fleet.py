from __future__ import annotations

from dataclasses import replace

import pytest

from work_generator.fleet import Fleet, example_fleet, local_seconds, wall_time
from work_generator.prices import load_prices

FLEET = Fleet(10, 40.0, 20.0, 0.5, 0.1, "ten")


def wall(fleet: Fleet, generations: list[int], copies: int = 2):
    return wall_time(fleet, generations, copies=copies, unit_seconds=3600.0, deadline=100_000.0)


def test_many_tasks_take_the_fleets_capacity() -> None:
    # 20 reference cores half of the time: 10 hours of work an hour.
    found = wall(FLEET, [100, 50])
    assert found.computing == pytest.approx(30 * 3600.0)
    assert "2 generations, 150 units x 2 copies x 1.00 CPU-h" in found.text


def test_one_task_takes_a_slow_core_that_is_often_away() -> None:
    # Half the speed, half of the time.
    assert wall(FLEET, [1, 1]).computing == pytest.approx(2 * 4 * 3600.0)


def test_the_tail_waits_for_a_deadline_as_often_as_a_task_is_lost() -> None:
    assert wall(FLEET, [1], copies=1).tail == pytest.approx(10_000.0)
    assert wall(FLEET, [1]).tail == pytest.approx(100_000.0 * 0.19)
    assert wall(FLEET, [1, 1]).tail == pytest.approx(2 * 100_000.0 * 0.19)
    assert wall(FLEET, [10_000]).tail == pytest.approx(100_000.0)
    assert wall(replace(FLEET, lost=0.0), [10_000]).tail == 0.0
    found = wall(FLEET, [3])
    assert found.seconds == found.computing + found.tail


def test_here_whole_rounds_are_computed() -> None:
    assert local_seconds([6, 6, 1], unit_seconds=100.0, cores=4, speed=2.0) == 250.0


def test_the_example_fleet() -> None:
    told = load_prices().volunteers
    fleet = example_fleet(told)
    assert fleet.hosts == told.hosts
    assert fleet.capacity == pytest.approx(
        told.hosts * told.cores_per_host * told.speed * told.availability
    )
    assert "example" in fleet.words
    assert example_fleet(told, 7).cores == pytest.approx(7 * told.cores_per_host)
