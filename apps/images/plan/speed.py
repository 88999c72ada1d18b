"""How fast the app brings pixels onto a grid on this machine: measured by running it."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from apps.images.compute.app import Frames
from apps.images.plan.pack import KERNEL_FILE, write_kernel, write_plain_frame
from apps.images.plan.sky.pixel_map import make_map
from apps.images.plan.sky.reference import cards_of
from apps.runtime import open_runtime
from boinc_project.input_store import InputStore
from boinc_project.unit import UNIT_FILE, Unit, seal

_SIDE = 1536
"""Pixels: long enough for a tenth of a second, small enough for a plan to wait for it."""
_TURN = 0.2
_MOST_AREA = 100.0
_NOISE = 5.0


def seconds_per_pixel(
    method: str,
    output: Mapping[str, Any],
    flux: str,
    *,
    area: float = 1.0,
    pixfrac: float = 1.0,
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Return CPU seconds of a pixel of the grid: reading, interpolating, compressing, digests.

    Parameters
    ----------
    method, output, flux, pixfrac
        Of a unit's settings.
    area : float
        Pixels of the frame that one of the grid covers; up to `_MOST_AREA` it is tried, from there
        on the time grows with it.
    clock : Callable
        CPU clock, seconds.
    """
    app = Frames()
    tried = min(area, _MOST_AREA)
    side = max(1, round(_SIDE / math.sqrt(tried)))
    with tempfile.TemporaryDirectory(prefix="openastro-speed-") as name:
        slot = Path(name) / "slot"
        settings = {"method": method, "output": dict(output), "flux": flux, "pixfrac": pixfrac}
        unit = _example(Path(name), slot, settings, side)
        inputs = {one: slot / one for one in (UNIT_FILE, *unit.inputs)}
        with open_runtime(slot) as runtime:
            start = clock()
            app.compute(unit, inputs, slot / "output", runtime)
            return (clock() - start) / side**2 * (area / tried)


def _example(directory: Path, slot: Path, asked: Mapping[str, Any], side: int) -> Unit:
    """Seal a unit of one frame of noise, turned by 11 degrees about its middle, on a grid."""
    rng = np.random.default_rng(1)
    pixels = rng.normal(1000.0, _NOISE, (_SIDE, _SIDE)).round().astype(np.int16)
    scale, middle = _SIDE / side, (_SIDE - 1) / 2
    cos, sin = scale * np.cos(_TURN), scale * np.sin(_TURN)

    def turned(x: Any, y: Any) -> tuple[Any, Any]:
        u, v = x - (side - 1) / 2, y - (side - 1) / 2
        return middle + cos * u - sin * v, middle + sin * u + cos * v

    made = make_map(turned, (side, side), (_SIDE, _SIDE))
    store = InputStore(directory / "inputs")
    frame = store.add(lambda path: write_plain_frame(path, pixels, made))
    files = {"frame_00.fits": frame.sha256}
    if asked["method"] == "lanczos3":
        files[KERNEL_FILE] = store.add(write_kernel).sha256
    variance = {"kind": "constant", "value": _NOISE**2}
    settings = {
        **asked,
        "grid": {"nx": side, "ny": side, "cards": cards_of(_header())},
        "tile": 256,
        "frames": [
            {
                "name": "noise", "input": "frame_00.fits", "x0": 0, "y0": 0, "nx": side,
                "ny": side, "noise": _NOISE, "sky": 1000.0, "variance": variance,
                "exposure_s": 1.0, "filter": "", "saturation": None,
            }
        ],
        "calibrate": None,
        "digest_only": False,
    }  # fmt: skip
    unit = Unit("reprojection", 100, "speed", 1, 0, 0, settings, files)
    seal(unit, {one: store.find(digest) for one, digest in files.items()}, slot)
    return unit


def _header() -> Any:
    from astropy.io import fits

    header = fits.Header()
    header.update(
        {
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 0.0, "CRVAL2": 0.0,
            "CRPIX1": _SIDE / 2, "CRPIX2": _SIDE / 2, "CDELT1": -3e-4, "CDELT2": 3e-4,
        }
    )  # fmt: skip
    return header
