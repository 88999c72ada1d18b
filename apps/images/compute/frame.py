"""A frame's file, open for computing: its pixels, its masters and its map, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.compute.engine import Loading, Map, Sources
from apps.images.compute.settings import FrameSettings, ReprojectionSettings
from apps.images.limits import INPUT_LIMITS
from boinc_project.errors import FitsError, UnitError
from boinc_project.fits.files import FitsFile, open_fits
from boinc_project.fits.images import Image, Scale

CALIBRATION_FILE = "calibration.fits"
MAX_PLACE = 1e12
"""Largest pixel coordinate in a map: beyond any frame, and far from overflow."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame that is open for reading.

    Attributes
    ----------
    pixels : Image
        The stored pixels.
    loading : Loading
        How they become values.
    constant_variance : float
        Of all pixels, if there is no plane of it.
    has_variance_plane : bool
        Whether each pixel has its own variance.
    map_step : int
        Pixels between the map's nodes.
    """

    pixels: Image
    loading: Loading
    constant_variance: float
    has_variance_plane: bool
    map_step: int
    _others: Mapping[str, Image]
    _map: Image
    _last: dict[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Columns."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Rows."""
        return self.pixels.shape[0]

    @property
    def map_bytes(self) -> int:
        """Bytes of the whole map in memory."""
        return 8 * int(np.prod(self._map.shape))

    def sources(self, start: int, stop: int) -> Sources:
        """Return rows of all that there is.

        Raises
        ------
        FitsError
            If a part is damaged.
        """
        planes: dict[str, Any] = {}
        for name, image in self._others.items():
            if name == "mask":
                rows = self._mask_rows(image, start, stop)
                planes[name] = rows if rows.dtype == np.uint8 else (rows != 0).view(np.uint8)
            elif name == "variance":
                planes[name] = _float32(image, start, stop)
            else:
                planes[name] = image.float32_rows(start, stop)
        is_float = self.pixels.dtype == np.float32
        rows = (self.pixels.file_rows if is_float else self.pixels.rows)(start, stop)
        return Sources(rows, **planes)

    def _mask_rows(self, image: Image, start: int, stop: int) -> NDArray[Any]:
        """Return rows of the mask; the last tiles are remembered, as rows come few at a time."""
        if not image.is_compressed:
            return image.rows(start, stop)
        tile = image.tile_shape[0]
        first, end = start // tile * tile, min(-(-stop // tile) * tile, self.height)
        if self._last.get("rows") != (first, end):
            self._last["mask"], self._last["rows"] = image.rows(first, end), (first, end)
        found: NDArray[Any] = self._last["mask"][start - first : stop - first]
        return found

    def map_rows(self, first: int, last: int) -> tuple[Map, int]:
        """Return the part of the map that rows `first` to `last` of the window need.

        Returns
        -------
        Map
            As if the window began at the row that is returned, too.
        int
            That row.

        Raises
        ------
        UnitError
            If it has a place that is no number.
        """
        cell, last_cell = first // self.map_step, last // self.map_step
        n_row = self._map.shape[1]
        parts = [
            self._map.rows(plane * n_row + cell, plane * n_row + last_cell + 4) for plane in (0, 1)
        ]
        nodes: NDArray[np.float64] = np.ascontiguousarray(np.stack(parts))
        if not (np.abs(nodes) <= MAX_PLACE).all():
            raise UnitError("The pixel map has places that are no numbers.")
        return Map(nodes, self.map_step), cell * self.map_step


@contextmanager
def open_frame(
    settings: ReprojectionSettings, number: int, inputs: Mapping[str, Path]
) -> Iterator[Frame]:
    """Open the file of a unit's frame, and that of its masters.

    Raises
    ------
    UnitError, FitsError
        If a file is missing, damaged, or does not fit the settings.
    """
    frame, calibration = settings.frames[number], settings.calibration
    with ExitStack() as stack:
        file = stack.enter_context(open_fits(_input(inputs, frame.input), INPUT_LIMITS))
        pixels = Image(file, file["PIXELS"])
        if len(pixels.shape) != 2:
            raise FitsError("PIXELS is not an image of two axes.")
        others = {}
        if file.find("MASK"):
            others["mask"] = Image(file, file["MASK"])
        if frame.variance.kind == "map":
            others["variance"] = Image(file, file["VARIANCE"])
        if calibration.needs_file:
            masters = stack.enter_context(open_fits(_input(inputs, CALIBRATION_FILE), INPUT_LIMITS))
            for name in ("bias", "dark", "flat"):
                if getattr(calibration, name):
                    others[name] = Image(masters, masters[name.upper()])
        for name, image in others.items():
            if image.shape != pixels.shape:
                raise FitsError(f"{name.upper()} has another size than PIXELS.")
        pixel_map, step = _map(file, frame)
        yield Frame(
            pixels=pixels,
            loading=_loading(settings, frame, pixels),
            constant_variance=frame.variance.value,
            has_variance_plane=frame.variance.kind != "constant",
            map_step=step,
            _others=others,
            _map=pixel_map,
        )


def _float32(image: Image, start: int, stop: int) -> NDArray[np.float32]:
    """Return rows as float32, as they are in the file if that is what they are."""
    if image.dtype == np.float32 and image.scale == Scale():
        return image.file_rows(start, stop)
    return image.float32_rows(start, stop)


def _input(inputs: Mapping[str, Path], name: str) -> Path:
    if name not in inputs:
        raise UnitError(f"The input file {name} is missing.", name=name)
    return inputs[name]


def _loading(settings: ReprojectionSettings, frame: FrameSettings, pixels: Image) -> Loading:
    return Loading(
        scale=pixels.scale,
        saturation=frame.saturation,
        dark_scale=settings.calibration.dark_scale(frame.exposure_s),
        repeat_edge=frame.method == "bilinear",
    )


def _map(file: FitsFile, frame: FrameSettings) -> tuple[Image, int]:
    hdu = file["MAP"]
    image, step = Image(file, hdu), hdu.header.count("STEP", most=2**16)
    window = tuple(hdu.header.count(key) for key in ("NX", "NY"))
    if window != (frame.nx, frame.ny):
        raise FitsError("MAP is of another window than the unit's.")
    if step < 1 or image.dtype != np.float64 or image.is_compressed:
        raise FitsError("MAP is not a plain image of float64.")
    least = (2, *((n - 1) // step + 4 for n in (frame.ny, frame.nx)))
    if len(image.shape) != 3 or any(a < b for a, b in zip(image.shape, least, strict=True)):
        raise FitsError("MAP does not cover its window.")
    return image, step
