"""Cut-outs of a product's image: a square of the sky, as a FITS file of its own."""

from __future__ import annotations

import math
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.planes import ROWS
from apps.images.merge.sky_grid import read_sky_grid
from boinc_project.errors import InputError
from boinc_project.fits.cards import Card, Header, card
from boinc_project.fits.files import open_fits
from boinc_project.fits.images import Image
from boinc_project.fits.writing import create_fits

PLANES = ("image", "weight", "variance", "count", "rejected", "flags")
_NAME = re.compile(rf"({'|'.join(PLANES)})(-[A-Za-z0-9.+_]+)?")
MOST_SIDE = 4096
"""Pixels along a side: 67 MB of a float32 image, so that no request costs a server more."""
DEFAULT_SIZE = 60.0
"""Arcseconds."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a grid: first column and row from 0, and size."""

    x0: int
    y0: int
    nx: int
    ny: int


def cut_out(
    product: Path, ra: float, dec: float, size: float, plane: str = "image"
) -> bytes | None:
    """Return a FITS file of what a product has around a place.

    The square is that of whole pixels around the place; what the grid does not have of it is left
    out.

    Parameters
    ----------
    product : Path
        The directory of the product's files.
    ra, dec : float
        ICRS, degrees.
    size : float
        Side of the square, arcseconds.
    plane : str
        One of `PLANES`; with a dash and the filter behind it, as in the names of files, if the
        product has an image for each filter.

    Returns
    -------
    bytes or None
        None if the grid does not reach that place.

    Raises
    ------
    InputError
        If the place or the size is none, or too large, or the product has no such plane.
    """
    if not _NAME.fullmatch(plane):
        raise InputError(f"There is no such plane; there are {', '.join(PLANES)}.")
    numbers = (ra, dec, size)
    if not all(map(math.isfinite, numbers)) or not -90 <= dec <= 90 or size <= 0:
        raise InputError(
            "A cut-out needs ra and dec in degrees (dec from -90 to 90), and a size in arcseconds "
            "above 0."
        )
    path = product / f"{plane}.fits"
    if not path.is_file():
        raise InputError(f"This product has no {path.name}: it is no image, or not made yet.")
    with open_fits(path) as file:
        name = file.hdus[1].name
        image = Image(file, file[name])
        header = image.header
        ny, nx = image.shape
        box = _box(header, (nx, ny), ra, dec, size)
        if box is None:
            return None
        pixels = _pixels(image, box)
        about = [each for each in file.hdus[0].header if _is_free(each)]
    cards = [_moved(each, box) for each in header if each.keyword != "EXTNAME"]
    with tempfile.TemporaryDirectory(prefix="openastro-cutout-") as directory:
        target = Path(directory) / "cutout.fits"
        with create_fits(target) as writer:
            writer.primary([card("EXTEND", True), *about])
            writer.image(name, pixels, cards)
        return target.read_bytes()


def _pixels(image: Image, box: Box) -> NDArray[Any]:
    """Return the pixels of a box; few rows of the whole width are in memory at a time."""
    pixels = np.empty((box.ny, box.nx), image.dtype)
    for start in range(0, box.ny, ROWS):
        stop = min(start + ROWS, box.ny)
        rows = image.rows(box.y0 + start, box.y0 + stop)
        pixels[start:stop] = rows[:, box.x0 : box.x0 + box.nx]
    return pixels


def _box(header: Header, size: tuple[int, int], ra: float, dec: float, side: float) -> Box | None:
    grid = read_sky_grid(each.text for each in header)
    x, y = (float(place[0]) for place in grid.pixel(np.array([ra % 360.0]), np.array([dec])))
    nx, ny = size
    if not (math.isfinite(x) and math.isfinite(y)):
        return None
    # Distortions change the scale: that of the place itself counts, where the grid has it.
    scale = grid.scale(min(max(x, 0.0), nx - 1.0), min(max(y, 0.0), ny - 1.0))
    half = side / scale / 2
    if not 2 * half <= MOST_SIDE:
        raise InputError(
            f"A cut-out of {side:g} arcseconds has {2 * half:.0f} pixels a side; at most "
            f"{MOST_SIDE} are given: ask for {MOST_SIDE * scale:.0f} arcseconds or less."
        )
    left, right = _span(x, half, nx)
    bottom, top = _span(y, half, ny)
    if right <= left or top <= bottom:
        return None
    return Box(left, bottom, right - left, top - bottom)


def _span(middle: float, half: float, length: int) -> tuple[int, int]:
    """Return the first pixel and the one after the last, as many as round to the side."""
    n = max(1, round(2 * half))
    first = math.floor(middle - (n - 1) / 2 + 0.5)
    return max(0, first), min(length, first + n)


def _is_free(each: Card) -> bool:
    """Tell whether a card of the primary header is not of its structure."""
    return each.keyword not in ("SIMPLE", "BITPIX", "NAXIS", "EXTEND")


def _moved(each: Card, box: Box) -> Card:
    """Return a card of the image as it is in the cut-out: the reference pixel moves."""
    shift = {"CRPIX1": box.x0, "CRPIX2": box.y0}.get(each.keyword)
    if shift is None or isinstance(each.value, bool | str | None):
        return each
    return card(each.keyword, float(each.value) - shift, each.comment)
