"""Averages over the area of output pixels, against polygons clipped one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.images.compute import order
from apps.images.compute.built import load_kernel
from apps.images.compute.computing import interpolation_of, recompute, steps_of, work_of
from apps.images.compute.engine import MOST_CELLS, MOST_LOST, levels
from apps.images.compute.frame import open_frame
from apps.images.compute.operations import credit_flop
from apps.images.compute.settings import ReprojectionSettings
from apps.images.compute.tiles import compute_tiles
from boinc_project.errors import UnitError
from tests.reprojection_units import (
    bent,
    frame_settings,
    seal_unit,
    sky,
    unit_settings,
    write_frame,
)
from tests.unit.apps.images.compute.test_kernel import computed

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
            spread += weight * float(noise[row, column])
        whole = good + lost
        if good == 0 or lost > MOST_LOST["area"] * whole or whole < 0.05 * min(area, drop**2):
            continue
        share, mean = lost / whole, total / good
        scatter = square / good - mean**2
        if share > 1e-9 and share**2 * scatter > spread / good**2:
            continue
        scale = area if conserve else 1.0
        values[at], variance[at] = mean * scale, spread / good**2 * scale**2 * drop**2
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


@pytest.mark.parametrize("variance", ["map", "constant"])
@pytest.mark.parametrize(
    ("method", "scale", "angle"), [("area", 5.2, 12.0), ("area", 3.0, 95.0), ("drizzle", 0.6, 45.0)]
)
def test_level_tile_and_step_do_not_matter(
    tmp_path: Path, method: str, scale: float, angle: float, variance: str
) -> None:
    """Tiles of 32 pixels end between nodes, those of 64 where a cell of the map does."""
    shape, window = (330, 350), (140, 130)
    transform = scaled(shape, window, angle, scale)
    options = {"method": method, "pixfrac": 0.8, "variance": variance, "step": 32}
    found = []
    for tile in (64, 8, 40, 256):
        unit, inputs, _ = make(
            tmp_path / str(tile), shape, window, transform, tile=tile,
            output={"kind": "steps", "step_sigma": 0.25}, **options,
        )  # fmt: skip
        tried = levels() if tile == 64 else [""]
        found += [computed(unit, inputs, level=level) for level in tried]
    assert np.count_nonzero(found[0][1]) > 40
    for pixels, codes in found[1:]:
        assert pixels.tobytes() == found[0][0].tobytes()
        assert codes.tobytes() == found[0][1].tobytes()


@pytest.mark.parametrize(("scale", "angle"), [(4.0, 0.0), (4.0, 90.0), (4.0, 45.0), (1.0, 45.0)])
def test_rows_in_memory_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: float, angle: float
) -> None:
    """Tiles in pieces, and stripes of them: the same bytes from far fewer rows of the frame."""
    shape = (600, 400)
    window = (int(400 / scale), int(600 / scale))
    transform = scaled(shape, window, angle, scale)
    unit, inputs, _ = make(tmp_path, shape, window, transform, method="area")
    wanted = [one.tobytes() for one in computed(unit, inputs)]
    monkeypatch.setattr(order, "MOST_ROWS", 64)
    monkeypatch.setattr(order, "MOST_BYTES", 150 * 400 * 10)
    assert [one.tobytes() for one in computed(unit, inputs)] == wanted
    settings = ReprojectionSettings.from_mapping(unit.settings)
    with open_frame(settings, 0, inputs) as frame:
        how = interpolation_of(settings, settings.frames[0], inputs)
        work = work_of(settings, settings.frames[0], how)
        pieces = order.cut(frame, work.tiling)
        bands = order.bands(frame, pieces)
        assert max(band.end - band.first for band in bands) <= 150
        assert sorted(tile for band in bands for tile in band.tiles) == list(range(pieces.n_tile))
        tiles = {tile.number: tile for tile in compute_tiles(frame, work)}
    assert sorted(tiles) == list(range(work.tiling.n_tile))
    for number in (0, work.tiling.n_tile - 1):
        assert recompute(unit, inputs, 0, number).digest() == tiles[number].digest()


def test_a_star_with_masked_pixels_is_not_averaged(tmp_path: Path) -> None:
    """Two masked pixels of 100 cost nothing on the sky, and would cost half of a star's light."""
    rng = np.random.default_rng(3)
    pixels = rng.normal(100.0, 12.0, (60, 60)).astype("f4")
    mask = np.zeros((60, 60), bool)
    mask[[12, 13], 14] = True  # in the output pixel (1, 1), of sky
    mask[[34, 35], 35] = True  # in the output pixel (3, 3), on a star
    y, x = np.indices((60, 60))
    pixels += (5000 * np.exp(-((x - 35) ** 2 + (y - 34) ** 2) / 3.0)).astype("f4")
    write_frame(
        tmp_path / "frame_00.fits", pixels, (6, 6), lambda x, y: (10 * x + 4.5, 10 * y + 4.5),
        mask=mask,
    )  # fmt: skip
    frame = frame_settings((6, 6))
    unit, inputs = seal_unit(tmp_path, unit_settings([frame], method="area", output=FLOAT))
    values, variance = computed(unit, inputs)
    assert np.argwhere(np.isnan(values)).tolist() == [[3, 3]]
    assert values[1, 1] == pytest.approx(10_000, abs=5 * 120)
    assert variance[1, 1] == pytest.approx(144 * 100 * 100 / 98, rel=1e-6)
    assert values[0, 0] == pytest.approx(pixels[:10, :10].sum(dtype=float), rel=1e-6)


def test_the_edge_of_a_frame_and_its_holes(tmp_path: Path) -> None:
    """A pixel that lies on the frame by less than seven eighths is nothing."""
    pixels = sky((40, 40), 1)
    found = []
    for shift in (0.0, 0.4, 0.6):
        directory = tmp_path / str(shift)
        directory.mkdir()
        write_frame(
            directory / "frame_00.fits", pixels, (12, 10),
            lambda x, y, d=shift: (4 * x + 1.5 - d, 4 * y + 1.5),
        )  # fmt: skip
        settings = unit_settings([frame_settings((12, 10))], method="area", output=FLOAT)
        found.append(~np.isnan(computed(*seal_unit(directory, settings))[0]))
    assert found[0].all(axis=0).tolist() == [True] * 10 + [False] * 2
    # A tenth of the first column is lost: that is replaced where the sky is flat.
    assert 0 < found[1][:, 0].sum() <= 10
    assert not found[2][:, 0].any()


def test_a_pixel_of_the_whole_sky_is_nothing(tmp_path: Path) -> None:
    side = 1.2 * MOST_CELLS
    write_frame(
        tmp_path / "frame_00.fits", sky((40, 40)), (8, 8), lambda x, y: (side * x, side * y)
    )
    settings = unit_settings([frame_settings((8, 8))], method="area", output=FLOAT)
    assert np.isnan(computed(*seal_unit(tmp_path, settings))[0]).all()


def test_steps_are_those_of_the_average() -> None:
    frame = frame_settings((20, 20), noise=1200.0, area=100.0, method="area")
    plain = frame_settings((20, 20), noise=1200.0, area=100.0)
    settings = ReprojectionSettings.from_mapping(unit_settings([frame, plain]))
    steps = [steps_of(settings, one) for one in settings.frames]
    assert [one.step for one in steps if one] == [30.0, 300.0]


@pytest.mark.parametrize(
    ("changes", "frame", "said"),
    [
        ({"pixfrac": 0.0}, {}, "pixfrac"),
        ({"pixfrac": 1.5}, {}, "pixfrac"),
        ({}, {"method": "nearest"}, "method"),
        ({}, {"method": "reproject"}, "method"),
        ({}, {"area": -1.0}, "area"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    changes: dict[str, Any], frame: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnitError, match=said):
        ReprojectionSettings.from_mapping(
            unit_settings([frame_settings((20, 20), **frame)], **changes)
        )


def test_credit_grows_with_the_pixels_that_are_averaged() -> None:
    # Times of the kernel, beside those of Lanczos3: 5 for 4 pixels, 60 for 100.
    plain = credit_flop("lanczos3", 1000)
    assert 1 < credit_flop("area", 1000, 4.0) / plain < 5
    assert 10 < credit_flop("area", 1000, 100.0) / plain < 60
    assert credit_flop("drizzle", 1000, 0.25) < plain
