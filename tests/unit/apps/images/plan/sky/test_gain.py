"""Electrons a count, as cameras and pipelines write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.images.plan.sky.frame import Image, find_images
from apps.images.plan.sky.gain import certain_gain, electrons_per_count
from tests.unit.apps.images.plan.sky.headers import sky, tan, write


def image(tmp_path: Path, **cards: Any) -> Image:
    return find_images(write(tmp_path / "a.fits", sky(40, 30), tan(nx=40, ny=30, **cards)))[0]


def certain(tmp_path: Path, **cards: Any) -> float | None:
    return certain_gain(image(tmp_path, **cards), str(cards.get("BUNIT", "")), 60.0)


@pytest.mark.parametrize(
    ("cards", "gain"),
    [
        ({"BUNIT": "electron"}, 1.0),
        ({"BUNIT": "ELECTRONS"}, 1.0),
        ({"BUNIT": "electrons/s"}, 60.0),
        ({"BUNIT": "e-/s"}, 60.0),
        ({"BUNIT": "adu", "EGAIN": 0.25}, 0.25),
        ({"BUNIT": "adu", "GAIN": 120}, None),  # a setting of the camera, for all we know
        ({"GAIN": (1.5, "[e-/ADU] gain")}, 1.5),
        ({"GAIN": (120, "camera setting")}, None),
        ({"GAIN": 120, "EGAIN": 0.24}, 0.24),
        ({"EGAIN": -1.0}, None),
        ({"EGAIN": "unknown"}, None),
        ({}, None),
    ],
)
def test_gains_are_read_where_they_leave_no_doubt(
    tmp_path: Path, cards: dict[str, Any], gain: float | None
) -> None:
    assert certain(tmp_path, **cards) == gain


def test_the_setting_of_a_camera_is_no_gain(tmp_path: Path) -> None:
    value, remark = electrons_per_count(image(tmp_path, GAIN=120, EGAIN=1.0022), "GAIN")
    assert value == 1.0022
    assert "EGAIN" in remark
    assert electrons_per_count(image(tmp_path, GAIN=1.4), "GAIN") == (1.4, "")
    assert electrons_per_count(image(tmp_path, GAIN=1.4, EGAIN=1.4), "GAIN") == (1.4, "")
    assert electrons_per_count(image(tmp_path, GAINA=2.0, EGAIN=1.0), "GAINA") == (2.0, "")
