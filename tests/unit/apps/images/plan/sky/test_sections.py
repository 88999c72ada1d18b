"""Overscan and empty borders: which pixels have not seen the sky."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.rows import Rows
from apps.images.plan.sky.sections import (
    Section,
    _at_the_edge,
    _has_thick_edge,
    border_rows,
    empty_border,
    sky_section,
)
from tests.unit.apps.images.plan.sky.headers import sky, tan, write

DATA = sky()


@pytest.mark.parametrize(
    ("cards", "section", "word"),
    [
        ({"TRIMSEC": "[1:180,1:160]", "BIASSEC": "[181:200,1:160]"}, Section(0, 180, 0, 160),
         "TRIMSEC"),
        ({"DATASEC": "[11:200, 1:150]"}, Section(10, 200, 0, 150), "DATASEC"),
        ({"BIASSEC": "[181:200,1:160]"}, Section(0, 180, 0, 160), "BIASSEC"),
        ({"BIASSEC": "[1:20,1:160]"}, Section(20, 200, 0, 160), "BIASSEC"),
        ({"BIASSEC": "[1:200,151:160]"}, Section(0, 200, 0, 150), "BIASSEC"),
        ({"TRIMSEC": "[180:1,160:1]"}, Section(0, 180, 0, 160), "TRIMSEC"),
        ({"TRIMSEC": "[1:200,1:160]"}, None, ""),
        ({"TRIMSEC": "[25:224,1:160]"}, None, "trimmed already"),
        ({"TRIMSEC": "[0:0,0:0]"}, None, "trimmed already"),
        ({"TRIMSEC": "none"}, None, ""),
        ({"BIASSEC": "[1:20,1:20]"}, None, ""),
        ({}, None, ""),
    ],
)  # fmt: skip
def test_sections(
    tmp_path: Path, cards: dict[str, Any], section: Section | None, word: str
) -> None:
    (image,) = find_images(write(tmp_path / "a.fits", DATA, tan(**cards)))
    found, remark = sky_section(image)
    assert found == section
    assert (word in remark) if word else not remark


def test_sections_of_every_second_pixel_are_those_of_the_pixels() -> None:
    section = Section(11, 100, 20, 151)
    whole = ~section.outside((160, 200))
    for cell in ((0, 0), (1, 0), (0, 1), (1, 1)):
        part = whole[cell[1] :: 2, cell[0] :: 2]
        assert np.array_equal(~section.thinned(cell).outside(part.shape), part)


def turned(angle: float, fill: float) -> np.ndarray:
    y, x = np.mgrid[0:160, 0:200]
    across = (x - 100) * np.cos(angle) + (y - 80) * np.sin(angle)
    along = -(x - 100) * np.sin(angle) + (y - 80) * np.cos(angle)
    return np.where((abs(across) < 90) & (abs(along) < 60), DATA, np.float32(fill))


@pytest.mark.parametrize("fill", [0.0, -1e30, -32768.0])
@pytest.mark.parametrize("angle", [0.0, 0.1, 0.6])
def test_borders_of_one_value_are_found(angle: float, fill: float) -> None:
    values = turned(angle, fill).astype(np.float32)
    border = empty_border(values)
    assert border is not None
    same = values == np.float32(fill)
    assert not (border & ~same).any()
    # Corners narrower than the smallest thing that counts may stay.
    assert np.count_nonzero(same & ~border) < 0.02 * np.count_nonzero(same)


def test_single_rows_and_columns_are_borders() -> None:
    values = DATA.copy()
    values[0], values[:, -2:] = 0, 0
    border = empty_border(values)
    assert border is not None
    assert np.array_equal(border, values == 0)


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("level", [0.0, 0.4])
def test_the_sky_of_a_quiet_camera_is_no_border(sigma: float, level: float) -> None:
    rng = np.random.default_rng(3)
    values = np.round(rng.normal(level, sigma, (300, 300))).clip(min=0).astype(np.float32)
    values[100:110, 100:110] = 50
    assert empty_border(values) is None


@pytest.mark.parametrize("kind", ["noise", "saturated", "nan", "dead"])
def test_what_is_no_border(kind: str) -> None:
    values = DATA.copy()
    if kind == "saturated":
        values[:30, :30] = 65535
    elif kind == "nan":
        values[:, :20] = np.nan
    elif kind == "dead":
        values[40:60, 40:60] = 0
    assert empty_border(values) is None


@pytest.mark.parametrize("most", [10**6, 10_000])
def test_borders_of_large_images_are_found_in_a_part_of_their_pixels(most: int) -> None:
    """The same pixels, whether each is looked at or every third each way."""
    image = np.random.default_rng(4).normal(100, 5, (300, 310)).astype(np.float32)
    image[:, :41] = 0.0
    image[:23] = 0.0
    image[150, 200] = 0.0  # a dead pixel is no border
    border = border_rows(Rows.held(image), most)
    assert border is not None
    level, where = border
    assert level == 0.0
    expected = np.zeros(image.shape, bool)
    expected[:, :41] = expected[:23] = True
    assert np.array_equal(np.asarray(where), expected)
    assert border_rows(Rows.held(image[30:, 50:]), most) is None


def test_what_is_outside_of_a_section_is_told_by_rows() -> None:
    section = Section(3, 40, 100, 290)
    rows = section.outside_rows((700, 50))
    assert np.array_equal(np.asarray(rows), section.outside((700, 50)))


def test_edges_tell_whether_there_can_be_a_border() -> None:
    rng = np.random.default_rng(20261130)
    seen = set()
    for number in range(200):
        same = rng.random(rng.integers(6, 40, 2)) < rng.uniform(0.5, 0.95)
        if number % 2:
            same[:, : rng.integers(1, 9)] = True
        parts = _at_the_edge(same)
        assert _has_thick_edge(same) or not parts.any()
        seen.add(bool(parts.any()))
    assert seen == {True, False}
