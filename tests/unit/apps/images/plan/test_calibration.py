"""Master frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.images.plan.calibration import Masters
from apps.images.plan.sky.frame import Image, find_images
from boinc_project.errors import InputError
from tests.unit.apps.images.plan.sky.headers import sky, tan, write


def masters(tmp_path: Path, **planes: tuple[np.ndarray, float]) -> Masters:
    paths = {}
    for name, (values, exposure) in planes.items():
        path = write(tmp_path / f"{name}.fits", values.astype(np.float32), tan(EXPTIME=exposure))
        paths[name] = str(path)
    return Masters.read(paths)


def frame(tmp_path: Path, exposure: float = 30.0) -> Image:
    return find_images(write(tmp_path / "frame.fits", sky(), tan(EXPTIME=exposure)))[0]


LEVEL = np.arange(160 * 200, dtype=float).reshape(160, 200) / 1000


def test_a_frame_made_of_its_parts_is_taken_apart(tmp_path: Path) -> None:
    true = sky().astype(float)
    flat = 1 + 0.2 * np.sin(LEVEL)
    bias, dark = 300 + LEVEL, 2 + 0.1 * LEVEL
    raw = (true * flat / np.median(flat) + bias + dark * 30 / 60).astype(np.float32)
    found = masters(tmp_path, bias=(bias, 0.0), dark=(dark, 60.0), flat=(flat * 20_000, 1.0))
    assert found.apply(raw, frame(tmp_path)) == pytest.approx(true, abs=1e-3)
    assert found.settings() == {"bias": True, "dark": True, "flat": True, "dark_exposure_s": 60.0}


def test_a_dark_without_a_bias_holds_it_and_is_not_scaled(tmp_path: Path) -> None:
    found = masters(tmp_path, dark=(300 + LEVEL, 60.0))
    raw = (sky() + 300 + LEVEL).astype(np.float32)
    assert found.apply(raw, frame(tmp_path)) == pytest.approx(sky(), abs=1e-3)


@pytest.mark.parametrize(("of_frame", "of_dark"), [(-1.0, 60.0), (30.0, -1.0), (30.0, 0.0)])
def test_a_dark_is_subtracted_once_where_an_exposure_is_not_known(
    tmp_path: Path, of_frame: float, of_dark: float
) -> None:
    """Cameras write -1 or 0 for an exposure time that they do not know."""
    found = masters(tmp_path, bias=(300 + LEVEL, 0.0), dark=(2 + LEVEL, of_dark))
    raw = (sky() + 302 + 2 * LEVEL).astype(np.float32)
    assert found.apply(raw, frame(tmp_path, of_frame)) == pytest.approx(sky(), abs=1e-3)


def test_pixels_that_see_no_light_are_not_known(tmp_path: Path) -> None:
    flat = np.ones((160, 200))
    flat[3, 4], flat[5, 6] = 0.0, -1.0
    values = masters(tmp_path, flat=(flat, 1.0)).apply(sky(), frame(tmp_path))
    assert np.isnan(values).sum() == 2


def test_masters_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another size than the bias"):
        masters(tmp_path, bias=(np.zeros((160, 200)), 0.0), dark=(LEVEL[:100], 1.0))
    with pytest.raises(InputError, match="give masters of the same camera"):
        masters(tmp_path, bias=(np.ones((10, 20)), 0.0)).apply(sky(), frame(tmp_path))
    with pytest.raises(InputError, match=r"median of -\d"):
        masters(tmp_path, flat=(LEVEL - 100, 1.0))
    assert Masters().settings() is None
