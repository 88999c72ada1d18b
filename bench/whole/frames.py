"""Frames as a camera writes them: integers of 16 bits, a field of stars, and cosmic rays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from bench.truth.sky import Exposure, Stars, header, take, write_grid

SEED = 20261130
STARS = 2.5e-4
"""Stars in a square arcsecond, as in the scenes of ``bench/images_truth.py``."""
HITS = 60.0 / 1000**2
"""Hits by cosmic rays in a pixel, likewise."""
ZERO = 32768
"""Offset that FITS adds to integers that are stored with a sign."""


def make(directory: Path, n_frame: int, size: int) -> None:
    """Write frames and the grid's header; what is there already is kept.

    Parameters
    ----------
    directory : Path
        Gets ``frames/f000.fits`` and so on, and ``grid.hdr``.
    n_frame : int
        How many frames, each of other turn, shift and transparency.
    size : int
        Pixels along a frame and along the grid; one arcsecond each.
    """
    frames = directory / "frames"
    frames.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    stars = _stars(size, rng)
    for number in range(n_frame):
        path = frames / f"f{number:03d}.fits"
        if not path.exists():
            _write(path, stars, number, size)
    write_grid(directory / "grid.hdr", size, 1.0)


def transparency(number: int) -> float:
    """Return the counts of a frame for each unit of a star's flux."""
    return 0.8 + 0.05 * (number % 9)


def _stars(size: int, rng: np.random.Generator) -> Stars:
    """Return stars anywhere, also close to each other: for thousands `Stars.of` takes too long."""
    n_star = round(STARS * size * size)
    ra, dec = WCS(header(size, 1.0)).wcs_pix2world(rng.uniform(0, size, (n_star, 2)), 0).T
    return Stars(ra, dec, np.exp(rng.uniform(np.log(3e3), np.log(1e6), n_star)))


def _write(path: Path, stars: Stars, number: int, size: int) -> None:
    rng = np.random.default_rng((SEED, number))
    how = replace(
        Exposure(),
        noise=10.0 + number % 4,
        transparency=transparency(number),
        sky=300.0 + 20 * (number % 7),
        turn=float(rng.uniform(-3, 3)),
        shift=(float(rng.uniform(-20, 20)), float(rng.uniform(-20, 20))),
        cosmics=round(HITS * size * size),
    )
    part = path.with_suffix(".part")
    taken = take(part, stars, how, size, rng)
    pixels = np.clip(np.rint(fits.getdata(part, "SCI")), 0, 65535) - ZERO
    head = taken.header.copy()
    head["BZERO"], head["BSCALE"] = ZERO, 1
    image = fits.PrimaryHDU(pixels.astype(np.int16))
    image.header.update(head)
    image.writeto(part, overwrite=True)
    part.replace(path)
