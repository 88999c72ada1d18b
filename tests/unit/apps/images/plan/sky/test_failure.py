"""Errors of libraries in words for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.images.plan.sky import frame, solution
from apps.images.plan.sky.failure import FAILED, reason_of
from boinc_project.errors import InputError
from tests.unit.apps.images.plan.sky.headers import tan


@pytest.mark.parametrize(
    "error",
    [AttributeError("'NoneType' object has no attribute 'data'"), TypeError("must be real number"),
     IndexError("list index out of range"), ValueError(""), AssertionError()],
)  # fmt: skip
def test_what_a_library_says_to_its_programmers_is_not_shown(error: Exception) -> None:
    assert reason_of(error) == FAILED


def test_what_it_says_to_people_is() -> None:
    assert reason_of(ValueError("ERROR 5 in wcsset()\nInvalid parameter value."), -1) == (
        "Invalid parameter value"
    )
    assert reason_of(OSError(28, "No space left on device")) == "No space left on device"
    assert reason_of(KeyError("Extension ('WCSDVARR', 1) not found.")) == (
        "Extension ('WCSDVARR', 1) not found"
    )


def test_a_header_on_which_astropy_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any, **options: Any) -> None:
        raise AttributeError("'str' object has no attribute 'ndim'")

    monkeypatch.setattr(solution, "WCS", fails)
    with pytest.raises(InputError, match="cannot be used: the library that reads it fails"):
        solution.make_solution(tan(), 200, 160, "a.fits")


def test_a_file_on_which_astropy_fails_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any, **options: Any) -> None:
        raise TypeError("unsupported operand")

    path = tmp_path / "a.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(2880))
    monkeypatch.setattr(frame.fits, "open", fails)
    with pytest.raises(InputError, match="as a FITS file: the library that reads it fails"):
        frame.find_images(path)
