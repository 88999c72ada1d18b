"""The kernel against the formulas it stands for, written out with numpy in float64."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.images.compute.built import load_kernel
from apps.images.compute.computing import interpolation_of, recompute, steps_of, work_of
from apps.images.compute.engine import MOST_LOST, TAPS, coarsen, levels, quantise
from apps.images.compute.engine import Steps as EngineSteps
from apps.images.compute.frame import open_frame
from apps.images.compute.settings import ReprojectionSettings
from apps.images.compute.tiles import compute_tile, compute_tiles
from apps.images.output_frame import FAR_BLANK, NEAR_BLANK, decode_variance
from boinc_project.fits.files import open_fits
from boinc_project.fits.images import Image
from boinc_project.fits.writing import create_fits
from boinc_project.unit import Unit
from tests.reprojection_units import (
    bent,
    frame_settings,
    lanczos3,
    make_unit,
    seal_unit,
    sky,
    unit_settings,
    write_frame,
    write_kernel,
)

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

SHAPE, WINDOW = (90, 104), (98, 85)
FLOAT = {"kind": "float"}
TABLE = lanczos3(256)


def weights(method: str, t: float) -> np.ndarray:
    if method == "bilinear":
        return np.array([1 - t, t])
    if method == "cubic":
        return np.array(
            [
                -0.5 * t + t**2 - 0.5 * t**3,
                1 - 2.5 * t**2 + 1.5 * t**3,
                0.5 * t + 2 * t**2 - 1.5 * t**3,
                -0.5 * t**2 + 0.5 * t**3,
            ]
        )
    table = TABLE
    phase = min(int(t * 256), 255)
    return table[phase] + (t * 256 - phase) * (table[phase + 1] - table[phase])


def expected(
    method: str, pixels: np.ndarray, bad: np.ndarray, noise: np.ndarray, places: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate one pixel after the other."""
    taps, (ny, nx) = TAPS[method], pixels.shape
    mode = "edge" if method == "bilinear" else "constant"
    pixels, noise = (np.pad(one.astype(float), 4, mode=mode) for one in (pixels, noise))
    options = {} if method == "bilinear" else {"constant_values": True}
    bad = np.pad(bad, 4, mode=mode, **options)
    x, y = places
    values, variance = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    for at in np.ndindex(x.shape):
        if not (-0.5 <= x[at] < nx - 0.5 and -0.5 <= y[at] < ny - 0.5):
            continue
        column, row = int(np.floor(x[at])), int(np.floor(y[at]))
        w = np.outer(weights(method, y[at] - row), weights(method, x[at] - column))
        first_row, first = row - taps // 2 + 1 + 4, column - taps // 2 + 1 + 4
        box = np.s_[first_row : first_row + taps, first : first + taps]
        lost = np.abs(w[bad[box]]).sum()
        if lost > MOST_LOST[method] * np.abs(w).sum():
            continue
        good = np.where(bad[box], 0.0, w)
        values[at] = (good * np.nan_to_num(pixels[box])).sum() / good.sum()
        variance[at] = (good**2 * noise[box]).sum() / (good**2).sum()
    return values, variance


def area(shape: tuple[int, int], window: tuple[int, int], angle: float) -> np.ndarray:
    """Return the Jacobian by central differences of the exact transform."""
    transform, h = bent(shape, angle), 1e-4
    x, y = np.meshgrid(np.arange(window[0], dtype=float), np.arange(window[1], dtype=float))
    right, left = transform(x + h, y), transform(x - h, y)
    up, down = transform(x, y + h), transform(x, y - h)
    xx, yx = ((a - b) / (2 * h) for a, b in zip(right, left, strict=True))
    xy, yy = ((a - b) / (2 * h) for a, b in zip(up, down, strict=True))
    return np.abs(xx * yy - xy * yx)


def computed(
    unit: Unit, inputs: dict[str, Path], *, level: str = "", frame: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame's stored pixels and variance, put together from its tiles."""
    settings = ReprojectionSettings.from_mapping(unit.settings)
    one = settings.frames[frame]
    how = interpolation_of(settings, one, inputs)
    is_steps = settings.step_sigma is not None
    block = 8 if is_steps else 1
    pixels = np.empty((one.ny, one.nx), np.int32 if is_steps else np.float32)
    shape = tuple(-(-n // block) for n in pixels.shape)
    variance = np.empty(shape, np.int16 if is_steps else np.float32)
    work = work_of(settings, one, how, level)
    with open_frame(settings, frame, inputs) as opened:
        for tile in compute_tiles(opened, work):
            x, y, nx, ny = work.tiling.box(tile.number)
            pixels[y : y + ny, x : x + nx] = tile.pixels
            variance[y // block :, x // block :][: len(tile.variance), : tile.variance.shape[1]] = (
                tile.variance
            )
    return pixels, variance


@pytest.mark.parametrize("variance", ["constant", "map"])
@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos3"])
def test_values_and_variances_are_those_of_the_formulas(
    tmp_path: Path, method: str, variance: str
) -> None:
    unit, inputs = make_unit(
        tmp_path,
        shape=SHAPE,
        window=WINDOW,
        method=method,
        variance=variance,
        output=FLOAT,
        flux="surface_brightness",
        step=16,
    )
    with open_fits(inputs["frame_00.fits"]) as file:
        pixels = Image(file, file["PIXELS"]).all()
        bad = (Image(file, file["MASK"]).all() != 0) | np.isnan(pixels)
        noise = np.full(SHAPE, 144.0)
        if variance == "map":
            noise = Image(file, file["VARIANCE"]).all()
    x, y = np.meshgrid(np.arange(WINDOW[0], dtype=float), np.arange(WINDOW[1], dtype=float))
    wanted, spread = expected(method, pixels, bad, noise, bent(SHAPE)(x, y))
    spread /= area(SHAPE, WINDOW, 12.0)
    values, variances = computed(unit, inputs)
    # Cubic polynomials give the distortion exactly, but for rounding at the edge.
    same = np.isnan(values) == np.isnan(wanted)
    assert (~same).sum() <= 2
    assert np.isnan(wanted).mean() > 0.05
    good = same & ~np.isnan(wanted)
    assert np.abs(values[good] - wanted[good]).max() < 0.02
    np.testing.assert_allclose(variances[good], spread[good], rtol=2e-4)


@pytest.mark.parametrize("method", ["bilinear", "lanczos3"])
def test_flux_is_conserved_by_the_exact_derivative(tmp_path: Path, method: str) -> None:
    found = {}
    for flux in ("conserve", "surface_brightness"):
        unit, inputs = make_unit(
            tmp_path / flux,
            shape=SHAPE,
            window=WINDOW,
            method=method,
            output=FLOAT,
            flux=flux,
            variance="map",
        )
        found[flux] = computed(unit, inputs)
    ratio = found["conserve"][0] / found["surface_brightness"][0]
    spread = found["conserve"][1] / found["surface_brightness"][1]
    exact = area(SHAPE, WINDOW, 12.0)
    good = ~np.isnan(ratio)
    assert exact.max() / exact.min() > 1.02
    np.testing.assert_allclose(ratio[good], exact[good], rtol=1e-5)
    # A v of a flux, v / A of a brightness: the same noise in an aperture, in both units.
    np.testing.assert_allclose(spread[good], exact[good] ** 2, rtol=2e-5)


@pytest.mark.parametrize("variance", ["constant", "map"])
@pytest.mark.parametrize("kind", ["steps", "float"])
@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos3"])
def test_level_tile_and_threads_do_not_matter(
    tmp_path: Path, method: str, kind: str, variance: str
) -> None:
    output = FLOAT if kind == "float" else {"kind": "steps", "step_sigma": 0.25}
    options = {"method": method, "output": output, "variance": variance, "dtype": "u2"}
    unit, inputs = make_unit(tmp_path / "64", **options)
    wanted = [one.tobytes() for one in computed(unit, inputs)]
    for level in levels():
        assert [one.tobytes() for one in computed(unit, inputs, level=level)] == wanted
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(lambda _: computed(unit, inputs), range(3)):
            assert [one.tobytes() for one in found] == wanted
    for tile in (8, 40, 256):
        other, paths = make_unit(tmp_path / str(tile), tile=tile, **options)
        assert [one.tobytes() for one in computed(other, paths)] == wanted


@pytest.mark.parametrize("angle", [0.0, 90.0, 200.0, 45.0])
def test_a_tile_alone_is_the_same_whatever_the_rotation(tmp_path: Path, angle: float) -> None:
    unit, inputs = make_unit(tmp_path, angle=angle, tile=32, variance="map", dtype="i2")
    settings = ReprojectionSettings.from_mapping(unit.settings)
    one = settings.frames[0]
    work = work_of(settings, one, interpolation_of(settings, one, inputs))
    with open_frame(settings, 0, inputs) as opened:
        tiles = {tile.number: tile for tile in compute_tiles(opened, work)}
        assert sorted(tiles) == list(range(work.tiling.n_tile))
        assert sum(tile.count for tile in tiles.values()) > 5000
        for number in (0, 7, len(tiles) - 1):
            assert compute_tile(opened, work, number).digest() == tiles[number].digest()


@pytest.mark.parametrize("shift", [-60, 50, 1000])
@pytest.mark.parametrize("method", ["bilinear", "lanczos3"])
def test_tiles_beside_the_frame_are_empty(tmp_path: Path, method: str, shift: int) -> None:
    """Below it, above it, or all of them: no row of the frame is needed for these."""

    def moved(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x, y + shift

    write_kernel(tmp_path / "kernel.fits")
    write_frame(tmp_path / "frame_00.fits", sky(SHAPE), WINDOW, moved, step=16)
    frames = [frame_settings(WINDOW)]
    unit, inputs = seal_unit(tmp_path, unit_settings(frames, method=method, tile=16, output=FLOAT))
    values, _ = computed(unit, inputs)
    rows = np.arange(WINDOW[1]) + shift
    is_there = (rows >= 0) & (rows < SHAPE[0])
    assert (~np.isnan(values)).any(axis=1).tolist() == is_there.tolist()
    tiles = [recompute(unit, inputs, 0, number) for number in (0, 41)]
    assert [tile.count > 0 for tile in tiles] == [bool(is_there[0]), bool(is_there[-1])]


def test_a_dense_map_is_the_map(tmp_path: Path) -> None:
    found = []
    for step in (1, 16):
        unit, inputs = make_unit(tmp_path / str(step), step=step, output=FLOAT, flux="conserve")
        found.append(computed(unit, inputs)[0])
    good = ~np.isnan(found[0]) & ~np.isnan(found[1])
    assert good.mean() > 0.6
    assert np.abs(found[0][good] - found[1][good]).max() < 0.05


def test_masters_are_applied_first(tmp_path: Path) -> None:
    """(raw - bias - k dark) / flat on the nodes of an identical grid, with its variance."""
    rng = np.random.default_rng(8)
    raw = rng.integers(500, 3000, (60, 64)).astype(np.uint16)
    raw[30, 31] = 60_000
    bias, dark = rng.normal(300, 3, (2, 60, 64)).astype("f4")
    flat = rng.uniform(0.5, 1.5, (60, 64)).astype("f4")
    flat[10, 12], flat[11, 40] = 0.0, np.nan
    spread = rng.uniform(4.0, 9.0, (60, 64))
    path = tmp_path / "frame_00.fits"
    write_frame(path, raw, (64, 60), lambda x, y: (x, y), variance=spread)
    with create_fits(tmp_path / "calibration.fits") as file:
        file.primary()
        for name, plane in (("BIAS", bias), ("DARK", dark), ("FLAT", flat)):
            file.compressed(name, plane, method="GZIP_2", tile=(32, 32))
    frame = frame_settings((64, 60), saturation=50_000.0, variance={"kind": "map"})
    calibrate = {"bias": True, "dark": True, "flat": True, "dark_exposure_s": 240.0}
    settings = unit_settings([frame], method="cubic", output=FLOAT, calibrate=calibrate)
    values, variance = computed(*seal_unit(tmp_path, settings))
    with np.errstate(divide="ignore"):
        wanted = (raw - bias - 0.25 * dark) / flat
    holes = np.isnan(values)
    assert {(10, 12), (11, 40), (30, 31)} == set(map(tuple, np.argwhere(holes).tolist()))
    np.testing.assert_allclose(values[~holes], wanted[~holes], rtol=3e-6, atol=1e-3)
    np.testing.assert_allclose(variance[~holes], spread[~holes], rtol=3e-6)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize(("counted_from", "blank"), [(None, FAR_BLANK), (250.0, NEAR_BLANK)])
def test_steps_are_rounded_to_the_nearest(
    level: str, counted_from: float | None, blank: int
) -> None:
    steps = EngineSteps.of(0.5, counted_from)
    zero = counted_from or 0.0
    numbers = np.array([0, 0.25, 0.75, -0.25, 1.49, np.nan, 3e9, -3e9, 1e30], np.float32)
    values = (zero + numbers).astype(np.float32)
    stored = quantise(level, steps, values)
    least = NEAR_BLANK + 1 if counted_from else -(2**30)
    # Halves go to the even neighbour.
    assert stored.tolist() == [0, 0, 2, 0, 3, blank, 2**30, least, 2**30]


@pytest.mark.parametrize("level", levels())
def test_variance_codes_are_of_the_mean_of_what_is_there(level: str) -> None:
    rng = np.random.default_rng(9)
    variance = rng.uniform(50, 200, (21, 30)).astype(np.float32)
    variance[:8, :8] = np.nan
    variance[9, 9:12] = np.nan
    decoded = decode_variance(coarsen(level, variance))
    assert decoded.shape == (3, 4)
    assert np.isnan(decoded[0, 0])
    means = np.array(
        [[np.nanmean(variance[y : y + 8, x : x + 8]) if x + y else np.nan
          for x in range(0, 30, 8)] for y in range(0, 21, 8)]
    )  # fmt: skip
    good = ~np.isnan(means)
    # Half a step of the code.
    assert (np.abs(decoded[good] / means[good] - 1) <= 1 / 256 + 1e-6).all()


def test_steps_follow_from_the_noise(tmp_path: Path) -> None:
    unit, _ = make_unit(tmp_path, frame={"sky": 300.0, "noise": 8.0})
    settings = ReprojectionSettings.from_mapping(unit.settings)
    assert steps_of(settings, settings.frames[0]) == EngineSteps(2.0, 300.0, NEAR_BLANK)
