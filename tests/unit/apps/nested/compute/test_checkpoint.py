from __future__ import annotations

import numpy as np
import pytest

from apps.nested.compute import checkpoint
from boinc_project.errors import CorruptCheckpoint
from tests.nested_targets import gaussian, sampler, settings


@pytest.mark.parametrize("n_segment", [0, 1, 3])
def test_a_run_comes_back(n_segment: int) -> None:
    nested = sampler(gaussian(2, 0.1), settings())
    found = nested.begin()
    found.calls.append(100)
    found.failures["close_approach"] = 3
    for _ in range(n_segment):
        nested.advance(found)
        found.calls.append(found.calls[-1] + 7)
    again = checkpoint.from_bytes(checkpoint.to_bytes(found), nested.settings, 2)
    assert again.n_segment == n_segment
    for name in ("live_u", "live_logl", "dead_u", "dead_logl", "dead_slot"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    for name in ("n_drawn", "scales", "calls", "failures"):
        assert getattr(again, name) == getattr(found, name)
    if n_segment < 3:  # it goes on as if nothing had been
        nested.advance(found)
        nested.advance(again)
        np.testing.assert_array_equal(again.live_u, found.live_u)


@pytest.mark.parametrize(
    ("changes", "n_dim"), [({"n_live": 101}, 2), ({"segment": 49}, 2), ({}, 3)]
)
def test_a_run_of_other_settings_is_refused(changes: dict[str, int], n_dim: int) -> None:
    nested = sampler(gaussian(2, 0.1), settings())
    found = nested.begin()
    found.calls.append(100)
    nested.advance(found)
    found.calls.append(200)
    with pytest.raises(CorruptCheckpoint):
        checkpoint.from_bytes(checkpoint.to_bytes(found), settings(**changes), n_dim)


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        checkpoint.from_bytes(data, settings(), 2)
