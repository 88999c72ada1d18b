"""A search that is interrupted goes on from its journal, to the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from apps.ttv.compute.population.settings import PopulationUnit
from apps.ttv.compute.search.checkpoint import from_arrays, to_arrays
from apps.ttv.compute.search.journal import Fitting, Journal
from apps.ttv.compute.search.searching import Outcome, search
from apps.ttv.compute.table import TransitTable, parse_table
from tests.unit.apps.ttv.validate import population_case, ttv_case

SETTINGS = PopulationUnit.from_mapping(population_case.make_unit().settings)
N_DIM = SETTINGS.problem.n_dim


class Interrupted(Exception):
    """The search was left."""


@pytest.fixture(scope="module")
def table() -> TransitTable:
    return parse_table(ttv_case.table())


def searched(table: TransitTable, journal: Journal) -> Outcome:
    return search(
        SETTINGS.problem,
        SETTINGS.stated,
        table,
        np.random.default_rng(1),
        journal,
        n_start=SETTINGS.n_start,
    )


def bits(outcome: Outcome) -> list[Any]:
    modes = [
        (mode.params.tobytes(), mode.coords.tobytes(), mode.covariance.tobytes(), mode.chi2)
        for mode in outcome.modes
    ]
    counts = [mode.n_found for mode in outcome.modes]
    return [modes, counts, outcome.left_out, outcome.failed, outcome.step]


def after(n: int) -> Callable[[], None]:
    """Return what raises when it is called for the n-th time."""
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        if calls == n:
            raise Interrupted

    return call


@pytest.fixture(scope="module")
def whole(table: TransitTable) -> tuple[list[Any], int]:
    journal = Journal()
    return bits(searched(table, journal)), journal.n_call


@pytest.mark.parametrize("hook", ["poll", "noted"])
@pytest.mark.parametrize("n", [1, 7, 20, 33])
def test_interrupted_anywhere_the_search_ends_alike(
    table: TransitTable, whole: tuple[list[Any], int], hook: str, n: int
) -> None:
    """In the middle of an iteration, and between two; stored and read again."""
    journal = Journal()
    setattr(journal, hook, after(n))
    with pytest.raises(Interrupted):
        searched(table, journal)
    resumed = from_arrays(to_arrays(journal), N_DIM)
    kept = len(resumed.fitted)
    assert bits(searched(table, resumed)) == whole[0]
    assert resumed.n_call == whole[1]
    assert len(resumed.fitted) >= kept


def test_what_is_complete_is_not_computed_again(table: TransitTable) -> None:
    journal = Journal()
    first = bits(searched(table, journal))
    again = from_arrays(to_arrays(journal), N_DIM)
    again.noted = after(1)
    assert bits(searched(table, again)) == first


def test_a_journal_of_another_search_is_dropped(
    table: TransitTable, whole: tuple[list[Any], int]
) -> None:
    other = Journal()
    search(SETTINGS.problem, SETTINGS.stated, table, np.random.default_rng(2), other, n_start=4)
    assert bits(searched(table, other)) == whole[0]
    assert other.n_call == whole[1]


def test_progress_grows(table: TransitTable) -> None:
    told: list[float] = []
    journal = Journal()
    journal.noted = lambda: told.append(journal.fraction)
    searched(table, journal)
    assert told == sorted(told)
    assert 0.0 < told[0] < told[-1] <= 1.0


def going() -> Journal:
    n = 3
    now = Fitting(
        w=np.zeros((n, N_DIM)),
        points=np.zeros((n, N_DIM)),
        residuals=np.zeros((n, 5)),
        costs=np.zeros(n),
        damping=np.ones(n),
        idle=np.zeros(n, dtype=np.int64),
        n_iteration=2,
    )
    journal = Journal()
    journal.complete("ab" * 32, now)
    journal.note("cd" * 32, now, 10)
    return journal


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": None},
        {"w0": None},
        {"w0": np.zeros((3, N_DIM + 1))},
        {"costs0": np.zeros(2)},
        {"going_w": np.zeros(N_DIM)},
        {"going_points": np.zeros((2, N_DIM))},
        {"going_residuals": np.zeros(3)},
        {"going_damping": np.zeros(2)},
        {"going_idle": np.zeros(2, dtype=np.int64)},
        {"going_counts": np.zeros(3, dtype=np.int64)},
    ],
    ids=str,
)
def test_arrays_that_are_no_journal_are_refused(changes: dict[str, Any]) -> None:
    arrays = to_arrays(going())
    assert from_arrays(arrays, N_DIM).going_key == "cd" * 32
    changed = {name: changes.get(name, array) for name, array in arrays.items()}
    kept = {name: array for name, array in changed.items() if array is not None}
    with pytest.raises((ValueError, KeyError)):
        from_arrays(kept, N_DIM)
