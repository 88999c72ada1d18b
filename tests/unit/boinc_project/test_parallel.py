"""Results of calls on several processors come in the order of their items."""

from __future__ import annotations

import time
import warnings

import pytest

from boinc_project.parallel import parallel_map


@pytest.mark.parametrize("jobs", [1, 2, 5, 40])
def test_results_are_in_order(jobs: int) -> None:
    def slow(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(parallel_map(slow, range(17), jobs)) == [number**2 for number in range(17)]


def test_results_that_nobody_takes_are_no_more_than_the_threads() -> None:
    begun = []
    results = parallel_map(lambda number: begun.append(number), range(50), 3)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 3
    assert len(list(results)) == 49


def test_an_error_is_passed_on_and_ends_it() -> None:
    def call(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    results = parallel_map(call, range(100), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_filters_of_warnings_are_left_as_they_were() -> None:
    def call(number: int) -> int:
        with warnings.catch_warnings(action="ignore"):
            time.sleep(0.001 * (number % 4))
        return number

    before = list(warnings.filters)
    list(parallel_map(call, range(30), 4))
    assert list(warnings.filters) == before
