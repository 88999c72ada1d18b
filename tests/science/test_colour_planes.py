"""Stars of several colours: in the planes of a mosaic, and in frames of unlike filters."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from apps.images.compute.built import load_kernel
from apps.images.merge.canonical import merge
from bench.truth.measures import aperture
from bench.truth.sky import Exposure, Stars, header, paint, take, write_grid
from tests.science.test_image_campaigns import computed, merged
from tests.unit.apps.images.plan.image_campaign import write_campaign

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

SIDE, FWHM, SKY = 300, 3.0, 300.0
SENSITIVITY = {"R": 0.6, "G": 1.0, "B": 0.4}
PATTERN = np.array([["R", "G"], ["G", "B"]])


def expose(path: Path, stars: Stars, turn: float, shift: tuple[float, float], seed: int) -> None:
    head = header(SIDE, 1.0, turn, shift)
    at = np.array(WCS(head).wcs_world2pix(stars.ra, stars.dec, 0))
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    colours = np.vectorize(SENSITIVITY.get)(PATTERN[y % 2, x % 2])
    image = colours * (SKY + paint(SIDE, at, stars.flux, FWHM))
    image += np.random.default_rng(seed).normal(0, 5.0, image.shape)
    head["BAYERPAT"] = "RGGB"
    fits.PrimaryHDU(image.round().astype(np.uint16), head).writeto(path)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_planes_have_their_light_within_twice_the_width(tmp_path: Path, scale: float) -> None:
    """Stars of 3 pixels are 1.5 wide in a plane: rings of a Lanczos kernel took 1 % out of this.

    A circle of twice the FWHM holds all but 2e-5 of a Gaussian's light. A plane has a quarter of
    the pixels, and of the light.
    """
    stars = Stars.of(SIDE, 40, np.random.default_rng(5))
    stars = Stars(stars.ra, stars.dec, np.maximum(stars.flux, 5e4))
    for number, turn in enumerate((-9.0, -3.0, 4.0, 10.0)):
        shift = (1.7 * number, -2.3 * number)
        expose(tmp_path / f"f{number}.fits", stars, turn, shift, number)
    grid = write_grid(tmp_path / "grid.hdr", round(SIDE / scale), scale)
    text = (
        '[images]\nfiles = ["f*.fits"]\n[reference]\nheader = "grid.hdr"\n'
        '[reproject]\noutput = "float"\n[coadd]\nflux = "none"\ncatalogue = false\n'
    )
    campaign, outputs = computed(write_campaign(tmp_path, text))
    product = merge(campaign, outputs, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    product.write(tmp_path / "product")
    assert "rings" in " ".join(product.summary()["remarks"])
    at = np.array(grid.wcs_world2pix(stars.ra, stars.dec, 0))
    for colour, sensitivity in SENSITIVITY.items():
        image = fits.getdata(tmp_path / "product" / f"image-{colour}.fits", "SCI").astype(float)
        true = stars.flux * sensitivity / 4
        ratio = np.array([aperture(image, x, y, 2 * FWHM / scale) for x, y in at.T]) / true
        ratio = ratio[np.isfinite(ratio)]
        assert len(ratio) >= 15
        # A star has errors of 0.3 %: of the noise, and of where it falls in each of four frames.
        assert np.median(ratio) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("term", [0.0, 0.05])
def test_colour_terms_of_filters_that_are_averaged_are_said(tmp_path: Path, term: float) -> None:
    stars = Stars.of(SIDE, 50, np.random.default_rng(6))
    colour = np.random.default_rng(7).normal(0, term, 50)
    for number, name in enumerate("RRBB"):
        flux = np.maximum(stars.flux, 3e4) * np.exp(colour * (name == "B"))
        seen = Stars(stars.ra, stars.dec, flux)
        how = Exposure(turn=4.0 * number - 6.0, shift=(1.7 * number, -2.3 * number))
        rng = np.random.default_rng((8, number))
        taken = take(tmp_path / f"f{number}.fits", seen, how, SIDE, rng)
        fits.setval(taken.path, "FILTER", value=name, ext=1)
    text = (
        '[images]\nfiles = ["f*.fits"]\nextension = "SCI"\n[reference]\nimage = "f0.fits"\n'
        '[coadd]\nfilters = "together"\n'
    )
    _, product, _ = merged(write_campaign(tmp_path, text))
    said = [line for line in product.summary()["remarks"] if "Stars differ by" in line]
    assert len(said) == (term > 0)
