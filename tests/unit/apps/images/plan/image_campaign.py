"""Campaigns of made-up images: a field of known stars, seen by a camera that moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from apps.images.plan.sky.quality import FWHM_OF_SIGMA
from tests.unit.apps.images.plan.sky.headers import tan

HEAD = """\
[campaign]
name = "field"
title = "A field of known stars"
app = "reprojection"
seed = 7

"""


def star_field(
    header: fits.Header, *, seed: int, fwhm: float = 3.0, noise: float = 5.0
) -> NDArray[np.float32]:
    """Return what a camera sees of forty stars around (150, 2) degrees."""
    nx, ny = 200, 160
    stars = np.random.default_rng(99)
    ra = 150 + stars.uniform(-0.03, 0.03, 40)
    dec = 2 + stars.uniform(-0.025, 0.025, 40)
    peaks = stars.uniform(300, 4000, 40)
    at_x, at_y = WCS(header).all_world2pix(ra, dec, 0)
    y, x = np.mgrid[0:ny, 0:nx]
    image = np.random.default_rng(seed).normal(100.0, noise, (ny, nx))
    sigma = fwhm / FWHM_OF_SIGMA
    for one_x, one_y, peak in zip(at_x, at_y, peaks, strict=True):
        image += peak * np.exp(-0.5 * ((x - one_x) ** 2 + (y - one_y) ** 2) / sigma**2)
    return image.astype(np.float32)


def write_field(directory: Path, n_frame: int = 3, **cards: Any) -> list[Path]:
    """Write frames of the field, each turned and moved a little; the second is the sharpest."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(n_frame):
        header = tan(150.0 + 0.002 * number, 2.0, turn=3.0 * number, EXPTIME=30.0, FILTER="r")
        header.update(cards)
        data = star_field(header, seed=number, fwhm=2.2 if number == 1 else 3.0)
        path = directory / f"frame{number}.fits"
        fits.PrimaryHDU(data, header).writeto(path)
        paths.append(path)
    return paths


def write_campaign(directory: Path, text: str) -> Path:
    """Write a campaign file of these sections."""
    path = directory / "campaign.toml"
    path.write_text(HEAD + text)
    return path
