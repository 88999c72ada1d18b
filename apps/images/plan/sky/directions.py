"""Directions on the sky as unit vectors, and circles around images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.solution import Solution

Floats = NDArray[np.float64]


def unit_vectors(ra: Floats, dec: Floats) -> Floats:
    """Return directions, degrees (n), as vectors (n, 3)."""
    lon, lat = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def angles(vectors: Floats, centre: Floats) -> Floats:
    """Return how far vectors (n, 3) are from another one (3), radians."""
    return np.asarray(np.arccos(np.clip(vectors @ centre, -1.0, 1.0)))


def offsets(ra: Floats, dec: Floats, there_ra: Floats, there_dec: Floats) -> Floats:
    """Return how far directions there, degrees, are from others, arcseconds east and north (n, 2).

    Zero where one of them is not on the sky.
    """
    east = (np.mod(there_ra - ra + 180.0, 360.0) - 180.0) * np.cos(np.radians(dec))
    return np.nan_to_num(3600.0 * np.column_stack([east, there_dec - dec]))


def circles(solutions: Sequence[Solution]) -> tuple[Floats, Floats]:
    """Return circles that hold whole images.

    Returns
    -------
    centres : ndarray
        Unit vectors (n, 3).
    radii : ndarray
        Radians (n): pi, which is all of the sky, of an image with a corner that is not on it.
    """
    centres, radii = np.zeros((len(solutions), 3)), np.full(len(solutions), math.pi)
    for number, solution in enumerate(solutions):
        x = np.array([0.5, 0, 0.5, 1, 0, 1, 0, 0.5, 1]) * solution.nx - 0.5
        y = np.array([0.5, 0, 0, 0, 0.5, 0.5, 1, 1, 1]) * solution.ny - 0.5
        places = unit_vectors(*solution.sky(x, y))
        if np.isfinite(places).all():
            centres[number] = places[0]
            radii[number] = angles(places[1:], places[0]).max()
    return centres, radii
