"""Averages over the area of output pixels, against polygons clipped one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.reprojection import order
from apps.reprojection.built import load_kernel
from apps.reprojection.computing import interpolation_of, recompute, steps_of, work_of
from apps.reprojection.engine import MOST_CELLS, MOST_LOST, levels
from apps.reprojection.frame import open_frame
from apps.reprojection.operations import credit_flop
from apps.reprojection.settings import ReprojectionSettings
from apps.reprojection.tiles import compute_tiles
from boinc_project.errors import UnitError
from boinc_project.fits.files import open_fits
from boinc_project.fits.images import Image
from tests.reprojection_units import (
    bent,
    frame_settings,
    make_unit,
    seal_unit,
    sky,
    unit_settings,
    write_frame,
)
from tests.unit.apps.reprojection.test_kernel import computed

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

FLOAT = {"kind": "float"}
Transform = Any


def clip(polygon: np.ndarray, axis: int, edge: float, way: int) -> np.ndarray:
    """Cut a polygon at a line (Sutherland & Hodgman 1974): what is beyond it is left."""
    left = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        heights = way * (a[axis] - edge), way * (b[axis] - edge)
        if heights[0] >= 0:
            left.append(a)
        if heights[0] * heights[1] < 0:
            left.append(a + (b - a) * heights[0] / (heights[0] - heights[1]))
    return np.array(left).reshape(-1, 2)


def polygon_area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return 0.5 * abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()))


def overlaps(corners: np.ndarray, drop: float) -> dict[tuple[int, int], float]:
    """Return the area that a quadrilateral shares with each drop, by (row, column)."""
    low, high = np.floor(corners.min(axis=0) + 0.5), np.floor(corners.max(axis=0) + 0.5)
    shared = {}
    for row in range(int(low[1]), int(high[1]) + 1):
        for column in range(int(low[0]), int(high[0]) + 1):
            part = corners
            for axis, centre in ((0, column), (1, row)):
                part = clip(part, axis, centre - drop / 2, 1)
                part = clip(part, axis, centre + drop / 2, -1)
            shared[row, column] = polygon_area(part) if len(part) > 2 else 0.0
    return shared


def expected(
    transform: Transform, pixels: np.ndarray, bad: np.ndarray, noise: np.ndarray,
    window: tuple[int, int], *, drop: float = 1.0, conserve: bool = False,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Average one pixel after the other."""
    x, y = np.meshgrid(np.arange(window[0] + 1) - 0.5, np.arange(window[1] + 1) - 0.5)
    places = np.stack(transform(x, y), axis=-1)
    values, variance = np.full((2, window[1], window[0]), np.nan)
    for at in np.ndindex(values.shape):
        j, i = at
        corners = np.array([places[j, i], places[j, i + 1], places[j + 1, i + 1], places[j + 1, i]])
        area, good, lost, total, square, spread = polygon_area(corners), *([0.0] * 5)
        for (row, column), weight in overlaps(corners, drop).items():
            is_in = 0 <= row < pixels.shape[0] and 0 <= column < pixels.shape[1]
            if not is_in or bad[row, column]:
                lost += weight
                continue
            good += weight
            total += weight * float(pixels[row, column])
            square += weight * float(pixels[row, column]) ** 2
            spread += weight**2 * float(noise[row, column])
        whole = good + lost
        if good == 0 or lost > MOST_LOST["area"] * whole or whole < 0.5 * min(area, drop**2):
            continue
        share, mean = lost / whole, total / good
        scatter = square / good - mean**2
        if share > 1e-9 and share**2 * scatter > spread / good**2:
            continue
        scale = area if conserve else 1.0
        values[at], variance[at] = mean * scale, spread / good**2 * scale**2
    return values, variance


def scaled(
    shape: tuple[int, int], window: tuple[int, int], angle: float, scale: float
) -> Transform:
    """Return `bent` about the middles of window and frame, so that the window is full."""
    inner = bent(shape, angle, scale)

    def transform(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return inner(x - 0.5 * (window[0] - shape[1]), y - 0.5 * (window[1] - shape[0]))

    return transform


def make(
    directory: Path,
    shape: tuple[int, int],
    window: tuple[int, int],
    transform: Transform,
    *,
    variance: str = "map",
    step: int = 8,
    frame: dict[str, Any] | None = None,
    **changes: Any,
) -> tuple[Any, dict[str, Path], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Seal a unit of one frame; return it with pixels, masked pixels and variances."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    pixels, bad = sky(shape, 2), rng.random(shape) < 0.01
    noise = rng.uniform(100, 200, shape) if variance == "map" else None
    write_frame(
        directory / "frame_00.fits", pixels, window, transform, step=step, mask=bad, variance=noise
    )
    settings = {"kind": "map"} if variance == "map" else {"kind": "constant", "value": 144.0}
    options = {"method": "area", "output": FLOAT, "flux": "surface_brightness", **changes}
    one = frame_settings(window, variance=settings, **(frame or {}))
    unit, inputs = seal_unit(directory, unit_settings([one], **options))
    return unit, inputs, (pixels, bad, np.full(shape, 144.0) if noise is None else noise)


@pytest.mark.parametrize(
    ("scale", "angle", "drop", "flux"),
    [
        (1.5, 12.0, 1.0, "surface_brightness"),
        (4.0, 100.0, 1.0, "conserve"),
        (7.3, 45.0, 1.0, "surface_brightness"),
        (4.0, 0.0, 1.0, "conserve"),
        (0.5, 12.0, 0.6, "surface_brightness"),
        (0.4, 200.0, 0.3, "conserve"),
        (2.2, 30.0, 0.7, "conserve"),
    ],
)
@pytest.mark.parametrize("variance", ["map", "constant"])
def test_weights_are_shared_areas(
    tmp_path: Path, scale: float, angle: float, drop: float, flux: str, variance: str
) -> None:
    shape, window = ((90, 104), (12, 13)) if scale > 3 else ((30, 36), (21, 24))
    transform = scaled(shape, window, angle, scale)
    unit, inputs, planes = make(
        tmp_path, shape, window, transform, variance=variance, flux=flux, method="drizzle",
        pixfrac=drop,
    )  # fmt: skip
    conserve = flux == "conserve"
    wanted, spread = expected(transform, *planes, window, drop=drop, conserve=conserve)
    values, variances = computed(unit, inputs)
    same = np.isnan(values) == np.isnan(wanted)
    assert (~same).sum() <= 1  # a limit that is met to the last digit
    good = same & ~np.isnan(wanted)
    assert good.mean() > 0.1
    np.testing.assert_allclose(values[good], wanted[good], rtol=2e-6)
    np.testing.assert_allclose(variances[good], spread[good], rtol=2e-6)
