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


RAW = 'gain = "GAIN"\nsaturation = "SATURATE"'
"""Keys of a raw frame."""
TRAIL = ((0.02, 0.6, 25.0),)
"""A satellite of 25 standard deviations."""


def _night(n: int, seed: int, widths: tuple[float, float]) -> tuple[Exposure, ...]:
    """Return exposures of unlike transparency, noise and sky, with cosmic rays and a trail."""
    rng = np.random.default_rng(seed)
    hows = [
        Exposure(
            fwhm=float(rng.uniform(*widths)),
            transparency=float(np.exp(rng.uniform(np.log(0.6), np.log(1.5)))),
            noise=float(rng.uniform(12, 30)),
            sky=float(rng.uniform(200, 700)),
            gradient=(float(rng.uniform(-60, 60)), float(rng.uniform(-60, 60))),
            cosmics=150,
            trails=TRAIL if number == n // 3 else (),
            saturation=60_000.0,
        )
        for number in range(n)
    ]
    return _dithered(hows)


def equal_seeing() -> Scene:
    """Twelve frames of one seeing, with cosmic rays and a trail; the brightest stars saturate."""
    return Scene("equal seeing", _night(12, 77, (3.0, 3.0)), images=RAW)


def mixed_seeing() -> Scene:
    """Twelve frames of a seeing of 2.4 to 4.6 pixels, else as `equal_seeing`."""
    return Scene("mixed seeing", _night(12, 77, (2.4, 4.6)), images=RAW)


def few_frames(n: int = 5) -> Scene:
    """Frames of one camera with 150 cosmic rays each, and a trail in one of them."""
    transparencies = (1.0, 0.9, 1.1, 1.05, 0.95)[:n]
    hows = [
        Exposure(noise=15.0, transparency=transparency, cosmics=150, saturation=60_000.0,
                 trails=TRAIL if number == 1 else ())
        for number, transparency in enumerate(transparencies)
    ]  # fmt: skip
    words = {3: "three frames", 5: "five frames"}
    return Scene(words[n], _dithered(hows, 31), images=RAW)


def saturated(*, silent: bool = False) -> Scene:
    """Five frames of unlike seeing, the sharper of which saturate at 40,000."""
    hows = [
        Exposure(fwhm=fwhm, noise=15.0, saturation=40_000.0, silent=silent)
        for fwhm in (2.4, 2.7, 3.0, 3.6, 4.4)
    ]
    name = "saturation that no header says" if silent else "saturation"
    images = 'gain = "GAIN"' if silent else RAW
    return Scene(name, _dithered(hows, 5), images=images)


SCENES: dict[str, Callable[[], Scene]] = {
    "alike": alike,
    "equal_seeing": equal_seeing,
    "mixed_seeing": mixed_seeing,
    "unlike_scales": unlike_scales,
    "unlike_scales_sb": lambda: unlike_scales("surface_brightness"),
    "unlike_depth": unlike_depth,
    "weight_maps": lambda: _mapped("weight"),
    "error_maps": lambda: _mapped("error"),
    "no_maps": lambda: _mapped(""),
    "five_frames": few_frames,
    "three_frames": lambda: few_frames(3),
    "saturated": saturated,
    "silent": lambda: saturated(silent=True),
}
"""Builders of scenes, by the word that asks for one."""
