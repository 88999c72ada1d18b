"""World coordinates of one image: from its pixels to the ICRS, and back.

The core of every projection is wcslib's, through `astropy.wcs`. What lies around it is done here:
the frame of the coordinates (FK5 where a header has an equinox and no ``RADESYS``, FITS WCS paper
II, section 3.1), and the inverse of SIP polynomials and lookup tables, by iteration on the forward
ones. A header's own inverse (``AP``, ``BP``) is never used: in real files it is wrong by a pixel.
"""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import ICRS, SkyCoord
from astropy.io.fits.verify import VerifyError
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame
from numpy.typing import NDArray

from apps.images.plan.sky.displacement import Displacement, places
from apps.images.plan.sky.failure import reason_of
from apps.images.plan.sky.fixed_point import solve
from apps.images.plan.sky.frame import Image, opened
from boinc_project.errors import InputError

Floats = NDArray[np.float64]

_ROUNDS = 60
_MOST_CHANGE = 1e-6
# Beyond this part of an image's size outside of it, polynomials are held at their value there: far
# out they fold over, and their inverse is anybody's guess, while all that counts is "outside".
_TRUSTED = 0.25
_ROUND_TRIP = 1e-4
_SCALES = ("CDELT1", "CDELT2", "PC1_", "PC2_", "PC001", "PC002")


class Solution:
    """The world coordinates of an image.

    Parameters
    ----------
    wcs : WCS
        Of two axes, celestial.
    nx, ny : int
        Size of the image, pixels.
    label : str
        What messages call the image.

    Raises
    ------
    InputError
        If they are not celestial, cannot be inverted, or are in a frame that is not known.
    """

    def __init__(self, wcs: WCS, nx: int, ny: int, label: str) -> None:
        self.wcs, self.nx, self.ny, self.label = wcs, nx, ny, label
        self.displacement: Displacement | None = None
        self.distorted = any(
            getattr(wcs, name) is not None
            for name in ("sip", "cpdis1", "cpdis2", "det2im1", "det2im2")
        )
        self.tables = any(
            getattr(wcs, name) is not None for name in ("cpdis1", "cpdis2", "det2im1", "det2im2")
        )
        try:
            self.frame = wcs_to_celestial_frame(wcs)
        except ValueError as error:
            raise InputError(
                f"{label} has coordinates of a kind that cannot be turned into the ICRS "
                f"({', '.join(wcs.wcs.ctype)}): solve the image again in RA and Dec."
            ) from error

    @property
    def scale(self) -> float:
        """Side of a pixel at the reference point, arcseconds."""
        sides = proj_plane_pixel_scales(self.wcs)
        return float(3600.0 * math.sqrt(float(sides[0]) * float(sides[1])))

    def refined(self, displacement: Displacement) -> Solution:
        """Return these coordinates with what their pixels are displaced by."""
        solution = copy.copy(self)
        solution.displacement = displacement
        return solution

    def sky(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return ICRS right ascension and declination, degrees; NaN where there is no sky.

        Parameters
        ----------
        x, y : ndarray
            Pixel coordinates from 0, any shape.
        """
        shape = np.shape(x)
        if self.displacement is not None:
            x, y = self.displacement.unmoved(x, y)
        stacked = np.column_stack([np.ravel(x), np.ravel(y)]).astype(np.float64)
        with _quiet():
            world = np.asarray(self.wcs.all_pix2world(stacked, 0), dtype=np.float64)
        lon, lat = world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat]
        lon, lat = _turned(lon, lat, self.frame, ICRS())
        return lon.reshape(shape), lat.reshape(shape)

    def pixel(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Return pixel coordinates from 0 of ICRS directions; NaN where there are none.

        Parameters
        ----------
        ra, dec : ndarray
            Degrees, any shape.
        """
        shape = np.shape(ra)
        lon, lat = _turned(np.ravel(ra), np.ravel(dec), ICRS(), self.frame)
        world = np.empty((lon.size, 2))
        world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat] = lon, lat
        known = np.isfinite(world).all(axis=1)
        core = np.full_like(world, np.nan)
        if known.any():
            with _quiet():
                core[known] = self.wcs.wcs_world2pix(world[known], 0)
        x, y = core[:, 0], core[:, 1]
        if self.distorted:
            x, y = self._undistort(x, y)
        if self.displacement is not None:
            x, y = self.displacement.moved(x, y)
        return x.reshape(shape), y.reshape(shape)

    def _undistort(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Return the coordinates that distortions move to these; NaN where there are none."""
        x, y, change = solve(self._distortion, u, v, _ROUNDS)
        lost = ~(change < _MOST_CHANGE)
        x[lost], y[lost] = np.nan, np.nan
        return x, y

    def _distortion(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        margin_x, margin_y = _TRUSTED * self.nx, _TRUSTED * self.ny
        held_x = np.clip(x, -margin_x, self.nx - 1 + margin_x)
        held_y = np.clip(y, -margin_y, self.ny - 1 + margin_y)
        focal = np.asarray(self.wcs.pix2foc(np.column_stack([held_x, held_y]), 0))
        return focal[:, 0] - held_x, focal[:, 1] - held_y


def read_solution(image: Image) -> Solution:
    """Return the world coordinates of an image, checked over its whole area.

    Raises
    ------
    InputError
        If it has none, or they are unusable.
    """
    with opened(image.path) as hdus:
        return make_solution(image.header, image.nx, image.ny, image.label, hdus)


def make_solution(header: Any, nx: int, ny: int, label: str, hdus: Any = None) -> Solution:
    """Return the world coordinates that a header states.

    Parameters
    ----------
    header : Header
        The image's.
    nx, ny : int
        Size, pixels.
    label : str
        What messages call the image.
    hdus : HDUList, optional
        The file, where the header's lookup tables lie.

    Raises
    ------
    InputError
        As `read_solution`.
    """
    try:
        _check_types(header, label)
        _check_point(header, label)
        _check_matrix(header, label)
        with _quiet():
            wcs = _two_axes(header, hdus)
            wcs.wcs.set()
    except (ValueError, KeyError, TypeError, OSError, AttributeError, VerifyError) as error:
        # wcslib's own errors are ValueErrors; tables that are missing give the others, and cards
        # that are no FITS the last.
        reason = reason_of(error, -1)
        if reason.startswith("Internal error in wcslib header parser"):
            reason = "wcslib cannot parse it (its WAT cards, if it has some)"
        raise InputError(f"The WCS of {label} cannot be used: {reason}.") from error
    if not wcs.has_celestial:
        raise InputError(
            f"The WCS of {label} is not of the sky ({', '.join(wcs.wcs.ctype)}): solve its "
            "astrometry first."
        )
    solution = Solution(wcs, nx, ny, label)
    _check_round_trip(solution)
    return solution


def _two_axes(header: Any, hdus: Any) -> WCS:
    """Return the coordinates of the first two axes.

    A header of two axes is read whole, because astropy mends units and distortions after it has
    taken axes out, and wcslib refuses to take axes out of what is not mended.
    """
    more = any(header.get(f"{name}3") is not None for name in ("CTYPE", "CRVAL", "CRPIX", "CDELT"))
    if more or header.get("WCSAXES", 2) > 2 or header.get("NAXIS", 2) > 2 or "CD3_3" in header:
        return WCS(header, hdus, naxis=2)
    return WCS(header, hdus)


def _check_types(header: Any, label: str) -> None:
    if not any(str(header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)):
        raise InputError(
            f"{label} has no WCS (no CTYPE1 and CTYPE2): solve its astrometry first, for example "
            "with astrometry.net, and write the solution into the header."
        )


def _check_point(header: Any, label: str) -> None:
    """Refuse a reference point that is no number: wcslib passes over it, and takes 0 instead."""
    for name in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"):
        value = header.get(name, 0.0)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise InputError(
                f"{label} has {name} = {value!r}, which is no number: solve its astrometry again."
            )


def _check_matrix(header: Any, label: str) -> None:
    """Refuse a matrix that squeezes the sky into a line, before wcslib says it in its own words."""
    cd = [[header.get(f"CD{i}_{j}") for j in (1, 2)] for i in (1, 2)]
    name = "CD"
    if all(value is None for row in cd for value in row):
        name = "PC"
        if not any(name.startswith(_SCALES) for name in header):
            raise InputError(
                f"{label} has no scale in its header (neither CD nor CDELT), as capture programs "
                "write it that state where they point: solve its astrometry first."
            )
        unit = ((1.0, 0.0), (0.0, 1.0))
        cd = [[header.get(f"PC{i}_{j}", unit[i - 1][j - 1]) for j in (1, 2)] for i in (1, 2)]
        steps = [header.get(f"CDELT{i}", 1.0) for i in (1, 2)]
        if not all(isinstance(step, int | float) and step for step in steps):
            raise InputError(f"{label} has CDELT1 = {steps[0]} and CDELT2 = {steps[1]}: no scale.")
    flat = [0.0 if value is None else value for row in cd for value in row]
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in flat):
        raise InputError(f"{label} has a {name} matrix that is not made of numbers: {flat}.")
    (a, b, c, d) = (float(value) for value in flat)
    size = (a * a + b * b) * (c * c + d * d)
    if (a * d - b * c) ** 2 <= 1e-16 * size:
        raise InputError(
            f"{label} has a singular {name} matrix ({a:g}, {b:g}; {c:g}, {d:g}): its two axes are "
            "the same direction; solve its astrometry again."
        )


def _check_round_trip(solution: Solution) -> None:
    """Go to the sky and back from 81 places of the image."""
    x, y = places(solution.nx, solution.ny)
    ra, dec = solution.sky(x, y)
    back_x, back_y = solution.pixel(ra, dec)
    if not np.isfinite(ra).any():
        raise InputError(f"The WCS of {solution.label} puts none of its pixels on the sky.")
    off = np.maximum(np.abs(back_x - x), np.abs(back_y - y))[np.isfinite(ra)]
    # An image of all the sky has pixels that are the same place: most must come back, not all.
    wrong = ~(off < _ROUND_TRIP)
    if wrong.mean() > 0.5 or (wrong.any() and solution.distorted):
        worst = float(np.nanmax(off)) if np.isfinite(off).any() else math.inf
        raise InputError(
            f"The WCS of {solution.label} cannot be inverted (off by {worst:.2g} pixels): its "
            "distortion is too strong or wrong; solve its astrometry again."
        )


def _turned(lon: Floats, lat: Floats, old: Any, new: Any) -> tuple[Floats, Floats]:
    """Return directions in another frame, degrees."""
    if old.is_equivalent_frame(new):
        return np.array(lon, dtype=np.float64), np.array(lat, dtype=np.float64)
    known = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90.0)
    out_lon, out_lat = np.full(lon.shape, np.nan), np.full(lat.shape, np.nan)
    there = SkyCoord(lon[known] * units.deg, lat[known] * units.deg, frame=old).transform_to(new)
    out_lon[known], out_lat[known] = (
        there.spherical.lon.to_value(units.deg),
        there.spherical.lat.to_value(units.deg),
    )
    return out_lon, out_lat


def _quiet() -> warnings.catch_warnings[None]:
    """Silence astropy's remarks about headers that it mends."""
    return warnings.catch_warnings(action="ignore")
