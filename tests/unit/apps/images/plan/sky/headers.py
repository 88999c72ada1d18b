"""Headers and files made up for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray


def tan(
    ra: float = 150.0,
    dec: float = 2.0,
    *,
    nx: int = 200,
    ny: int = 160,
    scale: float = 1.0,
    turn: float = 0.0,
    **cards: Any,
) -> fits.Header:
    """Return a header of a TAN image of `scale` arcseconds a pixel, turned by `turn` degrees."""
    header = fits.Header()
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    step = scale / 3600
    header.update(
        {
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec,
            "CRPIX1": nx / 2, "CRPIX2": ny / 2, "CUNIT1": "deg", "CUNIT2": "deg",
            "CD1_1": -step * cos, "CD1_2": step * sin, "CD2_1": step * sin, "CD2_2": step * cos,
        }
    )  # fmt: skip
    header.update({name.replace("__", "-"): value for name, value in cards.items()})
    return header


def sky(nx: int = 200, ny: int = 160, *, seed: int = 1) -> NDArray[np.float32]:
    """Return noise around a level of 100, sigma 5."""
    noise = np.random.default_rng(seed).normal(100.0, 5.0, (ny, nx))
    return noise.astype(np.float32)


def write(path: Path, data: Any, header: fits.Header | None = None) -> Path:
    """Write an image as a file's primary HDU."""
    fits.PrimaryHDU(data, header).writeto(path, overwrite=True)
    return path
