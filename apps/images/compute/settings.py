"""What a reprojection unit asks for: the ``settings`` of its ``unit.json``.

::

    {"grid": {"nx": 4000, "ny": 4000, "cards": ["CTYPE1  = 'RA---TAN'", ...]},
     "method": "bilinear" | "cubic" | "lanczos3" | "area" | "drizzle" | "reproject",
     "pixfrac": 1.0,
     "flux": "conserve" | "surface_brightness",
     "tile": 256,
     "output": {"kind": "steps", "step_sigma": 0.25} | {"kind": "float"},
     "frames": [{"name": "night1.fits", "input": "frame_00.fits", "x0": 0, "y0": 0, "nx": 4000,
                 "ny": 4000, "noise": 12.5, "sky": 310.0, "variance": {...}, "exposure_s": 60.0,
                 "filter": "V", "saturation": 60000.0, "method": "lanczos3", "area": 1.0}],
     "calibrate": null | {"bias": true, "dark": true, "dark_exposure_s": 300.0, "flat": true},
     "digest_only": false}

``pixfrac``
    Optional, of ``drizzle``: the side of the drop that a pixel of the frame is taken for, in such
    pixels, above 0 and at most 1.
``frames[].method``
    Optional: another method than the unit's, for a frame that is finer than the grid.
``frames[].area``
    Optional: pixels of the frame that a pixel of the grid covers on average; 1 if not given.
``frames[].variance``
    ``{"kind": "map"}``: the extension VARIANCE of the frame, in units of calibrated pixels squared.
    ``{"kind": "constant", "value": v}``.
``frames[].noise``
    Sky noise of an input pixel in output units: where flux is conserved, times the mean area ratio.
``frames[].sky``
    Optional, in output units: the level that steps are counted from. Holes of the image then take
    a tenth of the bytes.
``frames[].saturation``
    Stored values (scaled, before calibration) from here on are masked; null: none are.
``calibrate``
    Which of the extensions BIAS, DARK and FLAT of ``calibration.fits`` are used, float32 of the
    frame's shape: value = (stored - bias - k dark) / flat. With a bias the dark is current alone,
    and k = exposure_s / dark_exposure_s where both are known; otherwise k = 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.images.compute.engine import AREA_METHODS
from apps.images.limits import MAX_FRAMES, MAX_PIXELS, MAX_SIDE, MAX_TILE
from apps.images.output_frame import VARIANCE_BLOCK
from boinc_project.errors import FitsError, UnitError
from boinc_project.fits.cards import Header

METHODS = ("bilinear", "cubic", "lanczos3", "area", "drizzle", "reproject")
FLUXES = ("conserve", "surface_brightness")
MAX_CARDS = 1000


@dataclass(frozen=True, slots=True)
class VarianceSettings:
    """Where the variance of input pixels comes from; see the module."""

    kind: str
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class FrameSettings:
    """One frame; see the module."""

    name: str
    input: str
    x0: int
    y0: int
    nx: int
    ny: int
    noise: float
    variance: VarianceSettings
    exposure_s: float | None
    saturation: float
    sky: float | None
    method: str
    area: float

    @property
    def pixel_noise(self) -> float:
        """Sky noise of an output pixel in its unit, as if it shared no pixel with its neighbours.

        An average over `area` pixels has their noise over its root; an interpolated value about the
        noise of one.
        """
        is_average = self.method in AREA_METHODS and self.area > 1.0
        return self.noise / math.sqrt(self.area) if is_average else self.noise


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """Which masters are applied; see the module."""

    bias: bool = False
    dark: bool = False
    flat: bool = False
    dark_exposure_s: float | None = None

    def dark_scale(self, exposure_s: float | None) -> float:
        """Return how often the dark is subtracted."""
        if not (self.bias and exposure_s and self.dark_exposure_s):
            return 1.0
        return exposure_s / self.dark_exposure_s

    @property
    def needs_file(self) -> bool:
        """Whether there is anything to apply."""
        return self.bias or self.dark or self.flat


@dataclass(frozen=True, slots=True)
class ReprojectionSettings:
    """All that a unit asks for; see the module.

    `step_sigma` is None where the output is float32.
    """

    nx: int
    ny: int
    wcs: Header
    method: str
    pixfrac: float
    conserve_flux: bool
    tile: int
    step_sigma: float | None
    frames: tuple[FrameSettings, ...]
    calibration: CalibrationSettings
    digest_only: bool

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> ReprojectionSettings:
        """Read the settings of a unit.

        Raises
        ------
        UnitError
            If something is missing, of the wrong type, or out of bounds; the message names it.
        """
        grid = _mapping(raw, "grid")
        nx, ny = (_count(grid, key, 1, MAX_SIDE) for key in ("nx", "ny"))
        if nx * ny > MAX_PIXELS:
            raise UnitError(f"The unit's grid has {nx} x {ny} pixels, more than {MAX_PIXELS:,}.")
        cards = grid.get("cards")
        if not isinstance(cards, list) or len(cards) > MAX_CARDS:
            raise UnitError("The unit's grid has no cards.")
        try:
            wcs = Header.from_texts(str(text) for text in cards)
        except FitsError as error:
            raise UnitError(f"The unit's grid cannot be read: {error.message}") from error
        tile = _count(raw, "tile", VARIANCE_BLOCK, MAX_TILE)
        if tile % VARIANCE_BLOCK:
            raise UnitError(f"The unit's tile is {tile}, not a multiple of {VARIANCE_BLOCK}.")
        frames = raw.get("frames")
        if not isinstance(frames, list) or not 1 <= len(frames) <= MAX_FRAMES:
            raise UnitError(f"A unit has from 1 to {MAX_FRAMES} frames.")
        method = _choice(raw, "method", METHODS)
        return cls(
            nx=nx,
            ny=ny,
            wcs=wcs,
            method=method,
            pixfrac=_pixfrac(raw),
            conserve_flux=_choice(raw, "flux", FLUXES) == "conserve",
            tile=tile,
            step_sigma=_step_sigma(_mapping(raw, "output")),
            frames=tuple(_frame(frame, nx, ny, method) for frame in frames),
            calibration=_calibration(raw.get("calibrate")),
            digest_only=_flag(raw, "digest_only"),
        )


def _frame(raw: Any, grid_nx: int, grid_ny: int, method: str) -> FrameSettings:
    if not isinstance(raw, Mapping):
        raise UnitError("The unit has a frame that is not a table.")
    frame = FrameSettings(
        name=_text(raw, "name"),
        input=_text(raw, "input"),
        x0=_count(raw, "x0", 0, grid_nx),
        y0=_count(raw, "y0", 0, grid_ny),
        nx=_count(raw, "nx", 1, grid_nx),
        ny=_count(raw, "ny", 1, grid_ny),
        noise=_number(raw, "noise", above=0.0),
        variance=_variance(_mapping(raw, "variance")),
        exposure_s=_optional(raw, "exposure_s"),
        saturation=_number(raw, "saturation", default=math.inf),
        sky=_optional(raw, "sky"),
        method=_choice(raw, "method", METHODS) if "method" in raw else method,
        area=_number(raw, "area", above=0.0, default=1.0),
    )
    if (frame.method == "reproject") != (method == "reproject"):
        raise UnitError(f"{frame.name} has a method that the unit's cannot stand beside.")
    if frame.x0 + frame.nx > grid_nx or frame.y0 + frame.ny > grid_ny:
        raise UnitError(f"The window of {frame.name} is not inside of the unit's grid.")
    return frame


def _pixfrac(raw: Mapping[str, Any]) -> float:
    pixfrac = _number(raw, "pixfrac", above=0.0, default=1.0)
    if pixfrac > 1.0:
        raise UnitError(f"The unit's pixfrac is {pixfrac:g}, which is more than 1.")
    return pixfrac


def _variance(raw: Mapping[str, Any]) -> VarianceSettings:
    kind = _choice(raw, "kind", ("map", "constant"))
    if kind == "constant":
        return VarianceSettings(kind, value=_number(raw, "value", least=0.0))
    return VarianceSettings(kind)


def _calibration(raw: Any) -> CalibrationSettings:
    if raw is None:
        return CalibrationSettings()
    if not isinstance(raw, Mapping):
        raise UnitError("The unit's calibrate is not a table.")
    return CalibrationSettings(
        bias=_flag(raw, "bias"),
        dark=_flag(raw, "dark"),
        flat=_flag(raw, "flat"),
        dark_exposure_s=_optional(raw, "dark_exposure_s"),
    )


def _step_sigma(raw: Mapping[str, Any]) -> float | None:
    if _choice(raw, "kind", ("steps", "float")) == "float":
        return None
    return _number(raw, "step_sigma", above=0.0)


def _mapping(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, Mapping):
        raise UnitError(f"The unit has no table {key}.")
    return value


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value or len(value) > 1000:
        raise UnitError(f"The unit's {key} is {value!r}, where a text belongs.")
    return value


def _choice(raw: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = raw.get(key)
    if value not in choices:
        raise UnitError(f"The unit's {key} is {value!r}; it can be {', '.join(choices)}.")
    return str(value)


def _flag(raw: Mapping[str, Any], key: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        raise UnitError(f"The unit's {key} is {value!r}, where true or false belongs.")
    return value


def _count(raw: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = raw.get(key)
    if type(value) is not int or not least <= value <= most:
        raise UnitError(f"The unit's {key} is {value!r}, not a number from {least} to {most}.")
    return value


def _optional(raw: Mapping[str, Any], key: str) -> float | None:
    return None if raw.get(key) is None else _number(raw, key)


def _number(
    raw: Mapping[str, Any],
    key: str,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    default: float | None = None,
) -> float:
    value = raw.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnitError(f"The unit's {key} is {value!r}, where a number belongs.")
    if not value > above or value < least:
        raise UnitError(f"The unit's {key} is {value!r}, which is too small.")
    return float(value)
