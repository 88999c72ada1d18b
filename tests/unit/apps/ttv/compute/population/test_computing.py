"""A unit of populations: stored after any step, it goes on to the same bits."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest

from apps.ttv.compute.population.computing import (
    Archipelago,
    Computer,
    Conclusion,
    from_arrays,
    to_arrays,
)
from apps.ttv.compute.population.rounds import N_PART
from apps.ttv.compute.population.settings import Islands
from tests.unit.apps.ttv.validate import population_case

UNIT = population_case.make_unit(n_island=2, n_point=120)


@pytest.fixture(scope="module")
def settings() -> Islands:
    return population_case.computer_of(UNIT).settings


def to_bytes(state: Archipelago) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **to_arrays(state))
    return buffer.getvalue()


def from_bytes(data: bytes, settings: Islands) -> Archipelago:
    with np.load(io.BytesIO(data)) as archive:
        return from_arrays(dict(archive), settings)


def whole(computer: Computer) -> tuple[list[bytes], Conclusion]:
    """Return the state after each step, as bytes, and what it ends with."""
    state, stored = Archipelago(), []
    while not computer.is_complete(state):
        computer.advance(state)
        stored.append(to_bytes(state))
    return stored, computer.conclude(state)


@pytest.fixture(scope="module")
def undisturbed() -> tuple[list[bytes], Conclusion]:
    return whole(population_case.computer_of(UNIT))


def test_stored_after_every_step_it_goes_on_to_the_same_bits(
    undisturbed: tuple[list[bytes], Conclusion], settings: Islands
) -> None:
    stored, conclusion = undisturbed
    for before, after in itertools.pairwise(stored):
        state = from_bytes(before, settings)
        assert to_bytes(state) == before
        population_case.computer_of(UNIT).advance(state)
        assert to_bytes(state) == after
    again = population_case.computer_of(UNIT).conclude(from_bytes(stored[-1], settings))
    assert again.n_call == conclusion.n_call
    for first, second in zip(again.looks, conclusion.looks, strict=True):
        assert first.y.tobytes() == second.y.tobytes()
        assert first.logs.tobytes() == second.logs.tobytes()


def test_islands_are_independent(
    undisturbed: tuple[list[bytes], Conclusion], settings: Islands
) -> None:
    first, second = from_bytes(undisturbed[0][-1], settings).islands
    assert first.points.shape == second.points.shape == (120, 4)
    assert not np.isin(first.points, second.points).any()
    # Evidences of so few points scatter by 0.3; the draws' own is known better.
    assert abs(first.log_z - second.log_z) < 2.0


def test_draws_come_in_independent_parts_of_equal_size(
    undisturbed: tuple[list[bytes], Conclusion],
) -> None:
    conclusion = undisturbed[1]
    assert len(conclusion.looks) == N_PART
    assert len({look.y.shape for look in conclusion.looks}) == 1
    assert conclusion.effective >= 120.0
    assert conclusion.effective <= len(conclusion.logs)


def test_progress_grows_and_leaves_room_for_the_conclusion(settings: Islands) -> None:
    computer, state = population_case.computer_of(UNIT), Archipelago()
    told = [computer.fraction(state)]
    while not computer.is_complete(state):
        computer.advance(state)
        told.append(computer.fraction(state))
    assert told[-1] == pytest.approx(2.0 / 3.0)
    computer.conclude(state, lambda: told.append(computer.fraction(state)))
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] <= 1.0


@pytest.mark.parametrize(
    "changes", [{"n_point": 121}, {"n_island": 1}], ids=["more points", "fewer islands"]
)
def test_a_state_of_other_settings_is_refused(
    undisturbed: tuple[list[bytes], Conclusion], changes: dict[str, int]
) -> None:
    unit = population_case.make_unit(**{"n_island": 2, "n_point": 120, **changes})
    with pytest.raises(ValueError, match=r"shape|too many"):
        from_bytes(undisturbed[0][-1], population_case.computer_of(unit).settings)


def changed(data: bytes, **arrays: np.ndarray | None) -> bytes:
    """Return a state with other arrays in it, or without some."""
    with np.load(io.BytesIO(data)) as archive:
        kept = {name: archive[name] for name in archive.files}
    kept |= {name: array for name, array in arrays.items() if array is not None}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: kept[name] for name in kept if arrays.get(name, 0) is not None})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "arrays",
    [
        {"n_call": None},
        {"moving_points": None},
        {"moving_powers": None},
        {"moving_points": np.zeros((960, 3))},
        {"moving_target": np.zeros(3)},
        {"moving_wide": np.zeros((3, 3))},
        {"moving_numbers": np.zeros(3)},
        {"moving_numbers": np.array([0.1, 0.0, np.inf, 1.0])},
        {"n_call": np.zeros(2)},
        {"looked0": np.zeros((2, 2))},
    ],
    ids=str,
)
def test_arrays_that_are_no_state_are_refused(
    undisturbed: tuple[list[bytes], Conclusion],
    settings: Islands,
    arrays: dict[str, np.ndarray | None],
) -> None:
    assert to_bytes(from_bytes(changed(undisturbed[0][0]), settings)) == undisturbed[0][0]
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError)):
        from_bytes(changed(undisturbed[0][0], **arrays), settings)


def test_nothing_yet_is_a_state(settings: Islands) -> None:
    state = from_bytes(to_bytes(Archipelago()), settings)
    assert state.islands == []
    assert state.moving is None


def test_a_conclusion_that_was_interrupted_goes_on_to_the_same_bits(
    undisturbed: tuple[list[bytes], Conclusion], settings: Islands
) -> None:
    stored, conclusion = undisturbed

    class Left(Exception):
        """The conclusion was left."""

    for n_part in (1, 3):
        state = from_bytes(stored[-1], settings)

        def noted(state: Archipelago = state, n_part: int = n_part) -> None:
            if len(state.looked) == n_part:
                raise Left

        with pytest.raises(Left):
            population_case.computer_of(UNIT).conclude(state, noted)
        resumed = from_bytes(to_bytes(state), settings)
        assert len(resumed.looked) == n_part
        computer = population_case.computer_of(UNIT)
        again = computer.conclude(resumed)
        assert computer.target.n_call < conclusion.n_call
        assert again.n_call == conclusion.n_call
        for first, second in zip(again.looks, conclusion.looks, strict=True):
            assert first.y.tobytes() == second.y.tobytes()
            assert first.logs.tobytes() == second.logs.tobytes()
