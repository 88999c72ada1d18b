"""The numbers are BOINC's: they travel on the wire and stand in other people's databases."""

from __future__ import annotations

import pytest

from boinc_project import states


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (states.ServerState, [1, 2, 4, 5]),
        (states.Outcome, [0, 1, 2, 3, 4, 5, 6, 7]),
        (states.ValidateState, [0, 1, 2, 3, 4, 5]),
        (states.ClientState, [0, 1, 2, 3, 4, 5, 6, 7]),
        (states.AssimilateState, [0, 1, 2]),
        (states.FileDeleteState, [0, 1, 2, 3]),
        (states.ErrorMask, [1, 2, 4, 8, 16, 32]),
    ],
)
def test_numbers(kind: type[states.ServerState], numbers: list[int]) -> None:
    assert [int(member) for member in kind] == numbers


def test_own_exit_codes_stay_clear_of_boinc_and_of_signals() -> None:
    ours = {code for code in states.ExitStatus if code < states.ExitStatus.ABORTED_BY_CLIENT}
    assert all(0 <= code < 126 for code in ours)
    assert len(ours) == len({int(code) for code in ours})
