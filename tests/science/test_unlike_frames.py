"""Frames of unlike scales, depths and noise, from FITS files to the weight map.

What a stack says of its noise is compared with its noise: sums of the sky weighted by a Gaussian of
two pixels scatter as independent pixels of the variance that the weights say. A square of n pixels
has n**2 / (4 pi 2**2) independent sums, which tell a variance to the root of two over their number.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from apps.images.compute.built import load_kernel
from bench.truth.measures import clipped, normal_sums
from bench.truth.sky import Exposure, Stars, header, take, write_grid
from tests.science.test_image_campaigns import merged
from tests.unit.apps.images.plan.image_campaign import write_campaign

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

SIDE = 512
STARS = Stars.of(SIDE, 40, np.random.default_rng(4), apart=40.0)
NOBODY = Stars(*(np.empty(0) for _ in range(3)))
PLAIN = 'flux = "none"\nbackground = "none"\niterations = 0'
"""A mean of the frames as they are."""


def stacked(
    directory: Path,
    exposures: list[Exposure],
    *,
    stars: Stars = NOBODY,
    scale: float = 1.0,
    images: str = "",
    reproject: str = 'output = "float"',
    coadd: str = PLAIN,
) -> tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray]:
    """Return summary, image, weight and variance of a whole campaign."""
    directory.mkdir(exist_ok=True)
    rng = np.random.default_rng(11)
    for number, how in enumerate(exposures):
        take(directory / f"f{number}.fits", stars, how, SIDE, rng)
    write_grid(directory / "grid.hdr", round(SIDE / scale), scale)
    text = (
        f'[images]\nfiles = ["f*.fits"]\nextension = "SCI"\n{images}\n'
        f'[reference]\nheader = "grid.hdr"\n[reproject]\n{reproject}\n[coadd]\n{coadd}\n'
    )
    _, product, image = merged(write_campaign(directory, text))
    planes = []
    for name in ("weight", "variance"):
        with fits.open(directory / "product" / f"{name}.fits") as hdus:
            planes.append(hdus[1].data.astype(float))
    return product.summary(), image, planes[0], planes[1]


def said_over_measured(image: np.ndarray, weight: np.ndarray, part: Any = np.s_[:]) -> float:
    """Return the variance that the weights say over the one that is measured."""
    quiet, inside = np.zeros(image.shape, bool), np.zeros(image.shape, bool)
    quiet[24:-24, 24:-24] = True
    inside[:, part] = True
    with np.errstate(divide="ignore"):
        variance = np.where(weight > 0, 1 / weight, np.nan)
    sums, said = normal_sums(image - np.nanmedian(image), quiet & inside, variance)
    return 1.0 / clipped(sums / np.sqrt(said)) ** 2


@pytest.mark.parametrize("scale", [0.8, 1.6])
def test_unlike_scales_weigh_by_their_depth(tmp_path: Path, scale: float) -> None:
    """Frames of 1 and 2 arcseconds a pixel, equally deep, on a finer and a coarser grid.

    Noise of 10 in a pixel of 1 and of 20 in one of 4 square arcseconds are one depth of 10 an
    arcsecond: weights are alike, and the stack has 10 / 2 of it. The smallest grid has 1,500 sums,
    which tell a variance to 3.7 %; the bound is three of these.
    """
    turns = ((0.0, 1.0), (5.0, 2.0), (11.0, 1.0), (-7.0, 2.0))
    exposures = [
        Exposure(scale=side, noise=10.0 * side, turn=turn, gain=None, sky=100 * side**2)
        for turn, side in turns
    ]
    summary, image, weight, variance = stacked(tmp_path, exposures, scale=scale)
    shares = [frame["weight_share"] for frame in summary["frames"]]
    assert shares == pytest.approx([0.25] * 4, rel=0.03)
    assert summary["depth"] ** 2 == pytest.approx(25.0 * scale**2, rel=0.02)
    deep = weight > 0.9 / (25.0 * scale**2)
    np.testing.assert_allclose((variance * weight)[deep], 1.0, rtol=1e-5)
    assert said_over_measured(image, weight) == pytest.approx(1.0, abs=0.11)


@pytest.mark.parametrize("flux", ["conserve", "surface_brightness"])
def test_unlike_scales_share_evenly_where_fluxes_are_measured(tmp_path: Path, flux: str) -> None:
    exposures = [
        *(Exposure(noise=10.0, fwhm=3.0, turn=3.0 * k, gain=None) for k in range(2)),
        *(Exposure(scale=2.0, noise=20.0, fwhm=4.5, turn=-4.0 * k, gain=None) for k in range(2)),
    ]
    summary, _, weight, _ = stacked(
        tmp_path, exposures, stars=STARS, reproject=f'output = "float"\nflux = "{flux}"', coadd=""
    )
    shares = [frame["weight_share"] for frame in summary["frames"]]
    assert shares == pytest.approx([0.25] * 4, rel=0.04)
    assert summary["reference"] in ("f0.fits", "f1.fits")  # the sharper ones
    assert summary["depth"] == pytest.approx(5.0, rel=0.02)
    assert summary["noise_correlation"] > 1.1
    assert np.median(weight[weight > 0]) == pytest.approx(0.04, rel=0.05)


def halves(left: float, right: float) -> Callable[[int, int], np.ndarray]:
    return lambda ny, nx: np.where(np.arange(nx) < nx / 2, left, right) * np.ones((ny, 1))


@pytest.mark.parametrize(
    ("plane", "output"),
    [("weight", "float"), ("variance", "float"), ("error", "steps"), ("", "float"), ("", "steps")],
)
def test_each_half_has_the_noise_of_both_frames_together(
    tmp_path: Path, plane: str, output: str
) -> None:
    """Frames of 5 and 20, each good in one half: 4.85 everywhere, with maps and without.

    A half has some 1,000 sums: 4.5 %, of which the bound is three.
    """
    exposures = [
        Exposure(noise=halves(*pair), plane=plane, turn=0.4 * number, gain=None)
        for number, pair in enumerate(((5.0, 20.0), (20.0, 5.0)))
    ]
    images = f'{plane} = {{ extension = "MAP" }}' if plane else ""
    summary, image, weight, _ = stacked(
        tmp_path, exposures, images=images, reproject=f'output = "{output}"'
    )
    assert summary["depth"] == pytest.approx((1 / 25 + 1 / 400) ** -0.5, rel=0.02)
    for part in (slice(0, 244), slice(268, 512)):
        assert np.median(weight[60:-60, part]) == pytest.approx(1 / 25 + 1 / 400, rel=0.03)
        assert said_over_measured(image, weight, part) == pytest.approx(1.0, abs=0.14)


def test_relative_weights_come_to_the_measured_noise(tmp_path: Path) -> None:
    """A map of 0 to 1, as observatories give it, is no inverse variance by itself."""
    sigma = halves(5.0, 20.0)
    exposures = [Exposure(noise=sigma, gain=None, turn=3.0 * number) for number in range(2)]
    (tmp_path / "maps").mkdir()
    relative = (25.0 / sigma(SIDE, SIDE) ** 2).astype(np.float32)
    for number in range(2):
        fits.PrimaryHDU(relative).writeto(tmp_path / "maps" / f"m{number}.fits")
    images = 'weight = { files = ["maps/*.fits"], extension = 0 }'
    _, _, weight, _ = stacked(tmp_path, exposures, images=images)
    assert np.median(weight[60:-60, 60:200]) == pytest.approx(2 / 25, rel=0.03)
    assert np.median(weight[60:-60, 312:450]) == pytest.approx(2 / 400, rel=0.03)


def test_the_variance_of_bright_stars_is_that_of_their_photons(tmp_path: Path) -> None:
    """Effective gain and variance plane: four frames of gain 1.5 and two transparencies."""
    transparencies = np.array([1.0, 0.5, 1.0, 0.5])
    exposures = [
        Exposure(noise=10.0, transparency=t, gain=1.5, turn=2.0 * number)
        for number, t in enumerate(transparencies)
    ]
    summary, image, weight, variance = stacked(
        tmp_path, exposures, stars=STARS, coadd="iterations = 0"
    )
    w = (transparencies / 10) ** 2
    light = (w**2 / transparencies / 1.5).sum() / w.sum() ** 2
    assert summary["observation"]["gain"] == pytest.approx(1 / light, rel=0.03)
    header = fits.getheader(tmp_path / "product" / "image.fits")
    assert header["GAIN"] == pytest.approx(summary["observation"]["gain"])
    level = np.nanmedian(image)
    # Where fewer frames are, at the edges, the gain is another one.
    bright = np.isfinite(image) & (image > level + 5000) & (weight > 0.99 * weight.max())
    assert bright.sum() > 50
    expected = 1 / weight[bright] + light * (image[bright] - level)
    np.testing.assert_allclose(variance[bright], expected, rtol=0.03)


@pytest.mark.parametrize("sigma", [0.3, 0.7, 2.1])
def test_quiet_integers_weigh_by_their_noise(tmp_path: Path, sigma: float) -> None:
    """Rounded frames, the second twice as noisy: nothing is refused, the noise is right."""
    rng = np.random.default_rng(5)
    noises = []
    for number, factor in enumerate((1.0, 2.0)):
        ramp = np.linspace(0, 3, SIDE)[:, np.newaxis]  # all phases of rounding
        image = np.round(100 + ramp + rng.normal(0, factor * sigma, (SIDE, SIDE)))
        head = header(SIDE, 1.0, turn=2.0 * number)
        fits.PrimaryHDU(image.astype(np.uint16), head).writeto(tmp_path / f"i{number}.fits")
        noises.append(((factor * sigma) ** 2 + 1 / 12) ** 0.5)
    text = '[images]\nfiles = ["i*.fits"]\n[reference]\nimage = "i0.fits"\n[coadd]\nflux = "none"\n'
    _, product, _ = merged(write_campaign(tmp_path, text))
    frames = sorted(product.summary()["frames"], key=lambda frame: str(frame["name"]))
    assert [frame["noise"] for frame in frames] == pytest.approx(noises, rel=0.02)


def test_a_cloudy_frame_does_not_set_the_scale(tmp_path: Path) -> None:
    exposures = [
        *(Exposure(noise=5.0, turn=3.0 * k, gain=None) for k in range(3)),
        Exposure(noise=4.0, transparency=0.01, gain=None),
    ]
    summary, *_ = stacked(tmp_path, exposures, stars=STARS, coadd="")
    assert summary["reference"] != "f3.fits"
    cloudy = next(frame for frame in summary["frames"] if frame["name"] == "f3.fits")
    assert cloudy["limit"] is None or cloudy["limit"] > 50
