"""Flux scales from stars that scatter by more than the noise of the sky."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.merge.coadd.photometry import RADII, RING, flux_scale

RADIUS = 3


def growths(flux: np.ndarray) -> np.ndarray:
    return np.repeat(flux[:, np.newaxis], len(RADII), axis=1)


def scales(scatter: float, noise: float, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return deviations of scales from the truth in their errors, and in themselves."""
    rng = np.random.default_rng(3)
    off, error = [], []
    area = np.sqrt(np.pi) * RADII[RADIUS]
    for _ in range(n):
        flux = np.exp(rng.uniform(np.log(1e4), np.log(3e6), 60))
        seen = [
            flux * np.exp(rng.normal(0, scatter, 60)) + rng.normal(0, noise * area, 60)
            for _ in range(2)
        ]
        scale = flux_scale(growths(seen[0]), growths(seen[1]), RADIUS, (noise, noise))
        assert scale.error is not None
        off.append(scale.value - 1)
        error.append(scale.error)
    return np.array(off) / np.array(error), np.array(off)


@pytest.mark.parametrize("scatter", [0.0, 0.003, 0.03])
def test_errors_of_scales_are_right(scatter: float) -> None:
    """400 scales tell their scatter to 3.5 %; the error is that of a mean, too small by 5 %."""
    pull, _ = scales(scatter, 10.0)
    assert pull.std() == pytest.approx(1.0, abs=0.2)
    assert abs(pull.mean()) < 0.2


def test_a_few_bright_stars_do_not_decide() -> None:
    """Where on a pixel narrow stars fall changes their fluxes by 3 %: then all sixty count.

    Weighted by the noise of the sky alone the brightest six would, and a scale be off by 1.7 %.
    """
    _, off = scales(0.03, 10.0)
    expected = 0.03 * np.sqrt(2 / 60)
    assert off.std() == pytest.approx(expected, rel=0.15)


def curves(fwhm: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Return growth curves of Gaussian stars, with the noise of the sky added ring by ring."""
    flux = np.exp(np.random.default_rng(5).uniform(np.log(1e4), np.log(1e6), 100))
    held = 1 - np.exp(-0.5 * (np.array(RADII) / (fwhm / 2.3548)) ** 2)
    rings = np.sqrt(np.pi * np.diff(np.array([0.0, *RADII]) ** 2))
    sky = np.cumsum(rng.normal(0, noise * rings, (100, len(RADII))), axis=1)
    return flux[:, np.newaxis] * held + sky


@pytest.mark.parametrize("fwhm", [2.4, 3.0, 4.6, 5.2])
def test_light_outside_of_the_aperture_is_counted(fwhm: float) -> None:
    """Of a star of 5.2 pixels 2.4 % are outside of 6 pixels, of one of 3 pixels nothing."""
    rng = np.random.default_rng(8)
    place = RADII.index(6.0)
    off = []
    for _ in range(50):
        pair = curves(3.0, 5.0, rng), curves(fwhm, 5.0, rng)
        scale = flux_scale(*pair, place, (5.0, 5.0))
        assert scale.error is not None
        off.append((scale.value - 1) / scale.error)
        assert scale.value == pytest.approx(1.0, abs=2e-3)
    assert abs(np.mean(off)) < 1.0


@pytest.mark.parametrize("part", [0.9, 1.1])
def test_negative_fluxes_tell_no_scale(part: float) -> None:
    """As in a hole of a nebula: the noise of their photons would be taken from that of the sky.

    `part` is the variance of the sky over that of the photons.
    """
    rng = np.random.default_rng(4)
    flux = np.exp(rng.uniform(np.log(1e5), np.log(1e6), 40))
    noise, gain = 10.0, 1.5
    area = np.pi * RADII[RADIUS] ** 2
    area *= 1 + area / (np.pi * (RING[1] ** 2 - RING[0] ** 2))
    hole = -area * noise**2 * gain * (1.25 / 1.5) / part
    reference, frame = np.append(flux, [2 * hole] * 3), np.append(flux / 2, [hole] * 3)
    scale = flux_scale(growths(reference), growths(frame), RADIUS, (noise, noise), (gain, gain))
    assert scale.n_star == 40
    assert scale.value == pytest.approx(2.0, abs=1e-9)
