from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from apps.nested.output import (
    NestedLimits,
    NestedOutput,
    content_digest,
    read_nested_output,
    write_nested_output,
)
from boinc_project.errors import OutputError

# Three live points of one parameter; slot 1 dies twice, slot 0 once, in two segments of two.
OUTPUT = NestedOutput(
    unit_digest="ab" * 32,
    app_version=100,
    platform="x86_64-pc-linux-gnu",
    app_digest="cd" * 32,
    parameter_names=("b.mass",),
    dead_u=np.array([[0.1], [0.2], [0.3], [0.4]]),
    dead_logl=np.array([-9.0, -8.0, -7.0, -6.0]),
    dead_slot=np.array([1, 1, 0, 1]),
    live_u=np.array([[0.5], [0.6], [0.7]]),
    live_logl=np.array([-5.0, -4.0, -3.0]),
    scales=np.array([1.0, 0.9, 0.8]),
    calls=np.array([5, 25, 50]),
    n_drawn=5,
    segment=2,
    failures={"close_approach": 2},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "output.h5"
    write_nested_output(path, OUTPUT)
    return path


def test_reads_what_it_wrote(path: Path) -> None:
    again = read_nested_output(path)
    for name in NestedOutput.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(OUTPUT, name))
    assert content_digest(again) == content_digest(OUTPUT)


def test_equal_outputs_are_equal_bytes(path: Path, tmp_path: Path) -> None:
    write_nested_output(tmp_path / "again.h5", OUTPUT)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_births_are_the_deaths_before_in_the_slot() -> None:
    np.testing.assert_array_equal(OUTPUT.dead_birth, [-np.inf, -9.0, -np.inf, -8.0])
    np.testing.assert_array_equal(OUTPUT.live_birth, [-7.0, -6.0, -np.inf])


@pytest.mark.parametrize(
    ("iteration", "places"),
    [
        (0, [0.3, 0.1, 0.7]),
        (1, [0.3, 0.2, 0.7]),
        (2, [0.3, 0.4, 0.7]),
        (3, [0.5, 0.4, 0.7]),
        (4, [0.5, 0.6, 0.7]),
    ],
)
def test_live_points_at_any_moment(iteration: int, places: list[float]) -> None:
    u, logl = OUTPUT.live_at(iteration)
    assert u[:, 0].tolist() == places
    known = dict(zip(OUTPUT.dead_u[:, 0], OUTPUT.dead_logl, strict=True))
    known |= dict(zip(OUTPUT.live_u[:, 0], OUTPUT.live_logl, strict=True))
    assert logl.tolist() == [known[place] for place in places]


@pytest.mark.parametrize(
    "change",
    [
        {"dead_u": OUTPUT.dead_u + 1e-12},
        {"dead_logl": OUTPUT.dead_logl + 1e-12},
        {"dead_slot": np.array([1, 1, 0, 0])},
        {"live_u": OUTPUT.live_u + 1e-12},
        {"live_logl": OUTPUT.live_logl + 1e-12},
        {"scales": OUTPUT.scales + 1e-12},
        {"calls": OUTPUT.calls + 1},
        {"n_drawn": 6},
        {"unit_digest": "ba" * 32},
        {"failures": {}},
    ],
)
def test_the_digest_covers_what_was_computed(change: dict[str, Any]) -> None:
    assert content_digest(replace(OUTPUT, **change)) != content_digest(OUTPUT)


def test_the_digest_leaves_the_host_out() -> None:
    assert content_digest(replace(OUTPUT, platform="x", app_version=7)) == content_digest(OUTPUT)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dead_slot": np.array([1, 1, 0, 3])}, "no live point"),
        ({"dead_slot": np.array([1, 1, 0, -1])}, "no live point"),
        ({"dead_logl": np.zeros(3)}, "do not fit together"),
        ({"live_logl": np.zeros(4)}, "do not fit together"),
        ({"live_u": np.zeros((3, 2))}, "not arrays of points"),
        ({"calls": np.array([5, 25])}, "do not fit together"),
        ({"calls": np.array([-5, 25, 50])}, "negative"),
        ({"scales": np.ones(2), "calls": np.array([5, 25])}, "whole segments"),
        ({"segment": 0}, "whole segments"),
        ({"n_drawn": 2}, "fewer points of the prior"),
        ({"parameter_names": ("a", "b")}, "do not fit"),
        ({"unit_digest": "no digest"}, "SHA-256"),
        ({"failures": {"x": -1}}, "negative"),
        ({"platform": "ü"}, "ASCII"),
    ],
)
def test_what_does_not_fit_together_is_not_written(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(OutputError, match=sentence):
        write_nested_output(tmp_path / "o.h5", replace(OUTPUT, **change))
    assert not list(tmp_path.iterdir())


def test_larger_outputs_than_allowed_are_not_read(path: Path) -> None:
    for limits, sentence in (
        (NestedLimits(max_bytes=100), "bytes"),
        (NestedLimits(max_dead=3), "dead_u is larger"),
        (NestedLimits(max_live=2), "live_u is larger"),
        (NestedLimits(max_segment=1), "scales is larger"),
    ):
        with pytest.raises(OutputError, match=sentence):
            read_nested_output(path, limits=limits)


def test_other_files_are_refused(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    for name, content in (("cut.h5", data[:-40]), ("text.h5", b"no"), ("empty.h5", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OutputError):
            read_nested_output(tmp_path / name)


def test_a_dataset_of_another_type_is_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        slots = file["dead_slot"][()]
        del file["dead_slot"]
        file.create_dataset("dead_slot", data=slots.astype("<i4"))
    with pytest.raises(OutputError, match="dead_slot has a wrong type"):
        read_nested_output(path)
