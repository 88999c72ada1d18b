"""A grid that covers all frames of a mosaic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from apps.images.plan.sky.directions import angles, unit_vectors
from apps.images.plan.sky.reference import check_size, plain_grid
from apps.images.plan.sky.solution import Solution, make_solution
from boinc_project.errors import InputError

UNION = "union"
"""The setting ``cover`` of a grid that covers all frames."""
MOST_DEGREES = 40.0
"""From the middle to the farthest edge: there a tangent plane stretches the sky to 1.7 times."""
_EDGE = 17
"""Places along each side of a frame: between two of them a side bends by far less than a pixel."""
_MARGIN = 1
"""Pixels around, for that bend."""

Doubles = NDArray[np.float64]


def union_grid(best: Solution, solutions: Sequence[Solution]) -> tuple[fits.Header, int, int]:
    """Return an undistorted TAN grid in the ICRS that covers all frames, and its size.

    Its scale and turn are those of one frame at its centre, and it touches the sphere in the middle
    of all frames, so that it is stretched as little as can be.

    Parameters
    ----------
    best : Solution
        The frame whose scale and turn the grid has.
    solutions : Sequence[Solution]
        All frames.

    Raises
    ------
    InputError
        If the frames are too far apart for one tangent plane, or the grid would be too large.
    """
    edges = [_edge(frame) for frame in solutions]
    directions = np.concatenate([unit_vectors(ra, dec) for ra, dec in edges])
    middle = directions.sum(axis=0)
    middle /= math.hypot(*middle) or 1.0
    apart = math.degrees(float(angles(directions, middle).max()))
    if not apart <= MOST_DEGREES:
        raise InputError(
            f"The images lie up to {apart:.0f} degrees from their middle; a grid of one tangent "
            f"plane covers {MOST_DEGREES:g}: make several campaigns."
        )
    header = plain_grid(best)
    ra = math.degrees(math.atan2(float(middle[1]), float(middle[0]))) % 360.0
    header.update({"CRVAL1": ra, "CRVAL2": math.degrees(math.asin(float(middle[2])))})
    header.update({"CRPIX1": 1.0, "CRPIX2": 1.0})
    plane = make_solution(header, 2, 2, "the union of all images")
    x, y = plane.pixel(*(np.concatenate(values) for values in zip(*edges, strict=True)))
    left, nx = _span(x)
    bottom, ny = _span(y)
    check_size(nx, ny, "the union of all images")
    header.update({"CRPIX1": 1.0 - left, "CRPIX2": 1.0 - bottom})
    return header, nx, ny


def _span(places: Doubles) -> tuple[int, int]:
    """Return the first pixel that some of the places are in, and how many there are to the last."""
    first = math.floor(float(places.min()) + 0.5) - _MARGIN
    return first, math.ceil(float(places.max()) - 0.5) + _MARGIN - first + 1


def _edge(frame: Solution) -> tuple[Doubles, Doubles]:
    """Return places all along the outer edges of a frame's pixels, ICRS, degrees."""
    x = np.linspace(-0.5, frame.nx - 0.5, _EDGE)
    y = np.linspace(-0.5, frame.ny - 0.5, _EDGE)
    along = np.concatenate([x, x, np.full(_EDGE, x[0]), np.full(_EDGE, x[-1])])
    across = np.concatenate([np.full(_EDGE, y[0]), np.full(_EDGE, y[-1]), y, y])
    ra, dec = frame.sky(along, across)
    known = np.isfinite(ra) & np.isfinite(dec)
    if not known.any():
        raise InputError(f"The edges of {frame.label} are not on the sky: name a grid as header.")
    return ra[known], dec[known]
