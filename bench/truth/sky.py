"""Frames of a field of known stars: Gaussian, integrated over pixels, with known noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

RA, DEC = 150.0, 20.0
WIDTH_OF_SIGMA = 2.3548200450309493
FAINTEST = 0.05
"""Standard deviations of a pixel's sky: of the light of a trail, less does not matter."""
Doubles = NDArray[np.float64]
Noise = Callable[[int, int], Doubles]
"""Returns the standard deviation of the sky in each pixel, (ny, nx) of given ny and nx."""


@dataclass(frozen=True, slots=True)
class Stars:
    """Positions, degrees, and fluxes of stars in a square field."""

    ra: Doubles
    dec: Doubles
    flux: Doubles

    @classmethod
    def of(cls, side: float, count: int, rng: np.random.Generator, apart: float = 22.0) -> Stars:
        """Return stars on a field of `side` arcseconds, at least `apart` from each other."""
        places: list[Doubles] = []
        while len(places) < count:
            place = rng.uniform(-side / 2, side / 2, 2)
            if all(np.hypot(*(place - other)) > apart for other in places):
                places.append(place)
        ra, dec = WCS(header(1, 1.0)).wcs_pix2world(np.array(places), 0).T
        return cls(ra, dec, np.exp(rng.uniform(np.log(3e3), np.log(1e6), count)))


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a frame is taken.

    Attributes
    ----------
    scale : float
        Arcseconds a pixel.
    noise : float or Noise
        Standard deviation of the sky in a pixel, counts; or a function that gives it by pixel.
    fwhm : float
        Of the stars, arcseconds.
    transparency : float
        Counts for each unit of a star's flux.
    sky : float
        Counts a pixel.
    gain : float or None
        Electrons a count; None: stars have no photon noise.
    turn : float
        Degrees.
    shift : tuple[float, float]
        Pixels.
    gradient : tuple[float, float]
        Counts by which the sky rises over the frame, along x and y.
    cosmics : int
        Hits by cosmic rays.
    trails : tuple[tuple[float, float, float], ...]
        Of each satellite: distance from the middle in parts of the side, angle in radians, and
        peak in standard deviations of the sky.
    saturation : float or None
        Counts at which pixels stop; the header says it as ``SATURATE`` unless `silent`.
    silent : bool
        Whether the header is silent about saturation.
    plane : str
        What map comes with it: ``""``, ``weight``, ``variance`` or ``error``.
    """

    scale: float = 1.0
    noise: float | Noise = 10.0
    fwhm: float = 3.0
    transparency: float = 1.0
    sky: float = 300.0
    gain: float | None = 1.5
    turn: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    gradient: tuple[float, float] = (0.0, 0.0)
    cosmics: int = 0
    trails: tuple[tuple[float, float, float], ...] = ()
    saturation: float | None = None
    silent: bool = False
    plane: str = ""

    def sigma(self, side: int) -> Doubles:
        """Return the standard deviation of the sky in each pixel of a square frame."""
        if callable(self.noise):
            return self.noise(side, side)
        return np.full((side, side), self.noise)


@dataclass(slots=True)
class Taken:
    """A frame as it was written: its coordinates, its noise, its cosmic rays and its trails."""

    path: Path
    header: fits.Header
    how: Exposure
    side: int
    hits: NDArray[np.bool_] = field(repr=False)
    trails: NDArray[np.bool_] = field(repr=False)


def header(side: int, scale: float, turn: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)
           ) -> fits.Header:  # fmt: skip
    """Return a tangential header about the field's middle."""
    cos, sin, step = np.cos(np.radians(turn)), np.sin(np.radians(turn)), scale / 3600
    cards: dict[str, Any] = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg",
        "CRVAL1": RA, "CRVAL2": DEC, "CRPIX1": (side + 1) / 2 + shift[0],
        "CRPIX2": (side + 1) / 2 + shift[1], "CD1_1": -step * cos, "CD1_2": -step * sin,
        "CD2_1": -step * sin, "CD2_2": step * cos, "RADESYS": "ICRS",
    }  # fmt: skip
    return fits.Header({name: float(v) if not isinstance(v, str) else v
                        for name, v in cards.items()})  # fmt: skip


def write_grid(path: Path, side: int, scale: float) -> WCS:
    """Write the header of a grid about the field's middle as text; return its coordinates."""
    head = header(side, scale)
    for name in ("NAXIS2", "NAXIS1"):
        head.insert(0, (name, side))
    head.insert(0, ("NAXIS", 2))
    path.write_text(head.tostring(sep="\n", endcard=True, padding=False) + "\n")
    return WCS(head)


def paint(side: int, at: Doubles, flux: Doubles, fwhm: float) -> Doubles:
    """Return Gaussian stars integrated over pixels, float64 (side, side); `fwhm` in pixels."""
    image = np.zeros((side, side))
    sigma = fwhm / WIDTH_OF_SIGMA
    reach = int(np.ceil(6 * sigma)) + 2
    edge = np.vectorize(erf)
    for x, y, light in zip(at[0], at[1], flux, strict=True):
        if not (-reach < x < side + reach and -reach < y < side + reach):
            continue
        i0, i1 = max(0, int(x) - reach), min(side, int(x) + reach + 1)
        j0, j1 = max(0, int(y) - reach), min(side, int(y) + reach + 1)
        if i1 <= i0 or j1 <= j0:
            continue
        along = np.diff(edge((np.arange(i0, i1 + 1) - 0.5 - x) / (sigma * 2**0.5)))
        across = np.diff(edge((np.arange(j0, j1 + 1) - 0.5 - y) / (sigma * 2**0.5)))
        image[j0:j1, i0:i1] += 0.25 * light * np.outer(across, along)
    return image


def take(path: Path, stars: Stars, how: Exposure, side: float, rng: np.random.Generator) -> Taken:
    """Write a frame of `side` arcseconds.

    The map that comes with it, if any, is in the extension ``MAP``.
    """
    n = round(side / how.scale)
    head = header(n, how.scale, how.turn, how.shift)
    at = np.array(WCS(head).wcs_world2pix(stars.ra, stars.dec, 0))
    light = paint(n, at, stars.flux * how.transparency, how.fwhm / how.scale)
    sigma = how.sigma(n)
    photons = 0.0 if how.gain is None else light / how.gain
    image = how.sky + light + rng.normal(0, 1, light.shape) * np.sqrt(sigma**2 + photons)
    hits = _hit(image, how.cosmics, sigma, rng)
    across = np.arange(n) / n - 0.5
    image += how.gradient[0] * across + how.gradient[1] * across[:, np.newaxis]
    trails = _cross(image, how.trails, sigma)
    if how.saturation is not None:
        image = np.minimum(image, how.saturation)
        if not how.silent:
            head["SATURATE"] = how.saturation
    head["EXPTIME"] = 60.0
    if how.gain is not None:
        head["GAIN"] = (how.gain, "e-/ADU")
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(image.astype(np.float32), head, name="SCI")]
    if how.plane:
        power = {"weight": -2, "variance": 2, "error": 1}[how.plane]
        hdus.append(fits.ImageHDU((sigma**power).astype(np.float32), head, name="MAP"))
    fits.HDUList(hdus).writeto(path)
    return Taken(path, head, how, n, hits, trails)


def _hit(image: Doubles, count: int, sigma: Doubles, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw tracks of cosmic rays of 20 to 200 standard deviations; return their pixels."""
    hits = np.zeros(image.shape, bool)
    side = len(image)
    for _ in range(count):
        x, y = rng.uniform(8, side - 12, 2)
        angle, length = rng.uniform(0, np.pi), rng.integers(1, 7)
        strength = rng.uniform(20, 200)
        for step in range(length):
            i, j = int(x + step * np.cos(angle)), int(y + step * np.sin(angle))
            image[j, i] += strength * sigma[j, i]
            hits[j, i] = True
    return hits


def _cross(
    image: Doubles, trails: tuple[tuple[float, float, float], ...], sigma: Doubles
) -> NDArray[np.bool_]:
    """Draw trails of 4.7 pixels full width; return the pixels where their light matters."""
    side = len(image)
    y, x = np.mgrid[0:side, 0:side] - side / 2
    seen = np.zeros(image.shape, bool)
    for offset, angle, peak in trails:
        away = y * np.cos(angle) - x * np.sin(angle) - offset * side
        height = peak * np.exp(-0.5 * (away / 2.0) ** 2)
        image += height * sigma
        seen |= height > FAINTEST
    return seen
