"""Flux scales from stars that scatter by more than the noise of the sky."""

from __future__ import annotations

import numpy as np
import pytest

from assimilator.coadd.photometry import RADII, flux_scale

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
