"""Scenes: fields and how they are taken. A new one is a function in `SCENES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from bench.truth.sky import Doubles, Exposure, Noise


@dataclass(frozen=True, slots=True)
class Scene:
    """A field, and the exposures of it.

    Attributes
    ----------
    name : str
        Of the scene.
    exposures : tuple[Exposure, ...]
        Its frames.
    side : float
        Arcseconds along the field and the frames.
    n_star : int
        Stars in it.
    scale : float
        Arcseconds a pixel of the grid.
    images, reproject, coadd : str
        Further lines of these sections of the campaign's file.
    seed : int
        Of stars and noise.
    """

    name: str
    exposures: tuple[Exposure, ...]
    side: float = 1000.0
    n_star: int = 250
    scale: float = 1.0
    images: str = ""
    reproject: str = 'output = "float"'
    coadd: str = ""
    seed: int = 1
    parts: tuple[tuple[str, tuple[float, float]], ...] = field(default=(("all", (0.0, 1.0)),))
    """Names and ranges of columns, as parts of the grid's width, that are looked at apart."""


def _dithered(exposures: list[Exposure], seed: int = 3) -> tuple[Exposure, ...]:
    rng = np.random.default_rng(seed)
    return tuple(
        replace(how, turn=float(rng.uniform(-12, 12)), shift=tuple(rng.uniform(-9, 9, 2)))
        for how in exposures
    )


def _halves(left: float, right: float) -> Noise:
    def sigma(ny: int, nx: int) -> Doubles:
        return np.where(np.arange(nx) < nx / 2, left, right) * np.ones((ny, 1))

    return sigma


def alike() -> Scene:
    """Eight frames of one camera and one night."""
    return Scene("alike", _dithered([Exposure() for _ in range(8)]))


def unlike_scales(flux: str = "conserve") -> Scene:
    """Four frames of 1"/pixel and four of 2"/pixel, equally deep."""
    fine = [Exposure(fwhm=3.0, noise=10.0, sky=100.0) for _ in range(4)]
    coarse = [Exposure(scale=2.0, fwhm=4.5, noise=20.0, sky=400.0) for _ in range(4)]
    keys = f'output = "float"\nflux = "{flux}"'
    name = "unlike scales" if flux == "conserve" else "unlike scales, brightness"
    return Scene(name, _dithered(fine + coarse), reproject=keys)


def unlike_depth() -> Scene:
    """Noise of 6 to 30, transparency of 0.02 to 1.3, one of them through thick clouds."""
    hows = [
        Exposure(noise=noise, transparency=transparency, sky=sky)
        for noise, transparency, sky in (
            (10, 1.0, 300), (12, 0.8, 500), (30, 1.3, 3000), (8, 0.5, 150), (6, 0.02, 100),
            (15, 1.0, 700), (9, 0.9, 250), (20, 1.2, 1500),
        )
    ]  # fmt: skip
    return Scene("unlike depth", _dithered(hows))


def _mapped(plane: str) -> Scene:
    hows = [
        Exposure(noise=_halves(*pair), plane=plane, shift=(0.4 * number, 0.3 * number),
                 turn=0.3 * number)
        for number, pair in enumerate(((5, 20), (20, 5), (5, 20), (20, 5)))
    ]  # fmt: skip
    images = f'{plane} = {{ extension = "MAP" }}' if plane else ""
    name = f"{plane} maps" if plane else "noise by region, no maps"
    parts = (("left", (0.0, 0.5)), ("right", (0.5, 1.0)))
    return Scene(name, tuple(hows), images=images, parts=parts)


def few_frames() -> Scene:
    """Five frames with cosmic rays."""
    return Scene("few frames", _dithered([Exposure(noise=15.0, cosmics=60) for _ in range(5)]))


SCENES: dict[str, Callable[[], Scene]] = {
    "alike": alike,
    "unlike_scales": unlike_scales,
    "unlike_scales_sb": lambda: unlike_scales("surface_brightness"),
    "unlike_depth": unlike_depth,
    "weight_maps": lambda: _mapped("weight"),
    "error_maps": lambda: _mapped("error"),
    "no_maps": lambda: _mapped(""),
    "few_frames": few_frames,
}
"""Builders of scenes, by the word that asks for one."""
