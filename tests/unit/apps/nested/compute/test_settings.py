from __future__ import annotations

from typing import Any

import pytest

from apps.nested.compute.settings import NestedUnit, least_live
from boinc_project.errors import UnitError
from tests.unit.apps.ttv.validate import ttv_case

SAMPLER: dict[str, Any] = {
    "n_live": 100,
    "dlogz": 0.1,
    "segment": 50,
    "method": "rwalk",
    "walks": 25,
    "batch": 8,
    "max_segments": 40,
}


def read(**changes: Any) -> NestedUnit:
    sampler = {key: value for key, value in (SAMPLER | changes).items() if value is not None}
    return NestedUnit.from_mapping(
        {"model": ttv_case.MODEL, "parameters": ttv_case.PARAMETERS, "sampler": sampler}
    )


def test_a_unit_is_read() -> None:
    found = read()
    assert found.problem.n_dim == 5
    assert found.sampler.n_live == 100
    assert found.sampler.max_dead == 2000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_live", 31),
        ("n_live", 10_001),
        ("n_live", 100.0),
        ("dlogz", 0.0),
        ("dlogz", float("nan")),
        ("dlogz", 1e3),
        ("segment", 0),
        ("segment", 101),
        ("method", "slice"),
        ("walks", 1),
        ("batch", 0),
        ("batch", 26),
        ("max_segments", 0),
        ("max_segments", 50_000),
        ("walkers", 3),
        ("n_live", None),
        ("dlogz", None),
        ("method", None),
    ],
)
def test_what_is_wrong_is_named(key: str, value: Any) -> None:
    with pytest.raises(UnitError, match=key):
        read(**{key: value})


def test_a_start_belongs_to_chains() -> None:
    with pytest.raises(UnitError, match="start"):
        NestedUnit.from_mapping({"model": {}, "parameters": [], "sampler": {}, "start": []})


def test_more_parameters_need_more_live_points() -> None:
    assert least_live(2) == 32
    assert least_live(20) == 80
    assert least_live(20, has_proposal=True) == 84
