"""A stack on the sky whose stars are known, for the tests of products."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from apps.images.merge.coadd.clip import Stacked
from apps.images.merge.coadd.measure import Grid
from apps.images.merge.planes import PLANES, Planes
from tests.unit.apps.images.plan.sky.headers import tan


def cards(nx: int, ny: int, *, turn: float = 0.0, mirrored: bool = False) -> list[str]:
    """Return the cards of a grid around (150, 2) degrees, 1 arcsecond a pixel."""
    header = tan(nx=nx, ny=ny, turn=turn)
    if mirrored:
        header["CD1_1"], header["CD2_1"] = -header["CD1_1"], -header["CD2_1"]
    return [card.image for card in header.cards]


def world(texts: Sequence[str]) -> WCS:
    """Return astropy's reading of cards."""
    return WCS(fits.Header([fits.Card.fromstring(text) for text in texts]))


def stars(
    nx: int, ny: int, places: Sequence[tuple[float, float, float]], *, fwhm: float = 3.0
) -> NDArray[np.float64]:
    """Return an image of Gaussian stars: column, row, flux."""
    y, x = np.mgrid[0:ny, 0:nx]
    sigma = fwhm / 2.3548
    image = np.zeros((ny, nx))
    for at_x, at_y, flux in places:
        spread = np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * sigma**2))
        image += flux * spread / (2 * np.pi * sigma**2)
    return image


def planes_of(
    image: NDArray[np.float64],
    directory: Path,
    *,
    noise: float = 5.0,
    rejected: NDArray[np.uint16] | None = None,
    flags: NDArray[np.uint16] | None = None,
) -> Planes:
    """Return planes that hold an image of this noise, known wherever it is finite."""
    there = np.isfinite(image)
    one = np.ones(image.shape, np.uint16)
    made = {
        "image": image.astype(np.float32),
        "weight": np.where(there, noise**-2.0, 0.0).astype(np.float32),
        "variance": np.where(there, noise**2.0, np.nan).astype(np.float32),
        "count": np.where(there, one, 0).astype(np.uint16),
        "rejected": np.zeros_like(one) if rejected is None else rejected,
        "flags": np.zeros_like(one) if flags is None else flags,
    }
    planes = Planes(Grid(image.shape[1], image.shape[0]), directory)
    band = Stacked(**{name: made[name] for name in PLANES})
    planes.write(0, band)
    return planes
