"""Which saturation counts: what is stated, what the header says, or where the pixels stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from apps.images.plan.pack import Frame, read_frame
from apps.images.plan.saturation import saturation_of
from bench.truth.sky import header, paint

TOP = 20_000.0


def frame(directory: Path, *, stops: bool, level: float | None = None) -> Frame:
    """Return a frame of stars up to 100,000 counts, of which the header states a saturation."""
    rng = np.random.default_rng(1)
    light = paint(256, rng.uniform(20, 236, (2, 40)), np.exp(rng.uniform(9, 14, 40)), 3.0)
    pixels = light + 300 + rng.normal(0, 10, light.shape)
    if stops:
        pixels = np.minimum(pixels, TOP)
    head = header(256, 1.0)
    if level is not None:
        head["SATURATE"] = level
    path = directory / "frame.fits"
    fits.PrimaryHDU(pixels.astype(np.float32), head).writeto(path)
    return read_frame({"path": str(path), "hdu": 0, "name": "frame.fits"})


def test_nothing_is_said_of_whole_stars(tmp_path: Path) -> None:
    assert saturation_of(frame(tmp_path, stops=False), None, by_keyword=False) == (None, ())


def test_pixels_that_stop_tell_it(tmp_path: Path) -> None:
    level, (remark,) = saturation_of(frame(tmp_path, stops=True), None, by_keyword=False)
    assert level == TOP
    assert "stop at 20000" in remark


def test_the_header_counts_where_pixels_reach_it(tmp_path: Path) -> None:
    level, (remark,) = saturation_of(
        frame(tmp_path, stops=False, level=30_000.0), None, by_keyword=False
    )
    assert level == 30_000.0
    assert "as its header says" in remark


def test_a_header_that_would_leave_nothing_does_not_count(tmp_path: Path) -> None:
    level, (remark,) = saturation_of(
        frame(tmp_path, stops=False, level=200.0), None, by_keyword=False
    )
    assert level is None
    assert "not used" in remark


def test_a_header_that_is_above_all_pixels_says_nothing(tmp_path: Path) -> None:
    seen = frame(tmp_path, stops=False, level=1e6)
    assert saturation_of(seen, None, by_keyword=False) == (None, ())


@pytest.mark.parametrize("by_keyword", [False, True])
def test_a_number_is_obeyed_and_a_keyword_is_corrected(tmp_path: Path, *, by_keyword: bool) -> None:
    level, (remark,) = saturation_of(
        frame(tmp_path, stops=True, level=60_000.0), 60_000.0, by_keyword=by_keyword
    )
    assert level == (TOP if by_keyword else 60_000.0)
    assert "stop at 20000" in remark


def test_a_level_below_that_of_the_pixels_is_obeyed(tmp_path: Path) -> None:
    seen = frame(tmp_path, stops=True)
    assert saturation_of(seen, 15_000.0, by_keyword=True) == (15_000.0, ())
    assert saturation_of(seen, TOP, by_keyword=False) == (TOP, ())
