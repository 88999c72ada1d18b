"""Colours of one file: the sites of a Bayer mosaic, or the planes of a cube of three.

A mosaic is not interpolated. Each of its four sites is an image of its own, of every second pixel
each way, whose world coordinates are those of these pixels; the two green ones are two exposures in
green. So every pixel stays as the camera wrote it, noises stay independent, and colours lie where
the sensor had them, which is half a pixel beside a super-pixel's centre.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from apps.images.plan.sky.frame import Image
from apps.images.plan.sky.header import number_of
from apps.images.plan.sky.rows import Rows
from boinc_project.errors import InputError

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
_KEYS = ("BAYERPAT", "COLORTYP", "CFATYPE", "CFAPAT", "BAYPAT")
_FEWEST = 1000
"""Pixels of a site: their median is known to a twenty-fifth of the noise."""
_MIDDLE = 512
"""Pixels a side that are looked at, in the middle of the image."""
_UNLIKE = 0.5
"""Of the noise: ten times more than medians of `_FEWEST` pixels differ by chance."""
_GREY = frozenset({"", "NONE", "MONO", "MONOCHROME", "GREY", "GRAY", "FALSE", "N/A", "0"})


@dataclass(frozen=True, slots=True)
class Part:
    """One colour of an image.

    Attributes
    ----------
    name : str
        ``R``, ``G1``, ``G2``, ``B``; ``G`` of a cube.
    layer : int
        Plane of a cube, from 0.
    cell : tuple[int, int] or None
        First column and row of a mosaic's site, 0 or 1.
    """

    name: str
    layer: int = 0
    cell: tuple[int, int] | None = None

    @property
    def filter(self) -> str:
        """The filter that it is an image in."""
        return self.name[0]

    def plain(self) -> dict[str, Any]:
        """Return plain JSON values; see `part_of`."""
        cell = None if self.cell is None else [*self.cell]
        return {"name": self.name, "layer": self.layer, "cell": cell}


def colours_of(image: Image, stated: str = "") -> tuple[Part, ...]:
    """Return the colours of an image; none if it is grey.

    Parameters
    ----------
    image : Image
        Its header says the pattern, its shifts and the order of rows.
    stated : str
        One of `PATTERNS`, that of the first pixels of the file, in place of the header's.

    Raises
    ------
    InputError
        If it is a mosaic of a kind that is not known.
    """
    if image.layers == 3:
        return tuple(Part(name, layer) for layer, name in enumerate("RGB"))
    pattern = stated or mosaic_pattern(image)
    if not pattern:
        return ()
    if pattern not in PATTERNS:
        raise InputError(
            f"{image.label} is a mosaic of colours, {pattern}, that is not known: convert it, or "
            'write colour = "grey".',
            path=image.path,
        )
    first_x, first_y = (0, 0) if stated else (_offset(image, "X"), _offset(image, "Y"))
    sites = {
        (x, y): pattern[2 * ((y + first_y) % 2) + (x + first_x) % 2] for y in (0, 1) for x in (0, 1)
    }
    green = [cell for cell, name in sites.items() if name == "G"]
    return tuple(
        Part(f"G{1 + green.index(cell)}" if name == "G" else name, 0, cell)
        for cell, name in sites.items()
    )


def mosaic_pattern(image: Image) -> str:
    """Return the four colours of a mosaic, as its sensor has them; empty if it is none."""
    for key in _KEYS:
        value = image.keyword(key)
        pattern = str(value).strip().upper() if isinstance(value, str) else ""
        if pattern not in _GREY:
            return pattern
    return ""


def looks_mosaic(values: NDArray[np.float32] | Rows) -> bool:
    """Whether the sky has unlike levels in the four sites of every two by two pixels.

    The sky is hardly ever grey behind the filters of a mosaic, and levels of a grey camera differ
    by what is left of its noise in the median of many pixels.

    Parameters
    ----------
    values : ndarray or Rows
        float32 (ny, nx); NaN where masked.
    """
    ny, nx = (max(0, (length - _MIDDLE) // 2) for length in values.shape)
    values = values[ny : ny + _MIDDLE, nx : nx + _MIDDLE]
    levels, noises = [], []
    for y in (0, 1):
        for x in (0, 1):
            site = values[y::2, x::2]
            site = site[np.isfinite(site)]
            if site.size < _FEWEST:
                return False
            level = float(np.median(site))
            levels.append(level)
            noises.append(1.4826 * float(np.median(np.abs(site - level))))
    spread = max(levels) - min(levels)
    # Medians of integers are integers: they may differ by one.
    return spread > max(_UNLIKE * min(noises), 1.5 * _step(values))


def part_of(image: Image, part: Part) -> Image:
    """Return one colour of an image as an image, with the world coordinates of its pixels.

    Raises
    ------
    InputError
        If they cannot be stated for every second pixel.
    """
    if part.cell is None:
        return replace(image, layer=part.layer)
    if any(str(image.header.get(f"{name}{axis}", "")).strip() for axis in (1, 2)
           for name in ("CPDIS", "D2IMDIS")):  # fmt: skip
        raise InputError(
            f"{image.label} is a mosaic of colours with distortion tables, which cannot be split: "
            'solve it with SIP, or write colour = "grey".',
            path=image.path,
        )
    x, y = part.cell
    return replace(
        image,
        header=_thinned(image.header, part.cell),
        nx=(image.nx - x + 1) // 2,
        ny=(image.ny - y + 1) // 2,
        cell=part.cell,
    )


def part_from(stated: dict[str, Any]) -> Part:
    """Return the part that plain values state; see `Part.plain`."""
    cell = stated.get("cell")
    return Part(
        str(stated["name"]), int(stated["layer"]), None if cell is None else (cell[0], cell[1])
    )


def _step(values: NDArray[np.float32]) -> float:
    """Return the step of numbers that are whole multiples of one; 0 if they are not whole."""
    some = values[:64, :64]
    some = np.unique(some[np.isfinite(some)])
    if len(some) < 2 or (some != np.round(some)).any():
        return 0.0
    return float(np.diff(some).min())


def _offset(image: Image, axis: str) -> int:
    """Return the shift of a pattern; rows from the bottom up begin at the pattern's other end."""
    offset = int(image.number(f"{axis}BAYROFF") or 0)
    upward = "BOTTOM" in str(image.keyword("ROWORDER") or "").upper()
    return offset + (image.ny - 1 if axis == "Y" and upward else 0)


def _thinned(header: Header, cell: tuple[int, int]) -> Header:
    """Return the header of every second pixel each way, the first at `cell`.

    Pixel p of the new image is pixel 2 p + cell of the old one, both from 0. With FITS's pixels
    from 1, the reference lies at (CRPIX - 1 - cell) / 2 + 1; matrices are doubled, and a term of
    SIP of degree n, in pixels of pixels, is multiplied by 2**(n - 1).
    """
    new = header.copy()
    for axis, first in zip((1, 2), cell, strict=True):
        reference = number_of(header.get(f"CRPIX{axis}"))
        new[f"CRPIX{axis}"] = ((reference or 0.0) - 1 - first) / 2 + 1
    steps = [f"CD{i}_{j}" for i in (1, 2) for j in (1, 2)]
    if not any(name in header for name in steps):
        steps = ["CDELT1", "CDELT2"]
        for name in steps:
            new.setdefault(name, 1.0)
    for name in steps:
        value = number_of(new.get(name))
        if value is not None:
            new[name] = 2 * value
    for name in list(header):
        kind, _, powers = name.partition("_")
        degrees = powers.split("_")
        if kind in ("A", "B") and len(degrees) == 2 and all(power.isdigit() for power in degrees):
            value = number_of(header[name])
            if value is not None:
                new[name] = value * 2.0 ** (sum(int(power) for power in degrees) - 1)
    return new
