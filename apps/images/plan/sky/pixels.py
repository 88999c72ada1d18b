"""Pixels of frames, as they are stored and what they mean.

What a camera wrote is what volunteers get: integers stay integers, with the ``BSCALE`` and
``BZERO`` that give them their meaning.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.frame import Image, Scaling, opened
from apps.images.plan.sky.rows import BAND, Rows
from boinc_project.errors import InputError

Raw = NDArray[np.generic]
"""Pixels as stored: uint8, int16, int32 or float32, native byte order."""

_FLOATS = ("f4", "f8")
_EXACT = frozenset({0.0, 32768.0, -128.0})
"""What is added to stored integers in nearly every file."""


def read_raw(image: Image) -> Raw:
    """Return an image's pixels as stored; float64 becomes float32.

    Raises
    ------
    InputError
        If they cannot be read.
    """
    with opened(image.path) as hdus:
        data = np.asarray(hdus[image.hdu].data)
        data = np.reshape(data, (image.layers, *data.shape[-2:]))[image.layer]
        return _stored(image, thinned(data, image.cell))


def read_rows(image: Image) -> Rows:
    """Return an image's pixels as `read_raw` does, but read when they are asked for.

    Of a file that is compressed as a whole they are read at once.

    Raises
    ------
    InputError
        If they cannot be read, now or later.
    """
    with opened(image.path) as hdus:
        is_packed = hdus[image.hdu].fileinfo()["file"].compression is not None
    if is_packed:
        return Rows.held(read_raw(image))
    left, lower, step = (0, 0, 1) if image.cell is None else (*image.cell, 2)

    def read(start: int, stop: int) -> Raw:
        with opened(image.path) as hdus:
            hdu = hdus[image.hdu]
            axes = hdu.shape[:-2]
            layer = np.unravel_index(image.layer, axes) if axes else ()
            rows = slice(lower + step * start, lower + step * (stop - 1) + 1)
            data = np.asarray(hdu.section[(*map(int, layer), rows)])
            return _stored(image, np.reshape(data, (-1, hdu.shape[-1]))[::step, left::step])

    return Rows((image.ny, image.nx), read(0, 1).dtype, read)


def _stored(image: Image, data: NDArray[Any]) -> Raw:
    """Return rows of an image as they are kept: integers, or float32, in native byte order."""
    kind = data.dtype.str[1:]
    if kind in _FLOATS:
        return _scaled_floats(image, data)
    if kind not in ("u1", "i2", "i4"):
        raise InputError(
            f"{image.label} has pixels of {8 * data.dtype.itemsize}-bit integers: convert it "
            "to 8, 16 or 32 bits, or to floats.",
            path=image.path,
        )
    return cast(Raw, np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("=")))


def thinned(data: NDArray[Any], cell: tuple[int, int] | None) -> NDArray[Any]:
    """Return every second pixel each way from a cell on; all if there is none."""
    return data if cell is None else data[cell[1] :: 2, cell[0] :: 2]


def physical(raw: Raw, scaling: Scaling) -> NDArray[np.float32]:
    """Return pixels in the image's unit, NaN where nothing is known."""
    if raw.dtype.kind == "f":
        return np.asarray(raw, dtype=np.float32)
    if scaling.bscale == 1.0 and raw.dtype.itemsize <= 2 and scaling.bzero in _EXACT:
        values = raw.astype(np.float32)  # of sums below 2**24 every one is exact
        values += np.float32(scaling.bzero)
    else:
        values = (raw.astype(np.float64) * scaling.bscale + scaling.bzero).astype(np.float32)
    if scaling.blank is not None:
        values[raw == scaling.blank] = np.nan
    return values


def check_pixels(image: Image, values: NDArray[np.float32] | Rows) -> None:
    """Refuse an image that says nothing.

    Parameters
    ----------
    image : Image
        For messages.
    values : ndarray or Rows
        float32 (ny, nx): NaN where nothing is known.

    Raises
    ------
    InputError
        If no pixel is finite, or all have the same value.
    """
    known: set[float] = set()
    for start in range(0, image.ny, BAND):
        band = values[start : start + BAND]
        band = band[np.isfinite(band)]
        if band.size:
            known |= {float(band.min()), float(band.max())}
        if len(known) > 1:
            return
    if not known:
        raise InputError(
            f"{image.label} has no finite pixel: leave it out, or name the right extension.",
            path=image.path,
        )
    raise InputError(
        f"{image.label} has the same value, {known.pop():g}, in every pixel: leave it out, or name "
        "the right extension.",
        path=image.path,
    )


def _scaled_floats(image: Image, data: NDArray[Any]) -> Raw:
    scaling = image.scaling
    if (scaling.bscale, scaling.bzero) != (1.0, 0.0) and not _is_compressed(image):
        data = data.astype(np.float64) * scaling.bscale + scaling.bzero
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(data, dtype=np.float32)


def _is_compressed(image: Image) -> bool:
    return "ZIMAGE" in image.header
