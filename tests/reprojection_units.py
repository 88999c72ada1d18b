"""Reprojection units for tests: small frames, an analytic map, no world coordinates needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from boinc_project.fits.cards import card
from boinc_project.fits.writing import FitsWriter, create_fits
from boinc_project.unit import UNIT_FILE, Unit

Transform = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

CARDS = [
    "CTYPE1  = 'RA---TAN'",
    "CTYPE2  = 'DEC--TAN'",
    "CRVAL1  =                 10.0",
    "CRVAL2  =                 41.0",
    "CRPIX1  =                100.0",
    "CRPIX2  =                 90.0",
    "CDELT1  =               -0.001",
    "CDELT2  =                0.001",
]


def bent(shape: tuple[int, int], angle: float = 12.0, scale: float = 1.05) -> Transform:
    """Return a rotation and scale about the middle of a frame, with a cubic distortion."""
    ny, nx = shape
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))

    def transform(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, v = x - 0.5 * nx, y - 0.5 * ny
        a, b = c * u - s * v, s * u + c * v
        r = 2e-2 * (a * a + b * b) / (nx * ny)
        return a * (1.0 + r) + 0.5 * nx + 0.3, b * (1.0 + r) + 0.5 * ny - 0.2

    return transform


def nodes(transform: Transform, window: tuple[int, int], step: int) -> np.ndarray:
    """Return the map of a window, (2, n_row, n_column)."""
    nx, ny = window
    x, y = ((np.arange((n - 1) // step + 4) - 1.0) * step for n in (nx, ny))
    return np.stack(transform(*np.meshgrid(x, y)))


def lanczos3(n_phase: int = 256) -> np.ndarray:
    """Return normalised weights of the pixels at -2 ... 3, (n_phase + 1, 6)."""
    x = np.arange(n_phase + 1)[:, None] / n_phase - np.arange(-2, 4)
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def sky(shape: tuple[int, int], seed: int = 1, dtype: str = "f4") -> np.ndarray:
    """Return noise of 12 on a level of 300, with some stars."""
    rng = np.random.default_rng(seed)
    image = rng.normal(300.0, 12.0, shape)
    y, x = np.indices(shape)
    for _ in range(12):
        y0, x0 = rng.uniform(8, np.array(shape) - 8)
        image += rng.uniform(300, 9000) * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 4.5)
    return np.rint(image).astype(dtype) if np.dtype(dtype).kind in "iu" else image.astype(dtype)


def write_pixels(file: FitsWriter, pixels: np.ndarray) -> None:
    if pixels.dtype == np.uint16:
        stored = (pixels.astype(np.int32) - 32768).astype(np.int16)
        file.compressed("PIXELS", stored, tile=(64, 64), cards=[card("BZERO", 32768.0)])
    elif pixels.dtype.kind == "f":
        file.image("PIXELS", pixels)
    else:
        file.compressed("PIXELS", pixels, tile=(1, pixels.shape[1]))


def write_frame(
    path: Path,
    pixels: np.ndarray,
    window: tuple[int, int],
    transform: Transform,
    *,
    step: int = 32,
    mask: np.ndarray | None = None,
    variance: np.ndarray | None = None,
) -> None:
    with create_fits(path) as file:
        file.primary()
        write_pixels(file, pixels)
        if mask is not None:
            file.compressed("MASK", mask.astype(np.uint8), tile=(64, 64))
        if variance is not None:
            file.compressed("VARIANCE", variance.astype("f4"), method="GZIP_2", tile=(64, 64))
        cards = [card("STEP", step), card("NX", window[0]), card("NY", window[1])]
        file.image("MAP", nodes(transform, window, step), cards)


def write_kernel(path: Path, n_phase: int = 256) -> None:
    with create_fits(path) as file:
        file.primary()
        file.image("LANCZOS3", lanczos3(n_phase))


def frame_settings(window: tuple[int, int], number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "name": f"night{number}.fits",
        "input": f"frame_{number:02d}.fits",
        "x0": 3,
        "y0": 5,
        "nx": window[0],
        "ny": window[1],
        "noise": 12.0,
        "variance": {"kind": "constant", "value": 144.0},
        "exposure_s": 60.0,
        "filter": "V",
        "saturation": None,
        **changes,
    }


def unit_settings(frames: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    nx, ny = (max(f[a] + f[b] for f in frames) for a, b in (("x0", "nx"), ("y0", "ny")))
    return {
        "grid": {"nx": nx, "ny": ny, "cards": CARDS},
        "method": "lanczos3",
        "flux": "conserve",
        "tile": 64,
        "output": {"kind": "steps", "step_sigma": 0.25},
        "frames": frames,
        "calibrate": None,
        "digest_only": False,
        **changes,
    }


def seal_unit(directory: Path, settings: dict[str, Any]) -> tuple[Unit, dict[str, Path]]:
    """Seal a unit over the FITS files that are in a directory."""
    names = sorted(path.name for path in directory.glob("*.fits") if path.name != "output.fits")
    digests = {n: hashlib.sha256((directory / n).read_bytes()).hexdigest() for n in names}
    unit = Unit("reprojection", 100, "stack", 42, 0, 0, settings, digests)
    (directory / UNIT_FILE).write_bytes(unit.to_bytes())
    return unit, {name: directory / name for name in (UNIT_FILE, *names)}


def make_unit(
    directory: Path,
    *,
    shape: tuple[int, int] = (150, 170),
    window: tuple[int, int] = (160, 140),
    dtype: str = "f4",
    n_frame: int = 1,
    step: int = 32,
    angle: float = 12.0,
    with_mask: bool = True,
    variance: str = "constant",
    frame: dict[str, Any] | None = None,
    **changes: Any,
) -> tuple[Unit, dict[str, Path]]:
    """Make and seal a unit of simulated frames."""
    directory.mkdir(parents=True, exist_ok=True)
    write_kernel(directory / "kernel.fits")
    frames = []
    for number in range(n_frame):
        rng = np.random.default_rng(100 + number)
        pixels = sky(shape, number, dtype)
        if pixels.dtype.kind == "f":
            pixels[rng.random(shape) < 0.001] = np.nan
        write_frame(
            directory / f"frame_{number:02d}.fits",
            pixels,
            window,
            bent(shape, angle + number),
            step=step,
            mask=rng.random(shape) < 0.002 if with_mask else None,
            variance=rng.uniform(100, 200, shape) if variance == "map" else None,
        )
        extra = {"variance": {"kind": "map"}} if variance == "map" else {}
        frames.append(frame_settings(window, number, **extra, **(frame or {})))
    return seal_unit(directory, unit_settings(frames, **changes))
