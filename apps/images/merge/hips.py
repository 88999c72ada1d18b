"""A product's image as a Hierarchical Progressive Survey (IVOA HiPS 1.0), by reproject."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

from apps.images.merge.files import IMAGE_FILE
from assimilator.directory import SUMMARY_FILE
from boinc_project.errors import InputError

TILE = 512
"""Pixels along a side of a tile: HiPS's own."""
_CELL = math.degrees(math.sqrt(math.pi / 3)) * 3600.0
"""Side of a HEALPix cell of order 0, arcseconds."""


def order_of(scale: float) -> int:
    """Return the least order whose pixels are no wider than a scale in arcseconds."""
    return max(0, math.ceil(math.log2(_CELL / (TILE * scale)) - 1e-9))


def write_hips(product: Path, out: Path, *, level: int | None = None) -> int:
    """Write a survey of a product's image into a new directory, and return its order.

    Parameters
    ----------
    product : Path
        The directory of the product's files.
    out : Path
        The directory to make.
    level : int, optional
        The finest order; by default the least whose pixels are no wider than the image's.

    Raises
    ------
    InputError
        If there is no image, or `out` is there.
    """
    path = product / IMAGE_FILE
    if not path.is_file():
        raise InputError(f"{product} has no {IMAGE_FILE}: name the directory of a product.")
    if out.exists():
        raise InputError(f"{out} is there already: name a directory that is not.", path=out)
    told = _summary(product)
    # These take seconds to import; only who makes a survey needs them.
    from astropy.io import fits
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_scales
    from reproject import reproject_interp
    from reproject.hips import reproject_to_hips

    with fits.open(path) as hdus, warnings.catch_warnings(action="ignore"):
        image = hdus["SCI"]
        sides = proj_plane_pixel_scales(WCS(image.header))
        scale = 3600.0 * math.sqrt(float(sides[0]) * float(sides[1]))
        order = order_of(scale) if level is None else level
        reproject_to_hips(
            (image.data, image.header),
            coord_system_out="equatorial",
            reproject_function=reproject_interp,
            output_directory=out,
            level=order,
            tile_size=TILE,
            properties=_properties(told),
        )
    return order


def _summary(product: Path) -> dict[str, Any]:
    try:
        told = json.loads((product / SUMMARY_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _properties(told: dict[str, Any]) -> dict[str, str]:
    name = str(told.get("campaign") or "image")
    seen = told.get("observation")
    begin, end = (seen.get(key) if isinstance(seen, dict) else None for key in ("begin", "end"))
    stated = {
        "obs_title": str(told.get("title") or name),
        "t_min": begin,
        "t_max": end,
    }
    return {key: str(value) for key, value in stated.items() if value is not None}
