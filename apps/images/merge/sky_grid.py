"""The world coordinates of a product's grid: pixels to the ICRS and back.

astropy is imported on use, because whoever only merges outputs does without it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boinc_project.errors import OutputError

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SkyGrid:
    """World coordinates of a grid. Made by `read_sky_grid`.

    Attributes
    ----------
    wcs : astropy.wcs.WCS
        Of two axes.
    frame : astropy.coordinates.BaseCoordinateFrame
        Of its coordinates.
    """

    wcs: Any
    frame: Any

    def sky(self, x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
        """Return ICRS right ascension and declination, degrees; NaN where there is no sky.

        Parameters
        ----------
        x, y : ndarray
            Pixel coordinates from 0, (n).
        """
        pixels = np.column_stack([x, y]).astype(np.float64)
        with warnings.catch_warnings(action="ignore"):
            world = np.asarray(self.wcs.all_pix2world(pixels, 0), dtype=np.float64)
        lon, lat = world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat]
        ra, dec = self._turned(lon, lat, self.frame, _icrs())
        return np.mod(ra, 360.0), dec

    def pixel(self, ra: Doubles, dec: Doubles) -> tuple[Doubles, Doubles]:
        """Return pixel coordinates from 0 of ICRS directions in degrees, (n); NaN: not on it."""
        lon, lat = self._turned(np.asarray(ra), np.asarray(dec), _icrs(), self.frame)
        world = np.empty((len(lon), 2))
        world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat] = lon, lat
        with warnings.catch_warnings(action="ignore"):
            # Polynomials are solved by iteration; far outside of the image it does not settle.
            pixels = np.asarray(self.wcs.all_world2pix(world, 0, quiet=True), dtype=np.float64)
        return pixels[:, 0], pixels[:, 1]

    def scale(self, x: float, y: float) -> float:
        """Return the side of a pixel at a place, arcseconds: the root of its area.

        NaN where there is no sky.
        """
        ra, dec = self.sky(np.array([x, x + 1, x]), np.array([y, y, y + 1]))
        east = (ra[1:] - ra[0] + 180.0) % 360.0 - 180.0
        dx = east * math.cos(math.radians(float(dec[0])))
        dy = dec[1:] - dec[0]
        return 3600.0 * math.sqrt(abs(float(dx[0] * dy[1] - dx[1] * dy[0])))

    def north_and_east(self, x: float, y: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return both directions at a place, columns and rows, of length 1."""
        ra, dec = (float(each[0]) for each in self.sky(np.array([x]), np.array([y])))
        step = self.scale(x, y) / 3600.0
        # At the pole itself all directions are south: a step before it they are what is meant.
        dec = max(min(dec, 90.0 - 2 * step), -90.0 + 2 * step)
        aside = step / math.cos(math.radians(dec))
        at_x, at_y = self.pixel(np.array([ra, ra, ra + aside]), np.array([dec, dec + step, dec]))
        north = (float(at_x[1] - at_x[0]), float(at_y[1] - at_y[0]))
        east = (float(at_x[2] - at_x[0]), float(at_y[2] - at_y[0]))
        return _unit(north), _unit(east)

    @staticmethod
    def _turned(lon: Doubles, lat: Doubles, old: Any, new: Any) -> tuple[Doubles, Doubles]:
        if old.is_equivalent_frame(new):
            return np.array(lon, dtype=np.float64), np.array(lat, dtype=np.float64)
        from astropy import units
        from astropy.coordinates import SkyCoord

        known = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90.0)
        out = np.full((2, len(lon)), np.nan)
        there = SkyCoord(lon[known] * units.deg, lat[known] * units.deg, frame=old)
        turned = there.transform_to(new).spherical
        out[0, known], out[1, known] = turned.lon.deg, turned.lat.deg
        return out[0], out[1]


def read_sky_grid(texts: Iterable[str]) -> SkyGrid:
    """Return the world coordinates of a grid's cards.

    Raises
    ------
    OutputError
        If they are not of the sky.
    """
    from astropy.io import fits
    from astropy.wcs import WCS
    from astropy.wcs.utils import wcs_to_celestial_frame

    header = fits.Header([fits.Card.fromstring(text.ljust(80)) for text in texts])
    try:
        with warnings.catch_warnings(action="ignore"):
            wcs = WCS(header, naxis=2)
            frame = wcs_to_celestial_frame(wcs)
    except (ValueError, TypeError, KeyError) as error:
        raise OutputError("The grid of the image has no coordinates of the sky.") from error
    return SkyGrid(wcs, frame)


def _unit(vector: tuple[float, float]) -> tuple[float, float]:
    length = math.hypot(*vector)
    return vector[0] / length, vector[1] / length


def _icrs() -> Any:
    from astropy.coordinates import ICRS

    return ICRS()
