"""A unit of populations: stored in any stage, it goes on to the same bits."""

from __future__ import annotations

import io

import numpy as np
import pytest

from apps.ttv.compute.population.checkpoint import from_bytes, to_bytes
from apps.ttv.compute.population.settings import PopulationUnit
from apps.ttv.compute.population.stages import UnitComputer, UnitState
from apps.ttv.compute.table import parse_table
from boinc_project.errors import CorruptCheckpoint
from tests.unit.apps.ttv.validate import population_case, ttv_case

UNIT = population_case.make_unit(n_point=120)
SETTINGS = PopulationUnit.from_mapping(UNIT.settings)


class Left(Exception):
    """The search was left."""


def computer(unit_settings: PopulationUnit = SETTINGS, **hooks: object) -> UnitComputer:
    table = parse_table(ttv_case.table())
    return UnitComputer(unit_settings, table, UNIT.seed, **hooks)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stored() -> list[bytes]:
    """The state in the search, after it, and after each step of the population."""
    state, calls = UnitState(), 0

    def noted() -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise Left

    with pytest.raises(Left):
        computer(noted=noted).advance(state)
    states = [to_bytes(state)]
    ours = computer()
    while not ours.is_complete(state):
        ours.advance(state)
        states.append(to_bytes(state))
    return states


def test_every_stored_state_is_the_same_again(stored: list[bytes]) -> None:
    for data in stored:
        assert to_bytes(from_bytes(data, SETTINGS)) == data


def test_stored_in_the_search_it_goes_on_to_the_same_bits(stored: list[bytes]) -> None:
    state = from_bytes(stored[0], SETTINGS)
    assert state.outcome is None
    assert state.journal.fitted or state.journal.going
    ours = computer()
    for after in stored[1:]:
        ours.advance(state)
        assert to_bytes(state) == after


def test_progress_grows_from_stage_to_stage(stored: list[bytes]) -> None:
    ours = computer()
    told = [ours.fraction(UnitState())]
    told += [ours.fraction(from_bytes(data, SETTINGS)) for data in stored[1:]]
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] < 1.0


def changed(data: bytes, **arrays: np.ndarray | None) -> bytes:
    """Return a state with other arrays in it, or without some."""
    with np.load(io.BytesIO(data)) as archive:
        kept = {name: archive[name] for name in archive.files}
    kept |= {name: array for name, array in arrays.items() if array is not None}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: kept[name] for name in kept if arrays.get(name, 0) is not None})
    return buffer.getvalue()


def text(words: str) -> np.ndarray:
    return np.frombuffer(words.encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    "arrays",
    [
        {"params": np.zeros((1, 3))},
        {"params": None},
        {"chi2": np.zeros(0)},
        {"covariance": np.zeros((1, 4))},
        {"told": text("[]")},
        {"told": text("{")},
        {"populations_n_call": np.zeros(2)},
        {"populations_n_call": None},
    ],
    ids=str,
)
def test_arrays_that_are_no_state_are_corrupt(
    stored: list[bytes], arrays: dict[str, np.ndarray | None]
) -> None:
    with pytest.raises(CorruptCheckpoint):
        from_bytes(changed(stored[1], **arrays), SETTINGS)


@pytest.mark.parametrize("n_byte", [0, 1, 100, -1, -500])
def test_bytes_that_were_cut_off_are_corrupt(stored: list[bytes], n_byte: int) -> None:
    for data in stored[:2]:
        with pytest.raises(CorruptCheckpoint):
            from_bytes(data[:n_byte], SETTINGS)


def test_changed_bytes_are_corrupt(stored: list[bytes]) -> None:
    """In the middle of an array: the archive has sums of its own."""
    for original in stored[:2]:
        data = bytearray(original)
        data[len(data) // 3] ^= 1
        with pytest.raises(CorruptCheckpoint):
            from_bytes(bytes(data), SETTINGS)


def test_a_state_of_more_points_is_corrupt(stored: list[bytes]) -> None:
    other = PopulationUnit.from_mapping(population_case.make_unit(n_point=121).settings)
    with pytest.raises(CorruptCheckpoint):
        from_bytes(stored[-1], other)
